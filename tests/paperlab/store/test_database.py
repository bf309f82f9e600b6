"""Opening, reading while others write, and what can go wrong with a disk."""

from __future__ import annotations

import resource
import sqlite3
import subprocess
import sys
import threading
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from paperlab.errors import InvalidInput, NotReady
from paperlab.store import cursors, database, papers, upgrade
from tests.conftest import ROOT
from tests.fakes import make_papers

pytestmark = pytest.mark.usefixtures("every_migration")
NOW = datetime(2026, 11, 24, tzinfo=UTC)


def test_a_missing_database_is_made_where_that_is_wanted(settings_for):
    settings = settings_for()
    with pytest.raises(NotReady, match="no database") as missing:
        database.open_database(settings)
    assert "paperlab db upgrade" in missing.value.hint
    assert not settings.home.exists()
    database.open_database(settings, create=True)
    assert upgrade.check(database.open_database(settings)).state == "current"


def test_two_processes_may_make_it_at_once(settings_for):
    settings = settings_for()
    failures: list[BaseException] = []

    def make() -> None:
        try:
            database.open_database(settings, create=True)
        except BaseException as error:  # noqa: BLE001 - handed to the main thread
            failures.append(error)

    threads = [threading.Thread(target=make) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []


def test_what_fails_half_way_leaves_nothing(settings_for):
    engine = database.open_database(settings_for(), create=True)

    def fail_half_way() -> None:
        with database.session(engine) as session:
            papers.upsert(session, make_papers(3), NOW)
            cursors.move(session, "query-api:cs.CL", NOW, NOW)
            raise RuntimeError("half way")

    with pytest.raises(RuntimeError, match="half way"):
        fail_half_way()
    with database.read_only(engine) as session:
        assert papers.count(session) == 0
        assert cursors.every(session) == {}


def test_readers_see_one_moment_while_a_writer_commits(settings_for):
    engine = database.open_database(settings_for(), create=True)
    with database.read_only(engine) as reader:
        assert papers.count(reader) == 0
        with database.session(engine) as writer:
            papers.upsert(writer, make_papers(3), NOW)
        assert papers.count(reader) == 0
    with database.read_only(engine) as reader:
        assert papers.count(reader) == 3


def test_a_reading_session_can_not_write(settings_for):
    engine = database.open_database(settings_for(), create=True)
    with pytest.raises(NotReady, match="readonly"), database.read_only(engine) as session:
        papers.upsert(session, make_papers(1), NOW)
    with database.session(engine) as session:
        assert papers.upsert(session, make_papers(1), NOW).new == 1


def test_the_data_version_moves_with_every_commit_and_only_then(settings_for):
    engine = database.open_database(settings_for(), create=True)
    first = database.data_version(engine)
    assert database.data_version(engine) == first
    with database.session(engine) as session:
        papers.upsert(session, make_papers(1), NOW)
    second = database.data_version(engine)
    assert second != first
    with database.read_only(engine) as session:
        papers.count(session)
    assert database.data_version(engine) == second


@pytest.mark.sqlite
def test_another_programs_database_is_left_alone(settings_for):
    settings = settings_for()
    settings.home.mkdir(parents=True)
    with sqlite3.connect(settings.home / "paperlab.db") as other:
        other.execute("CREATE TABLE bookmarks (url TEXT)")
    other.close()
    for create in (False, True):
        with pytest.raises(NotReady, match="something else"):
            database.open_database(settings, create=create)


@pytest.mark.sqlite
def test_a_file_that_is_no_database_is_named(settings_for):
    settings = settings_for()
    settings.home.mkdir(parents=True)
    (settings.home / "paperlab.db").write_bytes(b"not a database, but long enough to be looked at" * 50)
    with pytest.raises(NotReady, match="no SQLite database"):
        database.open_database(settings)


@pytest.mark.sqlite
def test_a_damaged_schema_is_said_in_one_line(settings_for, engine_for):
    settings = settings_for()
    engine_for(settings).dispose()
    file = settings.home / "paperlab.db"
    file.write_bytes(file.read_bytes().replace(b"CREATE TABLE alembic_version (", b"CREATE TABLE alembic_version [", 1))
    with pytest.raises(NotReady, match="damaged or no SQLite database: malformed database schema") as refused:
        database.open_database(settings)
    assert "\n" not in refused.value.message


def test_a_folder_that_cannot_be_made_is_named(settings_for, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(NotReady, match="file"):
        database.open_database(settings_for(home=tmp_path / "file" / "home"), create=True)


def test_an_address_that_is_none_is_invalid_input(settings_for):
    for address in ("papers.db", "nosuchdatabase://x", "sqlite:"):
        with pytest.raises((InvalidInput, NotReady)):
            database.open_database(replace(settings_for(), database_url=address))


@pytest.mark.sqlite
def test_a_full_disk_is_said_and_nothing_is_lost(settings_for):
    """The limit on the size of a file stands for the disk: SQLite meets the same refusal to write."""
    settings = settings_for()
    engine = database.open_database(settings, create=True)
    with database.session(engine) as session:
        papers.upsert(session, make_papers(20), NOW)
    program = (
        "import sys\n"
        "from datetime import UTC, datetime\n"
        "from pathlib import Path\n"
        "from paperlab.settings import Settings\n"
        "from paperlab.store import database, papers\n"
        "from tests.fakes import make_papers\n"
        "engine = database.open_database(Settings(Path(sys.argv[1]), sys.argv[2]))\n"
        "with database.session(engine) as session:\n"
        "    papers.upsert(session, make_papers(3000), datetime.now(UTC))\n"
    )
    full = subprocess.run(
        [sys.executable, "-c", program, str(settings.home), settings.database_url],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (400_000, 400_000)),
    )
    assert "can't grow" in full.stderr, full.stderr
    assert str(settings.home / "paperlab.db") in full.stderr
    with database.read_only(engine) as session:
        assert papers.count(session) == 20


@pytest.mark.sqlite
def test_a_backup_is_whole_while_others_write(settings_for, tmp_path):
    settings = settings_for()
    engine = database.open_database(settings, create=True)
    with database.session(engine) as session:
        papers.upsert(session, make_papers(300), NOW)
    with database.session(engine) as writer:
        papers.upsert(writer, make_papers(400), NOW)
        upgrade.backup(engine, tmp_path / "copy.db")
    copy = database.open_database(replace(settings, database_url=f"sqlite:///{tmp_path / 'copy.db'}"))
    with database.read_only(copy) as session:
        assert papers.count(session) == 300


@pytest.mark.sqlite
def test_a_backup_overwrites_nothing_and_leaves_no_half_file(settings_for, tmp_path):
    engine = database.open_database(settings_for(), create=True)
    (tmp_path / "precious").write_text("mine")
    with pytest.raises(InvalidInput, match="exists"):
        upgrade.backup(engine, tmp_path / "precious")
    with pytest.raises(NotReady):
        upgrade.backup(engine, tmp_path / "no" / "such" / "folder.db")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["home", "precious"]


@pytest.mark.sqlite
def test_only_a_write_changes_how_a_file_keeps_its_journal(settings_for):
    """A database of something else, or one that is only looked at, stays as it was to the last byte."""
    settings = settings_for()
    settings.home.mkdir()
    foreign = settings.home / "paperlab.db"
    with closing(sqlite3.connect(foreign)) as connection, connection:
        connection.execute("CREATE TABLE recipes (name TEXT)")
    before = foreign.read_bytes()
    with pytest.raises(NotReady, match="of something else"):
        database.open_database(settings)
    assert foreign.read_bytes() == before
    foreign.unlink()
    engine = database.open_database(settings, create=True)
    with database.read_only(engine) as reading:
        assert reading.connection().exec_driver_sql("PRAGMA journal_mode").scalar() == "wal"
