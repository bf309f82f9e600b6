"""A series that is being recorded, in memory: its points, and the pyramid of extremes over them as far as it is whole.

What is appended costs what it is long, and a look costs what is shown, however long the run has become.
"""

from __future__ import annotations

import math
from bisect import bisect_left, bisect_right

from paperlab.store import point_blocks
from paperlab.store.point_blocks import FAN, Columns

_HIGHEST = 6
"""Levels above the points: a 16th of the one below each, so more than there can be points."""


class Trace:
    """One metric of one run.  Of several points at one step the last one holds."""

    def __init__(self) -> None:
        self._levels = [Columns()]

    def __len__(self) -> int:
        return len(self._levels[0])

    def extend(self, points: Columns) -> None:
        """More points, ordered or not."""
        points, held = points.ordered(), self._levels[0]
        if len(points) and len(held) and points.steps[0] <= held.steps[-1]:
            start = bisect_left(held.steps, points.steps[0])
            tail = held.cut(start)
            self._cut(start)
            tail.extend(points)
            points = tail.ordered()
        self._levels[0].extend(points)
        self._raise()

    def drop_after(self, step: int) -> None:
        """Forget the points that a resume from `step` superseded."""
        self._cut(bisect_right(self._levels[0].steps, step))

    def thinned(self, most: int) -> Columns:
        """At most `most` finite points (4 or more): the first, the last, and the extremes of stretches.  A copy."""
        finite = self._about(most).finite()
        thin = point_blocks.thin(finite, most)
        return thin.cut(0) if thin is finite else thin

    def _about(self, most: int) -> Columns:
        """The whole series at the highest level that has `most` points, with what that level lacks from those below."""
        level = max((i for i, columns in enumerate(self._levels) if len(columns) >= most), default=0)
        points = self._levels[0]
        if level == 0:
            return points
        found = Columns()
        found.extend(self._levels[level])
        for below in range(level - 1, -1, -1):
            found.extend(self._levels[below].cut(len(self._levels[below + 1]) // 2 * FAN))
        ends = (range(len(points)), range(len(points) - 1, -1, -1))
        for positions in ends:
            finite = next((i for i in positions if not math.isnan(points.values[i])), None)
            if finite is not None:
                found.extend(points.cut(finite, finite + 1))
        return found.ordered()

    def _raise(self) -> None:
        """Brings the levels above up to the points: each has the extremes of the whole stretches below."""
        for level in range(_HIGHEST):
            below = self._levels[level]
            if level + 1 == len(self._levels):
                self._levels.append(Columns())
            above = self._levels[level + 1]
            begin, end = len(above) // 2 * FAN, len(below) // FAN * FAN
            if begin == end:
                return
            above.extend(point_blocks.extremes(below.cut(begin, end)))

    def _cut(self, points: int) -> None:
        for columns in self._levels:
            del columns.steps[points:], columns.times[points:], columns.values[points:]
            points = 2 * (points // FAN)
