"""`paperlab search` as people and programs meet it."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from paperlab import settings
from paperlab.library.database import open_or_create
from paperlab.store import database, papers
from tests.fakes import make_papers

NOW = datetime(2026, 11, 24, 6, 15, tzinfo=UTC)


@pytest.fixture
def held(home):
    with database.session(open_or_create(settings.load())) as session:
        papers.upsert(session, make_papers(20, NOW), NOW)


def test_words_are_found_and_marked(paperlab, held):
    done = paperlab("search", 'ti:"study 7"', "cat:cs.*")
    assert done.code == 0
    assert "2611.00008" in done.out
    assert "*Study* *7* of" in done.out
    assert done.err.startswith("1 of 1 papers, best first")


def test_json_has_the_pieces_of_every_snippet_and_how_it_was_ordered(paperlab, held):
    done = paperlab("search", "study", "--sort", "newest", "--limit", "2", "--offset", "1", "--json").json
    assert [paper["arxiv_id"] for paper in done["papers"]] == ["2611.00019", "2611.00018"]
    assert (done["total"], done["is_more"], done["how"]) == (20, False, "newest first")
    assert done["papers"][0]["snippets"][0]["pieces"][0] == ["Study", True]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("a", "OR"), "OR at character 3"),
        (("year:last",), "is not a time"),
        (("",), "the query is empty"),
        (("is:good",), "known: is:starred"),
    ],
)
def test_what_is_no_query_is_3_with_the_place_and_the_fix(paperlab, held, words, said):
    done = paperlab("search", *words)
    assert (done.code, done.out) == (3, "")
    assert said in done.err


def test_a_query_that_begins_with_a_minus_stands_behind_two(paperlab, held):
    done = paperlab("search", "--json", "--", "-7", "study").json
    assert done["total"] == 19


@pytest.mark.parametrize(
    ("words", "behind"),
    [(["-zzz"], "-zzz"), (["-two words", "study"], "'-two words' study"), (["--study"], "--study")],
)
def test_a_query_that_is_taken_for_an_option_is_2_and_says_how_to_write_it(paperlab, held, words, behind):
    done = paperlab("search", *words)
    assert (done.code, done.out) == (2, "")
    assert done.err.endswith(f"a query that begins with - stands behind --: paperlab search -- {behind}\n")
    assert paperlab("search", "--json", *words).json["hint"].endswith(f"paperlab search -- {behind}")
    assert "stands behind" not in paperlab("papers", "list", "-zzz").err


@pytest.mark.parametrize(
    "words",
    [
        *(("search", "study"), ("watch", "show", "moe"), ("leaderboard", "a/b"), ("papers", "list")),
        *(("papers", "pile"), ("recommend",), ("digest",)),
    ],
)
def test_one_answer_holds_five_thousand_at_most(paperlab, held, words):
    done = paperlab(*words, "--limit", "5001")
    assert (done.code, done.out) == (3, "")
    assert done.err.startswith("error: --limit 5001 is more than one answer holds: at most 5000.")
    assert "at most 5000" not in paperlab(*words, "--limit", "5000").err


def test_nothing_found_is_no_error(paperlab, held):
    done = paperlab("search", "nowhere")
    assert (done.code, done.out) == (0, "")
    assert done.err.startswith("0 of 0 papers")
