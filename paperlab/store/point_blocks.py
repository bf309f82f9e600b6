"""A metric's points as packed columns, and the pyramid of extremes over them.  Pure: knows no database.

A series is cut into blocks of BLOCK points by position, so the place of a point follows from its number alone.  Level 0
holds the points.  Every level above it holds, of each FAN points of the level below, the least and the greatest, in
their order: a 16th of the points, with every spike.  A level is kept only where the one below it fills more than one
block, so a short series has no pyramid at all.  A chart of any length reads the level that has about as many points as
it draws.

A value that is not finite is NaN and keeps its place; a stretch of the pyramid without any finite value is NaN too.
"""

from __future__ import annotations

import math
import sys
import zlib
from array import array
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import pairwise

BLOCK = 4096
FAN = 32
"""Divides BLOCK, so that no stretch lies in two blocks."""

_FORMAT = b"\x01"
_WORD = 8
_ZLIB_LEVEL = 1  # higher ones win 2 % of space for half the speed


class UnknownPacking(ValueError):
    """A block that this version did not write."""


@dataclass
class Columns:
    """Points as columns of one length, ordered by step."""

    steps: array[int] = field(default_factory=lambda: array("q"))
    times: array[float] = field(default_factory=lambda: array("d"))
    values: array[float] = field(default_factory=lambda: array("d"))

    def __len__(self) -> int:
        return len(self.steps)

    def cut(self, start: int, end: int | None = None) -> Columns:
        """The points of these positions, as a copy."""
        return Columns(self.steps[start:end], self.times[start:end], self.values[start:end])

    def extend(self, more: Columns) -> None:
        self.steps.extend(more.steps)
        self.times.extend(more.times)
        self.values.extend(more.values)

    def add(self, step: int, time: float, value: float) -> None:
        """One more point; a value that is not finite becomes NaN.  Raises OverflowError over 64 bits."""
        self.steps.append(step)
        self.times.append(time)
        self.values.append(value if math.isfinite(value) else math.nan)

    def pick(self, positions: Iterable[int]) -> Columns:
        chosen = list(positions)
        return Columns(
            array("q", [self.steps[i] for i in chosen]),
            array("d", [self.times[i] for i in chosen]),
            array("d", [self.values[i] for i in chosen]),
        )

    def finite(self) -> Columns:
        """The points whose value is a number."""
        if not has_gaps(self.values):
            return self
        return self.pick(i for i, value in enumerate(self.values) if not math.isnan(value))

    def ordered(self) -> Columns:
        """By step; of several points at one step the last one holds."""
        if all(a < b for a, b in pairwise(self.steps)):
            return self
        last = {step: i for i, step in enumerate(self.steps)}
        return self.pick(last[step] for step in sorted(last))


def has_gaps(values: Iterable[float]) -> bool:
    return math.isnan(sum(values))  # NaN is contagious, and no infinity gets in


def count_gaps(values: array[float]) -> int:
    return sum(map(math.isnan, values)) if has_gaps(values) else 0


def pack(points: Columns) -> bytes:
    """The columns as bytes: of each the first bytes of all numbers, then the second ones, ..., compressed.

    Neighbouring steps, times and losses share their high bytes, which so lie together: 5 to 9 bytes a point instead of
    24, at 7 million points a second.
    """
    shuffled = b"".join(_shuffle(column) for column in (points.steps, points.times, points.values))
    return _FORMAT + zlib.compress(shuffled, _ZLIB_LEVEL)


def unpack(packed: bytes) -> Columns:
    """The columns that `pack` was given, bit for bit.  Raises UnknownPacking."""
    if packed[:1] != _FORMAT:
        raise UnknownPacking(f"the packing {packed[:1]!r} is not {_FORMAT!r}")
    content = zlib.decompress(packed[1:])
    size = len(content) // 3
    columns = Columns()
    _unshuffle(content[:size], columns.steps)
    _unshuffle(content[size : 2 * size], columns.times)
    _unshuffle(content[2 * size :], columns.values)
    return columns


def extremes(points: Columns, fan: int = FAN) -> Columns:
    """Of each `fan` points the least and the greatest, in their order: always two, even of a single point."""
    return points.pick(_extremes(points.values, range(0, len(points), fan), fan))


def thin(points: Columns, most: int) -> Columns:
    """At most `most` points (4 or more): the first, the last, and of equal stretches the least and the greatest."""
    n = len(points)
    if n <= most:
        return points
    stretches = (most - 2) // 2
    edges = [i * n // stretches for i in range(stretches + 1)]
    inner = (p for start, end in pairwise(edges) for p in _extremes(points.values, (start,), end - start))
    return points.pick(sorted({0, n - 1, *inner}))


def length_above(points: int) -> int:
    """How many points the level over one of `points` points has; 0 where there is no such level."""
    return 2 * -(-points // FAN) if points > BLOCK else 0


def lengths(points: int) -> list[int]:
    """The length of every level of a series of `points` points, from level 0 up."""
    found = [points]
    while above := length_above(found[-1]):
        found.append(above)
    return found


def best_level(points: int, most: int) -> int:
    """The highest level that has at least `most` points, of a stretch with `points` points at level 0."""
    level = 0
    for above in lengths(points)[1:]:
        if above < most:
            break
        level += 1
    return level


def _extremes(values: array[float], starts: Iterable[int], length: int) -> Iterator[int]:
    for start in starts:
        stretch = values[start : start + length]
        if has_gaps(stretch):
            numbers = [value for value in stretch if not math.isnan(value)]
            if not numbers:
                yield from (start, start)
                continue
            least, greatest = stretch.index(min(numbers)), stretch.index(max(numbers))
        else:
            least, greatest = stretch.index(min(stretch)), stretch.index(max(stretch))
        yield from (start + min(least, greatest), start + max(least, greatest))


def _shuffle(column: array[int] | array[float]) -> bytes:
    content = column.tobytes() if sys.byteorder == "little" else _swapped(column).tobytes()
    return b"".join(content[place::_WORD] for place in range(_WORD))


def _unshuffle(content: bytes, column: array[int] | array[float]) -> None:
    count = len(content) // _WORD
    words = bytearray(len(content))
    for place in range(_WORD):
        words[place::_WORD] = content[place * count : (place + 1) * count]
    column.frombytes(bytes(words))
    if sys.byteorder != "little":
        column.byteswap()


def _swapped(column: array[int] | array[float]) -> array[int] | array[float]:
    copy = column[:]
    copy.byteswap()
    return copy
