"""Runs: what was trained here, and which of it do I want to look at or lay side by side?"""

from __future__ import annotations

from datetime import datetime
from urllib.parse import urlencode

import pandas as pd
import streamlit as st

from paperlab.dashboard import address, data, links, notices, run_list
from paperlab.dashboard.text import age, brief, count, duration
from paperlab.entities import Run, RunStatus
from paperlab.store.runs import RunFilter
from reproductions import registry

TITLE = "Runs"

_PER_PAGE = 50
_MOST_COMPARED = 12
_ID_WIDTH = 320  # pixels: the end of an id tells what it is
_MARKS = {
    RunStatus.RUNNING: "▶ running",
    RunStatus.FINISHED: "✔ finished",
    RunStatus.INTERRUPTED: "‖ interrupted",
    RunStatus.FAILED: "✘ failed",
}


def render() -> None:
    st.title("Runs")
    wanted = _filter()
    number = address.page_number()
    page = data.run_page(wanted, _PER_PAGE, (number - 1) * _PER_PAGE)
    pages = max(-(-page.total // _PER_PAGE), 1)
    if not page.runs:
        if wanted == RunFilter() and number == 1:
            notices.empty("Nothing has been trained here yet.", "paperlab reproduce transformer-base --tier smoke")
        else:
            notices.empty("No run matches all of this.")
        return
    first = (number - 1) * _PER_PAGE
    st.caption(f"{count(page.total, 'run')}, newest first; shown {first + 1:,} to {first + len(page.runs):,}")
    chosen = _table(page, data.now())
    _actions(chosen)
    if pages > 1:
        st.pagination(pages, **address.page(pages))


def _filter() -> RunFilter:
    columns = st.columns(3)
    chosen = []
    every = {"recipe": data.recipes_run(), "tier": list(registry.TIERS), "status": [each.value for each in RunStatus]}
    for column, (key, options) in zip(columns, every.items(), strict=True):
        kept = address.choice(key, options, clears=("page",))
        chosen.append(column.selectbox(key, options, index=None, placeholder="any", **kept))
    recipe, tier, status = chosen
    return RunFilter(recipe=recipe, tier=tier, status=RunStatus(status) if status else None)


def _table(page: data.RunPage, now: datetime) -> list[Run]:
    """Draws it; returns the runs whose rows are chosen."""
    runs = page.runs
    frame = pd.DataFrame(
        {
            "run": [f"run?{urlencode({'id': run.id})}" for run in runs],
            "state": [_MARKS[run.status] for run in runs],
            "seed": [run.seed for run in runs],
            "done": [run.step / run.max_steps if run.max_steps else None for run in runs],
            "training loss": [list(page.sparks.get(run.id, ())) for run in runs],
            "validation loss": [page.last.get(run.id) for run in runs],
            "device": [brief(run.device, 60) for run in runs],
            "took": [duration(run.seconds) for run in runs],
            "started": [age(run.created_at, now) for run in runs],
            "changed": [brief(" ".join(f"{key}={value}" for key, value in run.overrides.items()), 200) for run in runs],
        }
    )
    event = st.dataframe(
        frame,
        hide_index=True,
        height="content",
        key="rows",
        on_select="rerun",
        selection_mode="multi-row",
        column_config={
            "run": st.column_config.LinkColumn(display_text=r"id=(.+)$", width=_ID_WIDTH),
            "state": st.column_config.TextColumn(width=105),
            "done": st.column_config.ProgressColumn(width=110, min_value=0.0, max_value=1.0, format="percent"),
            "training loss": st.column_config.LineChartColumn(
                width=130, help="train/loss over the run, each on its own scale"
            ),
            "validation loss": st.column_config.NumberColumn(format="%.4f", help="val/loss, the newest"),
        },
    )
    rows: list[int] = list(event.selection.rows)
    return [runs[row] for row in rows if row < len(runs)]


def _actions(chosen: list[Run]) -> None:
    if not chosen:
        st.caption("Choose rows (the boxes at the left) to open a run here or to lay several side by side.")
        return
    for run in chosen[:_MOST_COMPARED]:
        with st.container(horizontal=True, vertical_alignment="center", gap="small"):
            st.html(run_list.swatch(run.id), width="content")
            links.run(run.id)
    if len(chosen) > 1:
        ids = ",".join(run.id for run in chosen[:_MOST_COMPARED])
        links.link("compare", f"Compare these {min(len(chosen), _MOST_COMPARED)}", runs=ids)
    if len(chosen) > _MOST_COMPARED:
        st.caption(f"At most {_MOST_COMPARED} are laid side by side.")
