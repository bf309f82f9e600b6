"""What a page says when there is nothing to show, or when something is in the way: the reason and the next command."""

from __future__ import annotations

import streamlit as st

from paperlab.dashboard.text import escape, readable, shortened
from paperlab.errors import PaperlabError
from reproductions.registry import ReproductionError


def empty(message: str, command: str = "") -> None:
    """Nothing here yet, and how to change that."""
    st.info(escape(message))
    if command:
        st.code(command, language=None)


def problem(error: PaperlabError | ReproductionError) -> None:
    """An error as the command line would tell it."""
    st.error(escape(f"{error.message}."))
    if error.hint:
        st.code(readable(shortened(error.hint, 1000)), language=None)
