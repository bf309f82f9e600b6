"""Pairs of spans of text, masked: the pre-training examples of BERT (1810.04805), section 3.1 and appendix A.2.

[CLS] A [SEP] B [SEP]: A is a span of a document; B goes on where A ends, or, half of the time, is a span of another
document.  "Sentence" means any span of contiguous text there (section 3).  A row of tokens has a separator behind each
document (``token_shards.py``).

Shapes: B pairs, T tokens of the longest, N masked places.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from reproductions.data.masking import Masking, Vocabulary, mask_tokens
from reproductions.data.token_shards import TokenRow
from reproductions.data.transfer import to_device
from reproductions.registry import InvalidInput
from reproductions.tokenizers.wordpiece import WordPiece

AROUND = 3
"""[CLS] and two [SEP]."""
_HELD_OUT_SEED = 1810_04805
_LEAST = 2  # tokens of a document that two spans can be cut from


@dataclass(frozen=True)
class Pairs:
    """``tokens``, ``segments`` (0 up to the first [SEP], 1 behind it) and ``real`` (False at padding): (B, T).

    ``targets`` (N,) stood at the ``places`` (N,) of the flattened (B * T) batch.  ``is_random`` (B,): 1 where B does
    not follow A.
    """

    tokens: Tensor
    segments: Tensor
    real: Tensor
    places: Tensor
    targets: Tensor
    is_random: Tensor

    def to(self, device: torch.device) -> Pairs:
        return Pairs(*(to_device(tensor, device) for tensor in vars(self).values()))


class Documents:
    """The documents of a row that two spans can be cut from, each token of them as likely as any other."""

    def __init__(self, row: TokenRow, separator: int) -> None:
        ends = [
            np.flatnonzero(shard == separator) + start for shard, start in zip(row.shards, row.starts, strict=False)
        ]
        edges = np.concatenate([[-1], *ends, [len(row)]])
        lengths = np.diff(edges) - 1
        kept = lengths >= _LEAST
        self._row, self.starts, self.lengths = row, edges[:-1][kept] + 1, lengths[kept]
        self._before = np.concatenate([[0], np.cumsum(self.lengths)])
        if len(self.lengths) < 2:
            what = f"the text has {len(self.lengths)} documents, and a random second span comes from another one"
            raise InvalidInput(what, "take a text with several documents, or more of it")

    def draw(self, random: np.random.Generator) -> tuple[int, int]:
        """A token: (number of its document, place in it)."""
        return self._find(int(random.integers(self._before[-1])))

    def draw_other(self, document: int, random: np.random.Generator) -> tuple[int, int]:
        """A token of another document."""
        token = int(random.integers(self._before[-1] - self.lengths[document]))
        return self._find(token if token < self._before[document] else token + int(self.lengths[document]))

    def span(self, document: int, begin: int, length: int) -> np.ndarray:
        return self._row.window(int(self.starts[document]) + begin, length)

    def _find(self, token: int) -> tuple[int, int]:
        document = int(np.searchsorted(self._before, token, side="right")) - 1
        return document, token - int(self._before[document])


class PairMaker:
    """Cuts, joins and masks one pair at a time."""

    def __init__(self, row: TokenRow, tokenizer: WordPiece, masking: Masking) -> None:
        self.documents = Documents(row, tokenizer.separator)
        self._tokenizer, self._masking = tokenizer, masking
        self._vocabulary = Vocabulary.without(tokenizer.special, size=tokenizer.size, mask=tokenizer.mask)

    def draw(self, context: int, short_share: float, random: np.random.Generator) -> _Pair:
        """A pair of at most ``context`` tokens; ``short_share`` of the pairs have fewer, any number alike."""
        room = context - AROUND
        if random.random() < short_share:
            room = int(random.integers(_LEAST, room + 1))
        document, place = self.documents.draw(random)
        size = min(room, int(self.documents.lengths[document]))
        return self.cut(document, min(place, int(self.documents.lengths[document]) - size), size, random)

    def cut(self, document: int, begin: int, size: int, random: np.random.Generator) -> _Pair:
        """The pair whose text begins there: A ends somewhere in the middle half of ``size`` tokens."""
        first = int(random.integers(max(1, size // 4), max(1, min(size - 1, 3 * size // 4)) + 1))
        a, wanted = self.documents.span(document, begin, first), size - first
        is_random = bool(random.random() < 0.5)
        if is_random:
            other, place = self.documents.draw_other(document, random)
            have = int(self.documents.lengths[other])
            b = self.documents.span(other, max(0, min(place, have - wanted)), min(wanted, have))
        else:
            b = self.documents.span(document, begin + first, wanted)
        classify, separator = self._tokenizer.classify, self._tokenizer.separator
        tokens = np.concatenate([[classify], a, [separator], b, [separator]])
        masked = mask_tokens(tokens, self._masking, self._vocabulary, random)
        return _Pair(masked.tokens, len(a) + 2, masked.places, masked.targets, is_random)

    def stack(self, pairs: list[_Pair]) -> Pairs:
        longest = max(len(pair.tokens) for pair in pairs)
        tokens = np.full((len(pairs), longest), self._tokenizer.pad)
        segments = np.zeros((len(pairs), longest), dtype=np.int64)
        real = np.zeros((len(pairs), longest), dtype=bool)
        for row, pair in enumerate(pairs):
            tokens[row, : len(pair.tokens)] = pair.tokens
            segments[row, pair.first : len(pair.tokens)] = 1
            real[row, : len(pair.tokens)] = True
        return Pairs(
            tokens=torch.from_numpy(tokens),
            segments=torch.from_numpy(segments),
            real=torch.from_numpy(real),
            places=torch.from_numpy(np.concatenate([row * longest + pair.places for row, pair in enumerate(pairs)])),
            targets=torch.from_numpy(np.concatenate([pair.targets for pair in pairs])),
            is_random=torch.tensor([int(pair.is_random) for pair in pairs]),
        )


@dataclass(frozen=True)
class _Pair:
    tokens: np.ndarray
    first: int  # tokens of segment 0
    places: np.ndarray
    targets: np.ndarray
    is_random: bool


class PairStream:
    """Batches without end, which the seed and the number of the batch determine, masks and all.

    ``context`` gives the longest pair of a batch by its number: short ones first, as appendix A.2 has it.
    """

    def __init__(
        self,
        maker: PairMaker,
        *,
        context: int,
        first_context: int = 0,
        first_batches: int = 0,
        short_share: float = 0.0,
        batch_size: int,
        seed: int,
        position: dict[str, Any] | None = None,
    ) -> None:
        self._maker, self._batch_size, self._seed, self._short_share = maker, batch_size, seed, short_share
        self._context, self._first_context, self._first_batches = context, first_context, first_batches
        self._next: int = position["next"] if position else 0

    def __iter__(self) -> Iterator[Pairs]:
        return self

    def __next__(self) -> Pairs:
        random = np.random.default_rng([self._seed, self._next])
        context = self._first_context if self._next < self._first_batches else self._context
        self._next += 1
        return self._maker.stack(
            [self._maker.draw(context, self._short_share, random) for _ in range(self._batch_size)]
        )

    def position(self) -> dict[str, Any]:
        """The number of the next batch."""
        return {"next": self._next}


def whole_row(maker: PairMaker, context: int, batch_size: int) -> Iterator[Pairs]:
    """The documents cut into pairs of ``context`` tokens that lie side by side; the same pairs and masks every time.

    Where the second span is a random one, the text that would have followed is left out.
    """
    room = context - AROUND
    places = [
        (document, begin, min(room, int(length) - begin))
        for document, length in enumerate(maker.documents.lengths)
        for begin in range(0, int(length) - _LEAST + 1, room)
    ]
    for first in range(0, len(places), batch_size):
        numbered = enumerate(places[first : first + batch_size], first)
        yield maker.stack([maker.cut(*place, np.random.default_rng([_HELD_OUT_SEED, n])) for n, place in numbered])
