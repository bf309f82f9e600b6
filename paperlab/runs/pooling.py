"""One spread from several recipes, where a claim says that they have it in common.

Three seeds tell a spread badly: their t quantile is 2.9, with ten degrees of freedom more it is 1.8.  Other recipes
that are measured by the same metric, on the same data and by the same protocol can lend theirs, if they vary alike;
whether they do is for whoever writes the claim to say (`pool` with a `why`), never assumed.

It is checked, and the check can't be perfect: from few seeds no test tells a spread that is half as large again.  So:

    the claim's own seeds vary more than theirs (F test at the level 1/4, one-sided)     they are not pooled
    the own spread is at most MOST_RATIO times theirs                                    error rate <= alpha
    whatever the spreads are, theirs unequal too                                         error rate <= 2 alpha

The rates are those of a false `reproduced` at the edge of the tolerance; the tests hold them by simulation.  One seed
stays one seed: what others vary says nothing of where this one's mean lies within its recipe.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from paperlab.runs import student_t
from paperlab.runs.inference import Sample

LEVEL = 0.25
"""Of the F test: strict, because pooling what should not be pooled is the dangerous error."""
FEWEST = 4
"""Degrees of freedom that the others have to bring."""
MOST_RATIO = 1.15
"""Of the own to the others' standard deviation, up to which the error rate is alpha."""


@dataclass(frozen=True)
class Pooled:
    """The sample to be tested, and in words whether its spread is a common one."""

    sample: Sample
    said: str


def pool(own: Sample, others: Sequence[Sample], why: str) -> Pooled:
    """The sample `own` with the spread that it has in common with `others`, or as it is."""
    lending = [other for other in others if other.sd is not None and other.n > 1]
    freedom = math.fsum(other.n - 1 for other in lending)
    if own.sd is None or own.n < 2:
        return Pooled(own, "")
    if freedom < FEWEST:
        need = f"{FEWEST} degrees of freedom are needed, there are {freedom:g}"
        return Pooled(own, f"; spread its own: of the recipes that could lend theirs {need}")
    theirs = math.fsum((other.n - 1) * (other.sd or 0.0) ** 2 for other in lending) / freedom
    p = larger(own.sd**2 / theirs, own.n - 1, freedom)
    spreads = f"{own.sd:.3g} against {math.sqrt(theirs):.3g}"
    if p < LEVEL:
        return Pooled(own, f"; spread its own, which is larger than that of the others ({spreads}, p = {p:.2g})")
    df = own.n - 1 + freedom
    sd = math.sqrt(((own.n - 1) * own.sd**2 + freedom * theirs) / df)
    many = f"{len(lending)} other recipe{'s' if len(lending) > 1 else ''}"
    said = f"; spread pooled with {many} ({spreads}, {df:g} degrees of freedom): {why}"
    return Pooled(Sample(own.mean, sd, own.n, sd / math.sqrt(own.n), df), said)


def larger(ratio: float, df1: float, df2: float) -> float:
    """P(F > ratio) for the ratio of two variances with these degrees of freedom (Fisher and Snedecor)."""
    return student_t.incomplete_beta(df2 / (df2 + df1 * ratio), df2 / 2.0, df1 / 2.0)
