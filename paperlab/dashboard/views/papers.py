"""Papers: which of the papers held are about this?"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, date, datetime, time

import streamlit as st

from paperlab.arxiv_id import ArxivId
from paperlab.dashboard import data, links, notices, paper_list
from paperlab.dashboard.text import count
from paperlab.errors import InvalidInput
from paperlab.store.papers import PaperFilter

TITLE = "Papers"

_PER_PAGE = 25
_LAST_PAGE = 10**9
_FILTERS = ("q", "category", "profile", "since")


def render() -> None:
    st.title("Papers")
    categories = data.categories()
    if not categories:
        notices.empty("No papers are held yet.", "paperlab sync")
        return
    wanted = _filter(list(categories))
    number = _page_number()
    page = data.find_papers(wanted, _PER_PAGE, (number - 1) * _PER_PAGE)
    pages = max(-(-page.total // _PER_PAGE), 1)
    if number > pages:
        st.session_state["page"] = pages
        page = data.find_papers(wanted, _PER_PAGE, (pages - 1) * _PER_PAGE)
    first = (min(number, pages) - 1) * _PER_PAGE
    last = first + len(page.papers)
    total = f"{page.total:,}+ papers" if page.is_more else count(page.total, "paper")
    st.caption(f"{total}, newest submission first; shown {min(first + 1, last):,} to {last:,}")
    _jump(wanted.text)
    if page.papers:
        paper_list.show(page.papers, page.matches)
    else:
        notices.empty("No paper held matches all of this. A single paper comes in by its id:", "paperlab papers add ID")
    if pages > 1:
        st.pagination(pages, key="page", bind="query-params")


def _filter(categories: Sequence[str]) -> PaperFilter:
    columns = st.columns([4, 2, 2, 2])
    text = columns[0].text_input(
        "search",
        key="q",
        bind="query-params",
        on_change=_first_page,
        placeholder='"mixture of experts" -survey au:hinton',
    )
    category = columns[1].selectbox(
        "category",
        categories,
        index=None,
        key="category",
        bind="query-params",
        placeholder="any",
        on_change=_first_page,
    )
    profile = columns[2].selectbox(
        "relevant to profile",
        list(data.settings().profiles),
        index=None,
        key="profile",
        bind="query-params",
        placeholder="any",
        on_change=_first_page,
    )
    since = columns[3].date_input(
        "submitted since", value=None, key="since", bind="query-params", format="YYYY-MM-DD", on_change=_first_page
    )
    return PaperFilter(
        categories=(category,) if category else (),
        profile=profile,
        since=datetime.combine(since, time(), UTC) if isinstance(since, date) else None,
        text=(text or "").strip() or None,
    )


def _first_page() -> None:
    """Another question begins at its first page."""
    st.session_state["page"] = 1


def _page_number() -> int:
    held = st.session_state.get("page") or st.query_params.get("page") or 1
    try:
        return min(max(int(held), 1), _LAST_PAGE)
    except ValueError:
        return 1


def _jump(text: str | None) -> None:
    """Whoever types an identifier means that paper."""
    try:
        arxiv_id = ArxivId.parse(text or "")
    except InvalidInput:
        return
    try:
        data.paper(arxiv_id)
    except InvalidInput as error:
        notices.problem(error)
    else:
        links.paper(str(arxiv_id), f"Go to {arxiv_id}")
