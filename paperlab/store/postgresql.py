"""A database on a PostgreSQL server: how connections are set up, who may write when, and what can go wrong, in words.

What is written for SQLite holds here too.  Writers come one after the other, each with what it reads still true when it
writes: an advisory lock of the database is held from the beginning of a writing transaction to its end.  Readers see
one moment and wait for nobody.  Texts are compared by their bytes, whatever language the server is set to.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import URL, Connection, Engine
from sqlalchemy.exc import DBAPIError

from paperlab.errors import InvalidInput, NotReady, PaperlabError, TryAgain

DRIVER = "postgresql+psycopg"
CONNECT_TIMEOUT_S = 10
INSTALL = 'pip install "paperlab[postgres]"'

_LOCKS = 0x70617065
"""Ours among the advisory locks that others may take in the same database."""
_WRITING = "writing"
_AGAIN = "run the same command again"
_IS_UTF8 = "SELECT current_setting('server_encoding') = 'UTF8'"
_PLAIN_TEXT = """
SELECT c.table_name, c.column_name
FROM information_schema.columns AS c JOIN information_schema.tables AS t USING (table_schema, table_name)
WHERE c.table_schema = current_schema() AND t.table_type = 'BASE TABLE'
      AND c.data_type = 'text' AND c.collation_name IS DISTINCT FROM 'C'
