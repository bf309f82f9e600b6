"""From the values of a few seeds to a decision, with error rates that are what they say.

Every claim about a mean is brought to one form: "the true mean lies in a region" (value +- tolerance; at least; at
most; a difference or slope above 0).  With C the confidence interval of the mean at level 1 - 2 alpha (Student's
t):

    C inside the region        reproduced        two one-sided tests (Schuirmann 1987), each at level alpha
    C outside the region       differs           one one-sided test at level alpha
    C across a boundary        undecided         and `further_seeds` says how many more should decide it

So a mean outside the region is called reproduced, and one inside it is called differing, with probability of at
most alpha. One value gives no spread and therefore decides nothing.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from functools import lru_cache

from paperlab.runs import student_t

ALPHA = 0.05
POWER = 0.8
MOST_SEEDS = 100
"""`further_seeds` gives up beyond this many in all: the mean lies too near the boundary to be told from it."""


@dataclass(frozen=True)
class Region:
    """Where the mean has to lie; infinite ends for bounds."""

    low: float
    high: float

    @classmethod
    def around(cls, value: float, tolerance: float) -> Region:
        return cls(value - tolerance, value + tolerance)

    def holds(self, value: float) -> bool:
        """Exactly, but for the rounding of binary fractions: 0.1 + 0.2 is within 0.3."""
        ends = [end for end in (self.low, self.high) if math.isfinite(end)]
        slack = 1e-9 * max(map(abs, (*ends, value)))
        return self.low - slack <= value <= self.high + slack


@dataclass(frozen=True)
class Sample:
    """Mean and spread of independent values, one a seed.  `sd` is None where the values can't tell it."""

    mean: float
    sd: float | None
    n: int
    error: float | None
    """Standard error of the mean."""
    df: float

    def interval(self, alpha: float = ALPHA) -> tuple[float, float] | None:
        """The confidence interval of the mean at level 1 - 2 alpha, or None without a spread."""
        if self.error is None:
            return None
        half = student_t.quantile(1.0 - alpha, self.df) * self.error
        return self.mean - half, self.mean + half


class Decision(Enum):
    INSIDE = "inside"
    OUTSIDE = "outside"
    UNDECIDED = "undecided"


def sample(values: Sequence[float], resolution: float = 0.0) -> Sample:
    """The sample of one value a seed.

    `resolution` is the smallest difference the metric can show (one example of 500: 0.002).  Seeds that agree to
    within it have not shown that there is no spread, so the standard deviation is taken as at least half of it.
    Where there is no such step and all values are equal, the seeds did not vary anything: no spread, no decision.
    """
    n = len(values)
    if n == 0:
        raise ValueError("a sample needs at least one value")
    mean = math.fsum(values) / n
    sd = 0.0
    if n > 1:
        sd = math.sqrt(math.fsum((value - mean) ** 2 for value in values) / (n - 1))
        sd = max(sd, resolution / 2.0)
    if sd == 0.0:
        return Sample(mean, None, n, None, n - 1)
    return Sample(mean, sd, n, sd / math.sqrt(n), n - 1)


def difference(better: Sequence[float], worse: Sequence[float], resolution: float = 0.0) -> Sample:
    """Mean of `better` minus mean of `worse` for independent seeds of unequal spread (Welch 1947)."""
    a, b = sample(better, resolution), sample(worse, resolution)
    mean, n = a.mean - b.mean, min(a.n, b.n)
    if n < 2 or (a.sd is None and b.sd is None):
        return Sample(mean, None, n, None, n - 1)
    parts = [((side.sd or 0.0) ** 2 / side.n, side.n - 1) for side in (a, b)]
    variance = math.fsum(part for part, _ in parts)
    df = variance**2 / math.fsum(part**2 / degrees for part, degrees in parts)
    return Sample(mean, math.hypot(a.sd or 0.0, b.sd or 0.0), n, math.sqrt(variance), df)


