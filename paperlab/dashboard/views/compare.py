"""Compare: why does mine differ?"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import streamlit as st

from paperlab.dashboard import address, charts, data, links, notices, run_list
from paperlab.dashboard.run_plots import CONFIG
from paperlab.dashboard.text import brief, count, escape, number
from paperlab.entities import Run
from paperlab.runs.compare import Comparison, Row

TITLE = "Compare"

MOST = 12
_POINTS = 800
_AGAINST = {"step": "step", "tokens": "tokens", "FLOPs": "FLOPs", "time": "hours"}
_TOKENS = "train/tokens"
_FIRST = ("val/loss", "train/loss")
_KEYS_SHOWN = 60
_CHARACTERS = 320
"""Of one key's values together, so that twelve runs fit on a screen."""
_HASH = re.compile(r"[0-9a-f]{40,128}")
_OF_A_HASH = 12


def render() -> None:
    st.title("Compare")
    asked = address.listed("runs")
    ids = tuple(asked[:MOST])
    if not ids:
        notices.empty("The address names no runs: choose two or more from the list.")
        links.link("runs", "All runs")
        return
    if len(asked) > MOST:
        st.caption(f"At most {MOST} runs are laid side by side; the first {MOST} of {len(asked)} are shown.")
    runs, found = data.comparison(ids)
    for run in runs:
        with st.container(horizontal=True, vertical_alignment="center", gap="small"):
            st.html(run_list.swatch(run.id), width="content")
            links.run(run.id)
            changed = " ".join(f"{key}={value}" for key, value in run.overrides.items())
            st.caption(
                f"{run_list.STATES[run.status]} · {escape(f'{run.recipe} {run.tier} seed {run.seed} {changed}')}",
                width="content",
            )
    _curves(runs)
    if found is None:
        notices.empty("One run alone can't be compared: choose another beside it.")
        links.link("runs", "All runs")
        return
    _measured(found, runs)
    _differing(found, runs)


def _curves(runs: Sequence[Run]) -> None:
    ids = tuple(run.id for run in runs)
    names = data.metric_names(ids)
    if not names:
        notices.empty("None of them has recorded a number yet.")
        return
    names = [*(name for name in _FIRST if name in names), *(name for name in names if name not in _FIRST)]
    with st.container(horizontal=True):
        metric = st.selectbox(
            "metric", names, width=280, format_func=brief, **address.choice("metric", names, names[0])
        )
        against = st.segmented_control("against", list(_AGAINST), **address.choice("against", list(_AGAINST), "step"))
        banded = st.toggle("seeds as bands", **address.flag("bands"))
        logarithmic = st.toggle("log axes", **address.flag("log"))
    unit = _AGAINST[against or "step"]
    curves = data.overlay(ids, metric or names[0], _POINTS)
    tokens = {each.run_id: each for each in data.overlay(ids, _TOKENS, _POINTS)}
    sizes = {run.id: (run.record.get("provenance") or {}).get("parameters") for run in runs}
    places = {each.run_id: charts.axis(each, unit, tokens.get(each.run_id), sizes[each.run_id]) for each in curves}
    figure = charts.overlay(
        curves,
        {run_id: x for run_id, x in places.items() if x is not None},
        against=unit,
        groups={run.id: _group(run) for run in runs} if banded else None,
        logarithmic=logarithmic,
    )
    st.plotly_chart(figure, config=CONFIG, key="overlay")
    unknown = [run_id for run_id, x in places.items() if x is None]
    if unknown:
        st.caption(escape(f"did not record their {against}, and are left out: {', '.join(unknown)}"))


def _group(run: Run) -> str:
    """What runs that differ in their seed alone have in common."""
    return " ".join([run.recipe, run.tier, *(f"{key}={value}" for key, value in sorted(run.overrides.items()))])


def _measured(found: Comparison, runs: Sequence[Run]) -> None:
    st.header("Measured")
    if not found.rows:
        st.caption("Nothing was measured by them yet.")
        return
    table: dict[str, list[str]] = {"Quantity": [_quantity(row) for row in found.rows]}
    for at, run in enumerate(runs):
        table[escape(_short(run.id))] = [_value(row, at) for row in found.rows]
    st.table(table, hide_index=True, border="horizontal")
    st.caption(
        "After a value: its difference from the first run's; where both recipes ran the same seeds, the mean of the "
        "pairs with Student's p. Without a p nothing is decided: one pair shows no spread."
    )


def _quantity(row: Row) -> str:
    """What is measured, in which unit, where in the training, and why it can't be subtracted where it can't."""
    steps = {step for step in row.steps if step is not None}
    unit = f", {escape(row.unit, 60)}" if row.unit else ""
    said = escape(row.name, 160) + unit + (f", step {steps.pop():,}" if len(steps) == 1 else "")
    if row.protocol_differs:
        said += f" :orange[{escape('not comparable: ' + ', '.join(row.protocol_differs))}]"
    return said


def _value(row: Row, at: int) -> str:
    """One run's value and how it differs from the first run's; short, for twelve of them stand beside each other."""
    value, step = row.values[at], row.steps[at]
    if value is None:
        return "–"
    several = len({each for each in row.steps if each is not None}) > 1
    said = escape(number(value) + (f" at step {step:,}" if several and step is not None else ""))
    return said + (f" :gray[{escape(_difference(row, at - 1))}]" if at and row.differences[at - 1] is not None else "")


def _difference(row: Row, at: int) -> str:
    difference, test = row.differences[at], row.tests[at]
    if test is None or test.p is None:
        return f"{difference:+.4g}"
    return f"{test.mean:+.4g} ({count(len(test.seeds), 'seed')}, p = {test.p:.2g})"


def _differing(found: Comparison, runs: Sequence[Run]) -> None:
    st.header("What differs between them")
    if not found.differing:
        st.caption(f"Nothing but the seed's own marks: {count(found.agreeing, 'key')} agree.")
        return
    shown = found.differing[:_KEYS_SHOWN]
    table: dict[str, list[str]] = {"Key": [escape(each.key, 160) for each in shown]}
    for at, run in enumerate(runs):
        table[escape(_short(run.id))] = [_cell(each.values[at], _CHARACTERS // len(runs)) for each in shown]
    st.table(table, hide_index=True, border="horizontal")
    st.caption(f"shown {len(shown)} of {count(len(found.differing), 'key')} that differ; {found.agreeing:,} agree")


def _cell(value: Any, limit: int) -> str:
    if value is None:
        return "–"
    return escape(f"{value[:_OF_A_HASH]}…" if isinstance(value, str) and _HASH.fullmatch(value) else str(value), limit)


def _short(run_id: str) -> str:
    return run_id.rpartition("-")[2]
