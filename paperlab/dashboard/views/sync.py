"""Sync: was anything missed, and when may arXiv be asked again?"""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st

from paperlab.dashboard import address, data, links, notices, paper_charts
from paperlab.dashboard.receipt_list import STATES
from paperlab.dashboard.text import age, brief, count, duration, escape, minute, number
from paperlab.entities import Gap, Receipt
from paperlab.library.status import Status

TITLE = "Sync"

_RECEIPTS = 200
_RECEIPTS_SHOWN = 25
_GAPS_SHOWN = 50


def render() -> None:
    st.title("Sync")
    status = data.status()
    receipts = data.latest_receipts(_RECEIPTS)
    _now(status)
    if not receipts:
        notices.empty("arXiv was not asked yet.", "paperlab sync")
        return
    _sources(status)
    _gaps(status, data.open_gaps())
    _days(receipts)
    _receipts(receipts, status)


def _now(status: Status) -> None:
    if status.last_success_at is None:
        st.warning("No nightly sync has succeeded yet.")
    elif status.silent:
        st.error(escape(f"Silent: the last nightly sync that succeeded was {age(status.last_success_at, status.now)}."))
        st.code("paperlab doctor\npaperlab sync", language=None)
    columns = st.columns(4)
    success = status.last_success_at
    columns[0].metric("last success", age(success, status.now) if success else "never")
    columns[1].metric("open gaps", f"{status.open_gaps:,}")
    columns[2].metric("requests in 24 h", f"{status.requests_24h:,}")
    columns[3].metric("papers held", f"{status.papers:,}")
    wait = f"arXiv may be asked again in {duration(status.away_s)}" if status.away_s > 0 else "arXiv may be asked now"
    why = f" ({brief(status.away_reason, 200)})" if status.away_reason else ""
    refused = ", ".join(f"{n} × {code}" for code, n in sorted(status.refusals_24h.items())) or "none"
    new = "now" if status.next_sync_at <= status.now else minute(status.next_sync_at)
    st.caption(escape(f"{wait}{why} · refusals in 24 h: {refused} · a sync can next bring something: {new}"))


def _sources(status: Status) -> None:
    st.header("Sources")
    rows = status.sources
    st.table(
        {
            "Source": [escape(each.source) for each in rows],
            "Last attempt": [f"{STATES[each.last.status]} {age(each.last.started_at, status.now)}" for each in rows],
            "Last success": [minute(each.last_success_at) if each.last_success_at else "never" for each in rows],
            "Announced": [number(each.last.announced) for each in rows],
            "New": [number(each.last.new) for each in rows],
            "Revised": [number(each.last.revised) for each in rows],
            "Open": [number(each.last.open) for each in rows],
            "Requests": [number(each.last.requests) for each in rows],
        },
        hide_index=True,
        border="horizontal",
    )
    for unread in status.unread_feeds:
        days = ", ".join(f"{day:%Y-%m-%d}" for day in unread.days[-7:])
        st.caption(escape(f"The feed of {count(len(unread.days), 'day')} was missed for {unread.profile}: {days}"))
        st.code(unread.command, language=None)


def _gaps(status: Status, gaps: Sequence[Gap]) -> None:
    st.header("Gaps")
    if not gaps:
        st.caption(f"Nothing that was announced is missing. Given up: {status.given_up:,}.")
        return
    st.caption("Announced and not held; the next sync asks for them.")
    st.code("paperlab sync", language=None)
    shown = gaps[:_GAPS_SHOWN]
    st.table(
        {
            "Paper": [links.outside(f"https://arxiv.org/abs/{gap.arxiv_id}", gap.arxiv_id) for gap in shown],
            "Version": [f"v{gap.version}" if gap.version else "–" for gap in shown],
            "Source": [escape(gap.source, 60) for gap in shown],
            "Why": [escape(gap.reason, 200) for gap in shown],
            "Open since": [minute(gap.opened_at) for gap in shown],
            "Asked for": [count(gap.tries, "time") for gap in shown],
        },
        hide_index=True,
        border="horizontal",
    )
    st.caption(f"shown {len(shown)} of {count(len(gaps), 'gap')}; given up: {status.given_up:,}")


def _days(receipts: Sequence[Receipt]) -> None:
    if not any(receipt.requests for receipt in receipts):
        return
    st.header("Requests by day")
    st.plotly_chart(paper_charts.requests_by_day(receipts), config={"displaylogo": False}, key="requests")


def _receipts(receipts: Sequence[Receipt], status: Status) -> None:
    st.header("Receipts")
    sources = sorted({receipt.source for receipt in receipts})
    source = st.segmented_control("source", sources, **address.choice("source", sources))
    wanted = [receipt for receipt in receipts if source in (None, receipt.source)]
    shown = wanted[:_RECEIPTS_SHOWN]
    st.table(
        {
            "Started": [minute(each.started_at) for each in shown],
            "Source": [escape(f"{each.source}, {each.kind}") for each in shown],
            "State": [STATES[each.status] for each in shown],
            "Announced": [number(each.announced) for each in shown],
            "Held": [number(each.held) for each in shown],
            "New": [number(each.new) for each in shown],
            "Revised": [number(each.revised) for each in shown],
            "Open": [number(each.open) for each in shown],
            "Requests": [number(each.requests) for each in shown],
            "Waited": [duration(each.waited_s) for each in shown],
            "Reason": [escape(each.reason, 160) or "–" for each in shown],
        },
        hide_index=True,
        border="horizontal",
    )
    st.caption(f"shown {len(shown)} of the newest {len(wanted)}; now {minute(status.now)}")
