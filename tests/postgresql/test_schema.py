"""Every migration leads a PostgreSQL database to the tables of schema.py and back; what is not ours is left alone."""

from __future__ import annotations

import threading
from dataclasses import replace
from datetime import UTC, datetime

import pytest
import sqlalchemy as sa
from alembic import command
from alembic.config import Config

from paperlab.errors import InvalidInput, NotReady
from paperlab.store import database, full_text, upgrade
from paperlab.store.schema import Base, RunRow

NOW = datetime(2026, 11, 24, tzinfo=UTC)


def migrate(engine, *steps) -> None:
    config = Config()
    config.set_main_option("script_location", str(upgrade.migrations_folder()))
    with engine.begin() as connection:
        config.attributes["connection"] = connection
        for step in steps:
            step(config)


def tables(engine) -> set[str]:
    with engine.connect() as connection:
        return set(sa.inspect(connection).get_table_names())


def test_alembics_own_check_finds_nothing_after_all_steps_up_down_and_up_again(shared_settings):
    engine = database.open_database(shared_settings, create=True)
    migrate(engine, command.check)
    made = tables(engine)
    assert made == {*Base.metadata.tables, "alembic_version", "full_text"}
    migrate(engine, lambda config: command.downgrade(config, "base"))
    assert tables(engine) == {"alembic_version"}
    migrate(engine, lambda config: command.upgrade(config, "head"), command.check)
    assert tables(engine) == made
    with database.session(engine) as session:
        assert full_text.check(session).is_good


def test_every_text_is_compared_by_its_bytes(engine):
    with engine.connect() as connection:
        others = connection.exec_driver_sql(
            "SELECT table_name, column_name FROM information_schema.columns WHERE table_schema = current_schema() "
            "AND data_type = 'text' AND collation_name IS DISTINCT FROM 'C'"
        ).all()
    assert others == []


def test_machines_that_start_at_once_wait_for_each_other(shared_settings, tmp_path):
    """Each has a home of its own: no file lock is between them."""
    failures: list[BaseException] = []

    def make(number: int) -> None:
        try:
            database.open_database(replace(shared_settings, home=tmp_path / str(number)), create=True)
        except BaseException as error:  # noqa: BLE001 - handed to the main thread
            failures.append(error)

    threads = [threading.Thread(target=make, args=[number]) for number in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    assert upgrade.check(database.connect(shared_settings)).state == "current"


def test_another_programs_database_is_left_alone(shared_settings):
    with database.connect(shared_settings).begin() as connection:
        connection.exec_driver_sql("CREATE TABLE bookmarks (url TEXT)")
    for create in (False, True):
        with pytest.raises(NotReady, match="something else"):
            database.open_database(shared_settings, create=create)


def test_a_database_that_is_not_in_utf8_is_refused(shared_settings, postgresql, tmp_path):
    options = "ENCODING 'LATIN1' LOCALE 'C'"
    settings = replace(shared_settings, database_url=postgresql.create("latin", "template0", options))
    with pytest.raises(NotReady, match="not in UTF-8") as refused:
        database.open_database(settings, create=True)
    assert "createdb --encoding UTF8" in refused.value.hint


def test_a_backup_is_left_to_pg_dump(engine, tmp_path):
    with pytest.raises(InvalidInput, match="own tools") as refused:
        upgrade.backup(engine, tmp_path / "copy.db")
    assert refused.value.hint.startswith("pg_dump")
    assert not list(tmp_path.glob("copy.db*"))


def test_the_largest_seed_fits(engine):
    row = {column.name: 0 for column in RunRow.__table__.columns}
    texts = ("path", "reproduction", "recipe", "tier", "fingerprint", "status", "device")
    record = {**row, **dict.fromkeys(texts, "x"), "id": "one", "seed": 2**32 - 1, "overrides": {}, "record": {}}
    record |= {"indexed": {}, "created_at": NOW, "updated_at": None, "max_steps": None, "seconds": None}
    with database.session(engine) as session:
        session.execute(sa.insert(RunRow), [record])
    with database.read_only(engine) as session:
        assert session.execute(sa.select(RunRow.seed)).scalar_one() == 2**32 - 1
