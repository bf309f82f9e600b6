"""What readers see of the papers held."""

from __future__ import annotations

import json
import tracemalloc
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from paperlab.arxiv_id import ArxivId
from paperlab.errors import InvalidInput
from paperlab.export import jsonl
from paperlab.library import landmarks, papers, profiles, selection
from paperlab.store import database
from paperlab.store import papers as store
from paperlab.store.papers import PaperFilter
from tests.fakes import make_paper, make_papers

NOW = datetime(2026, 11, 24, tzinfo=UTC)
FIRST = replace(make_paper(4, NOW), abstract="A language model.")
SECOND = replace(FIRST, version=2, abstract="A larger language model.", updated_at=NOW + timedelta(days=1))


@pytest.fixture
def engine(settings_for, engine_for):
    settings = settings_for()
    engine = engine_for(settings)
    with database.session(engine) as session:
        for version in (FIRST, SECOND):
            store.upsert(session, [version], NOW)
        profiles.record(session, settings.profiles, [SECOND])
    return engine


def test_a_paper_is_shown_with_its_versions_and_why_it_is_relevant(engine):
    with database.read_only(engine) as session:
        details = papers.show(session, ArxivId(FIRST.arxiv_id))
    assert details.paper == SECOND
    assert details.versions == (FIRST, SECOND)
    assert [(match.profile, match.terms) for match in details.matches] == [("llm", ("language model*",))]


def test_a_version_can_be_named(engine):
    with database.read_only(engine) as session:
        assert papers.show(session, ArxivId(FIRST.arxiv_id, 1)).paper == FIRST
        with pytest.raises(InvalidInput, match="version 3.*held: v1, v2"):
            papers.show(session, ArxivId(FIRST.arxiv_id, 3))


def test_a_paper_that_is_not_held_names_the_command_that_brings_it(engine):
    with database.read_only(engine) as session, pytest.raises(InvalidInput, match="not held") as missing:
        papers.show(session, ArxivId("1810.04805"))
    assert missing.value.hint == "paperlab papers add 1810.04805"


def test_a_list_says_how_many_there_are_beyond_its_limit(engine):
    with database.session(engine) as session:
        store.upsert(session, make_papers(20, NOW), NOW)
    with database.read_only(engine) as session:
        listed = papers.list_papers(session, PaperFilter(), limit=3)
    assert (len(listed.papers), listed.total) == (3, 20)


def test_every_line_of_the_export_is_one_paper_with_its_plain_identifier(engine):
    with database.session(engine) as session:
        store.upsert(session, [replace(make_paper(9, NOW), abstract="two\nlines \u2028 and é")], NOW)
    with database.read_only(engine) as session:
        lines = list(jsonl.lines(map(papers.as_record, selection.every(session))))
    records = [json.loads(line) for line in lines]
    assert all(line.count("\n") == 1 for line in lines)
    assert [record["arxiv_id"] for record in records] == ["2611.00005", "2611.00010"]
    assert records[0]["version"] == 2
    assert records[0]["submitted_at"] == FIRST.submitted_at.strftime("%Y-%m-%dT%H:%M:%SZ")


def test_the_export_needs_no_more_memory_for_more_papers(engine):
    def peak(count: int) -> int:
        with database.session(engine) as session:
            store.upsert(session, make_papers(count, NOW), NOW)
        tracemalloc.start()
        with database.read_only(engine) as session:
            assert sum(1 for _ in store.export(session, batch=50)) >= count
        _, highest = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        return highest

    assert peak(800) < 2 * peak(200)


def test_landmarks_are_written_once(engine, settings_for):
    assert landmarks.seed(engine, settings_for(), NOW) >= 1
    assert landmarks.seed(engine, settings_for(), NOW) == 0
    with database.read_only(engine) as session:
        attention = papers.show(session, ArxivId("1706.03762"))
    assert attention.paper.source == store.SEED
    assert attention.paper.title == "Attention Is All You Need"
    assert attention.versions == ()
    assert attention.matches


def test_a_landmark_that_arxiv_has_described_is_not_seeded_again(engine, settings_for):
    with database.session(engine) as session:
        store.upsert(session, [replace(FIRST, arxiv_id="1706.03762")], NOW)
    landmarks.seed(engine, settings_for(), NOW)
    with database.read_only(engine) as session:
        assert papers.show(session, ArxivId("1706.03762")).paper == replace(FIRST, arxiv_id="1706.03762")
