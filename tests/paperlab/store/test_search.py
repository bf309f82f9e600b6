"""What the index finds is what `query.holds` says of each paper, whatever is asked and whatever happened before."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from paperlab.arxiv_id import ArxivId
from paperlab.entities import Paper, ProfileMatch
from paperlab.errors import InvalidInput
from paperlab.query import And, Field, Flag, Is, Not, Or, Submitted, Text, holds, parse
from paperlab.store import database, full_text, matches, papers, reading, search
from paperlab.store.database import Session
from paperlab.store.papers import PaperFilter
from paperlab.store.reading import Mark

NOW = datetime(2026, 11, 24, 6, 15, tzinfo=UTC)
VOCABULARY = ("model", "Models", "attention", "naïve", "Straße", "x²", "机器", "state-of-the-art", "y2024", "every")
CATEGORIES = ("cs.CL", "cs.LG", "hep-th", "astro-ph", "astro-ph.GA")
REPRODUCED = frozenset({"2401.00003"})

some_words = st.lists(st.sampled_from(VOCABULARY), max_size=6).map(" ".join)


def a_paper(number: int, *described: Any) -> Paper:
    title, abstract, authors, categories, day = described
    submitted = datetime(day.year, day.month, day.day, 23, 59, tzinfo=UTC)
    return Paper(
        arxiv_id=f"2401.{number:05d}",
        version=1,
        title=title,
        abstract=abstract,
        authors=tuple(authors),
        categories=tuple(categories),
        primary_category=categories[0],
        submitted_at=submitted,
        updated_at=submitted,
        withdrawn=number % 5 == 0,
        comment=None if number % 2 else "9 model pages",
    )


many_papers = st.lists(
    st.tuples(
        some_words,
        some_words,
        st.lists(st.sampled_from(["Wei Zhang", "Zhang Wei", "Łukasz Model"]), min_size=1, max_size=2),
        st.lists(st.sampled_from(CATEGORIES), min_size=1, max_size=3, unique=True),
        st.dates(date(2022, 11, 25), date(2024, 3, 3)),
    ),
    min_size=6,
    max_size=9,
).map(lambda rows: [a_paper(number, *row) for number, row in enumerate(rows, 1)])

terms = st.one_of(
    st.builds(
        Text,
        st.sampled_from([Field.ANY, Field.TITLE, Field.ABSTRACT, Field.AUTHOR, Field.COMMENT, Field.NOTE]),
        st.sampled_from(
            [
                *(("model",), ("attention", "model"), ("naive",), ("strasse",), ("x2",), ("机器",), ("机",), ("mod",)),
                *(("of", "the"), ("every",), ("y2024",), ("zhang", "wei"), ("wei", "zhang"), ("lukasz",), ("note",)),
            ]
        ),
        st.booleans(),
    ),
    st.builds(Text, st.just(Field.CATEGORY), st.sampled_from([("cs",), ("cs.cl",), ("astro-ph",)]), st.booleans()),
    st.builds(Text, st.just(Field.TAG), st.sampled_from([("later",), ("la",), ("none",)]), st.booleans()),
    st.builds(Text, st.just(Field.ID), st.sampled_from([("2401.00002",)]), st.booleans()),
    st.builds(Is, st.sampled_from(Flag)),
    st.builds(
        lambda since, length: Submitted(since, since + timedelta(length)),
        st.dates(date(2022, 1, 1), date(2024, 12, 31)),
        st.integers(0, 800),
    ),
    st.builds(Submitted, st.dates(date(2022, 1, 1), date(2024, 12, 31)), st.none()),
    st.builds(Submitted, st.none(), st.dates(date(2022, 1, 1), date(2024, 12, 31))),
)
queries = st.recursive(
    terms,
    lambda inner: st.one_of(
        inner.map(Not),
        *(st.lists(inner, min_size=2, max_size=3).map(lambda p, kind=kind: kind(tuple(p))) for kind in (And, Or)),
    ),
    max_leaves=6,
)


@pytest.fixture
def session(settings_for, engine_for) -> Iterator[Session]:
    with database.session(engine_for(settings_for())) as session:
        yield session


def read_by_somebody(session: Session, held: list[Paper]) -> None:
    """Marks, tags, notes, links and results on some of the papers."""
    ids = [paper.arxiv_id for paper in held]
    reading.mark(session, ids[:2], Mark.STARRED, NOW)
    reading.mark(session, ids[1:3], Mark.READ, NOW)
    reading.mark(session, ids[3:4], Mark.SKIPPED, NOW)
    reading.tag(session, ids[2:4], ["Later"], NOW)
    reading.add_note(session, ids[0], "a note on attention", NOW)
    reading.add_note(session, ids[4], "naïve: every model", NOW)
    link = {"url": "https://x", "source": "abstract", "kind": "repository", "details": "{}", "found_at": str(NOW)}
    for arxiv_id, role in ((ids[1], "own"), (ids[2], "other")):
        session.execute(
            sa.text(
                "INSERT INTO code_links (arxiv_id, url, source, kind, role, details, found_at) "
                "VALUES (:arxiv_id, :url, :source, :kind, :role, :details, :found_at)"
            ),
            {**link, "arxiv_id": arxiv_id, "role": role},
        )
    session.execute(
        sa.text(
            "INSERT INTO reported_results (key, source, task, dataset, model, metric, value_text, details, arxiv_id, "
            "imported_at) VALUES ('k', 's', 't', 'd', 'm', 'x', '1', '{}', :arxiv_id, :now)"
        ),
        {"arxiv_id": ids[0], "now": str(NOW)},
    )


def reproduced() -> frozenset[str]:
    return REPRODUCED


FEW, MANY = (
    settings(max_examples=number, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
    for number in (20, 300)
)


@FEW
@given(st.data())
def test_the_index_finds_what_holds_for_each_paper(session, data):
    assert_index_agrees(session, data)


@pytest.mark.soak
@MANY
@given(st.data())
def test_the_index_finds_what_holds_for_each_paper_many_times(session, data):
    assert_index_agrees(session, data)


def assert_index_agrees(session, data):
    held = data.draw(many_papers)
    with session.begin_nested() as savepoint:
        papers.upsert(session, held, NOW)
        read_by_somebody(session, held)
        every = search.facts_of(session, held, reproduced=reproduced)
        for query in data.draw(st.lists(queries, min_size=8, max_size=8)):
            expected = [each.arxiv_id for each in reversed(every) if holds(query, each)]
            assert search.ids(session, query, reproduced=reproduced) == expected
            found = search.newest(session, query, 2, 1, reproduced=reproduced)
            assert [ArxivId.from_ordinal(n).base for n in found.ordinals] == expected[1:3]
            assert (found.total, found.is_more) == (len(expected), False)
            ranked = search.ranked(session, query, 20, reproduced=reproduced)
            assert {ArxivId.from_ordinal(n).base for n in ranked.ordinals} == set(expected)
        savepoint.rollback()


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(first=many_papers, second=many_papers)
def test_a_replaced_paper_leaves_nothing_of_its_old_words_behind(session, first, second):
    with session.begin_nested() as savepoint:
        papers.upsert(session, first, NOW)
        newer = [replace(paper, version=2, updated_at=paper.updated_at + timedelta(1)) for paper in second]
        papers.upsert(session, newer, NOW)
        stepwise = everything_indexed(session)
        assert full_text.check(session).is_good
        assert full_text.rebuild(session) == max(len(first), len(second))
        assert everything_indexed(session) == stepwise
        savepoint.rollback()


def everything_indexed(session: Session) -> list[tuple[object, ...]]:
    """Every word of the index with where it stands."""
    connection = session.connection()
    if connection.dialect.name == "postgresql":
        vectors = connection.exec_driver_sql("SELECT ordinal, CAST(words AS text) FROM full_text ORDER BY ordinal")
        return [tuple(row) for row in vectors]
    connection.exec_driver_sql("CREATE VIRTUAL TABLE temp.words USING fts5vocab(main, full_text, instance)")
    found = connection.exec_driver_sql('SELECT term, doc, col, "offset" FROM temp.words ORDER BY 1, 2, 3, 4').all()
    connection.exec_driver_sql("DROP TABLE temp.words")
    return [tuple(row) for row in found]


def make(number: int, title: str, abstract: str = "nothing else") -> Paper:
    return a_paper(number, title, abstract, ["Ada Lovelace"], ["cs.CL"], date(2024, 1, 5))


def titles(session: Session, text: str, **options) -> list[str]:
    found = search.ranked(session, parse(text), 50, **options)
    return [paper.title for paper in papers.get_many_by_ordinal(session, found.ordinals)]


def test_no_word_is_found_for_another_that_looks_like_its_spelling_in_the_index(session):
    greek, alike, both = make(1, "Greek α"), make(2, "Plain u0003b1"), make(3, "Größe u0003b1x U0003B1")
    papers.upsert(session, [greek, alike, both], NOW)
    assert titles(session, "α") == titles(session, "ti:α") == ["Greek α"]
    assert set(titles(session, "u0003b1")) == {alike.title, both.title}
    assert titles(session, "u0003b1x") == titles(session, "ti:u0003b1x größe") == [both.title]
    papers.upsert(session, [replace(alike, version=2, title="Another", updated_at=NOW)], NOW)
    assert titles(session, "u0003b1") == [both.title]
    assert full_text.check(session).is_good


def test_a_tag_with_any_quotes_is_found(session):
    papers.upsert(session, [make(1, "One"), make(2, "Two")], NOW)
    reading.tag(session, ["2401.00001"], ["read “now”"], NOW)
    for query in ('tag:"read now"', "tag:read*"):
        assert titles(session, query) == ["One"]
        held = papers.get_many(session, ["2401.00001"])
        assert holds(parse(query), search.facts_of(session, held)[0])


def test_an_identifier_or_a_word_are_looked_for_among_the_few_papers_of_a_tag(session):
    papers.upsert(session, [make(n, f"model {n}") for n in range(1, 5)], NOW)
    reading.tag(session, ["2401.00002", "2401.00003"], ["later"], NOW)
    assert set(titles(session, "model (id:2401.00002 OR model) tag:later")) == {"model 2", "model 3"}
    assert titles(session, "model (id:2401.00002 OR ti:other) tag:later") == ["model 2"]


def test_papers_without_an_abstract_are_ranked(session):
    papers.upsert(session, [make(n, f"common {n}", abstract="") for n in range(1, 4)], NOW)
    assert titles(session, "common OR 2") == ["common 2", "common 3", "common 1"]


def test_a_word_in_the_title_counts_more_than_one_in_the_abstract_and_a_rare_word_more_than_a_common_one(session):
    held = [make(n, f"common {n}") for n in range(20, 50)]
    held += [make(1, "rare"), make(2, "other", "common rare"), make(3, "other still", "rare " * 3 + "word " * 200)]
    papers.upsert(session, held, NOW)
    assert titles(session, "rare")[0] == "rare"
    assert titles(session, "common OR rare")[:2] == ["rare", "other"]
    assert titles(session, "common rare") == ["other"]


def test_only_the_newest_are_ranked_but_those_with_the_words_in_the_title_are_not_missed(session, monkeypatch):
    monkeypatch.setattr(search, "CANDIDATES", 5)
    monkeypatch.setattr(search, "COUNTED", 20)
    old = make(1, "Attention")
    papers.upsert(session, [old, *(make(n, f"Study {n}", "with attention") for n in range(2, 40))], NOW)
    found = search.ranked(session, parse("attention"), 3)
    assert found.ordinals[0] == ArxivId(old.arxiv_id).ordinal
    assert (found.total, found.is_more, found.scored) == (20, True, 6)
    everything = [o for page in range(0, 40, 3) for o in search.ranked(session, parse("attention"), 3, page).ordinals]
    assert len(everything) == len(set(everything)) == 39, "behind the ranked ones the others follow"


@pytest.mark.parametrize(
    ("within", "expected"),
    [
        (PaperFilter(categories=("astro-ph",)), ["2"]),
        (PaperFilter(categories=("astro-ph.GA", "cs.CL")), ["1", "3"]),
        (PaperFilter(profile="llm"), ["3"]),
        (PaperFilter(since=datetime(2024, 1, 2, 12, tzinfo=UTC)), ["2", "3"]),
        (PaperFilter(held_since=NOW), ["1", "2", "3"]),
        (PaperFilter(held_since=NOW + timedelta(1)), []),
        (PaperFilter(revised_since=NOW), []),
    ],
)
@pytest.mark.parametrize("noted", [False, True])
def test_a_filter_narrows_what_is_found_also_by_notes(session, within, expected, noted):
    categories = (["astro-ph.GA"], ["astro-ph"], ["cs.CL"])
    day = date(2024, 1, 1)
    held = [
        a_paper(n, str(n), "" if noted else "word", ["A"], categories[n - 1], day + timedelta(n)) for n in (1, 2, 3)
    ]
    held = [
        replace(p, submitted_at=p.submitted_at.replace(day=n, hour=13)) for n, p in zip((1, 2, 3), held, strict=True)
    ]
    papers.upsert(session, held, NOW)
    matches.replace(session, [held[2].arxiv_id], [ProfileMatch("llm", held[2].arxiv_id, ())], ["llm"])
    if noted:
        for paper in held:
            reading.add_note(session, paper.arxiv_id, "a word", NOW)
    found = search.newest(session, parse("word"), None, within=within)
    assert sorted(p.title for p in papers.get_many_by_ordinal(session, found.ordinals)) == expected


@pytest.mark.parametrize(
    "text", ["100%", "a_b", "\\", "'; DROP TABLE papers --", '"', "Áda", "NEAR(a b)", "a^2", "{x}: y"]
)
def test_the_signs_of_sql_and_of_fts_are_words_or_nothing(session, text):
    papers.upsert(session, [make(1, f"before {text} after"), make(2, "another")], NOW)
    assert titles(session, f"before {text} after") == [f"before {text} after"]


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.text(max_size=30))
def test_no_text_is_a_fault_of_the_database(session, text):
    try:
        query = parse(text)
    except InvalidInput:
        return
    search.ranked(session, query, 5)


def test_many_marks_are_gone_through_with_the_index(session, monkeypatch):
    monkeypatch.setattr(search, "_FEW", 1)
    held = [make(n, "model") for n in range(1, 9)]
    papers.upsert(session, held, NOW)
    reading.mark(session, [paper.arxiv_id for paper in held[:5]], Mark.STARRED, NOW)
    monkeypatch.setattr(search, "_SMALL_TABLE", 1)
    assert len(search.ids(session, parse("model is:starred"))) == 5
    assert len(search.ids(session, parse("model -is:starred"))) == 3
    assert len(search.ids(session, parse("is:starred"))) == 5


def test_an_index_that_lost_a_paper_is_noticed(session):
    papers.upsert(session, [make(1, "one"), make(2, "two")], NOW)
    session.execute(sa.text("DELETE FROM papers WHERE arxiv_id = '2401.00001'"))
    health = full_text.check(session)
    assert (health.papers, health.indexed, health.missing, health.stray) == (1, 2, 0, 1)
    assert not health.is_good
    full_text.rebuild(session)
    assert full_text.check(session).is_good
