"""The newest version of each paper, every version seen, and nothing twice."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import hypothesis
import pytest
from hypothesis import given
from hypothesis import strategies as st

from paperlab.entities import ProfileMatch
from paperlab.settings import Settings
from paperlab.store import database, full_text, matches, papers
from paperlab.store.database import Session
from paperlab.store.papers import SEED, PaperFilter
from paperlab.store.schema import Base
from tests.fakes import make_paper, make_papers

NOW = datetime(2026, 11, 24, 6, 15, tzinfo=UTC)
V1 = make_paper(1, NOW)
V2 = replace(V1, version=2, abstract="Another abstract.", updated_at=V1.updated_at + timedelta(days=1))
SEEDED = replace(V1, abstract="One line in our own words.", source=SEED)


@pytest.fixture
def session(settings_for, engine_for) -> Iterator[Session]:
    with database.session(engine_for(settings_for())) as session:
        yield session


def counts(outcome: papers.UpsertCounts) -> tuple[int, int, int]:
    return outcome.new, outcome.revised, outcome.unchanged


def test_a_paper_comes_back_as_it_went_in(session):
    papers.upsert(session, [V1], NOW)
    assert papers.get(session, V1.arxiv_id) == V1
    assert papers.versions(session, V1.arxiv_id) == [V1]


def test_the_same_paper_again_changes_nothing(session):
    assert counts(papers.upsert(session, [V1], NOW)) == (1, 0, 0)
    assert counts(papers.upsert(session, [V1], NOW)) == (0, 0, 1)


def test_a_new_version_is_a_revision_and_both_are_kept(session):
    papers.upsert(session, [V1], NOW)
    assert counts(papers.upsert(session, [V2], NOW)) == (0, 1, 0)
    assert papers.get(session, V1.arxiv_id) == V2
    assert papers.versions(session, V1.arxiv_id) == [V1, V2]


def test_an_older_version_that_comes_later_goes_into_the_history_only(session):
    papers.upsert(session, [V2], NOW)
    assert counts(papers.upsert(session, [V1], NOW)) == (0, 0, 1)
    assert papers.get(session, V1.arxiv_id) == V2
    assert papers.versions(session, V1.arxiv_id) == [V1, V2]


def test_two_versions_of_one_paper_on_one_page_are_both_kept(session):
    assert counts(papers.upsert(session, [V2, V1], NOW)) == (1, 0, 0)
    assert papers.get(session, V1.arxiv_id) == V2
    assert papers.versions(session, V1.arxiv_id) == [V1, V2]


def test_a_withdrawal_under_the_same_version_is_a_change_and_stays_until_the_next_version(session):
    papers.upsert(session, [V1], NOW)
    assert counts(papers.upsert(session, [replace(V1, withdrawn=True)], NOW)) == (0, 1, 0)
    assert counts(papers.upsert(session, [V1], NOW)) == (0, 0, 1)
    assert papers.get(session, V1.arxiv_id) == replace(V1, withdrawn=True)
    assert counts(papers.upsert(session, [V2], NOW)) == (0, 1, 0)
    assert papers.get(session, V1.arxiv_id) == V2


def test_a_remark_of_the_same_version_that_was_mended_takes_a_withdrawal_back(session):
    papers.upsert(session, [replace(V1, comment="This paper has been withdrawn", withdrawn=True)], NOW)
    papers.upsert(session, [replace(V1, comment="12 pages")], NOW)
    assert papers.get(session, V1.arxiv_id) == replace(V1, comment="12 pages")


def test_an_abstract_wrapped_anew_by_the_server_is_no_change(session):
    wrapped = replace(V1, abstract=V1.abstract.replace(" ", "\n", 7) + "\n")
    papers.upsert(session, [V1], NOW)
    assert counts(papers.upsert(session, [wrapped], NOW)) == (0, 0, 1)
    assert papers.get(session, V1.arxiv_id) == V1


@pytest.mark.parametrize(
    "change",
    [
        {"journal_ref": "ACL 2026"},
        {"categories": ("cs.LG", "cs.CL")},
        {"authors": ("Someone Else",)},
        {"comment": None},
    ],
    ids=lambda change: next(iter(change)),
)
def test_a_record_corrected_without_a_new_version_replaces_the_old_one(session, change):
    papers.upsert(session, [replace(V1, comment="9 pages", categories=("cs.CL",))], NOW)
    corrected = replace(V1, **{"comment": "9 pages", "categories": ("cs.CL",), **change})
    assert counts(papers.upsert(session, [corrected], NOW)) == (0, 1, 0)
    assert papers.get(session, V1.arxiv_id) == corrected
    assert papers.versions(session, V1.arxiv_id) == [corrected]


def test_arxivs_record_replaces_a_landmark_whatever_its_version(session):
    papers.upsert(session, [replace(SEEDED, version=7)], NOW)
    assert papers.versions(session, V1.arxiv_id) == []
    assert counts(papers.upsert(session, [V1], NOW)) == (0, 1, 0)
    assert papers.get(session, V1.arxiv_id) == V1


def test_a_landmark_never_replaces_arxivs_record(session):
    papers.upsert(session, [V1], NOW)
    assert counts(papers.upsert(session, [replace(SEEDED, version=9)], NOW)) == (0, 0, 1)
    assert papers.get(session, V1.arxiv_id) == V1


def test_when_a_paper_came_in_is_not_changed_by_its_revision(session):
    papers.upsert(session, [V1], NOW)
    papers.upsert(session, [V2], NOW + timedelta(days=1))
    assert papers.count(session, PaperFilter(held_since=NOW)) == 1
    assert papers.count(session, PaperFilter(held_since=NOW + timedelta(hours=1))) == 0


def test_papers_are_found_newest_first_and_in_pages(session):
    everything = make_papers(30, NOW)
    papers.upsert(session, everything, NOW)
    assert papers.find(session, PaperFilter(), limit=10, offset=5) == everything[5:15]
    assert papers.count(session) == 30


def test_filters_narrow_together(session):
    papers.upsert(session, make_papers(60, NOW), NOW)
    since = NOW - timedelta(minutes=30)
    wanted = PaperFilter(categories=("stat.ML", "cs.AI"), since=since)
    found = papers.find(session, wanted, limit=None)
    expected = [
        paper
        for paper in make_papers(60, NOW)
        if {"stat.ML", "cs.AI"} & set(paper.categories) and paper.submitted_at >= since
    ]
    assert found == expected
    assert papers.count(session, wanted) == len(expected) > 0


def test_papers_are_found_by_profile(session):
    papers.upsert(session, make_papers(3, NOW), NOW)
    matches.replace(session, [V1.arxiv_id], [ProfileMatch("llm", V1.arxiv_id, ("attention",))], ["llm"])
    assert papers.find(session, PaperFilter(profile="llm")) == [V1]
    assert matches.of_paper(session, V1.arxiv_id) == [ProfileMatch("llm", V1.arxiv_id, ("attention",))]
    matches.replace(session, [V1.arxiv_id], [], ["llm"])
    assert papers.find(session, PaperFilter(profile="llm")) == []


def test_the_export_has_every_paper_once_in_the_order_of_identifiers(session):
    everything = make_papers(25, NOW)
    papers.upsert(session, everything, NOW)
    assert list(papers.export(session, batch=10)) == sorted(everything, key=lambda paper: paper.arxiv_id)


def test_more_papers_than_a_query_has_parameters_are_stored(session):
    everything = make_papers(1200, NOW)
    assert counts(papers.upsert(session, everything, NOW)) == (1200, 0, 0)
    assert counts(papers.upsert(session, everything, NOW)) == (0, 0, 1200)


@given(st.text(max_size=80))
def test_white_space_never_makes_a_difference(text):
    assert papers.normalised(text) == papers.normalised(papers.normalised(text))
    assert papers.normalised(text.replace(" ", "\n  ")) == papers.normalised(text)
    assert papers.normalised(f"\n{text} ") == papers.normalised(text)


@hypothesis.settings(max_examples=25, deadline=None)
@given(st.permutations(range(4)), st.data())
def test_versions_may_come_in_any_order_and_any_grouping(order, data):
    versions = [replace(V1, version=n + 1, abstract=f"Abstract {n}.", updated_at=NOW + timedelta(n)) for n in range(4)]
    engine = database.connect(Settings(home=Path(), database_url="sqlite://"))
    with engine.begin() as connection:
        Base.metadata.create_all(connection)
        connection.exec_driver_sql(full_text.CREATE)
    with database.session(engine) as session:
        cut = data.draw(st.integers(0, 4))
        for group in (order[:cut], order[cut:]):
            papers.upsert(session, [versions[n] for n in group], NOW)
        assert papers.get(session, V1.arxiv_id) == versions[3]
        assert papers.versions(session, V1.arxiv_id) == versions
    engine.dispose()
