"""Evaluation over random batches, as nanoGPT's train.py has it: another quantity than the loss of a whole split.

``estimate_loss`` there averages over ``eval_iters`` batches that are drawn anew each time, and the smallest of a
training is what it keeps and reports.  Which batches are drawn here follows from the seed and from how far the
training is, and what was found is part of the position in the data: so a checkpoint keeps it, and a training that was
stopped finds the same.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import nn

from reproductions.data.token_shards import TokenRow
from reproductions.data.token_windows import Windows, WindowStream

_OTHER_SEEDS = 2**32
"""Added to the seed: the batches of evaluations are not those of the training."""


class Watched:
    """A training's windows, and beside their position the evaluations in between: batches taken to loss."""

    def __init__(self, stream: WindowStream, position: Mapping[str, Any] | None) -> None:
        self._stream = stream
        self.found: dict[int, float] = {int(taken): loss for taken, loss in (position or {}).get("evaluations", [])}

    def __iter__(self) -> Watched:
        return self

    def __next__(self) -> Windows:
        return next(self._stream)

    @property
    def taken(self) -> int:
        """Batches so far."""
        return int(self._stream.position()["next"])

    def position(self) -> dict[str, Any]:
        return {**self._stream.position(), "evaluations": [list(item) for item in self.found.items()]}


def estimate(
    model: nn.Module,
    row: TokenRow,
    *,
    context: int,
    batch_size: int,
    batches: int,
    seed: int,
    taken: int,
    device: torch.device,
) -> float:
    """Mean nats a token over ``batches`` random batches of ``row``, of which each number ``taken`` has its own."""
    drawn = WindowStream(
        row, context=context, batch_size=batch_size, seed=seed + _OTHER_SEEDS, position={"next": taken * batches}
    )
    nats = torch.zeros((), dtype=torch.float64, device=device)
    for _ in range(batches):
        windows = next(drawn).to(device)
        nats += model(windows.tokens, windows.targets)
    return float(nats) / (batches * batch_size * context)
