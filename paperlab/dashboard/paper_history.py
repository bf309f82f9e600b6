"""What became of a paper from version to version, and what others say of it: links, reported results."""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st

from paperlab.arxiv_id import ArxivId
from paperlab.dashboard import address, data, links
from paperlab.dashboard.text import brief, count, day, escape
from paperlab.entities import CodeLink, LinkRole, Paper, ReportedResult
from paperlab.library.versions import FieldChange, Op

_RESULTS_SHOWN = 40
_PIECE_SHOWN = 4000
_PIECES_SHOWN = 400
_CELL_SHOWN = 120
_MARKS = {Op.REMOVED: ":red[−{}−]", Op.ADDED: ":green[+{}+]"}
"""Taken away and added, with a sign as well as a colour."""


def versions(arxiv_id: str, held: Sequence[Paper]) -> None:
    """The versions seen, and two of them word by word: the newest two, or those that the address names."""
    with st.expander(f"{count(len(held), 'version')} seen", expanded="from" in st.query_params):
        st.table(
            {
                "Version": [f"v{version.version}" for version in held],
                "Date": [day(version.updated_at) for version in held],
                "Title": [escape(version.title) for version in held],
                "Comment": [escape(version.comment or "–") for version in held],
            },
            hide_index=True,
            border="horizontal",
        )
        numbers = [str(version.version) for version in held]
        columns = st.columns(2)
        before = columns[0].selectbox("from version", numbers, **address.choice("from", numbers, numbers[-2]))
        after = columns[1].selectbox("to version", numbers, **address.choice("to", numbers, numbers[-1]))
        if before == after:
            st.caption("Choose two versions.")
            return
        found = data.version_diff(ArxivId.parse(arxiv_id), int(before), int(after))
        if not found.changes:
            st.caption("The record is the same: only the files were replaced.")
        for change in found.changes:
            st.markdown(f"**{escape(change.field)}** {_words(change)}")


def _words(change: FieldChange) -> str:
    return " ".join(
        _MARKS.get(piece.op, "{}").format(escape(piece.text, _PIECE_SHOWN)) for piece in change.pieces[:_PIECES_SHOWN]
    )


def code(found: Sequence[CodeLink]) -> None:
    if not found:
        return
    st.header("Code and data")
    for link in found:
        said = "the authors' own" if link.role is LinkRole.OWN else "other people's"
        where = links.outside(link.url, brief(link.url, 100)) if _is_web(link.url) else escape(link.url, 200)
        st.markdown(f"{where} · {escape(f'{link.kind.value}, {said}, from the {link.source}', 200)}")


def _is_web(url: str) -> bool:
    return len(url) < 2000 and url.startswith(("https://", "http://")) and not set(url) & set("()<>[]\\\"' \n\t`")


def reported(results: Sequence[ReportedResult]) -> None:
    if not results:
        return
    st.header("Reported results")
    st.caption("What leaderboards of others say that this paper reports; not measured here.")
    shown = results[:_RESULTS_SHOWN]
    st.table(
        {
            "Task": [escape(result.task, _CELL_SHOWN) for result in shown],
            "Dataset": [escape(result.dataset, _CELL_SHOWN) for result in shown],
            "Model": [escape(result.model, _CELL_SHOWN) for result in shown],
            "Metric": [escape(result.metric, _CELL_SHOWN) for result in shown],
            "Value": [escape(result.value_text, _CELL_SHOWN) for result in shown],
            "Said by": [escape(result.source, _CELL_SHOWN) for result in shown],
        },
        hide_index=True,
        border="horizontal",
    )
    st.caption(f"shown {len(shown)} of {count(len(results), 'result')}")
