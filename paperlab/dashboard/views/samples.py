"""Samples: how did its answers change while it learnt, and what do other runs say to the same prompt?"""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st

from paperlab.dashboard import address, data, links, notices, run_list
from paperlab.dashboard.follow import RunView
from paperlab.dashboard.text import brief, count, difference, escape
from paperlab.entities import Run, Sample
from paperlab.errors import PaperlabError

TITLE = "Samples"

MOST_RUNS = 4
_COLUMNS = 5
_PROMPTS = 12
_TEXT_SHOWN = 600


def render() -> None:
    st.title("Samples")
    asked = address.listed("runs")[:MOST_RUNS]
    recent = [run.id for run in data.runs(limit=50)]
    if not recent and not asked:
        notices.empty("Nothing has been trained here yet.", "paperlab reproduce transformer-base --tier smoke")
        return
    known = list(dict.fromkeys([*asked, *recent]))
    chosen = st.multiselect(
        "runs", known, max_selections=MOST_RUNS, format_func=brief, **address.choices("runs", known, recent[:1])
    )
    if not chosen:
        notices.empty("Choose a run.")
        return
    views = [view for name in chosen if (view := _readable(name)) is not None]
    if not views:
        return
    with_samples = [view for view in views if view.samples]
    if not with_samples:
        notices.empty("These runs have written no samples.")
        return
    marked = st.toggle("mark what changed", **address.flag("marked", default=True))
    prompts = list(dict.fromkeys(sample.source for view in with_samples for sample in view.samples))
    for view in with_samples:
        st.header(escape(view.run.id))
        _head(view.run)
        _grid(view.samples, prompts[:_PROMPTS], marked=marked)
    if len(prompts) > _PROMPTS:
        st.caption(f"shown {_PROMPTS} of {count(len(prompts), 'prompt')}")


def _readable(name: str) -> RunView | None:
    """The run; one that can't be read is told, and hides no other."""
    try:
        return data.run(name)
    except PaperlabError as error:
        notices.problem(error)
        return None


def _head(run: Run) -> None:
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        st.html(run_list.swatch(run.id), width="content")
        links.run(run.id)


def _grid(samples: Sequence[Sample], prompts: Sequence[str], *, marked: bool) -> None:
    """A row a prompt, a column a checkpoint, the newest at the right; what a cell adds to the one before is marked."""
    steps = sorted({sample.step for sample in samples})
    chosen = _spread(steps, _COLUMNS)
    of = {(sample.source, sample.step): sample for sample in samples}
    rows = [prompt for prompt in prompts if any((prompt, step) in of for step in chosen)]
    table: dict[str, list[str]] = {"Prompt": [_cell(prompt) for prompt in rows]}
    before: dict[str, str] = {}
    for step in chosen:
        column = []
        for prompt in rows:
            sample = of.get((prompt, step))
            column.append("–" if sample is None else _said(sample, before.get(prompt), marked=marked))
            if sample is not None:
                before[prompt] = sample.output
        table[f"step {step:,}"] = column
    references = [next((of[p, s].reference for s in reversed(chosen) if (p, s) in of), None) for p in rows]
    if any(references):
        table["Reference"] = [_cell(reference) for reference in references]
    st.table(table, hide_index=True, border="horizontal")
    st.caption(f"shown {len(chosen)} of {count(len(steps), 'checkpoint')} with samples")


def _spread(steps: Sequence[int], limit: int) -> list[int]:
    """At most `limit` of the steps, the first and the last among them, evenly."""
    if len(steps) <= limit:
        return list(steps)
    return [steps[round(i * (len(steps) - 1) / (limit - 1))] for i in range(limit)]


def _said(sample: Sample, before: str | None, *, marked: bool) -> str:
    right = " ✔" if sample.reference is not None and sample.output == sample.reference else ""
    if not marked or before is None:
        return _cell(sample.output) + right
    pieces = difference(brief(before, _TEXT_SHOWN), brief(sample.output, _TEXT_SHOWN))
    return (
        " ".join(
            f"**{escape(words, _TEXT_SHOWN)}**" if is_new else escape(words, _TEXT_SHOWN) for words, is_new in pieces
        )
        + right
    )


def _cell(text: str | None) -> str:
    return "–" if text is None else escape(text, _TEXT_SHOWN)
