"""Every past schema leads to the present one, and what can't be led is refused with the command that helps."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
import sqlalchemy as sa
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory

from paperlab.errors import NotReady
from paperlab.library import database as library
from paperlab.library import search
from paperlab.store import database, full_text, papers, upgrade
from paperlab.store.schema import Base

pytestmark = pytest.mark.usefixtures("every_migration")
KEPT = Path(__file__).parent / "databases"
"""One database per past revision, as SQL: what a user of that time had."""


def status(settings) -> str:
    return upgrade.check(database.connect(settings)).state


def own_tables(name: str | None, kind: str, _parents: object) -> bool:
    """The full-text index and its shadow tables are described by no model."""
    return kind != "table" or name in Base.metadata.tables


def stamp(settings, revision: str) -> None:
    with database.session(database.connect(settings)) as session:
        session.execute(sa.text("UPDATE alembic_version SET version_num = :revision"), {"revision": revision})


def test_an_empty_database_is_led_to_the_tables_of_schema_py(settings_for):
    engine = database.open_database(settings_for(), create=True)
    with engine.connect() as connection:
        options = {"compare_type": True, "target_metadata": Base.metadata, "include_name": own_tables}
        context = MigrationContext.configure(connection, opts=options)
        assert compare_metadata(context, Base.metadata) == []


def test_the_numbered_files_are_what_alembic_walks():
    config = Config()
    config.set_main_option("script_location", str(upgrade.migrations_folder()))
    scripts = ScriptDirectory.from_config(config)
    assert [script.revision for script in scripts.walk_revisions()] == list(reversed(upgrade.revisions()))
    assert scripts.get_heads() == [upgrade.revisions()[-1]]


def test_alembics_own_check_finds_nothing_even_beside_a_full_text_index(settings_for):
    """FTS5 keeps shadow tables that no model describes: env.py leaves them out."""
    engine = database.open_database(settings_for(), create=True)
    config = Config()
    config.set_main_option("script_location", str(upgrade.migrations_folder()))
    with engine.begin() as connection:
        config.attributes["connection"] = connection
        command.check(config)


def test_there_is_a_kept_database_for_every_revision():
    assert [path.stem for path in sorted(KEPT.glob("*.sql"))] == upgrade.revisions()


@pytest.mark.sqlite
@pytest.mark.parametrize("dump", sorted(KEPT.glob("*.sql")), ids=lambda path: path.stem)
def test_a_database_of_a_past_revision_is_brought_up_and_keeps_its_papers(dump, settings_for):
    settings = settings_for()
    settings.home.mkdir(parents=True)
    with closing(sqlite3.connect(settings.home / "paperlab.db")) as connection:
        connection.executescript(dump.read_text(encoding="utf-8"))
    library.upgrade_database(settings)
    assert status(settings) == "current"
    with database.session(database.open_database(settings)) as session:
        paper = papers.get(session, "2401.00001")
        assert paper is not None
        assert (paper.version, paper.categories) == (2, ("cs.CL", "cs.LG"))
        assert [version.version for version in papers.versions(session, "2401.00001")] == [1, 2]
        assert full_text.check(session).is_good
        assert [found.arxiv_id for found in search.search(session, "user held revised").papers] == ["2401.00001"]


def test_a_schema_that_is_too_old_is_refused_with_the_command_that_helps(settings_for, monkeypatch):
    settings = settings_for()
    database.open_database(settings, create=True)
    newest = upgrade.revisions()[-1]
    monkeypatch.setattr(upgrade, "revisions", lambda: [newest, "9998"])
    with pytest.raises(NotReady, match=f"has schema {newest}, this paperlab needs 9998") as old:
        library.open_or_create(settings)
    assert "paperlab db upgrade" in old.value.hint


def test_a_schema_that_is_too_new_is_refused_by_everything(settings_for):
    settings = settings_for()
    database.open_database(settings, create=True)
    stamp(settings, "9999")
    for use in (library.open_or_create, library.upgrade_database, library.check):
        with pytest.raises(NotReady, match="newer than this paperlab") as new:
            use(settings)
        assert "update paperlab" in new.value.hint


def test_upgrading_twice_is_nothing_to_do(settings_for):
    settings = settings_for()
    first, second = library.upgrade_database(settings), library.upgrade_database(settings)
    assert first.before is None
    assert first.seeded > 0
    assert (second.before, second.seeded) == (second.after, 0)


@pytest.mark.sqlite
def test_the_database_that_other_tests_are_given_is_what_the_migrations_make(
    settings_for, schema_made_once, empty_database
):
    settings = settings_for()
    settings.home.mkdir(parents=True)
    config = Config()
    with database.connect(settings).begin() as connection:
        config.attributes["connection"] = connection
        schema_made_once(config, "head")
    assert dumped(settings.home / "paperlab.db") == dumped(empty_database)
    assert status(settings) == "current"


def dumped(file: Path) -> list[str]:
    with closing(sqlite3.connect(file)) as connection:
        return list(connection.iterdump())


def test_down_and_up_again_is_the_same_schema(settings_for):
    engine = database.open_database(settings_for(), create=True)
    config = Config()
    config.set_main_option("script_location", str(upgrade.migrations_folder()))
    for step in (lambda: command.downgrade(config, "base"), lambda: command.upgrade(config, "head")):
        with engine.begin() as connection:
            config.attributes["connection"] = connection
            step()
    with engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"include_name": own_tables})
        assert compare_metadata(context, Base.metadata) == []
