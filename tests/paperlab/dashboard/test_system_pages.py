"""Sync and Query: what was missed, and what the database says."""

from __future__ import annotations

from tests.paperlab.dashboard import filled
from tests.paperlab.dashboard.test_views import said


def test_sync_shows_receipts_and_what_to_do(view, filled_home):
    page = view("sync", filled_home)
    assert not page.exception
    assert "59" in said(page)
    assert "Nothing that was announced is missing" in said(page)


def test_a_question_in_the_address_is_answered(view, filled_home):
    page = view("query", filled_home, sql="SELECT count(*) AS n, arxiv_id AS n FROM papers")
    assert not page.exception
    assert not page.error
    frame = page.dataframe[0].value
    assert list(frame.columns) == ["n", "n (2)"]


def test_a_question_that_wants_to_write_is_refused_in_words(view, filled_home):
    page = view("query", filled_home, sql="DELETE FROM papers")
    assert not page.exception
    assert "more than read" in said(page)
    assert view("query", filled_home, sql="SELECT count(*) FROM papers").dataframe[0].value.iloc[0, 0] >= 60


def test_hostile_text_in_an_answer_is_a_cell(view, filled_home):
    page = view("query", filled_home, sql="SELECT title FROM papers WHERE title LIKE '%script%'")
    assert page.dataframe[0].value.iloc[0, 0] == filled.HOSTILE


def test_a_spreadsheet_takes_no_title_for_a_formula():
    from paperlab.dashboard.views import query
    from paperlab.store.queries import Answer

    answer = Answer(("title",), (("=cmd()",), ("plain",), (None,), (-3,)), is_cut=False, seconds=0.0)
    assert query._csv(answer).splitlines() == ["title", "'=cmd()", "plain", '""', "-3"]
