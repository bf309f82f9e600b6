"""What can go wrong with a server is said in words, with the command that helps, and never with the password."""

from __future__ import annotations

import threading
from dataclasses import replace
from datetime import UTC, datetime
from urllib.parse import quote

import pytest
import sqlalchemy as sa

from paperlab.cli import main
from paperlab.errors import InvalidInput, NotReady, TryAgain
from paperlab.library import digest, sync
from paperlab.store import database, papers, postgresql, upgrade
from tests.fakes import make_papers
from tests.postgresql_server import LOCKED, PASSWORD

NOW = datetime(2026, 11, 24, tzinfo=UTC)


def opened(settings, address: str) -> database.Engine:
    return database.open_database(replace(settings, database_url=address))


def as_locked(server, password: str) -> str:
    return f"postgresql://{LOCKED}:{quote(password, safe='')}@/postgres?host={server.folder}"


def test_the_right_password_opens_whatever_signs_it_has(shared_settings, postgresql):
    with pytest.raises(NotReady, match="no database at postgresql://locked@/postgres"):
        opened(shared_settings, as_locked(postgresql, PASSWORD))


@pytest.mark.parametrize("place", ["password", "parameter"])
def test_a_wrong_password_is_said_and_not_shown(shared_settings, postgresql, place):
    secret = "s3cret-word"
    address = as_locked(postgresql, secret)
    if place == "parameter":
        address = f"postgresql://{LOCKED}@/postgres?host={postgresql.folder}&password={secret}"
    with pytest.raises(NotReady, match="password authentication failed") as refused:
        opened(shared_settings, address)
    assert secret not in f"{refused.value}"
    assert "~/.pgpass" in refused.value.hint


def test_an_address_that_can_not_be_read_shows_no_password(shared_settings):
    for address in (
        *("postgresql://me:s3cret", "postgresql://me:s3cret@host:port/db", "postgresql:/me:s3cret@host/db"),
        *("postgresql://me@host:port/db?password=s3cret", "postgres://me:s3cret/db"),
    ):
        with pytest.raises(InvalidInput, match="not a database address") as refused:
            opened(shared_settings, address)
        assert "s3cret" not in str(refused.value)


def test_a_server_that_is_away_and_a_database_that_is_not_there_are_named(shared_settings, postgresql):
    with pytest.raises(NotReady, match=r"postgresql://me@127.0.0.1:1/papers can't be reached") as away:
        opened(shared_settings, "postgresql://me:s3cret@127.0.0.1:1/papers")
    assert "s3cret" not in str(away.value)
    with pytest.raises(NotReady, match='"nowhere" does not exist') as missing:
        opened(shared_settings, postgresql.address("nowhere"))
    assert "createdb" in missing.value.hint


def test_commands_end_with_4(postgresql, tmp_path, monkeypatch, capfd):
    monkeypatch.setenv("PAPERLAB_HOME", str(tmp_path))
    monkeypatch.setenv("PAPERLAB_DATABASE_URL", as_locked(postgresql, "s3cret"))
    for words in (("db", "check"), ("papers", "list"), ("sync",), ("status",), ("search", "attention")):
        assert main.exit_code(words) == 4, words
        shown = "".join(capfd.readouterr())
        assert "password authentication failed" in shown
        assert "s3cret" not in shown
    assert "s3cret" not in "".join(file.read_text() for file in tmp_path.glob("*.log*"))


def test_without_the_driver_the_extra_is_named(shared_settings, monkeypatch):
    def fail(*_args, **_options):
        raise ModuleNotFoundError("No module named 'psycopg'", name="psycopg")

    monkeypatch.setattr(sa, "create_engine", fail)
    with pytest.raises(NotReady, match="psycopg") as missing:
        opened(shared_settings, "postgresql://localhost/papers")
    assert missing.value.hint == 'pip install "paperlab[postgres]"'


def test_a_reading_session_can_not_write(engine):
    with pytest.raises(NotReady, match="readonly"), database.read_only(engine) as session:
        papers.upsert(session, make_papers(1), NOW)


def test_a_user_without_rights_is_told_so(engine, shared_settings, postgresql):
    address = as_locked(postgresql, PASSWORD).replace("/postgres?", f"/{engine.url.database}?")
    with pytest.raises(NotReady, match="permission denied") as refused:
        opened(shared_settings, address)
    assert "rights" in refused.value.hint


def test_a_server_that_stops_in_the_middle_loses_nothing_and_the_next_command_goes_on(engine, postgresql):
    def stop_in_the_middle() -> None:
        with database.session(engine) as session:
            papers.upsert(session, make_papers(3), NOW)
            postgresql.execute(
                f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{engine.url.database}'"
            )
            papers.count(session)

    with pytest.raises(TryAgain, match="broke off"):
        stop_in_the_middle()
    with database.session(engine) as session:
        assert papers.count(session) == 0
        papers.upsert(session, make_papers(3), NOW)
        assert papers.count(session) == 3


def test_writers_come_one_after_the_other_and_none_waits_for_ever(engine, monkeypatch):
    """Each adds one to what it read: none may be lost."""
    with engine.begin() as connection:
        connection.exec_driver_sql("CREATE TABLE counted AS SELECT 0 AS n")

    def count() -> None:
        for _ in range(10):
            with database.session(engine) as session:
                n = session.execute(sa.text("SELECT n FROM counted")).scalar_one()
                session.execute(sa.text("UPDATE counted SET n = :n"), {"n": n + 1})

    threads = [threading.Thread(target=count) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with database.read_only(engine) as session:
        assert session.execute(sa.text("SELECT n FROM counted")).scalar_one() == 40

    def write_beside() -> None:
        with database.session(engine) as other:
            papers.count(other)

    monkeypatch.setattr(database, "BUSY_TIMEOUT_S", 0.05)
    with database.session(engine) as session:
        papers.count(session)
        with pytest.raises(TryAgain, match="being written") as busy:
            write_beside()
    assert busy.value.reason == "lock"


@pytest.mark.parametrize("command", [sync.only_sync, digest.one_at_a_time])
def test_two_machines_do_not_sync_or_write_a_digest_at_once(engine, shared_settings, tmp_path, command):
    other = replace(shared_settings, home=tmp_path / "another machine")
    with (
        command(shared_settings),
        pytest.raises(TryAgain, match="another machine") as busy,
        command(other),
    ):
        pass
    assert busy.value.reason == "lock"
    with command(other):
        pass


def test_the_data_version_moves_when_the_older_of_two_transactions_ends_last(engine):
    """The server numbers transactions as they begin: the highest number alone would miss this."""
    with engine.begin() as connection:
        connection.exec_driver_sql("CREATE TABLE beside (n INT)")
    raw = [engine.raw_connection() for _ in range(2)]  # without the lock that makes our own writers wait
    for connection in raw:
        connection.cursor().execute("INSERT INTO beside VALUES (1)")
    raw[1].commit()
    before = database.data_version(engine)
    raw[0].commit()
    assert database.data_version(engine) != before
    for connection in raw:
        connection.close()


def test_a_schema_from_the_future_is_refused(engine):
    with database.session(engine) as session:
        session.execute(sa.text("UPDATE alembic_version SET version_num = '9999'"))
    with pytest.raises(NotReady, match="newer than this paperlab"):
        raise upgrade.refusal(engine, upgrade.check(engine))
    assert postgresql.address(engine.url).startswith("postgresql://postgres@/t")
