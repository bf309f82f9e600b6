"""Today: what changed?"""

from __future__ import annotations

from datetime import UTC, datetime, time, timedelta

import streamlit as st

from paperlab.dashboard import address, claim_list, data, links, notices, paper_charts, paper_list, run_list
from paperlab.dashboard.receipt_list import STATES
from paperlab.dashboard.text import age, brief, count, escape, minute
from paperlab.entities import Receipt, ReceiptStatus
from paperlab.library import alerts
from paperlab.store.papers import PaperFilter
from paperlab.store.verdicts import LoggedVerdict

TITLE = "Today"

_LAST = "last sync"
_SPANS = {"1 day": 1, "7 days": 7, "30 days": 30}
_PAPERS_SHOWN = 15
_RUNS_SHOWN = 6
_ALERTS_SHOWN = 8
_RANKED_SHOWN = 8
_RECENT = timedelta(days=30)
_WEEKS = 26
_VERDICTS_SHOWN = 6
_RUNS_BEHIND_SHOWN = 2


def render() -> None:
    now = data.now()
    st.title("What changed")
    receipts = data.latest_receipts(20)
    span = st.segmented_control("since", [_LAST, *_SPANS], **address.choice("since", [_LAST, *_SPANS], _LAST))
    since, said = _since(span or _LAST, receipts, now)
    profiles = list(data.settings().profiles)
    profile = profiles[0]
    relevant = data.find_papers(PaperFilter(profile=profile, held_since=since), _PAPERS_SHOWN)
    arrived = data.find_papers(PaperFilter(held_since=since), 1)
    revised = data.find_papers(PaperFilter(revised_since=since), 8)
    runs = data.runs(limit=_RUNS_SHOWN)

    st.caption(escape(f"{said}; now {minute(now)}"))
    columns = st.columns(4)
    columns[0].metric("new papers", _number(arrived))
    columns[1].metric(f"relevant to {escape(profile)}", _number(relevant))
    columns[2].metric("revised", _number(revised))
    columns[3].metric("training now", f"{sum(run.status.value == 'running' for run in runs)}")
    _receipt(receipts, now)

    left, right = st.columns([3, 2], gap="large")
    with left:
        _alerts()
        _for_the_reader(now)
        st.header("New and relevant")
        if not receipts:
            notices.empty("No papers were brought in from arXiv yet.", "paperlab sync")
        if relevant.papers:
            paper_list.show(relevant.papers, relevant.matches)
            if relevant.total > len(relevant.papers):
                links.link(
                    "papers", f"shown {len(relevant.papers)} of {relevant.total:,}: all of them", profile=profile
                )
        elif receipts:
            notices.empty(f"Nothing new for the profile {profile} {said}.")
        if revised.papers:
            st.header("Revised")
            paper_list.show(revised.papers, revised.matches, place="revised")
            st.caption(f"shown {len(revised.papers)} of {revised.total:,}")
    with right:
        st.header("Runs")
        if runs:
            run_list.show(runs, now)
        else:
            notices.empty("Nothing has been trained here yet.", "paperlab reproduce transformer-base --tier smoke")
        st.header("Verdicts")
        _verdicts(data.verdict_changes(_VERDICTS_SHOWN), now)
    if receipts:
        days = data.arrivals(datetime.combine((now - timedelta(weeks=_WEEKS)).date(), time(), UTC))
        st.plotly_chart(paper_charts.calendar(days, now.date(), _WEEKS), config={"displaylogo": False}, key="calendar")


def _alerts() -> None:
    """What happened to papers that matter to the reader, until it was seen."""
    found = data.unseen_alerts()
    if not found:
        return
    st.header("Alerts")
    for alert in found[:_ALERTS_SHOWN]:
        with st.container(gap=None):
            links.paper(alert.arxiv_id, str(alert.details.get("title") or alert.arxiv_id))
            st.caption(f":orange[▲] {escape(alerts.in_words(alert))}")
    st.caption(f"shown {min(len(found), _ALERTS_SHOWN)} of {count(len(found), 'alert')}")
    st.button("Seen", on_click=notices.attempt, args=(data.mark_alerts_seen,), help="mark all alerts as seen")


