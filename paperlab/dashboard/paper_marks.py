"""Buttons for what the reader does with a paper: star, skip, read; tags and notes on its own page."""

from __future__ import annotations

from collections.abc import Callable

import streamlit as st

from paperlab.dashboard import data, notices
from paperlab.dashboard.text import minute, readable
from paperlab.entities import Reading
from paperlab.errors import PaperlabError
from paperlab.library.reading import tag_name

ON_ITS_PAGE = "head"
"""Where the notes stand on the page itself."""


def buttons(arxiv_id: str, held: Reading | None, *, place: str) -> None:
    """Star, read, skip, note; what is set already is offered for taking back.  `place` keeps keys of lists apart."""
    held = held or Reading(arxiv_id)
    with st.container(horizontal=True, gap="small", width="content"):
        _button(arxiv_id, place, "star", is_set=held.starred_at is not None, on="★ starred", off="☆ star")
        _button(arxiv_id, place, "read", is_set=held.read_at is not None, on="✓ read", off="mark as read")
        _button(arxiv_id, place, "skip", is_set=held.skipped_at is not None, on="⊘ skipped", off="skip")
        kept = f"✎ {len(held.notes)}" if held.notes else "note"
        help_ = f"notes on {arxiv_id}"
        if place != ON_ITS_PAGE and st.button(kept, key=f"{place}-note-{arxiv_id}", type="tertiary", help=help_):
            st.dialog(f"Notes on {arxiv_id}")(notes)(arxiv_id, held)


_WRITES: dict[str, Callable[..., None]] = {"star": data.set_star, "read": data.set_read, "skip": data.set_skipped}


def _button(arxiv_id: str, place: str, what: str, *, is_set: bool, on: str, off: str) -> None:
    st.button(
        on if is_set else off,
        key=f"{place}-{what}-{arxiv_id}",
        type="tertiary",
        help=f"{'take back' if is_set else what}: {arxiv_id}",
        on_click=notices.attempt,
        args=(_WRITES[what], arxiv_id),
        kwargs={"undo": is_set},
    )


def tags(arxiv_id: str, held: Reading) -> None:
    known = sorted({*data.tags_in_use(), *held.tags})
    chosen = st.multiselect(
        "tags", known, default=list(held.tags), key=f"tags-{arxiv_id}", accept_new_options=True, placeholder="none"
    )
    try:
        wanted = tuple(dict.fromkeys(tag_name(tag) for tag in chosen))
        if set(wanted) != set(held.tags):
            data.set_tags(arxiv_id, held.tags, wanted)
    except PaperlabError as error:
        notices.problem(error)


def notes(arxiv_id: str, held: Reading) -> None:
    """Notes are searched too; what is written is kept at once."""
    for note in held.notes:
        with st.container(horizontal=True, vertical_alignment="top"):
            with st.container():
                st.text(readable(note.text))
                st.caption(f"note {note.id} of {minute(note.written_at)}")
            st.button(
                "delete",
                key=f"note-{note.id}",
                type="tertiary",
                help=f"delete note {note.id}",
                on_click=notices.attempt,
                args=(data.delete_note, arxiv_id, note.id),
            )
    with st.form(f"note-on-{arxiv_id}", clear_on_submit=True, border=False):
        text = st.text_area("new note", key=f"new-note-{arxiv_id}", height=80)
        if st.form_submit_button("Keep note") and text.strip():
            try:
                data.add_note(arxiv_id, text)
            except PaperlabError as error:
                notices.problem(error)
            else:
                st.rerun()
