"""Beam search with the length penalty of section 6.1 of arXiv 1706.03762 (from Wu et al. 2016, arXiv 1609.08144).

A hypothesis Y that ended scores log P(Y | X) / ((5 + |Y|) / 6)^alpha, its end token counted in |Y|.  At each step the
2 W best continuations of the W open hypotheses are looked at: those that end are kept by score, the best W others
stay open.  A sentence is done as soon as no open hypothesis can overtake what it holds: its log probability only
falls, so its best case is today's divided by the penalty of the longest output allowed.

Shapes: B sentences, W beams, V vocabulary, T positions, C = 2 W candidates, R results kept a sentence.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from reproductions.attention.model import padding_mask
from reproductions.transformer.model import Transformer


@dataclass(frozen=True)
class Hypothesis:
    """One translation: its tokens without the end token, its score and its log probability in nats."""

    tokens: tuple[int, ...]
    score: float
    log_probability: float


def length_penalty(length: Tensor | int, alpha: float) -> Tensor:
    """((5 + length) / 6)^alpha, equation (14) of Wu et al. 2016, without the coverage term."""
    return ((5.0 + torch.as_tensor(length, dtype=torch.float32)) / 6.0) ** alpha


@torch.inference_mode()
def beam_search(
    model: Transformer,
    source_BS: Tensor,
    source_mask: Tensor | None,
    *,
    bos: int,
    eos: int,
    beam: int,
    alpha: float,
    max_lengths: Sequence[int],
    n_best: int = 1,
) -> list[list[Hypothesis]]:
    """The ``n_best`` best translations of each sentence, best first.

    ``max_lengths`` bounds each output, its end token included.  A sentence for which nothing ended within it gets its
    best open hypothesis, cut there.  The model should be in eval mode; ``beam=1`` is greedy search with a penalty.
    """
    device, sentences = source_BS.device, source_BS.shape[0]
    state = model.start(model.encode(source_BS, source_mask), source_mask)
    limit_B = torch.tensor(list(max_lengths), device=device)
    best_case_B = length_penalty(limit_B, alpha).to(device)
    longest = int(limit_B.max())

    found: list[list[Hypothesis]] = [[] for _ in range(sentences)]
    active_B = torch.arange(sentences, device=device)  # the sentences that the rows below belong to
    open_BW = torch.full((sentences, beam), float("-inf"), device=device)
    open_BW[:, 0] = 0.0  # all beams start equal: only one may speak
    tokens_BWT = torch.full((sentences, beam, longest + 1), eos, device=device)
    tokens_BWT[:, :, 0] = bos
    ended_BR = torch.full((sentences, n_best), float("-inf"), device=device)  # scores
    ended_BRT = torch.full((sentences, n_best, longest + 1), eos, device=device)
    closed_B = torch.zeros(sentences, dtype=torch.bool, device=device)
    same_BW = torch.arange(beam, device=device)[None]
    ended_length_BR = torch.ones((sentences, n_best), dtype=torch.long, device=device)

    for length in range(1, longest + 1):
        logits_BWV = model.step(tokens_BWT[:, :, length - 1], state).float()
        score_BC, parent_BC, token_BC = _best_continuations(logits_BWV, open_BW, 2 * beam)
        ends_BC = token_BC == eos

        # Those that end compete with what is held.
        penalty = length_penalty(length, alpha).to(device)
        new_BC = torch.where(ends_BC, score_BC / penalty, float("-inf"))
        ended_BR, pick_BR = torch.cat((ended_BR, new_BC), dim=1).topk(n_best)
        candidates_BCT = tokens_BWT.gather(1, parent_BC[:, :, None].expand(-1, -1, longest + 1))
        ended_BRT = _pick(torch.cat((ended_BRT, candidates_BCT), dim=1), pick_BR)
        ended_length_BR = torch.cat((ended_length_BR, torch.full_like(parent_BC, length)), dim=1).gather(1, pick_BR)

        # The best W others stay open.
        open_BW, stay_BW = torch.where(ends_BC, float("-inf"), score_BC).topk(beam)
        parent_BW = parent_BC.gather(1, stay_BW)
        tokens_BWT = _pick(tokens_BWT, parent_BW)
        tokens_BWT[:, :, length] = token_BC.gather(1, stay_BW)

        done_B = (open_BW[:, 0] / best_case_B <= ended_BR[:, -1]) | (length >= limit_B)
        for row in (done_B & ~closed_B).nonzero()[:, 0].tolist():
            found[int(active_B[row])] = _hypotheses(
                ended_BR[row],
                ended_BRT[row],
                ended_length_BR[row],
                open_T=tokens_BWT[row, 0],
                open_log_probability=open_BW[row, 0],
                length=length,
                alpha=alpha,
            )
        closed_B = closed_B | done_B
        closed = int(closed_B.sum())
        if closed == len(active_B):
            break

        rows_BW = torch.arange(len(active_B), device=device)[:, None] * beam + parent_BW
        if 4 * closed >= len(active_B):  # a closed row costs until it is dropped, and dropping costs a copy
            keep = (~closed_B).nonzero()[:, 0]
            rows_BW, active_B, limit_B, best_case_B = rows_BW[keep], active_B[keep], limit_B[keep], best_case_B[keep]
            open_BW, tokens_BWT, closed_B = open_BW[keep], tokens_BWT[keep], closed_B[keep]
            ended_BR, ended_BRT, ended_length_BR = ended_BR[keep], ended_BRT[keep], ended_length_BR[keep]
            state.select_sentences(keep)
            state.select_hypotheses(rows_BW.flatten())
        elif not torch.equal(parent_BW, same_BW.expand_as(parent_BW)):
            state.select_hypotheses(rows_BW.flatten())
    return found


def _best_continuations(logits_BWV: Tensor, open_BW: Tensor, count: int) -> tuple[Tensor, Tensor, Tensor]:
    """Log probability, parent beam and token of the ``count`` best continuations of each sentence, (B, C) each."""
    # The normaliser moves all logits of a beam alike, so the best tokens are known before it is.
    top_BWC, token_BWC = logits_BWV.topk(min(count, logits_BWV.shape[-1]), dim=-1)
    score_BWC = open_BW[:, :, None] + top_BWC - logits_BWV.logsumexp(dim=-1, keepdim=True)
    per_beam = score_BWC.shape[-1]
    score_BC, flat_BC = score_BWC.flatten(1).topk(min(count, open_BW.shape[1] * per_beam))
    return score_BC, flat_BC // per_beam, token_BWC.flatten(1).gather(1, flat_BC)


def _pick(rows_BXT: Tensor, index_BY: Tensor) -> Tensor:
    return rows_BXT.gather(1, index_BY[:, :, None].expand(-1, -1, rows_BXT.shape[-1]))


def _hypotheses(
    scores_R: Tensor,
    tokens_RT: Tensor,
    lengths_R: Tensor,
    *,
    open_T: Tensor,
    open_log_probability: Tensor,
    length: int,
    alpha: float,
) -> list[Hypothesis]:
    """What one sentence found, best first; its best open hypothesis where nothing ended."""
    results = []
    for score, tokens, ended in zip(scores_R.tolist(), tokens_RT.tolist(), lengths_R.tolist(), strict=True):
        if score > float("-inf"):
            log_probability = score * float(length_penalty(ended, alpha))
            results.append(Hypothesis(tuple(tokens[1:ended]), score, log_probability))
    if not results:
        log_probability = float(open_log_probability)
        score = log_probability / float(length_penalty(length, alpha))
        results.append(Hypothesis(tuple(open_T[1 : length + 1].tolist()), score, log_probability))
    return results


def translate(
    model: Transformer,
    sources: Sequence[Sequence[int]],
    *,
    pad: int,
    bos: int,
    eos: int,
    beam: int,
    alpha: float,
    extra_length: int,
    batch_tokens: int = 4096,
    device: torch.device | str = "cpu",
) -> list[Hypothesis]:
    """The best translation of each source, in the order given.

    ``sources`` end with ``eos``.  An output has at most input length + ``extra_length`` tokens (section 6.1: 50); both
    count the end token.  Sentences of like length are decoded together, ``batch_tokens`` source tokens times beams at
    most.  Puts the model into eval mode for the time it takes.
    """
    was_training = model.training
    model.eval()
    lengths = np.array([len(source) for source in sources])
    results: list[Hypothesis | None] = [None] * len(sources)
    order = np.argsort(-lengths, kind="stable")
    start = 0
    while start < len(order):
        longest = int(lengths[order[start]])
        batch = order[start : start + max(1, batch_tokens // (longest * beam))]
        source_BS = torch.full((len(batch), longest), pad)
        for row, index in enumerate(batch):
            source_BS[row, : lengths[index]] = torch.as_tensor(sources[index])
        mask = None if int(lengths[batch[-1]]) == longest else padding_mask(source_BS, pad).to(device)
        found = beam_search(
            model,
            source_BS.to(device),
            mask,
            bos=bos,
            eos=eos,
            beam=beam,
            alpha=alpha,
            max_lengths=[int(lengths[index]) + extra_length for index in batch],
        )
        for index, hypotheses in zip(batch, found, strict=True):
            results[index] = hypotheses[0]
        start += len(batch)
    model.train(was_training)
    return [result for result in results if result is not None]
