"""Opening the database: one engine per process, short sessions, and what can go wrong said in words.

SQLite in WAL mode by default: pages read while a sync writes.  Every writing session takes the write lock when it
begins (BEGIN IMMEDIATE), so that what it read is still true when it writes; reading sessions refuse to write at all.
With a PostgreSQL server it is the same (store/postgresql.py).
"""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any
from weakref import WeakKeyDictionary

import sqlalchemy as sa
from sqlalchemy import event
from sqlalchemy.engine import Connection, Engine, make_url
from sqlalchemy.exc import ArgumentError, DatabaseError, NoSuchModuleError, StatementError
from sqlalchemy.orm import Session
from sqlalchemy.pool import PoolProxiedConnection

from paperlab.errors import InvalidInput, NotReady, PaperlabError, TryAgain
from paperlab.settings import Settings
from paperlab.store import postgresql, upgrade

# Engine and Session stand here for the layers above, which name the types and import no SQLAlchemy.
__all__ = [
    "BUSY_TIMEOUT_S",
    "Engine",
    "Session",
    "StatementError",
    "connect",
    "data_version",
    "location",
    "only_one",
    "open_database",
    "read_only",
    "session",
    "storage_errors",
]

BUSY_TIMEOUT_S = 30.0
_BRING_BACK = "move it away and bring back a backup     to see what is wrong: paperlab doctor"

_READ_ONLY = "paperlab_read_only"
_IS_WAL = "paperlab_wal"
_watchers: WeakKeyDictionary[Engine, PoolProxiedConnection] = WeakKeyDictionary()
_watchers_lock = threading.Lock()


def open_database(settings: Settings, *, create: bool = False) -> Engine:
    """The engine of a database with the current schema.

    A missing one is created where `create` is true.  Raises NotReady, with the command that helps, for a missing,
    older, newer or foreign database and for a folder or file that can't be opened.
    """
    engine = connect(settings)
    with storage_errors(engine):
        status = upgrade.check(engine)
        if status.state == "missing" and create:
            upgrade.upgrade(settings, engine)
        elif status.state != "current":
            raise upgrade.refusal(engine, status)
    return engine


def connect(settings: Settings, *, patience_s: float = BUSY_TIMEOUT_S) -> Engine:
    """An engine without a look at the schema: for upgrades.  `patience_s`: how long to wait for SQLite's lock."""
    serializer = partial(json.dumps, ensure_ascii=False)
    try:
        url = make_url(settings.database_url)
        if postgresql.is_meant(url):
            engine = postgresql.create_engine(url, json_serializer=serializer)
        else:
            waiting = {"timeout": patience_s} if url.get_backend_name() == "sqlite" else {}
            engine = sa.create_engine(url, json_serializer=serializer, connect_args=waiting)
    except (ArgumentError, NoSuchModuleError, ModuleNotFoundError, ValueError) as error:
        if isinstance(error, ModuleNotFoundError) and error.name == "psycopg":
            raise NotReady("PostgreSQL needs the driver psycopg, which is missing", postgresql.INSTALL) from error
        # What is wrong with a port is left out: without a host a password is read as one.
        why = "" if isinstance(error, ValueError) else f": {error}"
        raise InvalidInput(
            f'"{_without_secrets(settings.database_url)}" is not a database address that can be used{why}',
            "example: PAPERLAB_DATABASE_URL=sqlite:////home/me/papers.db",
        ) from error
    if engine.dialect.name == "sqlite":
        event.listen(engine, "connect", partial(_set_up_sqlite, patience_s))
        event.listen(engine, "begin", _begin_sqlite)
    elif engine.dialect.name == "postgresql":
        event.listen(engine, "connect", _set_up_postgresql)
        event.listen(engine, "begin", _begin_postgresql)
    return engine


def _without_secrets(address: str) -> str:
    """What may be shown of an address that can't be read: nothing that may be a password."""
    start, at, rest = address.partition("?")[0].rpartition("@")
    if at or not address.startswith("postgres"):
        return rest
    return f"{start}{rest}".partition(":")[0] + "://..."


def location(engine: Engine) -> str:
    """The database as people know it: a path for SQLite, otherwise the address without its password."""
    if engine.dialect.name == "postgresql":
        return postgresql.address(engine.url)
    return engine.url.database or ":memory:" if engine.dialect.name == "sqlite" else engine.url.render_as_string()


