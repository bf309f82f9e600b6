"""How labelled texts become rows of tokens: GPT-1, section 3.3 and Figure 1; BERT, section 3 and Figure 4.

GPT-1    classification  start, text, extract
         entailment      start, premise, delimiter, hypothesis, extract
         similarity      start, one, delimiter, other, extract, and the same in the other order
BERT     [CLS] A [SEP], or [CLS] A [SEP] B [SEP] with the segments A and B

Shapes: B examples, R rows (B, or 2 B in both orders), T tokens of the longest.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor

from reproductions.data.classification import Example, Relation
from reproductions.data.shuffled import examples_at
from reproductions.data.transfer import to_device
from reproductions.tokenizers.text_tokenizer import TextTokenizer
from reproductions.tokenizers.wordpiece import WordPiece

NEW_TOKENS = 3
"""GPT-1's start, delimiter and extract tokens, which pre-training does not know."""
_WINDOW = 16  # batches among which examples are sorted by length, so that rows of a batch need little padding

Style = Literal["gpt-1", "bert"]


@dataclass(frozen=True)
class Inputs:
    """``tokens``, ``segments`` (1 from B on) and ``real`` (False at padding, which stands behind): (R, T).

    ``last`` (R,) is the place of the last real token.  An example has ``orders`` rows, one below the other.
    """

    tokens: Tensor
    segments: Tensor
    real: Tensor
    last: Tensor
    orders: int

    def to(self, device: torch.device) -> Inputs:
        return Inputs(
            tokens=to_device(self.tokens, device),
            segments=to_device(self.segments, device),
            real=to_device(self.real, device),
            last=to_device(self.last, device),
            orders=self.orders,
        )


@dataclass(frozen=True)
class Batch:
    """``labels`` (B,) are numbers of classes, or scores as floats."""

    inputs: Inputs
    labels: Tensor

    def to(self, device: torch.device) -> Batch:
        return Batch(self.inputs.to(device), to_device(self.labels, device))


@dataclass(frozen=True)
class _Row:
    tokens: list[int]
    second: int  # from here on it is segment B


class Layout:
    """Where special tokens stand, and how a text that is too long is cut.  Rows have at most ``context`` tokens."""

    def __init__(
        self,
        style: Style,
        relation: Relation,
        tokenizer: TextTokenizer,
        context: int,
        keep: Literal["head", "tail"] = "head",
    ) -> None:
        self._tokenizer, self._context, self._keep = tokenizer, context, keep
        self.orders = 2 if style == "gpt-1" and relation == "similarity" else 1
        if style == "gpt-1":
            self._begin, self._between, self._end = range(tokenizer.size, tokenizer.size + NEW_TOKENS)
            self._pad = self._end
        else:
            assert isinstance(tokenizer, WordPiece)
            self._begin, self._between = tokenizer.classify, tokenizer.separator
            self._end, self._pad = tokenizer.separator, tokenizer.pad

    def rows(self, examples: Sequence[Example]) -> list[tuple[_Row, ...]]:
        """The rows of each example."""
        first = self._tokenizer.encode([example.first for example in examples])
        second = self._tokenizer.encode([example.second or "" for example in examples])
        found: list[tuple[_Row, ...]] = []
        for example, one, other in zip(examples, first, second, strict=True):
            if example.second is None:
                found.append((self._row(one, None),))
            elif self.orders == 2:
                found.append((self._row(one, other), self._row(other, one)))
            else:
                found.append((self._row(one, other),))
        return found

    def stack(self, rows: Sequence[tuple[_Row, ...]], labels: Sequence[float], dtype: torch.dtype) -> Batch:
        flat = [row for of_example in rows for row in of_example]
        longest = max(len(row.tokens) for row in flat)
        tokens = np.full((len(flat), longest), self._pad)
        segments, real = np.zeros_like(tokens), np.zeros(tokens.shape, dtype=bool)
        for number, row in enumerate(flat):
            tokens[number, : len(row.tokens)] = row.tokens
            segments[number, row.second : len(row.tokens)] = 1
            real[number, : len(row.tokens)] = True
        inputs = Inputs(
            tokens=torch.from_numpy(tokens),
            segments=torch.from_numpy(segments),
            real=torch.from_numpy(real),
            last=torch.tensor([len(row.tokens) - 1 for row in flat]),
            orders=len(rows[0]),
        )
        return Batch(inputs, torch.tensor(labels, dtype=dtype))

    def _row(self, one: list[int], other: list[int] | None) -> _Row:
        if other is None:
            kept = self._cut(one, self._context - 2)
            return _Row([self._begin, *kept, self._end], len(kept) + 2)
        room = self._context - 3
        one = self._cut(one, max(room - len(other), room // 2))  # the longer one is cut, as in BERT's released code
        other = self._cut(other, room - len(one))
        return _Row([self._begin, *one, self._between, *other, self._end], len(one) + 2)

    def _cut(self, tokens: list[int], room: int) -> list[int]:
        if len(tokens) <= room:
            return tokens
        return tokens[:room] if self._keep == "head" else tokens[-room:]


class Split:
    """The examples of a split as rows, in their order."""

    def __init__(
        self, layout: Layout, examples: Sequence[Example], labels: Sequence[float], dtype: torch.dtype
    ) -> None:
        self.layout, self.rows, self.labels, self.dtype = layout, layout.rows(examples), labels, dtype
        self.lengths = np.array([max(len(row.tokens) for row in of_example) for of_example in self.rows])

    def __len__(self) -> int:
        return len(self.rows)

    def batch(self, numbers: Sequence[int]) -> Batch:
        return self.layout.stack([self.rows[n] for n in numbers], [self.labels[n] for n in numbers], self.dtype)

    def in_order_of_length(self, batch_size: int) -> Iterator[tuple[list[int], Batch]]:
        """Every example once: (their numbers, the batch)."""
        order = np.argsort(self.lengths, kind="stable")
        for first in range(0, len(order), batch_size):
            numbers = order[first : first + batch_size].tolist()
            yield numbers, self.batch(numbers)


class ExampleStream:
    """Batches without end, epoch after epoch, each in an order that the seed and the epoch determine.

    Examples of like length share a batch.  The last, smaller batch of an epoch is filled up from the next one.
    """

    def __init__(self, split: Split, *, batch_size: int, seed: int, position: dict[str, Any] | None = None) -> None:
        self._split, self._size, self._seed = split, batch_size, seed
        self._next: int = position["next"] if position else 0
        self._windows: dict[int, list[np.ndarray]] = {}

    def __iter__(self) -> Iterator[Batch]:
        return self

    def __next__(self) -> Batch:
        window, place = divmod(self._next, _WINDOW)
        if window not in self._windows:
            self._windows = {window: self._batches(window)}
        self._next += 1
        return self._split.batch(self._windows[window][place].tolist())

    def position(self) -> dict[str, Any]:
        """The number of the next batch."""
        return {"next": self._next}

    def _batches(self, window: int) -> list[np.ndarray]:
        """Of the examples of a window, sorted by length, in an order of their own."""
        count = _WINDOW * self._size
        numbers = examples_at(range(window * count, (window + 1) * count), len(self._split), self._seed)
        numbers = numbers[np.argsort(self._split.lengths[numbers], kind="stable")]
        random = np.random.default_rng([self._seed, window, 1])
        return [numbers[n * self._size : (n + 1) * self._size] for n in random.permutation(_WINDOW)]
