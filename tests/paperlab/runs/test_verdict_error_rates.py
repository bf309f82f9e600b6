"""The verdict's error rates, by simulation: 2,000 synthetic claims with their runs for each kind, 10,000 as soak.

At the edge of the tolerance - the most favourable case that must not pass - `reproduced` may come out at a rate of
alpha and no more.  The slack is three binomial standard errors: a sound implementation fails one draw of the seed in
a thousand, and the seeds are fixed.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from paperlab.entities import Claim, Measurement, Pool, Tolerance, VerdictKind
from paperlab.runs import inference, pooling, verdict
from tests.paperlab.runs.test_verdict import (
    AT_LEAST,
    BETTER,
    CLAIM,
    CLAIMS,
    EXACT,
    ORDERING,
    SIZES,
    TREND,
    WORSE,
    measured,
    seeds,
)

SETS = 2000
MANY = 10_000
ALPHA = inference.ALPHA
SPREAD = 0.3


def slack(sets: int) -> float:
    return 3 * math.sqrt(ALPHA * (1 - ALPHA) / sets)


Runs = Callable[[np.random.Generator, int], list[Measurement]]
"""Draws the measurements of one claim from a generator, for a number of seeds."""


def value_runs(claim: Claim, mean: float) -> Runs:
    return lambda rng, n: seeds(rng.normal(mean, SPREAD, n).tolist(), claim)


def welch_runs(gap: float) -> Runs:
    def draw(rng: np.random.Generator, n: int) -> list[Measurement]:
        better = seeds(rng.normal(27.0 + gap, SPREAD, n).tolist(), BETTER)
        return [*better, *seeds(rng.normal(27.0, 2 * SPREAD, n + 1).tolist(), WORSE, first=100)]

    return draw


def paired_runs(gap: float) -> Runs:
    def draw(rng: np.random.Generator, n: int) -> list[Measurement]:
        shared = rng.normal(27.0, 2.0, n)
        better = seeds((shared + gap + rng.normal(0.0, SPREAD, n)).tolist(), BETTER)
        return [*better, *seeds((shared + rng.normal(0.0, SPREAD, n)).tolist(), WORSE)]

    return draw


def trend_runs(slope: float) -> Runs:
    def draw(rng: np.random.Generator, n: int) -> list[Measurement]:
        noise = rng.normal(0.0, SPREAD, (n, len(SIZES)))
        return [
            measured(float(27.0 + slope * size + noise[seed, place]), seed, CLAIMS[name])
            for seed in range(n)
            for place, (name, size) in enumerate(SIZES.items())
        ]

    return draw


ONE_SIDED = replace(AT_LEAST, metric="quality", unit="points", value=27.0)
UPPER = replace(ONE_SIDED, relation="at-most")
SLOPE = replace(TREND, relation=None, value=1.0, tolerance=Tolerance(0.5, "read off a plot"))

EDGES: dict[str, tuple[Claim, Runs]] = {
    "value, upper edge": (CLAIM, value_runs(CLAIM, 27.8)),
    "bound, at least": (ONE_SIDED, value_runs(ONE_SIDED, 27.0)),
    "ordering, other seeds": (ORDERING, welch_runs(0.0)),
    "ordering, same seeds": (ORDERING, paired_runs(0.0)),
    "trend, rises": (TREND, trend_runs(0.0)),
    "value, lower edge": (CLAIM, value_runs(CLAIM, 26.8)),
    "bound, at most": (UPPER, value_runs(UPPER, 27.0)),
    "trend, slope": (SLOPE, trend_runs(1.5)),
}
in_two_sizes = pytest.mark.parametrize("sets", [SETS, pytest.param(MANY, marks=pytest.mark.soak)])


def rates(claim: Claim, draw: Runs, n: int, sets: int) -> dict[VerdictKind, float]:
    rng = np.random.default_rng(n)
    kinds = Counter(verdict.judge(claim, draw(rng, n), claims=CLAIMS).verdict.kind for _ in range(sets))
    return {kind: count / sets for kind, count in kinds.items()}


@pytest.fixture
def no_plans(monkeypatch: pytest.MonkeyPatch) -> None:
    """Which kind of verdict comes out, without how many seeds more would decide: that takes longer than the verdict."""
    monkeypatch.setattr(inference, "further_seeds", lambda *_: 1)


@pytest.mark.usefixtures("no_plans")
@in_two_sizes
@pytest.mark.parametrize("edge", EDGES)
def test_at_the_edge_reproduced_comes_out_at_most_at_the_rate_alpha(edge: str, sets: int) -> None:
    claim, draw = EDGES[edge]
    found = rates(claim, draw, 3, sets)
    assert found.get(VerdictKind.REPRODUCED, 0.0) <= ALPHA + slack(sets)
    assert found.get(VerdictKind.DIFFERS, 0.0) <= ALPHA + slack(sets)


@pytest.mark.usefixtures("no_plans")
@in_two_sizes
def test_one_sided_tests_use_all_of_alpha(sets: int) -> None:
    assert rates(*EDGES["bound, at least"], n=5, sets=sets)[VerdictKind.REPRODUCED] >= ALPHA - slack(sets)


@pytest.mark.parametrize("edge", EDGES)
def test_one_seed_never_reproduces_and_never_differs(edge: str) -> None:
    claim, draw = EDGES[edge]
    if edge == "ordering, other seeds":
        claim, draw = ORDERING, paired_runs(0.0)  # n + 1 seeds on one side would not be one seed
    assert set(rates(claim, draw, n=1, sets=300)) == {VerdictKind.INCONCLUSIVE}


def test_a_structural_claim_is_reproduced_within_half_a_digit_and_differs_outside() -> None:
    rng = np.random.default_rng(0)
    for value in rng.uniform(63.0, 67.0, SETS).tolist():
        kind = verdict.judge(EXACT, [measured(value, None, EXACT, run_id=None)]).verdict.kind
        assert kind is (VerdictKind.REPRODUCED if abs(value - 65.0) <= 0.5 else VerdictKind.DIFFERS)


@in_two_sizes
def test_accuracies_near_one_do_not_pass_a_bound_that_they_miss(sets: int) -> None:
    """Shares of 500 examples are neither normal nor continuous; the floor on the spread keeps the rate at alpha."""
    truth = replace(AT_LEAST, value=0.998)

    def draw(rng: np.random.Generator, n: int) -> list[Measurement]:
        return seeds((rng.binomial(500, 0.995, n) / 500).tolist(), truth)

    assert rates(truth, draw, n=3, sets=sets).get(VerdictKind.REPRODUCED, 0.0) <= ALPHA


@in_two_sizes
@pytest.mark.parametrize(("mean", "spread"), [(27.3, 0.3), (27.1, 0.2), (28.6, 0.4)])
def test_the_number_of_seeds_asked_for_decides_at_the_stated_power(mean: float, spread: float, sets: int) -> None:
    """Plan with the true mean and spread, add the seeds, judge: at least 80 % of the sets come to a decision."""
    region = inference.Region.around(27.3, 0.5)
    more = inference.further_seeds(inference.Sample(mean, spread, 2, spread, 1), region)
    assert more is not None
    rng = np.random.default_rng(3)
    undecided = 0
    for _ in range(sets):
        kind = verdict.judge(CLAIM, seeds(rng.normal(mean, spread, 2 + more).tolist())).verdict.kind
        undecided += kind is VerdictKind.INCONCLUSIVE
    # 0.02: the plan works on a grid of 5 % steps.
    assert 1 - undecided / sets >= inference.POWER - 0.02 - 3 * math.sqrt(0.16 / sets)


# --- a spread that several recipes have in common -------------------------------------------------------------------

LENDING = tuple(
    replace(CLAIM, id=f"2401.00001:other-{n}", recipe=f"other-{n}", protocol=CLAIM.protocol) for n in range(4)
)
POOLED = replace(CLAIM, pool=Pool(tuple(claim.id for claim in LENDING), "the same architecture at other sizes"))
POOL_CLAIMS = {**CLAIMS, **{claim.id: claim for claim in LENDING}}


def pooled_runs(mean: float) -> Runs:
    """The claim's seeds at `mean`, and three seeds of each of the others wherever those lie."""

    def draw(rng: np.random.Generator, n: int) -> list[Measurement]:
        own = seeds(rng.normal(mean, SPREAD, n).tolist(), POOLED)
        lent = [seeds(rng.normal(20.0 + at, SPREAD, 3).tolist(), claim) for at, claim in enumerate(LENDING)]
        return [*own, *(item for each in lent for item in each)]

    return draw


