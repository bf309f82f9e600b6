"""Plots: what is drawn is where the numbers say, whatever the texts are."""

from __future__ import annotations

import re
from xml.etree import ElementTree

import pytest

from paperlab.entities import VerdictKind
from paperlab.export import plots

HOSTILE = '<script>alert(1)</script>"&\x00\u202e'
SVG = "{http://www.w3.org/2000/svg}"


def drawn(svg: str) -> ElementTree.Element:
    return ElementTree.fromstring(plots.standalone(svg))


def row(measured: float, interval: tuple[float, float] | None = None, **changes) -> plots.ForestRow:
    fields = {"label": "Table 2", "verdict": VerdictKind.REPRODUCED, "reported": 27.3, "tolerance": 0.5, "unit": "BLEU"}
    return plots.ForestRow(**{**fields, **changes}, measured=measured, interval=interval)


def test_a_series_has_the_lowest_mean_and_highest_seed_at_each_step():
    made = plots.series("x", [[(1, 3.0), (2, 2.0)], [(1, 5.0), (2, 1.0)], [(2, 3.0)]])
    assert (made.steps, made.low, made.mean, made.high) == ((1, 2), (3.0, 1.0), (4.0, 2.0), (5.0, 3.0))


def test_thinning_keeps_every_spike_and_the_last_step():
    points = [(step, 1.0) for step in range(1, 10_001)]
    points[4321] = (4322, 9.0)
    points[77] = (78, -9.0)
    made = plots.series("x", [points])
    assert len(made.steps) <= plots.STEPS_DRAWN
    assert (max(made.high), min(made.low), made.steps[-1]) == (9.0, -9.0, 10_000)


def test_a_curve_that_falls_is_drawn_downwards_within_its_band():
    svg = plots.curves("loss", "nats", [plots.series("x", [[(0, 4.0), (100, 1.0)], [(0, 5.0), (100, 2.0)]])])
    lines = {path.get("class"): path.get("d") or "" for path in drawn(svg).iter(f"{SVG}path")}
    (x1, y1), (x2, y2) = ([float(n) for n in pair.split()] for pair in lines["s0"][1:].split("L"))
    assert x1 < x2
    assert y1 < y2  # down the page
    band = [float(pair.split()[1]) for pair in lines["f0 spread"][1:-1].split("L")]
    assert band[0] < y1 < band[3]
    assert band[1] < y2 < band[2]


@pytest.mark.parametrize("values", [[0.0], [7.0], [1e-9, 2e-9], [-5.0, 1e12], [3.0, 3.0]])
def test_any_range_of_values_has_an_axis(values):
    svg = plots.curves("t", "u", [plots.series("x", [list(enumerate(values))])])
    assert "nan" not in svg
    assert "inf" not in svg
    assert len(list(drawn(svg).iter(f"{SVG}text"))) > 3


@pytest.mark.parametrize(("measured", "inside"), [(27.3, True), (27.79, True), (27.81, False), (26.7, False)])
def test_a_mark_lies_in_the_band_if_and_only_if_it_is_within_the_tolerance(measured, inside):
    tree = drawn(plots.forest("claims", [row(measured)]))
    (band,) = (rect for rect in tree.iter(f"{SVG}rect") if rect.get("class") == "within")
    (mark,) = tree.iter(f"{SVG}circle")
    left, width, x = (float(value or "nan") for value in (band.get("x"), band.get("width"), mark.get("cx")))
    assert (left <= x <= left + width) == inside


def test_what_lies_beyond_the_axis_is_an_arrow_at_its_end_with_the_number_beside():
    svg = plots.forest("claims", [row(40.0, (39.0, 41.0), verdict=VerdictKind.DIFFERS)])
    assert "40 [39, 41] BLEU" in svg
    assert re.search(r"M530\.0 [\d.]+l-7 -5v10z", svg)


def test_each_verdict_has_a_shape_of_its_own():
    marks = set()
    for kind in VerdictKind:
        (group,) = drawn(plots.forest("t", [row(27.3, verdict=kind)])).iter(f"{SVG}g")
        marks.add(tuple((part.tag, part.get("d"), part.get("fill")) for part in group if part.tag != f"{SVG}title"))
    assert len(marks) == len(VerdictKind)


def test_texts_are_text():
    svg = plots.curves(HOSTILE, HOSTILE, [plots.series(HOSTILE, [[(1, 1.0)]])])
    svg += plots.forest(HOSTILE, [row(27.0, label=HOSTILE, unit=HOSTILE)])
    assert "<script" not in svg
    drawn(f"<svg>{svg}</svg>")


def test_the_same_numbers_give_the_same_text():
    made = [plots.curves("t", "u", [plots.series("x", [[(1, 1.0), (2, 0.5)]])]) for _ in range(2)]
    assert made[0] == made[1]
