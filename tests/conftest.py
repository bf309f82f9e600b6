"""What several packages' tests share."""

from __future__ import annotations

import gc
import os
import shutil
import sqlite3
import sys
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import hypothesis
import pytest
import sqlalchemy as sa
from alembic import command
from alembic.config import Config
from sqlalchemy import event

from paperlab.settings import LLM_PROFILE, ArxivSettings, Settings
from paperlab.store import database, upgrade
from paperlab.store.database import Engine
from tests import postgresql_server

ROOT = Path(__file__).parents[1]
walk_migrations = command.upgrade
TEMPLATE = "current_schema"
MEMORY = Path("/dev/shm")
"""A file system in memory, where there is one."""
ROOM = 4 << 30
"""Bytes that must be free there: all tests together write some hundred megabytes."""
LONGEST = (
    "test_browser",
    "postgresql",
    "test_contract",
    "test_distributed",
    "test_resume",
    "test_benchmarks",
    "test_wheel",
)
"""Files and a folder; browser and server wait more than they compute."""
MOST_WORKERS = 8
"""More would wait for the longest file."""


def pytest_configure(config: pytest.Config) -> None:
    """Saves the tests what is none of their business: the disk, Python's compiler, threads that wait for each other.

    Temporary folders lie in memory where there is room, unless `--basetemp` or PYTEST_DEBUG_TEMPROOT say otherwise.
    Modules are compiled once, not in every worker and every command that a test starts, also where
    PYTHONDONTWRITEBYTECODE is set.  Matrices are small here: a second thread only spins, in workers and in commands.
    """
    if os.access(MEMORY, os.W_OK) and shutil.disk_usage(MEMORY).free >= ROOM:
        os.environ.setdefault("PYTEST_DEBUG_TEMPROOT", str(MEMORY))
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    sys.dont_write_bytecode = False
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    gc.disable()  # until everything is imported, of which nothing is garbage


def pytest_collection_finish(session: pytest.Session) -> None:
    """What was imported stays: to go through a million objects of libraries costs a fifth of the time."""
    gc.freeze()
    gc.enable()


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers(config: pytest.Config) -> int | None:
    """Workers for all tests together, as many as there are cores; none for some files, or for what measures."""
    whole = config.args_source is pytest.Config.ArgsSource.TESTPATHS and config.option.markexpr == "not soak"
    return min(os.cpu_count() or 1, MOST_WORKERS) if whole and not config.option.keyword else 0


hypothesis.settings.register_profile("paperlab", deadline=None)  # a busy machine is no fault of ours
hypothesis.settings.load_profile("paperlab")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--database", choices=("sqlite", "postgresql"), default="sqlite", help="what the tests store in")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """What takes long first, or at the end one worker would wait for the other."""
    first = {name: place for place, name in enumerate(LONGEST)}
    items.sort(key=lambda item: min(first.get(name, len(first)) for name in (item.path.stem, item.path.parent.name)))
    if config.getoption("database") == "postgresql":
        for item in items:
            if item.get_closest_marker("sqlite"):
                item.add_marker(
                    pytest.mark.skip(reason="it is about SQLite's file, and these tests store in PostgreSQL")
                )


@pytest.fixture(scope="session")
def postgresql() -> Iterator[postgresql_server.Server]:
    """A server of this session's own; skipped where there is none to start."""
    with postgresql_server.started() as server:
        yield server


@pytest.fixture
def on_postgresql(postgresql: postgresql_server.Server) -> Iterator[Callable[[Path], str]]:
    """The address of a home's database on a server, empty when first asked for; gone after the test."""
    engines: set[Engine] = set()
    event.listen(Engine, "engine_connect", collect := lambda connection: engines.add(connection.engine))
    kept = set(postgresql.made)
    yield lambda home: postgresql.create(postgresql_server.name_for(home))
    event.remove(Engine, "engine_connect", collect)
    for engine in engines:
        engine.dispose()
    for name in postgresql.made - kept - {TEMPLATE}:
        postgresql.drop(name)


@pytest.fixture
def address_for(request: pytest.FixtureRequest) -> Callable[[Path], str]:
    """The address of a home's database, where this session's tests have theirs (--database)."""
    if request.config.getoption("database") == "postgresql":
        return request.getfixturevalue("on_postgresql")
    return lambda home: f"sqlite:///{home / 'paperlab.db'}"


