"""Search results as readers want them: snippets with the words marked, and how they were found."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from paperlab.entities import Verdict, VerdictKind
from paperlab.errors import InvalidInput
from paperlab.library import papers as listing
from paperlab.library import search
from paperlab.query import Field, parse
from paperlab.store import database, papers, verdicts
from paperlab.store import search as stored
from paperlab.store.papers import PaperFilter
from tests.fakes import make_paper, make_papers

NOW = datetime(2026, 11, 24, 6, 15, tzinfo=UTC)


@pytest.fixture
def session(settings_for, engine_for):
    with database.session(engine_for(settings_for())) as session:
        papers.upsert(session, make_papers(30, NOW), NOW)
        yield session


def test_what_was_found_is_marked_in_every_field(session):
    paper = replace(
        make_paper(99, NOW),
        title="Naïve Transformers",
        abstract="filler " * 80 + "all of it is naive\nindeed and transformers help " + "filler " * 80,
        authors=("A. Naive", "B. Other"),
        comment="4 pages",
    )
    papers.upsert(session, [paper], NOW)
    found = search.search(session, "naive transform*")
    assert [each.arxiv_id for each in found.papers] == [paper.arxiv_id]
    by_field = {snippet.field: snippet.pieces for snippet in found.snippets[0]}
    assert by_field[Field.TITLE] == (("Naïve", True), (" ", False), ("Transformers", True))
    assert ("Naive", True) in by_field[Field.AUTHOR]
    assert Field.COMMENT not in by_field
    abstract = by_field[Field.ABSTRACT]
    assert [text for text, is_hit in abstract if is_hit] == ["naive", "transformers"]
    text = "".join(piece for piece, _ in abstract)
    assert text.startswith("… filler ")
    assert text.endswith(" filler …")
    assert "is naive indeed and transformers help" in text
    assert len(text) < 260


def test_the_result_says_how_it_was_ordered_and_what_was_left_out(session, monkeypatch):
    assert search.search(session, "study").how == "best first"
    assert search.search(session, "study", sort=search.Sort.NEWEST).how == "newest first"
    assert search.search(session, "cat:cs.CL").how == "newest first"
    monkeypatch.setattr(stored, "CANDIDATES", 7)
    monkeypatch.setattr(stored, "TITLE_CANDIDATES", 2)
    narrowed = search.search(session, "study")
    assert narrowed.how == "best first among 7: the newest, and the newest with the words in the title"
    assert (narrowed.total, narrowed.is_more) == (30, False)


def test_a_list_by_text_is_the_newest_of_the_search(session):
    listed = listing.list_papers(session, PaperFilter(text="study cat:stat.ML"), limit=3, offset=1)
    expected = [paper for paper in make_papers(30, NOW) if "stat.ML" in paper.categories]
    assert sorted(p.arxiv_id for p in expected)[::-1][1:4] == [p.arxiv_id for p in listed.papers]
    assert listed.total == len(expected)
    with pytest.raises(InvalidInput, match="nothing to join"):
        listing.list_papers(session, PaperFilter(text="a OR"))


def test_more_than_can_be_counted_in_time_is_said_to_be_more(session, monkeypatch):
    monkeypatch.setattr(listing, "COUNTED", 10)
    listed = listing.list_papers(session, PaperFilter(), limit=5)
    assert (len(listed.papers), listed.total, listed.is_more) == (5, 10, True)
    assert not listing.list_papers(session, PaperFilter(categories=("math.AG",))).is_more


def test_a_paper_is_reproduced_while_the_last_verdict_on_a_claim_of_it_holds(session, monkeypatch):
    claims = [type("Claim", (), {"id": "c", "source": make_paper(0, NOW).arxiv_id})]
    monkeypatch.setattr(search.claims, "load", lambda: claims)
    found = []
    for kind in (VerdictKind.INCONCLUSIVE, VerdictKind.REPRODUCED, VerdictKind.STALE):
        verdicts.append_if_changed(session, Verdict("c", kind, "why"), {}, NOW)
        found.append([paper.arxiv_id for paper in search.search(session, "is:reproduced").papers])
    assert found == [[], [make_paper(0, NOW).arxiv_id], []]


def test_a_query_may_be_handed_over_as_a_tree(session):
    assert search.search(session, parse("id:2611.00003")).papers == (make_paper(2, NOW),)
