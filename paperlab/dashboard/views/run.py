"""Run: how does it go, what came out, and under which conditions?

While the run trains, the upper part follows its directory: one fragment reads on from a cursor every two seconds.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import streamlit as st

from paperlab.dashboard import address, data, links, notices, run_files, run_list, run_plots
from paperlab.dashboard.follow import RunView
from paperlab.dashboard.text import brief, count, duration, escape, fields, minute, moment_of, number, verbatim
from paperlab.entities import Measurement, Run, RunStatus
from paperlab.errors import PaperlabError
from paperlab.store.runs import RunFilter
from reproductions.registry import ReproductionError

TITLE = "Run"

_LOOK_EVERY_S = 2.0
_EVENTS_SHOWN = 30
_TRACEBACK_SHOWN = 8000
_COMPARED = 6
_AGAINST = ("step", "hours")
_NEWEST = "newest"


def render() -> None:
    run_id = st.query_params.get("id", "")
    if not run_id:
        st.title("Run")
        notices.empty("The address names no run: choose one.")
        links.link("reproductions", "Reproductions and their runs")
        return
    try:
        view = data.run(run_id)
    except (PaperlabError, ReproductionError):
        st.title("Run")
        links.link("runs", "All runs")
        raise
    st.title(escape(view.run.id), anchor=False)
    _above(view.run)
    if view.run.status is RunStatus.RUNNING:
        st.fragment(notices.guarded(_live), run_every=_LOOK_EVERY_S)(run_id)
    else:
        _now(view)
        _result(view)
        run_files.artifacts(view.run.path)
        _events(view)
    _conditions(view.run)
    run_files.checkpoints(view.run.path)
    links.link("compare", "Compare it with others", runs=_alike(view.run))


def _alike(run: Run) -> str:
    """This run and the newest others of its recipe and tier."""
    others = data.runs(RunFilter(recipe=run.recipe, tier=run.tier), _COMPARED)
    return ",".join(dict.fromkeys([run.id, *(other.id for other in others)]))


def _live(run_id: str) -> None:
    """What moves while the run trains.  Once it has ended the whole page is drawn anew, without this."""
    view = data.run(run_id)
    if view.run.status is not RunStatus.RUNNING:
        st.rerun()
    _now(view)
    _events(view)


def _above(run: Run) -> None:
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        st.html(run_list.swatch(run.id), width="content")
        for reproduction in data.reproductions():
            if reproduction.name == run.reproduction:
                for source in reproduction.sources:
                    if source.kind == "arxiv":
                        links.paper(source.id, f"{source.title} ({source.id})")
        links.link("reproductions", f"Reproduction: {run.reproduction}", name=run.reproduction)


def _now(view: RunView) -> None:
    run = view.run
    said = [
        run_list.STATES[run.status],
        escape(f"{run.recipe}, tier {run.tier}, seed {run.seed}", 200),
        escape(f"started {minute(run.created_at)}"),
        escape(f"on {run.device}", 80),
        escape(count(run.attempts, "attempt")),
    ]
    if run.seconds is not None:
        said += [escape(each) for each in (f"took {duration(run.seconds)}", *run_files.took(run.path))]
    if run.updated_at is not None:
        said.append(escape(f"last sign of life {minute(run.updated_at)}"))
    st.markdown(" · ".join(said))
    if run.max_steps:
        st.progress(min(run.step / run.max_steps, 1.0), text=run_list.progress(run))
    if run.status in {RunStatus.INTERRUPTED, RunStatus.FAILED}:
        _why_it_stopped(view)
    _latest(view)
    if view.curves:
        against = st.segmented_control("against", _AGAINST, **address.choice("against", _AGAINST, "step"))
        run_plots.curves(view.curves, key="run", against=against or "step")
    else:
        notices.empty("It has not recorded a number yet.")
    _samples(view)


def _why_it_stopped(view: RunView) -> None:
    last = view.events[-1] if view.events else {}
    why = str(last.get("reason") or last.get("error") or last.get("why") or "")
    st.caption(
        escape(f"It stopped after: {last.get('event')}{f', {why}' if why else ''}" if last else "It left no event.")
    )
    if last.get("traceback"):
        with st.expander("Traceback of the run"):
            st.code(verbatim(str(last["traceback"]), _TRACEBACK_SHOWN), language=None)
    st.caption("The same command goes on from its last checkpoint:")
    st.code(run_list.command(view.run), language=None)


def _latest(view: RunView) -> None:
    """The newest value of each metric."""
    newest = [(curve.name, curve.values[-1]) for curve in view.curves if curve.values]
    if newest:
        st.markdown(" · ".join(f"{escape(name, 80)} **{escape(number(value))}**" for name, value in newest))


def _samples(view: RunView) -> None:
    if not view.samples:
        return
    st.header("Samples")
    steps = sorted({sample.step for sample in view.samples})
    choices = {_NEWEST: steps[-1], **{str(step): step for step in reversed(steps)}}
    chosen = st.selectbox("at step", list(choices), width=240, **address.choice("step", list(choices), _NEWEST))
    step = choices.get(str(chosen), steps[-1])
    run_plots.samples([sample for sample in view.samples if sample.step == step])
    run_files.maps(view.run.path, step)


def _result(view: RunView) -> None:
    st.header("Result")
    if not view.measurements:
        notices.empty("A run has a result once it has finished.")
        return
    st.table(
        {
            "Metric": [escape(item.metric, 80) for item in view.measurements],
            "Value": [escape(number(item.value, item.unit), 80) for item in view.measurements],
            "Data": [escape(f"{item.dataset}, {item.split}", 120) for item in view.measurements],
            "Examples": [number(item.n) for item in view.measurements],
            "Claim": [_claim(item) for item in view.measurements],
            "Protocol": [escape(_protocol(item), 400) for item in view.measurements],
        },
        hide_index=True,
        border="horizontal",
    )


def _claim(item: Measurement) -> str:
    return escape(item.claim_id, 160) if item.claim_id else "none: not the claim's setting"


def _protocol(item: Measurement) -> str:
    words = [f"{key} {value}" for key, value in fields(item.protocol).items()]
    return "; ".join([*words, *([item.signature] if item.signature else [])])


def _events(view: RunView) -> None:
    if not view.events:
        return
    with st.expander(f"Events: {count(len(view.events), 'event')}, {count(view.run.attempts, 'attempt')}"):
        shown = view.events[-_EVENTS_SHOWN:][::-1]
        st.table(
            {
                "Time": [moment_of(float(event.get("time", 0))) for event in shown],
                "Event": [escape(str(event.get("event", "?")), 60) for event in shown],
                "Step": [number(event.get("step")) for event in shown],
                "Attempt": [number(event.get("attempt")) for event in shown],
                "Details": [escape(_details(event)) for event in shown],
            },
            hide_index=True,
            border="horizontal",
        )
        st.caption(f"shown {len(shown)} of {len(view.events)}, newest first")


def _details(event: dict[str, Any]) -> str:
    rest = {key: value for key, value in event.items() if key not in {"time", "event", "step", "attempt"}}
    return brief(json.dumps(rest, ensure_ascii=False), 400) if rest else "–"


def _conditions(run: Run) -> None:
    """What one needs to make this run again, or to doubt it."""
    record = run.record
    with st.expander("Recipe: every number, and where it comes from"):
        values = dict(record.get("recipe_values") or {})
        places = {str(key): str(value) for key, value in (values.pop("places", None) or {}).items()}
        rows = fields(values)
        _pairs(rows, [places.get(key, "") for key in rows])
    with st.expander("Provenance: code, machine, data"):
        st.code(run_list.command(run), language=None)
        st.caption(escape(f"run directory {run.path}"))
        rows = fields(
            {
                "command": " ".join(map(str, record.get("command") or [])),
                "fingerprint": run.fingerprint,
                **dict(record.get("provenance") or {}),
            }
        )
        _pairs(rows)


def _pairs(rows: dict[str, str], places: Sequence[str] = ()) -> None:
    table = {"Field": [escape(key, 120) for key in rows], "Value": [escape(v, 300) for v in rows.values()]}
    if any(places):
        table["Place in the paper"] = [escape(place, 200) or "–" for place in places]
    st.table(table, hide_index=True, border="horizontal")
