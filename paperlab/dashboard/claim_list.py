"""Claims with their verdicts: the table, the forest plot, and the count by verdict."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence

import streamlit as st

from paperlab.dashboard import claim_charts, links
from paperlab.dashboard.data import JudgedClaim
from paperlab.dashboard.text import count, escape, number
from paperlab.entities import Claim, ClaimKind, Verdict, VerdictKind

_BADGES = {
    VerdictKind.REPRODUCED: "green",
    VerdictKind.DIFFERS: "red",
    VerdictKind.INCONCLUSIVE: "orange",
    VerdictKind.NOT_COMPARABLE: "violet",
    VerdictKind.NOT_ATTEMPTED: "gray",
    VerdictKind.STALE: "blue",
}


def badge(kind: VerdictKind, n: int | None = None) -> str:
    """The verdict with its shape and colour, as Markdown."""
    amount = "" if n is None else f"{n} "
    return f":{_BADGES[kind]}-badge[{claim_charts.SYMBOLS[kind][0]} {amount}{kind.value}]"


def tally(judged: Iterable[JudgedClaim]) -> str:
    """Markdown: how many claims have which verdict."""
    counts = Counter(item.verdict.kind for item in judged)
    return " ".join(badge(kind, counts[kind]) for kind in VerdictKind if counts[kind])


def tables(judged: Sequence[JudgedClaim]) -> None:
    """One row a claim; those that nothing was measured for are folded away."""
    waiting = [item for item in judged if item.verdict.kind is VerdictKind.NOT_ATTEMPTED]
    decided = [item for item in judged if item.verdict.kind is not VerdictKind.NOT_ATTEMPTED]
    if decided:
        table(decided)
    if waiting:
        with st.expander(f"{count(len(waiting), 'claim')} not attempted"):
            table(waiting)


def table(rows: Sequence[JudgedClaim]) -> None:
    st.table(
        {
            "Place": [escape(item.claim.place_text) for item in rows],
            "Claim": [escape(item.claim.statement) for item in rows],
            "Reported": [escape(reported(item.claim)) for item in rows],
            "Measured": [escape(measured(item)) for item in rows],
            "Verdict": [badge(item.verdict.kind) for item in rows],
            "Seeds": [seeds(item.verdict) for item in rows],
            "Why": [escape(item.verdict.reason) for item in rows],
            "Runs": [links.runs_in_cell(item.verdict.run_ids) for item in rows],
        },
        hide_index=True,
        border="horizontal",
    )


def reported(claim: Claim) -> str:
    if claim.kind is ClaimKind.ORDERING:
        return "difference > 0"
    if claim.value is None:
        return claim.relation or "–"
    sign = {"at-least": "≥ ", "at-most": "≤ "}.get(claim.relation or "", "")
    slack = f" ± {number(claim.tolerance.value)}" if claim.tolerance and claim.tolerance.value else ""
    return f"{sign}{number(claim.value)}{slack} {claim.unit}".strip()


def measured(item: JudgedClaim) -> str:
    verdict = item.verdict
    if verdict.measured is None:
        return "–"
    shown = number(verdict.measured, item.claim.unit)
    if verdict.interval is None:
        return shown
    return f"{shown} [{number(verdict.interval[0])}, {number(verdict.interval[1])}]"


def seeds(verdict: Verdict) -> str:
    if not verdict.run_ids:
        return "–"
    return f"{verdict.seeds}" + (f" (+{verdict.seeds_needed})" if verdict.seeds_needed else "")


def forest(judged: Iterable[JudgedClaim]) -> None:
    """The claims that were measured and have a tolerance to measure them in."""
    items = list(judged)
    rows = [row for row in map(_forest_row, items) if row is not None]
    if not rows:
        st.caption("No claim has been measured against a tolerance yet: there is nothing to draw.")
        return
    st.plotly_chart(claim_charts.forest(rows), config={"displaylogo": False}, key="forest")
    st.caption(f"drawn: {len(rows)} of {count(len(items), 'claim')}; the others are not measured, or have no tolerance")


def _forest_row(item: JudgedClaim) -> claim_charts.ForestRow | None:
    claim, verdict = item.claim, item.verdict
    if verdict.measured is None or claim.value is None or claim.tolerance is None or claim.tolerance.value <= 0:
        return None
    low, high = verdict.interval or (None, None)
    return claim_charts.ForestRow(
        label=claim.place_text,
        verdict=verdict.kind,
        reported=claim.value,
        tolerance=claim.tolerance.value,
        measured=verdict.measured,
        low=low,
        high=high,
        unit=claim.unit,
    )
