"""How source, cue and target become a row of tokens, and rows become batches.

A row is: end of text, source, cue, target, end of text.  The first one is what a pre-trained model knows to stand
before a text; the last one is learned with the target, so that the model says where it ends.  A row that is too long
loses the end of its source first, down to half of the room, then the end of its target, and is then not closed.

Shapes: B rows, T tokens of the longest, N target tokens, M tokens of the sources.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
import torch
from torch import Tensor

from reproductions.data.prompted import Prompted
from reproductions.data.shuffled import examples_at
from reproductions.data.transfer import to_device
from reproductions.tokenizers.byte_level import ByteLevelEncoding

_WINDOW = 16  # batches among which rows are sorted by length, so that a batch needs little padding


@dataclass(frozen=True)
class Row:
    """``tokens[:begins]`` is what the model is given, the rest what it is to write.

    ``target_bytes`` is the length of the part of the target that is kept, in UTF-8.
    """

    tokens: tuple[int, ...]
    begins: int
    target_bytes: int

    @property
    def prompt(self) -> tuple[int, ...]:
        return self.tokens[: self.begins]


@dataclass(frozen=True)
class Batch:
    """``tokens`` (B, T), with padding behind.  Places are those of the flattened batch that predict a token.

    ``target_places``, ``targets``: (N,); ``source_places``, ``sources``: (M,).
    """

    tokens: Tensor
    target_places: Tensor
    targets: Tensor
    source_places: Tensor
    sources: Tensor
    real: Tensor

    def to(self, device: torch.device) -> Batch:
        return Batch(**{each.name: to_device(getattr(self, each.name), device) for each in fields(self)})


class Layout:
    """Makes rows of at most ``context`` tokens."""

    def __init__(self, tokenizer: ByteLevelEncoding, cue: str, context: int) -> None:
        assert tokenizer.end_of_text is not None
        self._tokenizer, self._context, self._end = tokenizer, context, tokenizer.end_of_text
        (self._cue,) = tokenizer.encode([cue])

    def rows(self, examples: Sequence[Prompted]) -> list[Row]:
        sources = self._tokenizer.encode([example.source for example in examples])
        targets = self._tokenizer.encode([example.target for example in examples])
        return [self._row(source, target) for source, target in zip(sources, targets, strict=True)]

    def _row(self, source: Sequence[int], target: Sequence[int]) -> Row:
        room = self._context - 2 - len(self._cue)
        kept = list(source)[: max(room - len(target), room // 2)]
        prompt = [self._end, *kept, *self._cue]
        written = list(target)[: room - len(kept)]
        closing = [self._end] if len(written) == len(target) else []
        text = self._tokenizer.decode(written)
        return Row((*prompt, *written, *closing), len(prompt), len(text.encode()))


def stack(rows: Sequence[Row]) -> Batch:
    length = max(len(row.tokens) for row in rows)
    tokens = np.zeros((len(rows), length), dtype=np.int64)
    real = np.zeros((len(rows), length), dtype=bool)
    target_places: list[int] = []
    targets: list[int] = []
    source_places: list[int] = []
    sources: list[int] = []
    for number, row in enumerate(rows):
        tokens[number, : len(row.tokens)] = row.tokens
        real[number, : len(row.tokens)] = True
        first = number * length
        source_places += range(first, first + row.begins - 1)
        sources += row.tokens[1 : row.begins]
        target_places += range(first + row.begins - 1, first + len(row.tokens) - 1)
        targets += row.tokens[row.begins :]
    return Batch(
        tokens=torch.from_numpy(tokens),
        target_places=torch.tensor(target_places),
        targets=torch.tensor(targets),
        source_places=torch.tensor(source_places, dtype=torch.long),
        sources=torch.tensor(sources, dtype=torch.long),
        real=torch.from_numpy(real),
    )


def by_length(rows: Sequence[Row], size: int) -> Iterator[tuple[list[int], list[Row]]]:
    """Every row once, those of like length together: (their numbers, the rows)."""
    order = sorted(range(len(rows)), key=lambda number: len(rows[number].tokens))
    for first in range(0, len(order), size):
        numbers = order[first : first + size]
        yield numbers, [rows[number] for number in numbers]


class RowStream:
    """Batches without end, epoch after epoch, each in an order that the seed and the epoch determine.

    ``bare`` are the same rows without their sources, of which a share of ``drop`` is taken, whatever the batch: so a
    model also learns to write without a source, and can be asked what a source is worth.
    """

    def __init__(
        self,
        rows: Sequence[Row],
        bare: Sequence[Row],
        *,
        drop: float,
        size: int,
        seed: int,
        position: dict[str, Any] | None = None,
    ) -> None:
        self._rows, self._bare, self._drop, self._size, self._seed = rows, bare, drop, size, seed
        self._next: int = position["next"] if position else 0
        self._window: tuple[int, list[list[Row]]] = (-1, [])

    def __iter__(self) -> Iterator[Batch]:
        return self

    def __next__(self) -> Batch:
        window, place = divmod(self._next, _WINDOW)
        if self._window[0] != window:
            self._window = (window, self._batches(window))
        self._next += 1
        return stack(self._window[1][place])

    def position(self) -> dict[str, Any]:
        """The number of the next batch."""
        return {"next": self._next}

    def _batches(self, window: int) -> list[list[Row]]:
        """The rows of a window, those of like length together, the batches in an order of their own."""
        places = range(window * _WINDOW * self._size, (window + 1) * _WINDOW * self._size)
        numbers = examples_at(places, len(self._rows), self._seed)
        random = np.random.default_rng([self._seed, window, 1])
        without = random.random(len(places)) < self._drop
        rows = []
        for number, is_bare in zip(numbers.tolist(), without, strict=True):
            rows.append((self._bare if is_bare else self._rows)[number])
        rows.sort(key=lambda row: len(row.tokens))
        return [rows[first * self._size : (first + 1) * self._size] for first in random.permutation(_WINDOW).tolist()]