def _for_the_reader(now: datetime) -> None:
    """The papers most like what was starred and tagged, with the words that lifted each."""
    st.header("For you")
    if not data.is_ranking_ready():
        notices.empty("The words of the papers are not counted yet: this takes a minute, once.", "paperlab recommend")
        return
    since = datetime.combine((now - _RECENT).date(), time(), UTC)
    found = data.recommended(since, _RANKED_SHOWN)
    if found.cold:
        missing = count(found.missing, "paper")
        st.caption(f"Too little is known to rank: star or tag {missing} more. Until then by profile and date.")
        return
    if not found.papers:
        st.caption("Nothing recent is left to rank.")
        return
    said = {each.paper.arxiv_id: paper_list.lifted(each) for each in found.papers}
    paper_list.show([each.paper for each in found.papers], {}, place="ranked", said=said)
    st.caption(f"the first {len(found.papers)} of {count(found.candidates, 'paper')} of the last {_RECENT.days} days")


def _since(span: str, receipts: list[Receipt], now: datetime) -> tuple[datetime, str]:
    """From when on things count as changed, and that in words."""
    if span in _SPANS:
        return now - timedelta(days=_SPANS[span]), f"in the last {span}"
    brought = next(
        (receipt for receipt in receipts if receipt.kind != "lookup" and receipt.new + receipt.revised), None
    )
    if brought is None:
        return now - timedelta(days=1), "in the last day (no sync has brought anything yet)"
    return brought.started_at, f"since the last sync that brought anything, {minute(brought.started_at)}"


def _number(page: data.PaperPage) -> str:
    return f"{page.total:,}+" if page.is_more else f"{page.total:,}"


def _receipt(receipts: list[Receipt], now: datetime) -> None:
    """The last sync in one line, and what to do where it left something open."""
    last = next((receipt for receipt in receipts if receipt.kind != "lookup"), None)
    if last is None:
        return
    facts = [
        f"{age(last.started_at, now)}",
        f"{count(last.announced, 'paper')} announced",
        f"{last.new:,} new",
        f"{last.revised:,} revised",
        f"{last.unchanged:,} unchanged",
        f"{last.open:,} open",
        count(last.requests, "request"),
    ]
    reason = f": {escape(last.reason, 300)}" if last.reason else ""
    st.markdown(f"**Last sync** {STATES[last.status]}{reason} · {escape(' · '.join(facts))}")
    if last.status in {ReceiptStatus.PARTIAL, ReceiptStatus.INTERRUPTED, ReceiptStatus.FAILED}:
        st.caption("The next sync goes on where this one stopped.")
        st.code("paperlab sync", language=None)


def _verdicts(changes: list[LoggedVerdict], now: datetime) -> None:
    if not changes:
        notices.empty("No claim has been judged here yet.", "paperlab claims check")
    source_of = data.sources_of_claims() if changes else {}
    for change in changes:
        with st.container(gap=None):
            source = source_of.get(change.claim_id, "")
            if source and source != "paperlab":
                links.paper(source, change.claim_id)
            else:
                st.text(brief(change.claim_id, 200))
            reason = escape(change.reason, 200)
            st.caption(f"{claim_list.badge(change.kind)} {age(change.judged_at, now)} · {reason}")
            for run_id in _runs_behind(change)[:_RUNS_BEHIND_SHOWN]:
                links.run(run_id)


def _runs_behind(change: LoggedVerdict) -> list[str]:
    """The runs that the verdict was computed from, the newest first."""
    measured = change.computed_from.get("measurements") or ()
    return sorted({str(each["run"]) for each in measured if each.get("run")}, reverse=True)
