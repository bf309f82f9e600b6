"""Trends: which topics and categories grow?"""

from __future__ import annotations

import streamlit as st

from paperlab.dashboard import address, data, links, notices, paper_charts
from paperlab.dashboard.text import count, escape
from paperlab.errors import InvalidInput

TITLE = "Trends"

_MOST = 6
_CATEGORIES = 8
_SPANS = {"1 year": 12, "3 years": 36, "10 years": 120, "all": 0}
_EXAMPLE = '"mixture of experts"; retrieval; "reinforcement learning"'


def render() -> None:
    st.title("Trends")
    categories = data.categories()
    if not categories:
        notices.empty("No papers are held yet.", "paperlab sync")
        return
    span = st.segmented_control("over", list(_SPANS), **address.choice("over", list(_SPANS), "3 years"))
    months = _SPANS[span or "3 years"]
    _topics(months)
    st.header("Categories")
    largest = tuple(list(categories)[:_CATEGORIES])
    found = data.category_months(largest)
    st.plotly_chart(
        paper_charts.months(found, "Papers a month by category", months), config={"displaylogo": False}, key="growth"
    )
    st.caption(
        f"the {len(largest)} largest of {count(len(categories), 'category', 'categories')} among the papers held; "
        "a cross-listed paper counts in each; the last month is not over"
    )


def _topics(months: int) -> None:
    st.header("Topics")
    asked = st.text_input("searches, separated by semicolons", placeholder=_EXAMPLE, **address.text("topics"))
    queries = [part.strip() for part in (asked or _EXAMPLE).split(";") if part.strip()][:_MOST]
    found: dict[str, dict[str, int]] = {}
    for query in queries:
        try:
            found[query] = data.query_months(query)
        except InvalidInput as error:
            notices.problem(error)
    if not found:
        return
    share = st.toggle("as a share of all papers held", **address.flag("share"))
    whole = data.query_months("") if share else None
    if any(found.values()):
        figure = paper_charts.months(found, "Papers a month by topic", months, whole)
        st.plotly_chart(figure, config={"displaylogo": False}, key="topics-by-month")
    else:
        notices.empty("No paper held is about any of these.", "paperlab sync")
    with st.container(horizontal=True):
        for query, counts in found.items():
            links.link("papers", f"{query}: {count(sum(counts.values()), 'paper')}", q=query)
    if not asked:
        st.caption(escape("Examples; every search that Papers takes can be asked here."))
