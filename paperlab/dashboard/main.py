"""The dashboard's frame: which pages there are, under which address, and what happens when one fails.

Pages are functions, one module each in views/.  `show` is all that app.py calls; it runs anew for every change of
every visitor, so everything below is cheap or cached (data.py).
"""

from __future__ import annotations

import ipaddress
from types import ModuleType

import streamlit as st

import paperlab
from paperlab.dashboard import address as address_bar
from paperlab.dashboard import notices
from paperlab.dashboard.text import escape
from paperlab.dashboard.views import (
    claims,
    compare,
    leaderboard,
    paper,
    papers,
    query,
    reproductions,
    run,
    runs,
    samples,
    sync,
    today,
    trends,
)

PAGES: dict[str, list[tuple[ModuleType, str]]] = {
    "Read": [(today, "today"), (papers, "papers"), (claims, "claims"), (trends, "trends"), (paper, "paper")],
    "Run": [
        (reproductions, "reproductions"),
        (runs, "runs"),
        (compare, "compare"),
        (samples, "samples"),
        (leaderboard, "leaderboard"),
        (run, "run"),
    ],
    "System": [(sync, "sync"), (query, "query")],
}
"""Groups of the menu: each page's module and address.  The first is what opens."""

_OF_ONE_THING = (paper, run)
"""Pages about one paper or run: links lead there, the menu does not."""

# Streamlit's own spacing is for forms; this is for reading.  Nothing from outside goes into it.
_STYLE = """<style>
[data-testid="stMainBlockContainer"] {padding: 2.6rem 2.5rem 3rem; max-width: 1500px}
[data-testid="stMainBlockContainer"] h1 {font-size: 1.7rem; padding: 0}
[data-testid="stMainBlockContainer"] h2 {font-size: 1.2rem; padding: .7rem 0 .1rem}
[data-testid="stMainBlockContainer"] h3 {font-size: 1.02rem; padding: .4rem 0 0}
[data-testid="stVerticalBlock"] {gap: .65rem}
[data-testid="stPageLink"] a {padding: 0 .1rem; min-height: 0; line-height: 1.35}
[data-testid="stPageLink"] a p {color: light-dark(#2f6cb0, #6aa6e8); font-weight: 600}
[data-testid="stPageLink"] a p {white-space: normal; overflow-wrap: anywhere}
[data-testid="stMain"] :is([data-testid="stMarkdownContainer"], [data-testid="stCaptionContainer"]) {margin-bottom: 0}
[data-testid="stMain"] [data-testid="stMarkdownContainer"] p {margin-bottom: 0; line-height: 1.4}
[data-testid="stTable"] :is(td, th) {padding: .28rem .5rem; vertical-align: top}
[data-testid="stTable"] td {white-space: normal; min-width: 5.5rem}
[data-testid="stTable"] td:first-child {min-width: 8.5rem}
[data-testid="stTable"] :is(td, th) [data-testid="stMarkdownContainer"] {max-width: none}
[data-testid="stTable"] :is(td, th) [data-testid="stMarkdownContainer"] :is(p, a, strong) {overflow-wrap: anywhere}
[data-testid="stText"] {overflow-wrap: anywhere}
[data-testid="stBaseButton-tertiary"] {min-height: 0; padding: 0 .15rem; line-height: 1.35}
[data-testid="stBaseButton-tertiary"] p {font-size: .82rem}
[data-testid="stMain"] [data-testid="stCaptionContainer"] p {margin-bottom: 0}
[data-testid="stElementContainer"]:has(> [data-testid="stMarkdown"] [data-testid="stCaptionContainer"]) {margin: 0}
[data-testid="stMetric"] {padding: 0}
[data-testid="stMetricValue"] {font-size: 1.45rem}
[data-testid="stPageLink"] a {background: none}
@media (max-width: 700px) {
  [data-testid="stHorizontalBlock"]:has([data-testid="stMetric"]) > [data-testid="stColumn"] {
    min-width: calc(50% - 1rem); flex: 1 1 calc(50% - 1rem)
  }
  [data-testid="stMainBlockContainer"] {padding: 4.2rem 1rem 2rem}
  [data-testid="stTable"] td {min-width: 7rem}
}
</style>"""


def show() -> None:
    """Draw the page that the address names."""
    st.set_page_config(page_title="paperlab", layout="wide")
    if not is_address_chosen():
        return
    st.html(_STYLE)
    navigation = st.navigation({group: [_page(*each) for each in pages] for group, pages in PAGES.items()})
    address_bar.follow(navigation.url_path)
    navigation.run()
    with st.sidebar:
        st.caption(f"paperlab {escape(paperlab.__version__)} · times are UTC")
        st.caption("Thank you to arXiv for use of its open access interoperability.")


def is_address_chosen() -> bool:
    """Whether someone decided who can read these pages.  Says so where nobody did, or where others than we can."""
    address = st.get_option("server.address")
    if not address:
        st.error("This server listens on every address of this machine, and nobody asked for that.")
        st.text("Stop it (Ctrl-C) and start it with one of these:")
        st.code(
            "paperlab dashboard\n"
            "streamlit run app.py --server.address=127.0.0.1 --server.headless=true --browser.gatherUsageStats=false",
            language=None,
        )
        return False
    if not _is_loopback(str(address)):
        st.warning(escape(f"Listening on {address}: everyone who can reach this machine can read these pages."))
    return True


def _page(view: ModuleType, address: str) -> st.Page:
    return st.Page(
        notices.guarded(view.render),
        title=view.TITLE,
        url_path=address,
        default=view is today,
        visibility="hidden" if view in _OF_ONE_THING else "visible",
    )


def _is_loopback(address: str) -> bool:
    try:
        return ipaddress.ip_address(address).is_loopback
    except ValueError:
        return address == "localhost"
