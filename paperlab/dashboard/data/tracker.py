"""What the syncs did, and what the database says to a question, as the pages read it."""

from __future__ import annotations

import streamlit as st

from paperlab.dashboard.data import cache
from paperlab.dashboard.data.cache import cached
from paperlab.entities import Gap, Receipt
from paperlab.library import status as library
from paperlab.library.status import Status
from paperlab.store import database, gaps, queries, receipts
from paperlab.store.queries import Answer


@cached
def latest_receipts(session: database.Session, limit: int) -> list[Receipt]:
    return receipts.latest(session, limit)


@cached
def open_gaps(session: database.Session) -> list[Gap]:
    return gaps.still_open(session)


def status() -> Status:
    """As `paperlab status` tells it; asks nothing of the network.  Raises NotReady where a command is needed."""
    cache.open_database()
    return library.status(cache.settings())


def ask(statement: str) -> Answer:
    """The answer to a question in SQL, kept until someone commits a write."""
    engine, state = cache.open_database()
    return _asked(state, statement, engine)


@st.cache_data(show_spinner="asking", max_entries=16)
def _asked(state: tuple[str | int, ...], statement: str, _engine: database.Engine) -> Answer:
    del state  # it is the cache's key
    return queries.ask(_engine, statement)
