"""Leaderboard: what is best here, what did it cost, and which of it fits my machine?"""

from __future__ import annotations

import streamlit as st

from paperlab.dashboard import address, claim_charts, claim_list, data, links, notices
from paperlab.dashboard.text import brief, count, escape, number
from paperlab.library.leaderboard import Entry, Leaderboard
from paperlab.runs.standings import Limits, Standing, Table

TITLE = "Leaderboard"

_REPORTED_SHOWN = 50


def render() -> None:
    st.title("Leaderboard")
    boards = data.boards()
    if not boards:
        notices.empty(
            "No results are held: runs measure them, imports bring reported ones.",
            "paperlab reproduce transformer-base --tier smoke\npaperlab import evaluation-tables.json.gz",
        )
        return
    names = {board.name: board for board in boards}
    columns = st.columns([4, 2, 2, 2])
    name = columns[0].selectbox(
        "task and dataset", list(names), format_func=brief, **address.choice("board", list(names), boards[0].name)
    )
    chosen = names[name or boards[0].name]
    metrics = list(chosen.metrics)
    metric = columns[1].selectbox(
        "metric", metrics, format_func=brief, **address.choice("metric", metrics, metrics[0] if metrics else None)
    )
    memory = columns[2].number_input("memory at most, GB", min_value=0.0, value=None, **address.amount("memory"))
    hours = columns[3].number_input("hours at most", min_value=0.0, value=None, **address.amount("hours"))
    limits = Limits(None if memory is None else round(memory * 1e9), hours)
    shown, tables = data.board(chosen.name, metric if metric in chosen.metrics else None)
    st.caption(
        escape(
            f"{count(chosen.measured, 'value')} measured here, {count(chosen.results, 'value')} reported; "
            + {True: "lower is better", False: "higher is better", None: "which way is better is not known"}[
                shown.lower_is_better
            ]
        )
    )
    st.header("Measured here")
    if not tables:
        notices.empty("No run of ours has measured it.")
    for at, table in enumerate(tables):
        _own(table, limits, at)
    if shown.ours:
        st.header("Claims of it")
        _claims(shown)
    if limits == Limits():  # of a reported number nobody knows what it takes
        _reported(shown)


def _own(table: Table, limits: Limits, at: int) -> None:
    conditions = ", ".join(f"{name} {value}" for name, value in table.conditions.items()) or "no protocol recorded"
    st.subheader(escape(f"{table.metric} on {table.split or 'no split'}", 160))
    st.caption(escape(f"one protocol: {conditions}"))
    fitting = [each for each in table.standings if limits.fits(each)]
    if len(fitting) < len(table.standings):
        left = len(table.standings) - len(fitting)
        st.caption(f"{count(left, 'entry', 'entries')} left out: more than there is, or what it takes is not recorded")
    if not fitting:
        return
    st.table(
        {
            "Rank": [_rank(each) for each in fitting],
            escape(f"{table.metric} {table.unit}".strip(), 80): [escape(_value(each), 120) for each in fitting],
            "Seeds": [number(each.seeds) for each in fitting],
            "Recipe": [escape(each.label, 160) for each in fitting],
            "Hardware": [escape(each.hardware, 80) for each in fitting],
            "Cost": [_cost(each) for each in fitting],
            "Memory": [number(each.peak_memory / 1e9, "GB") if each.peak_memory else "–" for each in fitting],
            "Note": [escape(each.unranked or ("nothing as good for less" * each.best_for_cost)) for each in fitting],
            "Runs": [links.runs_in_cell(each.run_ids) for each in fitting],
        },
        hide_index=True,
        border="horizontal",
    )
    if sum(each.device_hours is not None for each in fitting) > 1:
        figure = claim_charts.pareto(fitting, f"{table.metric} {table.unit}".strip(), table.lower_is_better)
        st.plotly_chart(figure, config={"displaylogo": False}, key=f"pareto-{at}")


def _rank(each: Standing) -> str:
    if each.ranks is None:
        return "–"
    low, high = each.ranks
    return str(low) if low == high else f"{low} to {high}"


def _value(each: Standing) -> str:
    return number(each.mean) + (f" [{number(each.interval[0])}, {number(each.interval[1])}]" if each.interval else "")


def _cost(each: Standing) -> str:
    return "–" if each.device_hours is None else f"{each.device_hours:.3g} {each.cost_unit}"


def _claims(shown: Leaderboard) -> None:
    st.table(
        {
            "Claim": [escape(claim.statement) for claim in shown.ours],
            "Reported": [number(claim.reported) for claim in shown.ours],
            "Measured": [number(claim.measured) for claim in shown.ours],
            "Verdict": [claim_list.badge(claim.verdict) for claim in shown.ours],
        },
        hide_index=True,
        border="horizontal",
    )


def _reported(shown: Leaderboard) -> None:
    if not shown.entries:
        return
    st.header("Reported, not measured here")
    st.caption("In the order of the numbers and without ranks: their protocols are not known.")
    entries = shown.entries[:_REPORTED_SHOWN]
    st.table(
        {
            escape(shown.metric, 80): [_pale(_text(entry, shown.metric)) for entry in entries],
            "Model": [_pale(entry.model or entry.paper_title) for entry in entries],
            "Paper": [_paper(entry) for entry in entries],
            "Date": [_pale(entry.date or "–") for entry in entries],
            "Said by": [_pale(", ".join(_sources(entry, shown.metric))) for entry in entries],
        },
        hide_index=True,
        border="horizontal",
    )
    st.caption(f"shown {len(entries)} of {count(len(shown.entries), 'entry', 'entries')}")


def _pale(text: str) -> str:
    return f":gray[{escape(text, 120)}]"


def _text(entry: Entry, metric: str) -> str:
    return " | ".join(value.value_text for value in entry.values[metric])


def _sources(entry: Entry, metric: str) -> list[str]:
    return list(dict.fromkeys(source for value in entry.values[metric] for source in value.sources))


def _paper(entry: Entry) -> str:
    if entry.arxiv_id is None:
        return "–"
    if entry.held:
        return links.in_cell("paper", entry.arxiv_id, id=entry.arxiv_id)
    return links.outside(f"https://arxiv.org/abs/{entry.arxiv_id}", entry.arxiv_id)
