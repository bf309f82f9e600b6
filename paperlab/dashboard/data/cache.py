"""How a page reads: through a read-only session, and again only after someone committed a write.

Nothing here writes, trains or fetches.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from functools import wraps
from pathlib import Path
from typing import Any, Concatenate, ParamSpec, TypeVar

import streamlit as st

from paperlab import settings as settings_module
from paperlab.settings import Settings
from paperlab.store import database, upgrade

_PATIENCE_S = 3.0
"""A reader waits no longer for another process's lock: the page says that it is held."""

P = ParamSpec("P")
T = TypeVar("T")


def settings() -> Settings:
    return settings_module.load()


def now() -> datetime:
    return datetime.now(UTC)


def open_database() -> tuple[database.Engine, tuple[str | int, ...]]:
    """The engine, and a value that changes with every write of anyone.  Raises NotReady where a command is needed."""
    loaded = settings()
    engine = _engine(loaded.database_url, _inode(loaded), loaded)
    with database.storage_errors(engine):
        status = upgrade.check(engine)
        if status.state != "current":
            raise upgrade.refusal(engine, status)
        return engine, (loaded.database_url, _inode(loaded), database.data_version(engine))


@st.cache_resource(show_spinner=False, max_entries=4)
def _engine(url: str, inode: int, _settings: Settings) -> database.Engine:
    """One engine per address and file: a file put in its place is another one."""
    del url, inode  # they are the cache's key
    return database.connect(_settings, patience_s=_PATIENCE_S)


def _inode(loaded: Settings) -> int:
    scheme, _, path = loaded.database_url.partition(":///")
    file = Path(path)
    return file.stat().st_ino if scheme.startswith("sqlite") and file.is_file() else 0


def cached(read: Callable[Concatenate[database.Session, P], T]) -> Callable[P, T]:
    """The read without its session: opened read-only, and done again only after a write."""

    @st.cache_data(show_spinner=False, max_entries=256)
    def remembered(name: str, state: tuple[str | int, ...], words: Any, options: Any, _engine: database.Engine) -> T:
        del name, state  # they are the cache's key
        with database.read_only(_engine) as session:
            return read(session, *words, **options)

    name = f"{read.__module__}.{read.__qualname__}"

    @wraps(read)
    def call(*words: P.args, **options: P.kwargs) -> T:
        engine, state = open_database()
        result: T = remembered(name, state, words, options, engine)
        return result

    return call
