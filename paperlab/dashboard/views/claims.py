"""Claims: what is proven, doubtful, stale?"""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st

from paperlab.dashboard import address, claim_charts, claim_details, claim_list, data, links, notices
from paperlab.dashboard.data import JudgedClaim
from paperlab.dashboard.text import age, brief, count, escape, minute, number
from paperlab.entities import VerdictKind

TITLE = "Claims"

_LOG_SHOWN = 30
_ROWS_SHOWN = 100
_DOUBTS_SHOWN = 20


def render() -> None:
    st.title("Claims")
    judged = data.judged()
    if not judged:
        notices.empty("No reproduction records claims.", "paperlab reproduce --list")
        return
    st.markdown(claim_list.tally(judged))
    kinds = [kind.value for kind in VerdictKind if any(item.verdict.kind is kind for item in judged)]
    sources = list(dict.fromkeys(item.claim.source for item in judged))
    columns = st.columns(2)
    kept = address.choice("verdict", kinds, clears=("claim",))
    kind = columns[0].selectbox("verdict", kinds, index=None, placeholder="any", **kept)
    kept = address.choice("source", sources, clears=("claim",))
    source = columns[1].selectbox("source", sources, index=None, placeholder="any", format_func=brief, **kept)
    if kind is None and source is None:
        _matrix(judged)
        _stale(judged)
        _doubt()
        _decisions()
        _log()
        return
    wanted = [item for item in judged if kind in (None, item.verdict.kind.value)]
    wanted = [item for item in wanted if source in (None, item.claim.source)]
    if not wanted:
        notices.empty("No claim matches both.")
        return
    st.caption(f"shown {min(len(wanted), _ROWS_SHOWN)} of {count(len(wanted), 'claim')}")
    claim_list.forest(wanted)
    claim_list.table(wanted[:_ROWS_SHOWN])
    claim_details.choose(wanted)


def _matrix(judged: Sequence[JudgedClaim]) -> None:
    """A row a source, a mark a claim: where the proven ones are, and where nothing has been tried."""
    st.header("Sources by claims")
    st.plotly_chart(claim_charts.matrix(_rows(judged)), config={"displaylogo": False}, key="matrix")
    by_source: dict[str, list[JudgedClaim]] = {}
    for item in judged:
        by_source.setdefault(item.claim.source, []).append(item)
    for source, items in by_source.items():
        with st.container(horizontal=True, vertical_alignment="center", gap="small"):
            if data.is_paper(source):
                links.paper(source, source)
            else:
                links.link("claims", source, source=source)
            st.markdown(claim_list.tally(items))


def _rows(judged: Sequence[JudgedClaim]) -> list[claim_charts.Cell]:
    return [
        claim_charts.Cell(
            item.claim.source,
            item.claim.place_text,
            item.verdict.kind,
            brief(item.claim.statement, 120),
        )
        for item in judged
    ]


def _stale(judged: Sequence[JudgedClaim]) -> None:
    stale = [item for item in judged if item.verdict.kind is VerdictKind.STALE]
    if not stale:
        return
    st.header("Stale")
    st.caption("Judged with code, data or a claim that has changed since.")
    st.code("paperlab claims check\npaperlab claims renew", language=None)
    claim_list.table(stale[:_ROWS_SHOWN])


def _doubt() -> None:
    """Worked out only when asked for: it takes the code's fingerprints, some seconds the first time."""
    st.header("Where to begin")
    if not st.toggle("doubt against device hours", **address.flag("doubt")):
        st.caption("Which open claims would be settled for the least time; working it out takes some seconds.")
        return
    found = data.doubts()
    if not found:
        notices.empty("No open claim has a recipe whose cost is known.")
        return
    points = [claim_charts.DoubtPoint(e.claim_id, e.verdict, e.doubt, e.hours, e.unit) for e in found]
    st.plotly_chart(claim_charts.doubt(points), config={"displaylogo": False}, key="doubt-chart")
    shown = found[:_DOUBTS_SHOWN]
    st.table(
        {
            "Claim": [escape(each.claim_id, 160) for each in shown],
            "Now": [claim_list.badge(each.verdict) for each in shown],
            "Doubt": [number(round(each.doubt, 2)) for each in shown],
            "Cost": [f"{each.hours:.3g} {each.unit}" for each in shown],
            "What it needs": [escape(each.why, 200) for each in shown],
        },
        hide_index=True,
        border="horizontal",
    )
    st.caption(f"shown {len(shown)} of {count(len(found), 'open claim')} with a known cost; to queue under a budget:")
    st.code("paperlab queue fill --budget 6gpuh --dry-run", language=None)


def _decisions() -> None:
    """Confirmed and retracted: by whom, why, when.  Rows are never changed."""
    found = data.claim_decisions()
    if not found:
        return
    st.header("Confirmed and retracted")
    shown = found[:_LOG_SHOWN]
    st.table(
        {
            "When": [minute(each.decided_at) for each in shown],
            "Claim": [escape(each.claim_id, 160) for each in shown],
            "Decision": [claim_details.STATES[each.kind] for each in shown],
            "By": [escape(each.decided_by, 80) or "–" for each in shown],
            "Why": [escape(each.reason, 240) for each in shown],
        },
        hide_index=True,
        border="horizontal",
    )
    st.caption(f"the newest {len(shown)} of {len(found)}")


def _log() -> None:
    st.header("The log of verdicts")
    changes = data.verdict_changes(_LOG_SHOWN)
    if not changes:
        notices.empty("No claim has been judged here yet.", "paperlab claims check")
        return
    now = data.now()
    st.table(
        {
            "When": [age(change.judged_at, now) for change in changes],
            "Claim": [escape(change.claim_id, 160) for change in changes],
            "Verdict": [claim_list.badge(change.kind) for change in changes],
            "Why": [escape(change.reason, 240) for change in changes],
        },
        hide_index=True,
        border="horizontal",
    )
    st.caption(f"the newest {len(changes)}; rows of this log are never changed")
