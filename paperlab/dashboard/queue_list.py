"""The queue on a page: what waits, what is trained, and whether anybody takes it from there."""

from __future__ import annotations

import streamlit as st

from paperlab.dashboard import data, links, notices
from paperlab.dashboard.text import age, brief, count, escape
from paperlab.store import queue as store
from paperlab.store.queue import Entry

WORKER = "paperlab queue run"
LIST = "paperlab queue ls"

_SHOWN = 8
_STATES = {store.RUNNING: ":blue[▶ in training]", store.WAITING: ":gray[… waiting]"}


def show() -> None:
    """Nothing where nothing is queued."""
    entries = data.queued()
    if not entries:
        return
    st.header("Queue")
    if not data.is_served():
        st.warning("Nothing is taking work from the queue.  On the machine that is to train:")
        st.code(WORKER, language=None)
    for entry in entries[:_SHOWN]:
        _line(entry)
    rest = f"; all of them: {LIST}" if len(entries) > _SHOWN else ""
    st.caption(f"shown {min(len(entries), _SHOWN)} of {count(len(entries), 'entry', 'entries')}{rest}")


def _line(entry: Entry) -> None:
    changes = " ".join(f"{key}={value}" for key, value in entry.overrides.items())
    said = [brief(f"{entry.recipe}, tier {entry.tier}, seed {entry.seed} {changes}", 200)]
    said.append(f"added {age(entry.added_at, data.now())}")
    if entry.message:
        said.append(brief(entry.message, 160))
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        st.caption(f"{_STATES.get(entry.state, escape(entry.state))} · {escape(' · '.join(said))}", width="content")
        if entry.run_id:
            links.run(entry.run_id)
        if entry.state == store.WAITING:
            st.button(
                "cancel",
                key=f"cancel-{entry.id}",
                type="tertiary",
                help=f"take entry {entry.id} out of the queue",
                on_click=notices.attempt,
                args=(data.cancel_queued, entry.id),
            )


def button(recipe: str, tier: str) -> None:
    """Puts a tier's seeds into the queue; a click trains nothing here."""
    with st.container(horizontal=True, vertical_alignment="bottom", gap="small"):
        seeds = st.number_input(
            f"seeds, {tier}", min_value=1, max_value=20, value=3, key=f"seeds-{recipe}-{tier}", width=130
        )
        st.button(
            f"Queue {tier}",
            key=f"queue-{recipe}-{tier}",
            help=f"put {recipe}, tier {tier}, into the queue; a worker trains it: {WORKER}",
            on_click=notices.attempt,
            args=(data.put_queued, recipe, tier, seeds),
        )