@contextmanager
def only_one(settings: Settings, name: str) -> Iterator[bool]:
    """Whether nobody on another machine does what is called `name` with this database, until the block ends.

    Always so for SQLite: a file is of one machine, where a lock beside it suffices.
    """
    engine = connect(settings)
    if engine.dialect.name != "postgresql":
        yield True
        return
    try:
        with storage_errors(engine), postgresql.held(engine, name) as is_ours:
            yield is_ours
    finally:
        engine.dispose()


@contextmanager
def session(engine: Engine) -> Iterator[Session]:
    """A writing session: commits when the block ends, rolls back when it raises."""
    with storage_errors(engine), Session(engine, expire_on_commit=False) as opened, opened.begin():
        yield opened


@contextmanager
def read_only(engine: Engine) -> Iterator[Session]:
    """A reading session: one consistent view; a write raises."""
    reader = engine.execution_options(**{_READ_ONLY: True})
    with storage_errors(engine), Session(reader) as opened:
        yield opened


def data_version(engine: Engine) -> int:
    """A number that changes when anyone else commits a write: for caches of reads.

    SQLite counts per connection, so one connection per engine is kept for asking.
    """
    if engine.dialect.name == "postgresql":
        with storage_errors(engine), engine.execution_options(**{_READ_ONLY: True}).connect() as connection:
            return postgresql.version(connection)
    with _watchers_lock:
        if engine not in _watchers:
            _watchers[engine] = engine.raw_connection()
        watcher = _watchers[engine]
        cursor = watcher.cursor()
        cursor.execute("PRAGMA data_version")
        row = cursor.fetchone()
        version = int(str(row[0])) if row else 0
        cursor.close()
        watcher.rollback()
        return version


@contextmanager
def storage_errors(engine: Engine) -> Iterator[None]:
    """Turns a full disk, a read-only folder, a held lock, a broken file, a server away into errors that name it."""
    try:
        yield
    except DatabaseError as error:
        if engine.dialect.name == "postgresql":
            known = postgresql.explain(error, location(engine))
        else:
            known = _explain(" ".join(str(error.orig).lower().split()), location(engine))
        if known is None:
            raise
        raise known from error


def _explain(reason: str, path: str) -> PaperlabError | None:
    if "disk is full" in reason or "disk i/o error" in reason:
        return NotReady(f"{path} can't grow: {reason}", "free some disk space; nothing that was stored is lost")
    if "readonly" in reason or "unable to open" in reason:
        return NotReady(
            f"{path} can't be written: {reason}", "make its folder writable, or set PAPERLAB_HOME to another"
        )
    if "database is locked" in reason or "table is locked" in reason:
        return TryAgain(
            f"{path} is being written by another process",
            "run the same command again",
            reason="lock",
            retry_after_s=1.0,
        )
    if "not a database" in reason or "malformed" in reason:
        return NotReady(f"{path} is damaged or no SQLite database: {reason}", _BRING_BACK)
    if "no such table" in reason or "no such column" in reason:
        return NotReady(f"{path} is damaged: {reason}", _BRING_BACK)
    return None


def _set_up_sqlite(patience_s: float, dbapi_connection: Any, _record: Any) -> None:
    dbapi_connection.isolation_level = None  # the driver begins no transactions of its own: _begin_sqlite does
    cursor = dbapi_connection.cursor()
    cursor.execute(f"PRAGMA busy_timeout = {int(patience_s * 1000)}")
    cursor.execute("PRAGMA foreign_keys = ON")
    cursor.execute("PRAGMA synchronous = NORMAL")
    cursor.close()


def _begin_sqlite(connection: Connection) -> None:
    reading = connection.get_execution_options().get(_READ_ONLY, False)
    connection.exec_driver_sql(f"PRAGMA query_only = {'ON' if reading else 'OFF'}")
    if not reading and not connection.info.get(_IS_WAL):
        # Only who writes may change the file: one that is looked at, or is somebody else's, stays as it is.
        if connection.exec_driver_sql("PRAGMA journal_mode").scalar() != "wal":
            connection.exec_driver_sql("PRAGMA journal_mode = WAL")
        connection.info[_IS_WAL] = True
    connection.exec_driver_sql("BEGIN" if reading else "BEGIN IMMEDIATE")


def _set_up_postgresql(dbapi_connection: Any, _record: Any) -> None:
    postgresql.set_up(dbapi_connection)


def _begin_postgresql(connection: Connection) -> None:
    reading = connection.get_execution_options().get(_READ_ONLY, False)
    postgresql.begin(connection, reading=reading, patience_s=BUSY_TIMEOUT_S)
