"""Papers: which of the papers held are about this?"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, date, datetime, time

import streamlit as st

from paperlab.arxiv_id import ArxivId
from paperlab.dashboard import address, data, links, notices, paper_list
from paperlab.dashboard.text import brief, count, escape
from paperlab.errors import InvalidInput, PaperlabError
from paperlab.library.search import Sort
from paperlab.store.papers import PaperFilter

TITLE = "Papers"

_PER_PAGE = 25
_LAST_PAGE = 10**9
_SAVED_SHOWN = 8
_SORT = Sort.RELEVANCE
_AFRESH = ("page",)
"""Another question begins at its first page."""
_FACETS = {
    "with code": "has:code",
    "with reported results": "has:result",
    "starred": "is:starred",
    "unread": "-is:read",
    "reproduced": "is:reproduced",
}
"""What is on or off of a paper, in the language of search."""


def render() -> None:
    st.title("Papers")
    categories = data.categories()
    if not categories:
        notices.empty("No papers are held yet.", "paperlab sync")
        return
    _saved()
    wanted = _filter(list(categories))
    sort = _sort(wanted)
    number = address.page_number(_LAST_PAGE)
    found = _find(wanted, sort, number)
    pages = max(-(-found.page.total // _PER_PAGE), 1)
    if number > pages:
        number = pages
        found = _find(wanted, sort, number)
    page = found.page
    first = (number - 1) * _PER_PAGE
    last = first + len(page.papers)
    total = f"{page.total:,}+ papers" if page.is_more else count(page.total, "paper")
    st.caption(escape(f"{total}, {found.how}; shown {min(first + 1, last):,} to {last:,}"))
    _jump(wanted.text)
    if page.papers:
        paper_list.show(page.papers, page.matches, said=found.snippets)
    else:
        notices.empty("No paper held matches all of this. A single paper comes in by its id:", "paperlab papers add ID")
    if pages > 1:
        st.pagination(pages, **address.page(pages))
    if wanted.text:
        _save(wanted.text)


def _find(wanted: PaperFilter, sort: Sort, number: int) -> data.FoundPapers:
    if wanted.text:
        return data.search_papers(wanted, sort, _PER_PAGE, (number - 1) * _PER_PAGE)
    page = data.find_papers(wanted, _PER_PAGE, (number - 1) * _PER_PAGE)
    return data.FoundPapers(page, "newest submission first", {})


def _saved() -> None:
    """Watchlists as links: a saved search is one that is also asked of every paper that arrives."""
    saved = data.saved_searches()
    if not saved:
        return
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        st.caption("saved searches", width="content")
        for name, query in list(saved.items())[:_SAVED_SHOWN]:
            links.link("papers", name, q=query)
        if len(saved) > _SAVED_SHOWN:
            st.caption(f"and {len(saved) - _SAVED_SHOWN} more: paperlab watch list", width="content")


def _save(query: str) -> None:
    with st.form("save-search", border=False), st.container(horizontal=True, vertical_alignment="bottom"):
        name = st.text_input("save this search as", placeholder="moe", width=240)
        if st.form_submit_button("Save", help="as a watchlist: papers that match are pointed out as they arrive"):
            try:
                data.save_search(name.strip(), query)
            except PaperlabError as error:
                notices.problem(error)
            else:
                st.rerun()


def _sort(wanted: PaperFilter) -> Sort:
    """Only a search has an order by relevance."""
    if not wanted.text:
        return Sort.NEWEST
    sorts = [sort.value for sort in Sort]
    chosen = st.segmented_control("sort by", sorts, **address.choice("sort", sorts, _SORT.value, _AFRESH))
    return Sort(chosen or _SORT)


def _filter(categories: Sequence[str]) -> PaperFilter:
    columns = st.columns([4, 2, 2, 2])
    facets = list(_FACETS)
    marks = st.pills("only", facets, selection_mode="multi", **address.choices("only", facets, clears=_AFRESH))
    text = columns[0].text_input(
        "search", placeholder='"mixture of experts" -survey au:hinton', **address.text("q", clears=_AFRESH)
    )
    category = columns[1].selectbox(
        "category",
        categories,
        index=None,
        placeholder="any",
        format_func=brief,
        **address.choice("category", categories, clears=_AFRESH),
    )
    profiles = list(data.settings().profiles)
    profile = columns[2].selectbox(
        "relevant to profile",
        profiles,
        index=None,
        placeholder="any",
        **address.choice("profile", profiles, clears=_AFRESH),
    )
    since = columns[3].date_input(
        "submitted since", value=None, format="YYYY-MM-DD", **address.day("since", clears=_AFRESH)
    )
    return PaperFilter(
        categories=(category,) if category else (),
        profile=profile,
        since=datetime.combine(since, time(), UTC) if isinstance(since, date) else None,
        text=" ".join([(text or "").strip(), *(_FACETS[mark] for mark in marks)]).strip() or None,
    )


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
