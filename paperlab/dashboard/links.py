"""Links between pages.  A link names a page by its address; main.py decides what is shown there.

They move within the browser tab, so that "back" leads back, and keep what they point at in the address.
"""

from __future__ import annotations

from collections.abc import Sequence
from urllib.parse import urlencode

import streamlit as st

from paperlab.dashboard import mathematics
from paperlab.dashboard.text import escape

_LABEL = 240
"""Characters of a label."""


def link(page: str, label: str, **state: str) -> None:
    """A link to `/page?state` with `label` as plain text."""
    st.page_link(
        st.Page(_elsewhere, title=page, url_path=page), label=mathematics.markdown(label, _LABEL), query_params=state
    )


def paper(arxiv_id: str, label: str) -> None:
    link("paper", label, id=arxiv_id)


def run(run_id: str, label: str | None = None) -> None:
    link("run", label or run_id, id=run_id)


def in_cell(page: str, label: str, **state: str) -> str:
    """The same as Markdown, for a cell of a table.  Streamlit opens these in a new tab."""
    return f"[{escape(label, _LABEL)}]({page}?{urlencode(state)})"


def runs_in_cell(run_ids: Sequence[str], shown: int = 6) -> str:
    """Runs as Markdown for a cell, by the ends of their ids: the newest ones, and how many there are besides."""
    newest = [in_cell("run", run_id.rpartition("-")[2], id=run_id) for run_id in sorted(run_ids, reverse=True)[:shown]]
    more = len(run_ids) - len(newest)
    return " ".join([*newest, *([f"and {more:,} more"] if more else [])])


def outside(url: str, label: str) -> str:
    """Markdown for a link that leaves this machine when it is clicked."""
    return f"[{escape(label, _LABEL)}]({url})"


def _elsewhere() -> None:
    """The page at the end of a link is not drawn here."""
