"""How a few values decide: intervals against scipy, power against simulation."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from paperlab.runs import inference
from paperlab.runs.inference import Decision, Region

SETS = 10_000
SLACK = 4 * math.sqrt(0.8 * 0.2 / SETS)
"""Four binomial standard errors at 0.8: a sound implementation fails once in 16,000."""

values = st.lists(st.floats(-1e3, 1e3), min_size=2, max_size=12).filter(lambda numbers: np.std(numbers) > 1e-3)


@given(numbers=values)
def test_the_interval_of_a_sample_is_scipys(numbers: list[float]) -> None:
    expected = stats.t.interval(0.9, len(numbers) - 1, loc=np.mean(numbers), scale=stats.sem(numbers))
    assert inference.sample(numbers).interval() == pytest.approx(expected, rel=1e-7, abs=1e-7)


@given(better=values, worse=values)
def test_the_interval_of_a_difference_is_scipys_welch_interval(better: list[float], worse: list[float]) -> None:
    expected = stats.ttest_ind(better, worse, equal_var=False).confidence_interval(0.9)
    found = inference.difference(better, worse).interval()
    assert found == pytest.approx((expected.low, expected.high), rel=1e-6, abs=1e-6)


@given(numbers=values)
def test_inside_means_that_both_one_sided_tests_reject(numbers: list[float]) -> None:
    region = Region.around(0.0, 5.0)
    above = stats.ttest_1samp(numbers, region.low, alternative="greater").pvalue
    below = stats.ttest_1samp(numbers, region.high, alternative="less").pvalue
    if abs(max(above, below) - inference.ALPHA) > 1e-6:
        inside = inference.decide(inference.sample(numbers), region) is Decision.INSIDE
        assert inside == (max(above, below) < inference.ALPHA)


@given(x=st.lists(st.floats(-100, 100), min_size=3, max_size=8, unique=True), slope=st.floats(-10, 10))
def test_points_on_a_line_have_its_slope(x: list[float], slope: float) -> None:
    if np.std(x) > 1e-3:
        assert inference.slope([(at, 3.0 + slope * at) for at in x]) == pytest.approx(slope, abs=1e-6)


def test_a_slope_over_one_place_is_refused() -> None:
    with pytest.raises(ValueError, match="two different x"):
        inference.slope([(1.0, 2.0), (1.0, 3.0)])


def test_one_value_has_no_spread_and_decides_nothing() -> None:
    one = inference.sample([27.3])
    assert one.interval() is None
    assert inference.decide(one, Region.around(27.3, 100.0)) is Decision.UNDECIDED
    assert inference.further_seeds(one, Region.around(27.3, 100.0)) == 1


def test_equal_values_of_a_continuous_metric_have_no_spread() -> None:
    assert inference.sample([3.4, 3.4, 3.4]).interval() is None


def test_equal_shares_of_500_examples_are_known_to_half_an_example() -> None:
    sample = inference.sample([1.0, 1.0, 1.0], resolution=1 / 500)
    assert sample.sd == pytest.approx(0.001)
    assert inference.decide(sample, Region(0.99, math.inf)) is Decision.INSIDE
    assert inference.decide(sample, Region(0.999, math.inf)) is Decision.UNDECIDED


def test_a_difference_needs_two_values_on_each_side() -> None:
    assert inference.difference([1.0, 1.1, 1.2], [0.5]).interval() is None


def test_rounding_of_binary_fractions_does_not_decide_a_structural_claim() -> None:
    assert Region.around(0.3, 0.0).holds(0.1 + 0.2)
    assert Region.around(65.0, 0.5).holds(65.5)
    assert not Region.around(65.0, 0.5).holds(65.51)


CASES = [  # n, mean, sd, region
    (2, 0.0, 0.05, Region(-0.5, 0.5)),
    (3, 0.1, 0.2, Region(-0.5, 0.5)),
    (5, 0.45, 0.3, Region(-0.5, 0.5)),
    (8, 0.9, 0.3, Region(-0.5, 0.5)),
    (4, 0.3, 0.2, Region(0.0, math.inf)),
    (6, -0.2, 0.2, Region(0.0, math.inf)),
    (4, -0.3, 0.2, Region(-math.inf, 0.0)),
]


def rates(n: int, mean: float, sd: float, region: Region, seed: int) -> tuple[float, float]:
    """The shares of decisions inside and outside over 10,000 drawn sets of `n` values."""
    draws = np.random.default_rng(seed).normal(mean, sd, (SETS, n)).tolist()
    decisions = [inference.decide(inference.sample(draw), region) for draw in draws]
    return decisions.count(Decision.INSIDE) / SETS, decisions.count(Decision.OUTSIDE) / SETS


@pytest.mark.parametrize(("n", "mean", "sd", "region"), CASES)
def test_power_is_the_rate_that_simulation_finds(n: int, mean: float, sd: float, region: Region) -> None:
    assert rates(n, mean, sd, region, seed=n) == pytest.approx(inference.power(n, mean, sd, region), abs=SLACK)


@pytest.mark.parametrize(
    ("mean", "sd", "region"),
    [
        (0.0, 0.3, Region(-0.5, 0.5)),
        (0.3, 0.3, Region(-0.5, 0.5)),
        (1.0, 0.5, Region(-0.5, 0.5)),
        (0.2, 0.3, Region(0.0, math.inf)),
    ],
)
def test_the_seeds_asked_for_decide_with_the_stated_power_and_one_fewer_does_not(
    mean: float, sd: float, region: Region
) -> None:
    planned = inference.Sample(mean, sd, 2, sd / math.sqrt(2), 1)
    more = inference.further_seeds(planned, region)
    assert more is not None
    assert more > 1
    # The plan works on a grid of 5 %, so what it promises is met to within what 5 % of spread make.
    assert sum(rates(2 + more, mean, sd, region, seed=1)) >= inference.POWER - 0.04 - SLACK
    assert sum(rates(2 + more - 1, mean, sd, region, seed=2)) <= inference.POWER + 0.04 + SLACK


def test_a_mean_on_the_edge_can_not_be_decided_by_any_number_of_seeds() -> None:
    assert inference.further_seeds(inference.Sample(0.5, 0.3, 3, 0.17, 2), Region(-0.5, 0.5)) is None


def test_power_without_a_spread_or_a_second_value_is_none() -> None:
    assert inference.power(1, 0.0, 1.0, Region(-1, 1)) == (0.0, 0.0)
    assert inference.power(5, 0.0, 0.0, Region(-1, 1)) == (0.0, 0.0)


def test_a_sample_of_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match="at least one"):
        inference.sample([])