"""


# --- connections ----------------------------------------------------------------------------------------------


def is_meant(url: URL) -> bool:
    return url.get_backend_name() in {"postgresql", "postgres"}


def create_engine(url: URL, **options: Any) -> Engine:
    """An engine for this address, by psycopg whatever driver it names or doesn't.  Nothing is connected yet.

    Raises ModuleNotFoundError where psycopg is missing.
    """
    ours = {"connect_timeout": CONNECT_TIMEOUT_S, "application_name": "paperlab", "client_encoding": "utf8"}
    return sa.create_engine(
        url.set(drivername=DRIVER),
        connect_args={name: value for name, value in ours.items() if name not in url.query},
        pool_pre_ping=True,  # a server that was restarted meanwhile is noticed before it is asked
        **options,
    )


def address(url: URL) -> str:
    """The database as people know it, without its password wherever that stands."""
    shown = URL.create("postgresql", username=url.username, host=url.host, port=url.port, database=url.database)
    host = url.query.get("host")
    return f"{shown.render_as_string()} at {host}" if host else shown.render_as_string()


def set_up(dbapi_connection: Any) -> None:
    """PostgreSQL holds neither NUL nor half of a surrogate pair: U+FFFD stands for either, as Unicode has it."""
    from psycopg.types.string import StrDumperUnknown

    class Dumper(StrDumperUnknown):
        def dump(self, obj: str) -> Any:
            return super().dump(storable(obj))

    dbapi_connection.adapters.register_dumper(str, Dumper)


def storable(text: str) -> str:
    """`text` with U+FFFD for what no PostgreSQL text can hold."""
    if "\0" in text:
        text = text.replace("\0", "\N{REPLACEMENT CHARACTER}")
    if text.isascii():
        return text
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


# --- transactions and locks -----------------------------------------------------------------------------------


def begin(connection: Connection, *, reading: bool, patience_s: float) -> None:
    """What a transaction begins with.  A writing one waits for the others, `patience_s` at most."""
    if reading:
        connection.exec_driver_sql("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
        return
    connection.exec_driver_sql(
        "SELECT set_config('lock_timeout', %s, true), pg_advisory_xact_lock(%s, %s)",
        (f"{int(patience_s * 1000)}ms", _LOCKS, _key(_WRITING)),
    )


@contextmanager
def held(engine: Engine, name: str) -> Iterator[bool]:
    """Whether nobody else, on any machine, holds the lock `name` of this database; held until the block ends.

    The server frees it when the connection is gone: what died holds nothing.
    """
    pooled = engine.raw_connection()
    driver: Any = pooled.driver_connection
    pooled.detach()  # closed in the end, and not kept for others: the lock is the connection's
    try:
        driver.autocommit = True
        row = driver.execute("SELECT pg_try_advisory_lock(%s, %s)", (_LOCKS, _key(name))).fetchone()
        yield bool(row[0])
    finally:
        pooled.close()


def _key(name: str) -> int:
    return zlib.crc32(name.encode()) - 2**31  # the server's integers have a sign


def version(connection: Connection) -> int:
    """A number for all that is committed: another one after each commit, and after some that don't concern us.

    It covers the transactions under way too: one that ends after a later one changes nothing else of the snapshot.
    """
    snapshot = connection.exec_driver_sql("SELECT CAST(pg_current_snapshot() AS text)").scalar_one()
    return int.from_bytes(str(snapshot).encode(), "big")


# --- schema ---------------------------------------------------------------------------------------------------


def require_utf8(connection: Connection, place: str) -> None:
    """Raises NotReady for a database in another encoding: it could not hold every paper."""
    if not connection.exec_driver_sql(_IS_UTF8).scalar_one():
        raise NotReady(f"{place} is not in UTF-8", "make one: createdb --encoding UTF8 --template template0 NAME")


def compare_by_bytes(connection: Connection) -> None:
    """Every text column in the collation "C": sorted and compared as SQLite does, in whatever language the server is.

    For tables that were made just now: a full one would be written anew.
    """
    quoted = connection.dialect.identifier_preparer.quote
    for table, column in connection.exec_driver_sql(_PLAIN_TEXT).all():
        name = quoted(column)
        connection.exec_driver_sql(f'ALTER TABLE {quoted(table)} ALTER COLUMN {name} TYPE text COLLATE "C"')


# --- what can go wrong ----------------------------------------------------------------------------------------


def explain(error: DBAPIError, place: str) -> PaperlabError | None:
    """The error as paperlab says it; None where only a mistake of ours can be the reason."""
    reason = _reason(error)
    state = str(getattr(error.orig, "sqlstate", None) or "")
    if not state:
        return _unreachable(reason, place) if _is_lost(error) else None
    told = _TOLD.get(state) or _TOLD.get(state[:2])
    return told(place, reason) if told else None


def _busy(place: str, _reason: str) -> PaperlabError:
    return TryAgain(f"{place} is being written by another process", _AGAIN, reason="lock", retry_after_s=1.0)


def _broke_off(place: str, reason: str) -> PaperlabError:
    return TryAgain(f"{place} broke off: {reason}", f"nothing is lost: {_AGAIN}", reason="server", retry_after_s=5.0)


def _full(place: str, reason: str) -> PaperlabError:
    return NotReady(f"{place} can't grow: {reason}", "free room on the server; nothing that was stored is lost")


def _readonly(place: str, reason: str) -> PaperlabError:
    return NotReady(f"{place} is readonly: {reason}", "name a server that takes writes: PAPERLAB_DATABASE_URL")


def _refused(place: str, reason: str) -> PaperlabError:
    return NotReady(f"{place} refuses: {reason}", "give the user rights on the database and its schema")


def _damaged(place: str, reason: str) -> PaperlabError:
    return NotReady(f"{place} is damaged: {reason}", "bring back a backup: pg_restore")


def _too_large(place: str, reason: str) -> PaperlabError:
    return InvalidInput(f"{place} can't hold that: {reason}", "shorten it")


_TOLD: dict[str, Callable[[str, str], PaperlabError]] = {
    **dict.fromkeys(("40001", "40P01", "55P03"), _busy),  # serialization_failure, deadlock, lock_not_available
    **dict.fromkeys(("08", "57", "53300"), _broke_off),  # connection, operator intervention, too_many_connections
    "53": _full,  # insufficient_resources
    "25006": _readonly,
    **dict.fromkeys(("42501", "3F000"), _refused),  # insufficient_privilege, invalid_schema_name
    **dict.fromkeys(("XX001", "XX002", "58030"), _damaged),  # data_corrupted, index_corrupted, io_error
    "54": _too_large,  # program_limit_exceeded
}
"""By state, or by its class: https://www.postgresql.org/docs/current/errcodes-appendix.html."""


def _is_lost(error: DBAPIError) -> bool:
    return error.connection_invalidated or type(error.orig).__name__ in {"OperationalError", "ConnectionTimeout"}


def _unreachable(reason: str, place: str) -> PaperlabError:
    """No connection came about, or it broke: libpq says why in words only."""
    if "password" in reason or "authentication" in reason:
        return NotReady(f"{place} refuses the user: {reason}", "set the password in PAPERLAB_DATABASE_URL or ~/.pgpass")
    if "does not exist" in reason:
        return NotReady(f"{place} can't be opened: {reason}", "createdb NAME, or mend PAPERLAB_DATABASE_URL")
    if "closed the connection unexpectedly" in reason or "terminating connection" in reason:
        return _broke_off(place, reason)
    return NotReady(f"{place} can't be reached: {reason}", "start the server, or mend PAPERLAB_DATABASE_URL")


def _reason(error: DBAPIError) -> str:
    """The server's own words in one line."""
    lines = [line.strip() for line in str(error.orig).splitlines() if line.strip()]
    told = next((line for line in lines if "FATAL:" in line or "failed:" in line), lines[0] if lines else "no reason")
    return " ".join(told.rpartition("FATAL:")[2].split()).rstrip(".")
