"""`paperlab recommend` on the terminal."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from paperlab import settings
from paperlab.library import database as library_database
from paperlab.store import database, papers, reading
from paperlab.store.reading import Mark
from tests.fakes import make_papers

NOW = datetime.now(UTC).replace(microsecond=0)
PAPERS = make_papers(60, NOW)
OLD = replace(PAPERS[59], submitted_at=NOW - timedelta(days=60), updated_at=NOW - timedelta(days=60))


@pytest.fixture
def held(home):
    with database.session(library_database.open_or_create(settings.load())) as session:
        papers.upsert(session, [*PAPERS[:59], OLD], NOW)


@pytest.fixture
def starred(held):
    with database.session(library_database.open_or_create(settings.load())) as session:
        reading.mark(session, [paper.arxiv_id for paper in PAPERS[:6]], Mark.STARRED, NOW)


def test_without_stars_it_says_how_many_are_missing(paperlab, held):
    outcome = paperlab("recommend", "--limit", "3")
    assert outcome.code == 0
    assert "5 more are needed" in outcome.err
    assert outcome.out.count("newest") == 3


def test_the_words_can_be_counted_anew_at_any_time(paperlab, held, home):
    assert "counting the words" in paperlab("recommend", "--rebuild").err
    assert (home / "vectors" / "state.json").exists()
    assert "counting" not in paperlab("recommend", "--like", PAPERS[0].arxiv_id).err


def test_with_stars_it_ranks_and_names_the_words(paperlab, starred):
    outcome = paperlab("recommend", "--limit", "4", "--json")
    assert outcome.code == 0
    assert len(outcome.json["papers"]) == 4
    assert outcome.json["model"]["positives"] == 6
    assert outcome.json["papers"][0]["lifted"][0]["contribution"] > 0
    assert "ranked by 6 starred or tagged" in paperlab("recommend", "--rebuild").err


def test_one_paper_can_be_asked_for_its_like(paperlab, held):
    outcome = paperlab("recommend", "--like", PAPERS[7].arxiv_id, "--limit", "2", "--json")
    assert [paper["paper"]["arxiv_id"] == PAPERS[7].arxiv_id for paper in outcome.json["papers"]] == [False, False]
    assert outcome.json["like"]["arxiv_id"] == PAPERS[7].arxiv_id


def test_papers_of_the_last_thirty_days_are_ranked_and_older_ones_on_demand(paperlab, starred):
    assert paperlab("recommend", "--json").json["candidates"] == 53
    assert paperlab("recommend", "--all", "--json").json["candidates"] == 54
    day = (NOW + timedelta(days=2)).date().isoformat()
    assert paperlab("recommend", "--since", day, "--json").json["papers"] == []
    said = paperlab("recommend", "--since", day).err
    assert f"submitted since {day}" in said
    assert "recommend --all" in said


@pytest.mark.parametrize(
    "words",
    [("--tag", "moe"), ("--tag", "a", "--like", "1706.03762"), ("--since", "yesterday"), ("--like", "attention")],
)
def test_what_can_not_be_meant_is_refused(paperlab, held, words):
    assert paperlab("recommend", *words).code == 3
