"""Tiny Shakespeare with 6 layers of 384 on a GPU, nanoGPT's training and ours: what gpu.py asks about them."""

from __future__ import annotations

import contextlib
import io
import math
import time
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from benchmarks.gpu_training import Machine, nanogpt_model


def nanogpt_shakespeare(
    machine: Machine, folder: Path, rows: tuple[Any, Any], vocabulary: int, *, seed: int, steps: int, every: int
) -> dict[str, Any]:
    """Its train.py on its 6x384 setting, judged as we judge: the whole validation split, every `every` steps.

    Seconds are those of its training steps alone, after a first step that compiles.
    """
    train, val = rows
    torch.manual_seed(seed)
    model = nanogpt_model(
        folder, block_size=256, vocab_size=vocabulary, n_layer=6, n_head=6, n_embd=384, dropout=0.2, bias=False
    )
    model.to(machine.device).train()
    with contextlib.redirect_stdout(io.StringIO()):
        optimizer = model.configure_optimizers(0.1, 1e-3, (0.9, 0.99), machine.device)
    compiled = torch.compile(model) if machine.on_gpu else model
    data = torch.from_numpy(train)
    seconds, curve = 0.0, []
    began = time.perf_counter()

    def windows() -> tuple[Tensor, Tensor]:
        starts = torch.randint(len(data) - 256, (64,))
        pair = [torch.stack([data[at + shift : at + shift + 256] for at in starts.tolist()]) for shift in (0, 1)]
        if machine.on_gpu:
            pair = [side.pin_memory().to(machine.device, non_blocking=True) for side in pair]
        return pair[0], pair[1]

    ahead = windows()
    for step in range(steps):
        cosine = 0.5 * (1 + math.cos(math.pi * (step - 100) / 4900))
        rate = 1e-3 * (step + 1) / 101 if step < 100 else 1e-4 + cosine * 9e-4
        for group in optimizer.param_groups:
            group["lr"] = rate
        with machine.autocast():
            _, loss = compiled(*ahead)
        ahead = windows()
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        if step == 0:
            machine.wait()
            began = time.perf_counter()
        if (step + 1) % every == 0:
            machine.wait()
            seconds += time.perf_counter() - began
            curve.append((step + 1, round(seconds, 3), round(whole_split(model, val, machine), 4)))
            model.train()
            began = time.perf_counter()
    best = min(curve, key=lambda point: point[2])
    return {"seed": seed, "best": best[2], "step": best[0], "seconds": best[1], "curve": curve}


@torch.no_grad()
def whole_split(model: Any, val: Any, machine: Machine) -> float:
    """Nats a character over the whole split: each predicted from those before it in its own window of 256."""
    model.eval()
    data = torch.from_numpy(val).to(machine.device)
    whole = (len(data) - 1) // 256
    nats, count = 0.0, 0
    inputs, targets = data[: whole * 256].view(-1, 256), data[1 : whole * 256 + 1].view(-1, 256)
    for first in range(0, whole, 64):
        with machine.autocast():
            _, loss = model(inputs[first : first + 64], targets[first : first + 64])
        nats += float(loss) * inputs[first : first + 64].numel()
        count += inputs[first : first + 64].numel()
    if len(data) - 1 > whole * 256:
        with machine.autocast():
            _, loss = model(data[None, whole * 256 : -1], data[None, whole * 256 + 1 :])
        nats, count = nats + float(loss) * (len(data) - 1 - whole * 256), count + len(data) - 1 - whole * 256
    return nats / count


def shakespeare_rows(data_home: Path) -> tuple[tuple[Any, Any], int]:
    """The characters of both splits as ids, in nanoGPT's order: ours, encoded by our tokenizer."""
    import os

    import numpy as np

    from reproductions.data import manifest
    from reproductions.data.corpus import Corpus
    from reproductions.gpt.recipes import NANOGPT_FULL

    corpus = Corpus(NANOGPT_FULL.data, data_home, os.environ.get(manifest.MIRROR), lambda _: None)
    tokenizer = corpus.tokenizer()
    rows = [corpus.tokens(split, tokenizer) for split in ("train", "val")]
    whole = [np.ascontiguousarray(row.window(0, len(row)).astype(np.int64)) for row in rows]
    return (whole[0], whole[1]), tokenizer.size


def seconds_to(target: float, points: list[dict[str, Any]]) -> dict[str, Any]:
    """When a run's validation loss first was at most `target`: its step, and seconds of training steps up to there.

    Seconds are tokens over tokens per second of each logged window; `compiling_s` is the first step's.
    """
    speed = {point["step"]: point["value"] for point in points if point["name"] == "train/tokens_per_second"}
    tokens = {point["step"]: point["value"] for point in points if point["name"] == "train/tokens"}
    losses = sorted((point["step"], point["value"]) for point in points if point["name"] == "val/loss")
    first, seconds, before = min(speed), 0.0, 0.0
    spent: dict[int, float] = {}
    for step in sorted(speed):
        took = (tokens[step] - before) / speed[step]
        before = tokens[step]
        if step != first:
            seconds += took
        spent[step] = seconds
    reached = next((step for step, loss in losses if loss <= target), None)
    return {
        "best": round(min(loss for _, loss in losses), 4),
        "step": reached,
        "seconds": None if reached is None else round(spent[max(at for at in spent if at <= reached)], 3),
        "all_seconds": round(seconds, 3),
        "compiling_s": round(tokens[first] / speed[first], 1),
    }
