"""Student's t distribution, so that a verdict needs no scientific library at run time.

The distribution function comes from the regularised incomplete beta function, I_x(a, b), evaluated by its continued
fraction (Abramowitz and Stegun, 26.5.8 and 26.7.1); quantiles by Newton's method on it.  The tests hold both
against scipy.
"""

from __future__ import annotations

import math
from functools import lru_cache

_TINY = 1e-300
_CONVERGED = 1e-15
_MOST_TERMS = 10_000


def cdf(t: float, df: float) -> float:
    """P(T <= t) with `df` > 0 degrees of freedom (not necessarily whole: Welch)."""
    if not df > 0:
        raise ValueError(f"degrees of freedom must be positive, not {df}")
    if math.isinf(t):
        return 1.0 if t > 0 else 0.0
    if math.isinf(df):
        return 0.5 * math.erfc(-t / math.sqrt(2.0))
    square = t * t
    if square < df:  # the two forms are equal; this one keeps its digits near t = 0
        inside = incomplete_beta(square / (df + square), 0.5, df / 2.0)
        return 0.5 + math.copysign(0.5 * inside, t)
    tail = 0.5 * incomplete_beta(df / (df + square), df / 2.0, 0.5)
    return tail if t < 0 else 1.0 - tail


@lru_cache(maxsize=4096)
def quantile(p: float, df: float) -> float:
    """The t with cdf(t, df) = p, for 0 < p < 1."""
    if not 0.0 < p < 1.0:
        raise ValueError(f"a probability strictly between 0 and 1 is needed, not {p}")
    if p < 0.5:
        return -quantile(1.0 - p, df)
    t = 0.0
    for _ in range(
        _MOST_TERMS
    ):  # right of 0 the function is concave: Newton's steps rise to the root and never pass it
        step = (p - cdf(t, df)) / density(t, df)
        t += step
        if step <= 1e-13 * t:
            break
    return t


def density(t: float, df: float) -> float:
    """The derivative of `cdf`, for finite `df`."""
    scale = math.lgamma((df + 1.0) / 2.0) - math.lgamma(df / 2.0) - 0.5 * math.log(df * math.pi)
    return math.exp(scale - (df + 1.0) / 2.0 * math.log1p(t * t / df))


def incomplete_beta(x: float, a: float, b: float) -> float:
    """I_x(a, b), regularised, for 0 <= x <= 1 and a, b > 0."""
    if x <= 0.0:
        return 0.0
    if x >= 1.0:
        return 1.0
    if x > (a + 1.0) / (a + b + 2.0):  # beyond this the fraction of the mirrored problem converges faster
        return 1.0 - incomplete_beta(1.0 - x, b, a)
    front = math.exp(math.lgamma(a + b) - math.lgamma(a) - math.lgamma(b) + a * math.log(x) + b * math.log1p(-x))
    return front * _continued_fraction(x, a, b) / a


def _continued_fraction(x: float, a: float, b: float) -> float:
    """1/(1+ d1/(1+ d2/(1+ ...))) by the modified Lentz method."""
    numerator = 1.0
    denominator = 1.0 / _away_from_zero(1.0 - (a + b) * x / (a + 1.0))
    value = denominator
    for m in range(1, _MOST_TERMS):
        even = m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m))
        odd = -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1))
        for term in (even, odd):
            denominator = 1.0 / _away_from_zero(1.0 + term * denominator)
            numerator = _away_from_zero(1.0 + term / numerator)
            change = denominator * numerator
            value *= change
        if abs(change - 1.0) < _CONVERGED:
            return value
    raise ArithmeticError(f"the incomplete beta function did not converge at x={x}, a={a}, b={b}")


def _away_from_zero(value: float) -> float:
    return value if abs(value) > _TINY else _TINY
