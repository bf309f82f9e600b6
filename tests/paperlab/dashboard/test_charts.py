from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from paperlab.dashboard import charts, claim_charts
from paperlab.dashboard.charts import Curve
from paperlab.dashboard.claim_charts import ForestRow
from paperlab.entities import VerdictKind


def curve(name: str = "train/loss", n: int = 10, run_id: str = "r-aaaa") -> Curve:
    return Curve(run_id, name, range(1, n + 1), [3600.0 * i for i in range(n)], [math.cos(i) for i in range(n)])


def row(verdict: VerdictKind = VerdictKind.REPRODUCED, **changes) -> ForestRow:
    values = {"label": "table 2", "reported": 27.3, "tolerance": 0.5, "measured": 27.5, "low": 27.2, "high": 27.8}
    return ForestRow(**{**values, "verdict": verdict, "unit": "BLEU", **changes})


@given(st.lists(st.floats(allow_nan=False, allow_infinity=False), max_size=400), st.integers(4, 60))
def test_thinning_keeps_the_ends_the_extremes_and_the_limit(values, limit):
    kept = charts.thin(values, limit)
    assert len(kept) <= max(limit, 4)
    assert kept == sorted(set(kept))
    if values:
        assert {0, len(values) - 1} <= set(kept)
        shown = [values[i] for i in kept]
        assert (min(shown), max(shown)) == (min(values), max(values))


def test_a_spike_of_one_point_in_a_hundred_thousand_is_drawn():
    values = [0.0] * 100_000
    values[54_321] = 9.0
    assert 54_321 in charts.thin(values)


def test_few_points_are_all_drawn():
    assert charts.thin([3.0, 1.0, 2.0]) == [0, 1, 2]


def test_a_run_has_one_colour_and_neighbours_have_others():
    colours = {charts.colour(f"20261124-093012-transformer-base-smoke-{i:04x}") for i in range(50)}
    assert charts.colour("a") == charts.colour("a")
    assert len(colours) > 45


def test_a_panel_says_what_it_shows_of_how_much_in_which_unit():
    figure = charts.lines("loss", [curve(n=5000), curve("val/loss", n=10)], limit=100)
    shown = sum(len(trace.x) for trace in figure.data)
    assert f"shown {shown:,} of 5,010 points" in figure.layout.title.text
    assert figure.layout.title.text.startswith("Loss")
    assert figure.layout.yaxis.title.text == "nats per token"
    assert figure.layout.xaxis.title.text == "step"
    assert {trace.line.color for trace in figure.data} == {charts.colour("r-aaaa")}


def test_time_is_counted_in_hours_from_the_first_point():
    figure = charts.lines("loss", [curve(n=3)], against="hours")
    assert list(figure.data[0].x) == [0.0, 1.0, 2.0]


def test_panels_come_in_the_order_in_which_they_are_looked_at():
    found = charts.panels([curve("train/tokens_per_second"), curve("val/loss"), curve("val/odd"), curve("train/loss")])
    assert [family for family, _ in found] == ["loss", "odd", "tokens_per_second"]
    assert [one.name for one in found[0][1]] == ["val/loss", "train/loss"]


def test_an_unknown_metric_is_drawn_under_its_own_name_as_text():
    figure = charts.lines("<b>x</b>", [curve("val/<b>x</b>")])
    assert figure.layout.title.text.startswith("&lt;b&gt;x&lt;/b&gt;")


def test_the_forest_measures_distance_in_tolerances():
    figure = claim_charts.forest([row(), row(VerdictKind.DIFFERS, reported=65.0, measured=66.0, low=None, high=None)])
    reproduced, differs = figure.data
    assert reproduced.x[0] == pytest.approx(0.4)
    assert reproduced.error_x.array[0] == pytest.approx(0.6)
    assert reproduced.error_x.arrayminus[0] == pytest.approx(0.6)
    assert differs.x[0] == pytest.approx(2.0)
    assert (differs.error_x.array[0], differs.error_x.arrayminus[0]) == (0.0, 0.0)


def test_each_verdict_has_a_shape_and_a_colour_of_its_own():
    figure = claim_charts.forest([row(kind) for kind in VerdictKind])
    assert len({trace.marker.symbol for trace in figure.data}) == len(VerdictKind)
    assert len({trace.marker.color for trace in figure.data}) == len(VerdictKind)
    assert len({symbol for symbol, _, _ in claim_charts.SYMBOLS.values()}) == len(VerdictKind)
