"""Student's t against scipy, and by its symmetries."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from paperlab.runs import student_t

degrees = st.floats(1.0, 10_000.0)


@given(t=st.floats(-200.0, 200.0), df=degrees)
def test_the_distribution_function_is_scipys(t: float, df: float) -> None:
    assert student_t.cdf(t, df) == pytest.approx(stats.t.cdf(t, df), abs=1e-8)  # scipy drops its last digits near 0


@given(t=st.floats(-1e6, 1e6))
def test_with_one_degree_of_freedom_it_is_the_arc_tangent(t: float) -> None:
    assert student_t.cdf(t, 1.0) == pytest.approx(0.5 + math.atan(t) / math.pi, abs=1e-13)


@given(p=st.floats(1e-6, 1 - 1e-6), df=degrees)
def test_the_quantile_is_scipys(p: float, df: float) -> None:
    assert student_t.quantile(p, df) == pytest.approx(stats.t.ppf(p, df), rel=1e-7, abs=1e-9)


@given(p=st.floats(0.001, 0.999), df=degrees)
def test_the_quantile_undoes_the_distribution_function(p: float, df: float) -> None:
    assert student_t.cdf(student_t.quantile(p, df), df) == pytest.approx(p, abs=1e-10)


@given(x=st.floats(0.0, 1.0), a=st.floats(0.1, 500.0), b=st.floats(0.1, 500.0))
def test_the_incomplete_beta_function_is_scipys(x: float, a: float, b: float) -> None:
    assert student_t.incomplete_beta(x, a, b) == pytest.approx(stats.beta.cdf(x, a, b), abs=1e-9)


def test_with_many_degrees_of_freedom_it_is_the_normal_distribution() -> None:
    assert student_t.cdf(1.959963984540054, math.inf) == pytest.approx(0.975, abs=1e-12)
    assert student_t.cdf(math.inf, 3.0) == 1.0
    assert student_t.cdf(-math.inf, 3.0) == 0.0


@pytest.mark.parametrize("p", [0.0, 1.0, -0.1, math.nan])
def test_a_quantile_of_no_probability_is_refused(p: float) -> None:
    with pytest.raises(ValueError, match="probability"):
        student_t.quantile(p, 3.0)


def test_degrees_of_freedom_must_be_positive() -> None:
    with pytest.raises(ValueError, match="degrees of freedom"):
        student_t.cdf(1.0, 0.0)
