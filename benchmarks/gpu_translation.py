"""A training step of transformer-base on a GPU, ours beside fairseq's: what gpu.py asks about it."""

from __future__ import annotations

import contextlib
import statistics
from dataclasses import replace
from itertools import cycle
from typing import Any

import torch
from torch import Tensor

from benchmarks.gpu_training import Machine, Step, in_turn, warmed


def wmt_batches(machine: Machine, tokens: int, vocabulary: int, count: int) -> list[Any]:
    """Bucketed batches with the lengths of WMT's sentences, as transformer/task.py makes them."""
    from benchmarks.translation import pairs_of
    from reproductions.data.parallel import BatchStream

    pairs = pairs_of("wmt", 60_000 if machine.on_gpu else 500, None, vocabulary)
    stream = BatchStream(pairs, tokens_per_batch=tokens, seed=0, pad=0, bos=1)
    return [next(stream).to(torch.device(machine.device)) for _ in range(count)]


def our_translation(machine: Machine, shape: Any, vocabulary: int, batches: list[Any]) -> Step:
    from reproductions.engine import optimizers
    from reproductions.transformer.model import Transformer
    from reproductions.transformer.recipes import FULL

    model = Transformer(shape, vocabulary).to(machine.device).train()
    machine.compiled(model, dynamic=FULL.train.compile == "cuda-any-shape")
    optimizer = optimizers.build(replace(FULL.optim, lr=1e-4), model)
    stream = cycle(batches)

    def step() -> None:
        batch = next(stream)
        with machine.autocast():
            nats, _ = model(batch.source, batch.target_in, batch.source_mask, batch.target_out, batch.real)
        torch.autograd.backward(nats)
        factor = torch.full((), 1 / len(batch.target_out), device=machine.device)
        optimizers.scale_gradients(model.parameters(), factor)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)

    return step


def fairseq_parts(shape: Any, vocabulary: int) -> tuple[Any, Any]:
    """(model, dictionary) of fairseq's transformer with our shape: post-norm, one embedding for all, sinusoids.

    Its dictionary has 4 special tokens of its own, of which pad is 1.
    """
    import argparse
    import logging

    logging.disable(logging.INFO)
    from fairseq.data import Dictionary
    from fairseq.models.transformer import TransformerModel, base_architecture

    words = Dictionary()
    for number in range(vocabulary - len(words)):
        words.add_symbol(f"w{number}")
    arguments = argparse.Namespace(
        encoder_layers=shape.num_layers,
        decoder_layers=shape.num_layers,
        encoder_embed_dim=shape.d_model,
        decoder_embed_dim=shape.d_model,
        encoder_ffn_embed_dim=shape.d_ff,
        decoder_ffn_embed_dim=shape.d_ff,
        encoder_attention_heads=shape.num_heads,
        decoder_attention_heads=shape.num_heads,
        dropout=shape.dropout,
        share_all_embeddings=True,
        max_source_positions=shape.max_positions,
        max_target_positions=shape.max_positions,
    )
    base_architecture(arguments)
    task = argparse.Namespace(source_dictionary=words, target_dictionary=words)
    return TransformerModel.build_model(arguments, task), words


def fairseq_translation(machine: Machine, shape: Any, vocabulary: int, batches: list[Any]) -> Step:
    """Its model and its label-smoothed criterion, under the same autocast, with torch's fused Adam."""
    from fairseq.criterions.label_smoothed_cross_entropy import label_smoothed_nll_loss

    model, words = fairseq_parts(shape, vocabulary)
    model.to(machine.device).train()
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-4, betas=(0.9, 0.98), eps=1e-9, fused=True)
    pad = words.pad()

    def theirs(batch: Any) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        source = batch.source.clone()
        if batch.source_mask is not None:
            source[~batch.source_mask[:, 0, 0]] = pad
        target = torch.full_like(batch.target_in, pad)
        flat = target.view(-1)
        flat[slice(None) if batch.real is None else batch.real] = batch.target_out
        return source, (source != pad).sum(dim=1), batch.target_in, target

    stream = cycle([theirs(batch) for batch in batches])

    def step() -> None:
        source, lengths, before, target = next(stream)
        with machine.autocast():
            logits = model(source, lengths, before)
            scores = model.get_normalized_probs(logits, log_probs=True)
            loss, _ = label_smoothed_nll_loss(
                scores.view(-1, scores.shape[-1]), target.view(-1, 1), shape.label_smoothing, ignore_index=pad
            )
        (loss / (target != pad).sum()).backward()
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)

    return step


def translation(machine: Machine, shrink: int) -> dict[str, Any]:
    """transformer-base, 25,000 source and 25,000 target tokens a batch of sentences of like length."""
    from reproductions.transformer.recipes import FULL

    vocabulary = FULL.data.vocabulary // shrink
    shape = FULL.model if shrink == 1 else replace(FULL.model, num_layers=1, d_model=64, d_ff=128)
    batches = wmt_batches(machine, FULL.data.tokens_per_batch // shrink, vocabulary, 8 if machine.on_gpu else 1)
    real = statistics.mean(len(batch.target_out) for batch in batches)
    found: dict[str, Any] = {"target_tokens_a_step": round(real)}
    warm = 2 * len(batches)
    sides = {"ours": warmed("ours", our_translation(machine, shape, vocabulary, batches), machine, warm, found)}
    with contextlib.suppress(ImportError):
        step = fairseq_translation(machine, shape, vocabulary, batches)
        sides["fairseq"] = warmed("fairseq", step, machine, warm, found)
    if machine.only_warms:
        return found
    rounds = 5 if machine.on_gpu else 1
    return found | in_turn(sides, machine, steps=len(batches), rounds=rounds)
