"""A typed SQL question reads and does nothing else, whatever it says."""

from __future__ import annotations

import sqlite3
from datetime import UTC, datetime

import pytest

from paperlab.errors import InvalidInput
from paperlab.store import database, papers, queries
from tests.fakes import make_papers

NOW = datetime(2026, 11, 24, tzinfo=UTC)


@pytest.fixture
def held(settings_for, engine_for):
    engine = engine_for(settings_for())
    with database.session(engine) as session:
        papers.upsert(session, make_papers(7), NOW)
    return engine


def test_rows_come_with_their_columns_and_no_more_than_asked_for(held):
    answer = queries.ask(held, "SELECT arxiv_id, version FROM papers ORDER BY arxiv_id;", most_rows=5)
    assert answer.columns == ("arxiv_id", "version")
    assert (len(answer.rows), answer.is_cut) == (5, True)
    whole = queries.ask(held, "WITH few AS (SELECT * FROM papers LIMIT 3) SELECT count(*) FROM few")
    assert (whole.rows, whole.is_cut) == (((3,),), False)


@pytest.mark.sqlite
@pytest.mark.parametrize(
    "statement",
    [
        "DELETE FROM papers",
        "UPDATE papers SET title = ''",
        "INSERT INTO papers SELECT * FROM papers",
        "DROP TABLE papers",
        "CREATE TABLE mine (x)",
        "CREATE TEMP TABLE mine (x)",
        "PRAGMA query_only = OFF",
        "PRAGMA journal_mode = DELETE",
        "ATTACH DATABASE 'other.db' AS other",
        "VACUUM INTO 'copy.db'",
        "SELECT load_extension('x')",
        "BEGIN IMMEDIATE",
        "REINDEX",
    ],
)
def test_what_is_more_than_reading_is_refused_and_changes_nothing(held, statement, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(InvalidInput, match="more than read|gives no rows|can't be answered"):
        queries.ask(held, statement)
    assert queries.ask(held, "SELECT count(*) FROM papers WHERE title <> ''").rows == ((7,),)
    assert [path for path in sorted(tmp_path.rglob("*")) if path not in before and path.suffix == ".db"] == []


@pytest.mark.parametrize(
    ("statement", "said"),
    [
        ("", "empty"),
        (" ; ", "empty"),
        ("SELEC 1", "can't be answered"),
        ("SELECT nothing FROM papers", "can't be answered"),
        ("SELECT 1; SELECT 2", "more than one"),
        ("SELECT '" + "x" * 30_000 + "'", "characters"),
        ("SELECT 'half", "can't be answered"),
        ("SELECT 1 -- \x00", "can't be answered"),
    ],
)
def test_what_is_no_question_is_explained(held, statement, said):
    with pytest.raises(InvalidInput, match=said):
        queries.ask(held, statement)


@pytest.mark.sqlite
def test_a_question_without_end_is_stopped(held):
    endless = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT max(i) FROM n"
    with pytest.raises(InvalidInput, match="longer than 0.05 s"):
        queries.ask(held, endless, seconds=0.05)
    with pytest.raises(InvalidInput, match="can't be answered"):
        queries.ask(held, "SELECT zeroblob(100000000)")


def test_the_tables_are_named_with_their_columns(held):
    known = queries.tables(held)
    assert {"papers", "runs", "receipts", "verdicts"} <= known.keys()
    assert "title" in known["papers"]
    assert not any(name.startswith("full_text") for name in known)


@pytest.mark.sqlite
def test_asking_works_while_another_writes(held):
    writer = sqlite3.connect(database.location(held), isolation_level=None)
    try:
        writer.execute("BEGIN IMMEDIATE")
        writer.execute("UPDATE papers SET version = version + 1")
        assert queries.ask(held, "SELECT count(*) FROM papers").rows == ((7,),)
    finally:
        writer.rollback()
        writer.close()
