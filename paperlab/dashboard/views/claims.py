"""Claims: what is proven, doubtful, stale?"""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st

from paperlab.dashboard import claim_charts, claim_list, data, links, notices
from paperlab.dashboard.data import JudgedClaim
from paperlab.dashboard.text import age, count, escape, plain, shortened
from paperlab.entities import VerdictKind

TITLE = "Claims"

_LOG_SHOWN = 30
_ROWS_SHOWN = 100


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
    kind = columns[0].selectbox("verdict", kinds, index=None, key="verdict", bind="query-params", placeholder="any")
    source = columns[1].selectbox("source", sources, index=None, key="source", bind="query-params", placeholder="any")
    if kind is None and source is None:
        _matrix(judged)
        _stale(judged)
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
            shortened(plain(item.claim.statement), 120),
        )
        for item in judged
    ]


def _stale(judged: Sequence[JudgedClaim]) -> None:
    stale = [item for item in judged if item.verdict.kind is VerdictKind.STALE]
    if not stale:
        return
    st.header("Stale")
    st.caption("Judged with code, data or a claim that has changed since.")
    st.code("paperlab claims check", language=None)
    claim_list.table(stale[:_ROWS_SHOWN])


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
            "Claim": [escape(change.claim_id) for change in changes],
            "Verdict": [claim_list.badge(change.kind) for change in changes],
            "Why": [escape(shortened(plain(change.reason), 240)) for change in changes],
        },
        hide_index=True,
        border="horizontal",
    )
    st.caption(f"the newest {len(changes)}; rows of this log are never changed")
