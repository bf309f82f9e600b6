"""Whether the database is whole: what SQLite itself says, and how much is waiting in its log."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from sqlalchemy.engine import Engine

_COMPLAINTS = 5


@dataclass(frozen=True)
class Health:
    """`complaints` is empty for a whole database, and for one that is not SQLite (its server looks after it)."""

    complaints: tuple[str, ...]
    bytes: int | None
    """Size of the database file; None for one that is no file."""
    wal_bytes: int = 0
    """Size of the write-ahead log beside it, which a checkpoint empties."""


def check(engine: Engine) -> Health:
    """Read every page once.  Seconds for each gigabyte."""
    if engine.dialect.name != "sqlite":
        return Health((), None)
    with engine.execution_options(paperlab_read_only=True).connect() as connection:
        rows = connection.exec_driver_sql(f"PRAGMA quick_check({_COMPLAINTS})").scalars()
        complaints = tuple(str(row) for row in rows if row != "ok")
    file = Path(engine.url.database or "")
    wal = file.with_name(file.name + "-wal")
    return Health(complaints, file.stat().st_size if file.is_file() else None, _size(wal))


def _size(file: Path) -> int:
    try:
        return file.stat().st_size
    except FileNotFoundError:
        return 0
