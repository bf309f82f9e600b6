"""The state of a page lives in its address, and nowhere else: what is pasted, or gone back to, is what is shown.

Before a control is drawn it takes its value from the address; a change by the reader is written there, as a new entry
of the browser's history, before the page is drawn anew.  Each function returns what the control's call needs for that:

    st.text_input("search", **address.text("q", clears=("page",)))

A value that stands for nothing (the default) is not kept in the address, and what a control can't take is read as the
default.  `clears`: keys that a change makes meaningless, as another question begins at its first page.

Streamlit's own `bind="query-params"` does less: it replaces the entry of the history instead of adding one, and when
the reader leaves a page, it adds one with the path of the old page and the question of the new one (1.67), which is
where "back" leads.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import date
from typing import Any

import streamlit as st
from streamlit.runtime.scriptrunner import get_script_run_ctx

LONGEST = 4000
"""Characters of a text in an address: a server refuses a request line far above."""

_NOTHING = object()
_SHOWN = "address shown"
"""Where the session keeps the page and the state that the browser's address has."""


def text(key: str, *, most: int = LONGEST, clears: Iterable[str] = ()) -> dict[str, Any]:
    """A text on one line or several, for `st.text_input` and `st.text_area`."""
    held = st.query_params.get(key, "").replace("\x00", "")[:most]
    return {**_bound(key, held, lambda value: (value or "").strip(), clears), "max_chars": most}


def choice(key: str, options: Sequence[str], default: str | None = None, clears: Iterable[str] = ()) -> dict[str, Any]:
    """One of the options; the default where nothing else is chosen."""
    asked = st.query_params.get(key)
    return _bound(key, asked if asked in options else default, lambda value: _unless(default, value), clears)


def choices(
    key: str, options: Sequence[str], default: Sequence[str] = (), clears: Iterable[str] = ()
) -> dict[str, Any]:
    """Some of the options: `?key=one&key=two`, or `?key=one,two`."""
    asked = listed(key)
    held = [each for each in asked if each in options] or list(default)
    return _bound(key, held, lambda value: list(value) if list(value) != list(default) else [], clears)


def flag(key: str, *, default: bool = False) -> dict[str, Any]:
    """On or off."""
    said = {"true": True, "false": False}.get(st.query_params.get(key, "").lower(), default)
    return _bound(key, said, lambda value: "" if value == default else str(bool(value)).lower(), ())


def day(key: str, clears: Iterable[str] = ()) -> dict[str, Any]:
    """A date as 2026-11-24, or none."""
    try:
        held = date.fromisoformat(st.query_params.get(key, ""))
    except ValueError:
        held = None
    return _bound(key, held, lambda value: value.isoformat() if isinstance(value, date) else "", clears)


def amount(key: str) -> dict[str, Any]:
    """A number that is not negative, or none."""
    try:
        held = float(st.query_params.get(key, ""))
    except ValueError:
        held = math.nan
    return _bound(key, held if 0 <= held < math.inf else None, lambda value: "" if value is None else f"{value:g}", ())


def page_number(most: int = 10**6) -> int:
    """The page of a long list that the address asks for, from 1 to `most`."""
    try:
        return min(max(int(st.query_params.get("page", "1")), 1), max(most, 1))
    except ValueError:
        return 1


def page(most: int) -> dict[str, Any]:
    """For `st.pagination` over `most` pages."""
    shown = page_number(most)
    key = f"page-{shown}"  # another one for each page: this control takes its default before what the session holds

    def changed() -> None:
        write({"page": _unless("1", str(st.session_state[key]))})

    return {"key": key, "default": shown, "on_change": changed}


def listed(key: str) -> list[str]:
    """What the address lists under a key, each once, in its order."""
    words = (word.strip() for said in st.query_params.get_all(key) for word in said.split(","))
    return list(dict.fromkeys(word for word in words if word))


def write(changes: Mapping[str, str | list[str]], clears: Iterable[str] = ()) -> None:
    """Change the address of the page that is shown; an empty value takes its key away.  For callbacks."""
    kept = {key: value for key, value in _asked().items() if key not in {*changes, *clears}}
    st.query_params.from_dict({**kept, **{key: value for key, value in changes.items() if value}})
    if _SHOWN in st.session_state:
        st.session_state[_SHOWN] = (st.session_state[_SHOWN][0], _asked())


def follow(page: str) -> None:
    """Called before a page is drawn: a link from a page to itself leaves the browser's address as it was (1.67)."""
    before, asked = st.session_state.get(_SHOWN), _asked()
    if before is not None and before[0] == page and before[1] != asked and not _is_gone_back():
        st.query_params.from_dict(asked)
    st.session_state[_SHOWN] = (page, asked)


def _is_gone_back() -> bool:
    """Whether the browser went back or forward: it has the right address then, or one further back already."""
    context = get_script_run_ctx()
    return bool(getattr(context, "is_history_navigation", False))


def _asked() -> dict[str, list[str]]:
    return {key: st.query_params.get_all(key) for key in st.query_params}


def _bound(key: str, held: Any, said: Callable[[Any], str | list[str]], clears: Iterable[str]) -> dict[str, Any]:
    """Sets the control's value where it is another: set again, it would undo what is being typed just now."""
    if st.session_state.get(key, _NOTHING) != held:
        st.session_state[key] = held
    return {"key": key, "on_change": _changed, "args": (key, said, tuple(clears))}


def _changed(key: str, said: Callable[[Any], str | list[str]], clears: tuple[str, ...]) -> None:
    write({key: said(st.session_state[key])}, clears)


def _unless(default: str | None, value: str | None) -> str:
    return "" if value is None or value == default else value