def slope(points: Sequence[tuple[float, float]]) -> float:
    """Least-squares slope of y over x, for at least two different x."""
    centre = math.fsum(x for x, _ in points) / len(points)
    spread = math.fsum((x - centre) ** 2 for x, _ in points)
    if spread == 0.0:
        raise ValueError("a slope needs at least two different x")
    return math.fsum((x - centre) * y for x, y in points) / spread


def decide(values: Sample, region: Region, alpha: float = ALPHA) -> Decision:
    """Where the mean lies, or that it can't be told yet."""
    interval = values.interval(alpha)
    if interval is None:
        return Decision.UNDECIDED
    low, high = interval
    if region.low <= low and high <= region.high:
        return Decision.INSIDE
    if high < region.low or low > region.high:
        return Decision.OUTSIDE
    return Decision.UNDECIDED


def power(n: int, mean: float, sd: float, region: Region, alpha: float = ALPHA) -> tuple[float, float]:
    """P(inside) and P(outside) that `decide` will say over `n` seeds, if mean and standard deviation are these.

    Exact for normal values: mean and spread of a sample are independent, so the normal probability of the mean is
    averaged over the chi distribution of the spread (Owen 1965).
    """
    if n < 2 or not sd > 0.0:
        return 0.0, 0.0
    root = math.sqrt(n)
    low, high = (region.low - mean) * root / sd, (region.high - mean) * root / sd
    critical = student_t.quantile(1.0 - alpha, n - 1)
    inside = outside = 0.0
    for spread, weight in _spreads(n - 1):
        margin = critical * spread
        if low + margin < high - margin:
            inside += weight * (_normal(high - margin) - _normal(low + margin))
        outside += weight * (_normal(low - margin) + _normal(-high - margin))
    return inside, outside


def further_seeds(values: Sample, region: Region, alpha: float = ALPHA, wanted: float = POWER) -> int | None:
    """How many seeds more decide with probability `wanted`, if mean and spread are what they were so far.

    At least 1; with one value there is no spread to plan with, so it is 1 ("at least").  None if more than
    MOST_SEEDS in all.
    """
    if values.sd is None:
        return 1
    # Planned on a grid of 5 % steps in tolerance and distance over spread: finer is not known from a few seeds.
    ends = [_coarse((end - values.mean) / values.sd) for end in (region.low, region.high)]
    total = _seeds_in_all(ends[0], ends[1], alpha, wanted)
    return None if total is None else max(1, total - values.n)


def _coarse(ratio: float) -> float:
    if ratio == 0.0 or math.isinf(ratio):
        return ratio
    return math.copysign(math.exp(round(math.log(abs(ratio)) / 0.05) * 0.05), ratio)


@lru_cache(maxsize=65536)
def _seeds_in_all(low: float, high: float, alpha: float, wanted: float) -> int | None:
    region = Region(low, high)

    def enough(n: int) -> bool:
        return sum(power(n, 0.0, 1.0, region, alpha)) >= wanted

    reach = 2
    while not enough(reach):
        if reach >= MOST_SEEDS:
            return None
        reach = min(2 * reach, MOST_SEEDS)
    below = reach // 2 if reach > 2 else 1
    while reach - below > 1:
        middle = (below + reach) // 2
        below, reach = (below, middle) if enough(middle) else (middle, reach)
    return reach


_NODES = 40


@lru_cache(maxsize=4096)
def _spreads(df: int) -> tuple[tuple[float, float], ...]:
    """Values of s / sigma and their probabilities: chi with `df` degrees over sqrt(df), by the midpoint rule."""
    middle, width = math.sqrt(max(df - 0.5, 0.0) / df), 6.0 / math.sqrt(2.0 * df)
    low, high = max(0.0, middle - width), middle + width
    step = (high - low) / _NODES
    nodes = [low + (i + 0.5) * step for i in range(_NODES)]
    logs = [(df - 1) * math.log(u) - 0.5 * df * u * u for u in nodes]
    largest = max(logs)
    weights = [math.exp(log - largest) for log in logs]
    total = math.fsum(weights)
    return tuple((u, weight / total) for u, weight in zip(nodes, weights, strict=True))


def _normal(z: float) -> float:
    return 0.5 * math.erfc(-z / math.sqrt(2.0))
