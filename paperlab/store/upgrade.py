"""Which schema a database has, the way to the current one, and backups.

Revisions are the numbered files of migrations/versions, one after the other.  Alembic walks them; looking which one a
database has does without it, because every command looks.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import sqlalchemy as sa
from filelock import FileLock
from sqlalchemy.engine import Connection, Engine

import paperlab
from paperlab.errors import InvalidInput, NotReady
from paperlab.settings import Settings
from paperlab.store import postgresql

State = Literal["current", "missing", "old", "new", "foreign"]


@dataclass(frozen=True)
class SchemaStatus:
    """`current` is the database's revision, `head` the newest this program knows."""

    state: State
    current: str | None
    head: str


def migrations_folder() -> Path:
    """The checkout's migrations/ where there is one, else those in the wheel."""
    package = Path(paperlab.__file__).parent
    for folder in (package.parent / "migrations", package / "_bundled" / "migrations"):
        if (folder / "env.py").is_file():
            return folder
    raise NotReady(f"the migrations are missing beside {package}", "install paperlab again")


def revisions() -> list[str]:
    """Every revision, oldest first: "0001", "0002", ..."""
    return sorted(path.name.partition("_")[0] for path in (migrations_folder() / "versions").glob("[0-9]*_*.py"))


def check(engine: Engine) -> SchemaStatus:
    """What the database has, without changing or creating anything."""
    known = revisions()
    head = known[-1]
    if _file_is_missing(engine):
        return SchemaStatus("missing", None, head)
    with engine.execution_options(paperlab_read_only=True).connect() as connection:
        return _status(connection, known)


def _status(connection: Connection, known: list[str]) -> SchemaStatus:
    head = known[-1]
    tables = sa.inspect(connection).get_table_names()
    if "alembic_version" not in tables:
        return SchemaStatus("foreign" if tables else "missing", None, head)
    current = connection.execute(sa.text("SELECT version_num FROM alembic_version")).scalar()
    if current is None:
        return SchemaStatus("missing", None, head)
    state: State = "current" if current == head else "old" if current in known else "new"
    return SchemaStatus(state, str(current), head)


def refusal(engine: Engine, status: SchemaStatus) -> NotReady:
    """Why a database that is not current is not opened, and the command that helps."""
    is_server = engine.dialect.name == "postgresql"
    place = postgresql.address(engine.url) if is_server else engine.url.database or engine.url.render_as_string()
    if status.state == "missing":
        return NotReady(
            f"there is no database at {place} yet", "paperlab db upgrade     or bring papers in: paperlab sync"
        )
    if status.state == "old":
        return NotReady(
            f"{place} has schema {status.current}, this paperlab needs {status.head}",
            f"{'pg_dump' if is_server else 'paperlab db backup FILE'}     then: paperlab db upgrade",
        )
    if status.state == "new":
        return NotReady(
            f"{place} has schema {status.current}, which is newer than this paperlab ({status.head})",
            "update paperlab: pip install --upgrade paperlab",
        )
    return NotReady(f"{place} is a database of something else", "set PAPERLAB_DATABASE_URL or PAPERLAB_HOME to another")


def upgrade(settings: Settings, engine: Engine) -> SchemaStatus:
    """Bring the database to the head revision, creating it where it is missing.  Returns what it was before.

    All steps are one transaction: after a crash the database is as it was.  Two processes that start on a fresh machine
    at once wait for each other, those that share a server too.
    """
    from alembic import command
    from alembic.config import Config

    _make_parent(engine)
    with _one_at_a_time(settings):
        before = check(engine)
        if before.state in {"new", "foreign"}:
            raise refusal(engine, before)
        if before.state != "current":
            config = Config()
            config.set_main_option("script_location", str(migrations_folder()).replace("%", "%%"))
            with engine.begin() as connection:
                if engine.dialect.name == "postgresql":
                    postgresql.require_utf8(connection, postgresql.address(engine.url))
                    before = _status(connection, revisions())  # another machine may have been faster
                config.attributes["connection"] = connection
                command.upgrade(config, "head")
    return before


def backup(engine: Engine, target: Path) -> None:
    """A consistent copy of a SQLite database, taken while others write.  `target` must not exist."""
    if engine.dialect.name != "sqlite":
        place = postgresql.address(engine.url)
        raise InvalidInput(
            f"{place} is backed up by its server's own tools", "pg_dump --format custom --file FILE DATABASE"
        )
    source_path = engine.url.database or ""
    if _file_is_missing(engine):
        raise NotReady(f"there is no database at {source_path}", "paperlab db upgrade")
    if target.exists():
        raise InvalidInput(f"{target} exists", "name a file that does not")
    partial = target.with_name(target.name + ".partial")
    try:
        with (
            closing(sqlite3.connect(f"{Path(source_path).absolute().as_uri()}?mode=ro", uri=True)) as source,
            closing(sqlite3.connect(partial)) as copy,
        ):
            source.backup(copy, pages=1000, sleep=0.01)
            copy.execute("PRAGMA journal_mode = DELETE")  # one file that can be carried about
        partial.rename(target)
    except (sqlite3.DatabaseError, OSError) as error:
        partial.unlink(missing_ok=True)
        raise NotReady(
            f"{source_path} can't be copied to {target}: {error}", "name a file on a disk with room"
        ) from error


def _file_is_missing(engine: Engine) -> bool:
    database = engine.url.database
    return (
        engine.dialect.name == "sqlite"
        and bool(database)
        and database != ":memory:"
        and not Path(str(database)).exists()
    )


def _make_parent(engine: Engine) -> None:
    if engine.dialect.name != "sqlite" or not engine.url.database:
        return
    folder = Path(engine.url.database).parent
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise NotReady(
            f"{folder} can't be made: {error.strerror}", "set PAPERLAB_HOME to a folder you can write"
        ) from error


@contextmanager
def _one_at_a_time(settings: Settings) -> Iterator[None]:
    try:
        settings.home.mkdir(parents=True, exist_ok=True)
        lock = FileLock(settings.home / "upgrade.lock")
        lock.acquire(timeout=300)
    except OSError as error:
        raise NotReady(
            f"{settings.home} can't be written: {error.strerror}", "set PAPERLAB_HOME to a folder you can write"
        ) from error
    try:
        yield
    finally:
        lock.release()
