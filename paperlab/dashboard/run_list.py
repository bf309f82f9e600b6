"""Runs in a list: state, how far, how old, and the link."""

from __future__ import annotations

import shlex
from collections.abc import Iterable
from datetime import datetime

import streamlit as st

from paperlab.dashboard import charts, links
from paperlab.dashboard.text import age, brief, duration, escape, number
from paperlab.entities import Run, RunStatus

STATES = {
    RunStatus.RUNNING: ":blue[▶ running]",
    RunStatus.FINISHED: ":green[✔ finished]",
    RunStatus.INTERRUPTED: ":orange[‖ interrupted]",
    RunStatus.FAILED: ":red[✘ failed]",
}
"""Each state with a shape as well as a colour, as Markdown."""


def show(runs: Iterable[Run], now: datetime) -> None:
    for run in runs:
        with st.container(horizontal=True, vertical_alignment="center", gap="small"):
            st.html(swatch(run.id), width="content")
            links.run(run.id)
            st.caption(f"{STATES[run.status]} · {escape(_facts(run, now))}", width="content")


def swatch(run_id: str) -> str:
    """A spot in the run's colour, as HTML; nothing in it comes from outside but the colour."""
    return f'<span aria-hidden="true" style="color:{charts.colour(run_id)};font-size:1.1rem;line-height:1">■</span>'


def progress(run: Run) -> str:
    return f"step {run.step:,}" + (f" of {run.max_steps:,}" if run.max_steps else "")


def command(run: Run) -> str:
    """The command line that makes, or goes on with, this run: quoted, for a run may come from anywhere."""
    words = ["paperlab", "reproduce", run.recipe]
    if run.tier != "full":
        words += ["--tier", run.tier]
    words += ["--seed", str(run.seed)]
    for key, value in run.overrides.items():
        words += ["--set", f"{key}={value}"]
    return shlex.join(brief(word) for word in words)


def _facts(run: Run, now: datetime) -> str:
    facts = [f"seed {run.seed}", progress(run), f"started {age(run.created_at, now)}", brief(run.device, 40)]
    if run.seconds is not None:
        facts.append(duration(run.seconds))
    if run.attempts > 1:
        facts.append(f"{number(run.attempts)} attempts")
    return " · ".join(facts)
