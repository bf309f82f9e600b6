"""What a page says when there is nothing to show, or when something is in the way: the reason and the next command."""

from __future__ import annotations

import logging
from collections.abc import Callable
from functools import wraps
from typing import ParamSpec

import streamlit as st

from paperlab.dashboard.text import escape, readable, shortened
from paperlab.errors import PaperlabError, TryAgain
from reproductions.registry import ReproductionError

P = ParamSpec("P")

_LOG = logging.getLogger(__name__)
_MET = "what a press of a button met"
FAULT = "This page has failed, and the fault is ours, not yours."


def guarded(draw: Callable[P, None]) -> Callable[P, None]:
    """The page, or the part of it that moves; where something is in its way that, and the command that helps."""

    @wraps(draw)
    def drawn(*words: P.args, **options: P.kwargs) -> None:
        _refused()
        try:
            draw(*words, **options)
        except (PaperlabError, ReproductionError) as error:
            problem(error)
        except Exception as error:  # noqa: BLE001 - no visitor is shown a traceback; it is logged
            fault(error)

    return drawn


def empty(message: str, command: str = "") -> None:
    """Nothing here yet, and how to change that."""
    st.info(escape(message))
    if command:
        st.code(command, language=None)


def problem(error: PaperlabError | ReproductionError) -> None:
    """An error as the command line would tell it."""
    st.error(escape(f"{error.message}."))
    if isinstance(error, TryAgain):
        st.caption("Nothing is lost: load this page again in a moment.")
    elif error.hint:
        st.code(readable(shortened(error.hint, 1000)), language=None)


def fault(error: Exception) -> None:
    """What nobody foresaw: its name here, its traceback in the server's own words."""
    _LOG.error("a page has failed", exc_info=error)
    st.error(escape(f"{FAULT} {type(error).__name__}: {error}"))
    st.caption("What this machine and its database are missing, if anything; the traceback stands in the terminal.")
    st.code("paperlab doctor", language=None)


def attempt(write: Callable[P, object], *words: P.args, **options: P.kwargs) -> None:
    """A write for a button's press, before the page is drawn: what it meets the page tells."""
    try:
        write(*words, **options)
    except (PaperlabError, ReproductionError) as error:
        st.session_state[_MET] = error


def _refused() -> None:
    """What the last press of a button met, once."""
    error = st.session_state.pop(_MET, None)
    if error is not None:
        problem(error)
