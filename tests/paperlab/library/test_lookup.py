"""Single papers by their identifiers: what arXiv has is held, what it does not know is named."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from paperlab.arxiv_id import ArxivId
from paperlab.entities import ReceiptStatus
from paperlab.errors import InvalidInput, TryAgain
from paperlab.library import lookup
from paperlab.store import database, matches, papers, receipts
from tests import fakes
from tests.fakes import FakeArxiv, make_papers


@pytest.fixture
def lab(settings_for, engine_for):
    with FakeArxiv(make_papers(150)) as arxiv:
        settings = settings_for(arxiv.url)
        yield arxiv, engine_for(settings), settings


def ids(*numbers: int) -> list[ArxivId]:
    return [ArxivId(f"2611.{number:05d}") for number in numbers]


def test_papers_are_fetched_in_batches_and_matched(lab):
    arxiv, engine, settings = lab
    added = lookup.add(engine, settings, ids(*range(1, 151)))
    assert len(arxiv.requests) == 2
    assert (added.receipt.new, added.receipt.kind, added.receipt.status) == (150, "lookup", ReceiptStatus.COMPLETE)
    with database.read_only(engine) as session:
        assert papers.count(session) == 150
        assert matches.count(session, "llm") > 0
        assert receipts.latest(session)[0] == added.receipt


def test_a_version_that_is_named_goes_into_the_history(lab):
    arxiv, engine, settings = lab
    arxiv.revise("2611.00007")
    lookup.add(engine, settings, ids(7))
    added = lookup.add(engine, settings, [ArxivId("2611.00007", 1)])
    assert [paper.version for paper in added.papers] == [1]
    with database.read_only(engine) as session:
        assert [version.version for version in papers.versions(session, "2611.00007")] == [1, 2]
        newest = papers.get(session, "2611.00007")
    assert newest is not None
    assert newest.version == 2


def test_unknown_identifiers_are_named_and_the_others_are_held(lab):
    _, engine, settings = lab
    with pytest.raises(lookup.UnknownPapers, match=r"2611\.77777, 2611\.00003v9") as unknown:
        lookup.add(engine, settings, [*ids(1, 77777, 2), ArxivId("2611.00003", 9)])
    assert unknown.value.exit_code == 3
    assert "the other 2 are held" in unknown.value.message
    with database.read_only(engine) as session:
        assert papers.count(session) == 2


@pytest.mark.parametrize("fault", ["short", "empty", "unpublished", "duplicated", "total-missing", "total-moves"])
def test_an_answer_that_is_not_whole_makes_no_paper_unknown(lab, fault):
    arxiv, engine, settings = lab
    arxiv.set_schedule(fakes.at({0: [fault]}))
    assert {paper.arxiv_id for paper in lookup.add(engine, settings, ids(1, 2, 3, 4)).papers} == {
        "2611.00001",
        "2611.00002",
        "2611.00003",
        "2611.00004",
    }


def test_answers_that_never_get_whole_end_with_try_again(lab):
    arxiv, engine, settings = lab
    arxiv.set_schedule(lambda _: ["empty"])
    with pytest.raises(TryAgain) as stopped:
        lookup.add(engine, settings, ids(1, 2))
    assert stopped.value.reason == "incomplete"
    with database.read_only(engine) as session:
        assert receipts.latest(session)[0].status is ReceiptStatus.PARTIAL


def test_every_text_that_holds_no_identifier_is_named():
    with pytest.raises(InvalidInput, match='"nonsense".*"1234"'):
        lookup.parse_ids(["1706.03762", "nonsense", "1234"])


def test_an_identifier_given_twice_is_asked_once():
    assert lookup.parse_ids(["1706.03762", "https://arxiv.org/abs/1706.03762", "arXiv:1706.03762v2"]) == [
        ArxivId("1706.03762"),
        ArxivId("1706.03762", 2),
    ]


@given(st.lists(st.text(max_size=20), min_size=1, max_size=5))
def test_any_words_are_identifiers_or_invalid_input(words):
    try:
        parsed = lookup.parse_ids(words)
    except InvalidInput:
        return
    assert 1 <= len(parsed) <= len(words)


def test_a_paper_that_is_named_in_two_batches_is_counted_once(lab, monkeypatch):
    _, engine, settings = lab
    monkeypatch.setattr("paperlab.arxiv.query_api.IDS_PER_REQUEST", 2)
    with pytest.raises(lookup.UnknownPapers, match="the other 2 are held") as unknown:
        lookup.add(engine, settings, [*ids(1, 2, 77777), ArxivId("2611.00001", 1)])
    receipt = unknown.value.added.receipt
    assert (receipt.announced, receipt.held, receipt.new, receipt.unchanged) == (2, 2, 2, 0)
