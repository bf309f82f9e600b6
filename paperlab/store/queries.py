"""A question in SQL that somebody types: one statement, only reading, with bounds on time, rows and size.

On SQLite the connection is opened read-only and an authorizer refuses all but reading tables and calling functions:
no PRAGMA, no ATTACH, no file.  On PostgreSQL the transaction is read-only and the server ends what takes too long; what
the role may read, it can be asked for.
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

import sqlalchemy as sa

from paperlab.errors import InvalidInput, NotReady
from paperlab.store import database
from paperlab.store.database import Engine

MOST_ROWS = 1000
SECONDS = 5.0
_MOST_BYTES = 10_000_000
"""Of one value, and of a statement."""
_STEPS_BETWEEN_LOOKS = 10_000
_LONGEST_QUERY = 20_000

_ALLOWED = frozenset((sqlite3.SQLITE_SELECT, sqlite3.SQLITE_READ, sqlite3.SQLITE_FUNCTION, sqlite3.SQLITE_RECURSIVE))
_NOT_SHOWN = ("full_text", "title_text", "alembic", "sqlite_")
_FORBIDDEN_FUNCTIONS = frozenset(("load_extension", "fts3_tokenizer", "readfile", "writefile", "edit"))


@dataclass(frozen=True)
class Answer:
    """Rows as the database gave them.  `is_cut`: there are more."""

    columns: tuple[str, ...]
    rows: tuple[tuple[Any, ...], ...]
    is_cut: bool
    seconds: float


def ask(
    engine: Engine,
    statement: str,
    *,
    most_rows: int = MOST_ROWS,
    seconds: float = SECONDS,
    clock: Callable[[], float] = time.monotonic,
) -> Answer:
    """The answer to one reading statement.

    Raises InvalidInput for what is no such statement, takes longer than `seconds` or wants to do more than read.
    """
    statement = statement.strip().rstrip(";").strip()
    if not statement:
        raise InvalidInput("the query is empty", "SELECT arxiv_id, title FROM papers ORDER BY submitted_at DESC")
    if len(statement) > _LONGEST_QUERY:
        raise InvalidInput(f"the query has {len(statement):,} characters; {_LONGEST_QUERY:,} are read", "shorten it")
    if "\0" in statement:
        raise InvalidInput("the query can't be answered: it holds a NUL character", "type it anew")
    if engine.dialect.name == "sqlite":
        return _ask_sqlite(database.location(engine), statement, most_rows, seconds, clock)
    return _ask_server(engine, statement, most_rows, seconds, clock)


def tables(engine: Engine) -> dict[str, tuple[str, ...]]:
    """The tables that can be asked for, with their columns; the index's own are left out."""
    with database.storage_errors(engine):
        inspector = sa.inspect(engine)
        names = [
            name
            for name in inspector.get_table_names()
            if not name.startswith(("full_text", "title_text", "alembic", "sqlite_"))
        ]
        return {name: tuple(column["name"] for column in inspector.get_columns(name)) for name in sorted(names)}


def _ask_sqlite(path: str, statement: str, most_rows: int, seconds: float, clock: Callable[[], float]) -> Answer:
    began = clock()
    with _reading(path) as connection:
        connection.set_authorizer(_authorize)
        connection.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, _MOST_BYTES)
        connection.setlimit(sqlite3.SQLITE_LIMIT_ATTACHED, 0)
        connection.set_progress_handler(lambda: clock() - began > seconds, _STEPS_BETWEEN_LOOKS)
        try:
            cursor = connection.execute(statement)
            rows = cursor.fetchmany(most_rows + 1)
        except (sqlite3.Error, sqlite3.Warning, ValueError, OverflowError) as error:
            raise _refusal(str(error), seconds) from error
        columns = tuple(str(column[0]) for column in cursor.description or ())
    if not columns:
        raise InvalidInput("the query gives no rows", "begin it with SELECT or WITH")
    return Answer(columns, tuple(rows[:most_rows]), len(rows) > most_rows, clock() - began)


@contextmanager
def _reading(path: str) -> Iterator[sqlite3.Connection]:
    try:
        address = f"file:{quote(str(Path(path).absolute()))}?mode=ro"
        connection = sqlite3.connect(address, uri=True, timeout=1.0, isolation_level=None)
    except sqlite3.Error as error:
        raise NotReady(f"{path} can't be opened: {error}", "paperlab doctor") from error
    try:
        yield connection
    finally:
        connection.close()


def _authorize(action: int, first: str | None, second: str | None, _database: str | None, _trigger: str | None) -> int:
    if action == sqlite3.SQLITE_FUNCTION and (second or "").lower() in _FORBIDDEN_FUNCTIONS:
        return sqlite3.SQLITE_DENY
    del first
    return sqlite3.SQLITE_OK if action in _ALLOWED else sqlite3.SQLITE_DENY


def _ask_server(engine: Engine, statement: str, most_rows: int, seconds: float, clock: Callable[[], float]) -> Answer:
    began = clock()
    try:
        with database.storage_errors(engine), engine.connect() as connection:
            connection.exec_driver_sql("SET TRANSACTION READ ONLY")
            connection.exec_driver_sql(f"SET LOCAL statement_timeout = {int(seconds * 1000)}")
            options = {"stream_results": True, "max_row_buffer": most_rows + 1}
            found = connection.execution_options(**options).exec_driver_sql(statement.replace("%", "%%"))
            if not found.returns_rows:
                raise InvalidInput("the query gives no rows", "begin it with SELECT or WITH")
            with found:  # a cursor on the server, to be closed before all rows are taken
                columns = tuple(map(str, found.keys()))
                rows = [tuple(row) for row in found.fetchmany(most_rows + 1)]
    except sa.exc.DBAPIError as error:
        raise _refusal(str(error.orig), seconds) from error
    return Answer(columns, tuple(rows[:most_rows]), len(rows) > most_rows, clock() - began)


def _refusal(reason: str, seconds: float) -> InvalidInput:
    said = " ".join(reason.split())
    if "interrupted" in said or "statement timeout" in said:
        return InvalidInput(f"the query took longer than {seconds:g} s and was stopped", "narrow it, or add a LIMIT")
    if "not authorized" in said or "prohibited" in said or "read-only" in said or "readonly" in said:
        return InvalidInput("the query wants to do more than read", "begin it with SELECT or WITH")
    if "only execute one statement" in said or "multiple commands" in said:
        return InvalidInput("there is more than one statement", "ask them one by one")
    return InvalidInput(f"the query can't be answered: {said}", "the tables and their columns are listed below it")