@pytest.fixture
def settings_for(tmp_path: Path, address_for: Callable[[Path], str]) -> Callable[..., Settings]:
    """Settings of a home of its own: `settings_for(url, rss_url=..., interval_s=0.0, timeout_s=5.0, page_size=50)`."""

    def make(
        api_url: str = "http://127.0.0.1:9/api/query",
        *,
        rss_url: str = "http://127.0.0.1:9/rss",
        oai_url: str = "http://127.0.0.1:9/oai",
        home: Path | None = None,
        interval_s: float = 0.0,
        timeout_s: float = 5.0,
        page_size: int = 50,
    ) -> Settings:
        folder = home or tmp_path / "home"
        return Settings(
            home=folder,
            database_url=address_for(folder),
            arxiv=ArxivSettings(
                api_url=api_url,
                rss_url=rss_url,
                oai_url=oai_url,
                interval_s=interval_s,
                timeout_s=timeout_s,
                page_size=page_size,
            ),
            profiles={"llm": LLM_PROFILE},
        )

    return make


@pytest.fixture(scope="session")
def empty_database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A database of the current schema, made once: migrations take longer than most tests."""
    home = tmp_path_factory.mktemp("empty")
    database.open_database(Settings(home, f"sqlite:///{home / 'paperlab.db'}"), create=True).dispose()
    return home / "paperlab.db"


@pytest.fixture(scope="session", autouse=True)
def schema_made_once(empty_database: Path) -> Iterator[Callable[[Config, str], None]]:
    """Where a command makes a SQLite database, it is given the tables that the migrations made once.

    They come through Alembic's own call, in the caller's transaction, so that a crash leaves what it would leave.
    Tests about migrations ask for `every_migration`; commands that run in a process of their own walk them all.
    """
    with closing(sqlite3.connect(empty_database)) as made:
        shadows = {name for _, name, kind, *_ in made.execute("PRAGMA table_list") if kind == "shadow"}
        objects = made.execute("SELECT name, sql FROM sqlite_master WHERE sql IS NOT NULL ORDER BY rowid").fetchall()
        tables = [statement for name, statement in objects if name not in shadows | {"sqlite_sequence"}]
        settings = made.execute("SELECT k, v FROM full_text_config WHERE k <> 'version'").fetchall()
        (revision,) = made.execute("SELECT version_num FROM alembic_version").fetchone()

    def upgrade_to(config: Config, target: str) -> None:
        connection: sa.Connection = config.attributes["connection"]
        if connection.dialect.name != "sqlite" or sa.inspect(connection).get_table_names():
            walk_migrations(config, target)
            return
        for statement in tables:
            connection.exec_driver_sql(statement)
        for setting in settings:
            connection.exec_driver_sql("INSERT INTO full_text (full_text, rank) VALUES (?, ?)", setting)
        connection.execute(sa.text("INSERT INTO alembic_version VALUES (:revision)"), {"revision": revision})

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(command, "upgrade", upgrade_to)
        yield upgrade_to


@pytest.fixture
def every_migration(monkeypatch: pytest.MonkeyPatch) -> None:
    """An empty database walks all migrations, as a user's does."""
    monkeypatch.setattr(command, "upgrade", walk_migrations)


@pytest.fixture(scope="session")
def empty_postgresql(postgresql: postgresql_server.Server, tmp_path_factory: pytest.TempPathFactory) -> str:
    """The name of an empty database of the current schema on the server."""
    home = tmp_path_factory.mktemp("empty")
    database.open_database(Settings(home, postgresql.create(TEMPLATE)), create=True).dispose()
    return TEMPLATE


@pytest.fixture
def engine_for(request: pytest.FixtureRequest, empty_database: Path) -> Callable[[Settings], Engine]:
    """An engine for the settings' home, with an empty database where there was none."""

    def make_on_server(settings: Settings) -> Engine:
        settings.home.mkdir(parents=True, exist_ok=True)
        server = request.getfixturevalue("postgresql")
        name = postgresql_server.name_for(settings.home)
        if upgrade.check(database.connect(settings)).state == "missing":
            server.drop(name)
            server.create(name, template=request.getfixturevalue("empty_postgresql"))
        return database.open_database(settings)

    def make(settings: Settings) -> Engine:
        if settings.database_url.startswith("postgresql"):
            return make_on_server(settings)
        settings.home.mkdir(parents=True, exist_ok=True)
        if not (settings.home / "paperlab.db").exists():
            shutil.copy(empty_database, settings.home / "paperlab.db")
        return database.open_database(settings)

    return make


@pytest.fixture(scope="session")
def test_data() -> Path:
    """The folder of real captured answers and papers, which is no part of the repository."""
    folder = Path(os.environ.get("PAPERLAB_TEST_DATA", ROOT.parent / "shared" / "data"))
    if not folder.is_dir():
        pytest.skip(
            f"real papers and texts are no part of the repository, and {folder} is not there: set PAPERLAB_TEST_DATA"
        )
    return folder
