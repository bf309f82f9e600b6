"""Batches of contiguous tokens: drawn at random for training, side by side for validation.

GPT-1, section 4.1: "randomly sampled, contiguous sequences of 512 tokens".  A window has one token more than the
context: each token but the last is asked for the next.

Shapes: B windows, T tokens of the context, N = B * T targets.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from reproductions.data.token_shards import TokenRow
from reproductions.data.transfer import to_device
from reproductions.registry import InvalidInput


@dataclass(frozen=True)
class Windows:
    """``tokens`` (B, T), and ``targets`` (N,): the token after each of them."""

    tokens: Tensor
    targets: Tensor

    def to(self, device: torch.device) -> Windows:
        return Windows(to_device(self.tokens, device), to_device(self.targets, device))


class WindowStream:
    """Windows without end, at places that the seed and the number of the batch determine."""

    def __init__(
        self, row: TokenRow, *, context: int, batch_size: int, seed: int, position: dict[str, Any] | None = None
    ) -> None:
        if len(row) <= context:
            raise InvalidInput(
                f"the training text has {len(row):,} tokens, a window {context + 1:,}",
                "set data.context to less, or take more text",
            )
        self._row, self._context, self._batch_size, self._seed = row, context, batch_size, seed
        self._next: int = position["next"] if position else 0

    def __iter__(self) -> Iterator[Windows]:
        return self

    def __next__(self) -> Windows:
        random = np.random.default_rng([self._seed, self._next])
        self._next += 1
        starts = random.integers(0, len(self._row) - self._context, size=self._batch_size)
        return _windows([self._row.window(int(start), self._context + 1) for start in starts])

    def position(self) -> dict[str, Any]:
        """The number of the next batch."""
        return {"next": self._next}


def whole_row(row: TokenRow, context: int, batch_size: int) -> Iterator[Windows]:
    """Every token but the first as a target exactly once, in windows side by side; the last may be shorter."""
    starts = range(0, len(row) - 1, context)
    whole = [start for start in starts if start + context < len(row)]
    for first in range(0, len(whole), batch_size):
        yield _windows([row.window(start, context + 1) for start in whole[first : first + batch_size]])
    for start in starts[len(whole) :]:
        yield _windows([row.window(start, context + 1)])


def _windows(rows: list[np.ndarray]) -> Windows:
    stacked = torch.from_numpy(np.stack(rows))
    return Windows(stacked[:, :-1], stacked[:, 1:].flatten())
