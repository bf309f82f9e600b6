"""What a masked language model is measured by beside its losses.

blimp   the share of sentence pairs of which the grammatical one has the greater pseudo-likelihood

A pseudo-log-likelihood is the sum, over the tokens of a sentence, of log P(token | all others): each token is masked
by itself ("Masked Language Model Scoring", Salazar et al. 2020, arXiv 1910.14659, section 2).  A sentence stands alone
between [CLS] and [SEP], in segment A; neither is scored.

Shapes: B copies of a sentence, T tokens, V vocabulary.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch.nn import functional as F

from reproductions.bert.model import BERT
from reproductions.data import blimp as blimp_pairs
from reproductions.data import manifest
from reproductions.tokenizers.wordpiece import WordPiece


@dataclass(frozen=True)
class Bench:
    """What the benchmarks are run with.  ``batch_tokens`` are scored at a time."""

    model: BERT
    tokenizer: WordPiece
    data_home: Path
    mirror: str | None
    device: torch.device
    batch_tokens: int
    log: Callable[[str], None] = lambda _: None


def blimp(bench: Bench) -> list[dict[str, Any]]:
    """Mean accuracy of the sets."""
    file = manifest.load()["blimp"].files["all"]
    path = manifest.fetch(file, bench.data_home, mirror=bench.mirror, log=bench.log).path
    pairs = blimp_pairs.read_pairs(path)
    nats = pseudo_nats(bench, [pair.good for pair in pairs] + [pair.bad for pair in pairs])
    scoring = "pseudo-log-likelihood, each token masked by itself (1910.14659)"
    return [blimp_pairs.measured(pairs, nats[: len(pairs)], nats[len(pairs) :], scoring)]


BENCHMARKS: dict[str, Callable[[Bench], list[dict[str, Any]]]] = {"blimp": blimp}


def pseudo_nats(bench: Bench, sentences: Sequence[str]) -> list[float]:
    """Minus the pseudo-log-likelihood of each sentence; one longer than the model reads loses its end."""
    most = bench.model.model.context - 2
    rows = [ids[:most] for ids in bench.tokenizer.encode(sentences)]
    alike = defaultdict[int, list[int]](list)  # sentences of one length need no padding
    for index, ids in enumerate(rows):
        alike[len(ids)].append(index)
    found = [0.0] * len(rows)
    for length, indices in alike.items():
        at_once = max(1, bench.batch_tokens // max(1, length * (length + 2)))
        for first in range(0, len(indices) if length else 0, at_once):
            chosen = indices[first : first + at_once]
            for index, nats in zip(chosen, _nats(bench, [rows[index] for index in chosen]), strict=True):
                found[index] = nats
    return found


def _nats(bench: Bench, rows: Sequence[Sequence[int]]) -> list[float]:
    """Of sentences that have the same length: each is there once for each of its tokens."""
    tokenizer, length = bench.tokenizer, len(rows[0])
    framed = torch.tensor([[tokenizer.classify, *ids, tokenizer.separator] for ids in rows])
    copies_BT = framed.repeat_interleave(length, dim=0)
    copy_B = torch.arange(len(copies_BT))
    place_B = 1 + copy_B % length
    targets_B = copies_BT[copy_B, place_B].to(bench.device)
    copies_BT[copy_B, place_B] = tokenizer.mask
    copies_BT = copies_BT.to(bench.device)
    hidden_BTD = bench.model.hidden(copies_BT, torch.zeros_like(copies_BT))
    logits_BV = bench.model.words(hidden_BTD[copy_B.to(bench.device), place_B.to(bench.device)]).float()
    nats_B = F.cross_entropy(logits_BV, targets_B, reduction="none").double()
    return [float(nats) for nats in nats_B.view(len(rows), length).sum(dim=1).cpu()]
