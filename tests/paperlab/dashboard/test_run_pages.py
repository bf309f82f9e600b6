"""Runs and Compare: which runs there are, and why one differs."""

from __future__ import annotations

import pytest

from paperlab.dashboard import charts, links
from paperlab.dashboard.charts import Curve
from tests.paperlab.dashboard import filled
from tests.paperlab.dashboard.test_views import said

BOTH = f"{filled.FINISHED},{filled.STOPPED}"


def test_the_list_has_state_progress_and_a_curve_in_small(view, filled_home):
    page = view("runs", filled_home)
    assert not page.exception
    frame = page.dataframe[0].value
    assert list(frame["run"]) == [f"run?id={filled.STOPPED}", f"run?id={filled.FINISHED}"]
    assert list(frame["state"]) == ["‖ interrupted", "✔ finished"]
    assert list(frame["done"]) == [pytest.approx(50 / 300), 1.0]
    assert all(len(spark) > 5 for spark in frame["training loss"])


def test_the_address_narrows_the_list(view, filled_home):
    page = view("runs", filled_home, status="finished")
    assert list(page.dataframe[0].value["run"]) == [f"run?id={filled.FINISHED}"]
    assert "No run matches" in said(view("runs", filled_home, tier="mini"))


def test_runs_are_laid_side_by_side(view, filled_home):
    page = view("compare", filled_home, runs=BOTH)
    assert not page.exception
    assert "val/loss, final" in said(page)
    assert "What differs" in said(page)


@pytest.mark.parametrize("state", [{"against": "time"}, {"bands": "true"}, {"log": "true"}, {"metric": "train/lr"}])
def test_every_way_of_looking_draws(view, filled_home, state):
    page = view("compare", filled_home, runs=BOTH, **state)
    assert not page.exception
    assert not page.error


def test_what_a_run_did_not_record_is_said(view, filled_home):
    page = view("compare", filled_home, runs=BOTH, against="tokens")
    assert not page.exception
    assert f"did not record their tokens, and are left out: {filled.FINISHED}, {filled.STOPPED}" in said(page)


def test_one_run_or_an_unknown_one_is_told(view, filled_home):
    assert "One run alone" in said(view("compare", filled_home, runs=filled.FINISHED))
    page = view("compare", filled_home, runs=f"{filled.FINISHED},nothing")
    assert not page.exception
    assert "nothing" in said(page)


def _curve(run_id: str, values: list[float], steps: list[int] | None = None) -> Curve:
    steps = steps or list(range(1, len(values) + 1))
    return Curve(run_id, "val/loss", steps, [1e9 + 3600 * step for step in steps], values)


def test_tokens_and_operations_come_from_what_the_run_counted():
    tokens = Curve("a", "train/tokens", [10, 20], [0.0, 1.0], [1000.0, 3000.0])
    curve = _curve("a", [1.0, 1.0, 1.0], [5, 10, 15])
    assert charts.axis(curve, "tokens", tokens) == [500.0, 1000.0, 2000.0]
    assert charts.axis(curve, "FLOPs", tokens, parameters=10) == [30000.0, 60000.0, 120000.0]
    assert charts.axis(curve, "FLOPs", tokens) is None
    assert charts.axis(curve, "tokens") is None
    assert charts.axis(curve, "hours") == [0.0, 5.0, 10.0]


def test_seeds_of_one_recipe_are_a_mean_in_a_band():
    curves = [_curve("a", [4.0, 2.0]), _curve("b", [6.0, 4.0]), _curve("c", [9.0, 9.0])]
    places = {curve.run_id: [1.0, 2.0] for curve in curves}
    figure = charts.overlay(curves, places, against="step", groups={"a": "one", "b": "one", "c": "two"})
    band, mean, alone = figure.data
    assert list(band.y) == [6.0, 4.0, 2.0, 4.0]
    assert list(mean.y) == [5.0, 3.0]
    assert "2 seeds" in mean.name
    assert list(alone.y) == [9.0, 9.0]


def test_twelve_runs_laid_over_each_other_differ_in_more_than_their_colour():
    curves = [charts.Curve(f"run-{n}", "val/loss", [1, 2], [0.0, 1.0], [2.0, 1.0]) for n in range(12)]
    figure = charts.overlay(curves, {each.run_id: [1.0, 2.0] for each in curves}, against="step")
    drawn = [(trace.line.dash, trace.line.color) for trace in figure.data]
    assert len(set(drawn)) == 12
    assert len({dash for dash, _ in drawn[:4]}) == 4


def test_a_cell_names_the_newest_of_very_many_runs():
    ids = [f"2026112{day}-transformer-base-{day:04x}" for day in range(1, 10)]
    text = links.runs_in_cell(ids)
    assert text.count("](run?id=") == 6
    assert text.startswith("[0009](run?id=20261129-")
    assert text.endswith(" and 3 more")
    assert "more" not in links.runs_in_cell(ids[:2])