def pooled_rates(n: int, mean: float, sets: int) -> dict[VerdictKind, float]:
    rng, draw = np.random.default_rng(n), pooled_runs(mean)
    kinds = Counter(verdict.judge(POOLED, draw(rng, n), claims=POOL_CLAIMS).verdict.kind for _ in range(sets))
    return {kind: count / sets for kind, count in kinds.items()}


@in_two_sizes
@pytest.mark.parametrize("n", [2, 3])
def test_with_a_common_spread_reproduced_comes_out_at_most_at_the_rate_alpha(n: int, sets: int) -> None:
    found = pooled_rates(n, 27.8, sets)
    assert found.get(VerdictKind.REPRODUCED, 0.0) <= ALPHA + slack(sets)


def test_a_common_spread_decides_more_often() -> None:
    alone = rates(CLAIM, value_runs(CLAIM, 27.3), n=3, sets=1000)[VerdictKind.REPRODUCED]
    assert pooled_rates(3, 27.3, 1000)[VerdictKind.REPRODUCED] > alone + 0.05


def test_one_seed_never_reproduces_whatever_others_lend() -> None:
    assert set(pooled_rates(1, 27.3, 300)) == {VerdictKind.INCONCLUSIVE}


@in_two_sizes
@pytest.mark.parametrize("n", [2, 3, 5])
@pytest.mark.parametrize(
    ("own", "others", "most"),
    [
        (1.0, (1.0, 1.0, 1.0, 1.0), ALPHA),
        (pooling.MOST_RATIO, (1.0, 1.0, 1.0, 1.0), ALPHA),
        (1.0, (0.5, 1.0, 1.5, 2.0), ALPHA),
        (1.5, (1.0, 1.0, 1.0, 1.0), 2 * ALPHA),
        (2.0, (1.0, 1.0, 1.0, 1.0), 2 * ALPHA),
        (3.0, (1.0, 1.0, 1.0, 1.0), 2 * ALPHA),
        (10.0, (1.0, 1.0, 1.0, 1.0), 2 * ALPHA),
        (1.0, (0.01, 0.01, 0.01, 1.0), 2 * ALPHA),
        (2.0, (0.1, 0.1, 0.1, 3.0), 2 * ALPHA),
    ],
)
def test_spreads_that_are_not_alike_keep_the_stated_bound(
    n: int, own: float, others: tuple[float, ...], most: float, sets: int
) -> None:
    """At the edge of a bound: where the own seeds vary more than those that lend, and at random."""
    rng = np.random.default_rng(n)
    mine = rng.normal(0.0, own, (sets, n))
    theirs = rng.normal(0.0, np.array(others)[:, None], (sets, len(others), 3))
    region = inference.Region(0.0, math.inf)
    means, sds = mine.mean(axis=1).tolist(), mine.std(axis=1, ddof=1).tolist()
    lent = theirs.std(axis=2, ddof=1).tolist()
    inside = 0
    for mean, sd, spreads in zip(means, sds, lent, strict=True):
        given = [inference.Sample(0.0, spread, 3, spread, 2) for spread in spreads]
        sample = pooling.pool(inference.Sample(mean, sd, n, sd / math.sqrt(n), n - 1), given, "ours").sample
        inside += inference.decide(sample, region) is inference.Decision.INSIDE
    assert inside / sets <= most + 3 * math.sqrt(most * (1 - most) / sets)
