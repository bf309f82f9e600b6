"""Both databases find the same papers in the same order, whatever is in them and whatever is asked."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from datetime import UTC, date, datetime

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from paperlab.entities import Paper
from paperlab.query import Field, Text, parse, words
from paperlab.store import database, full_text, papers, reading, search, tsvector
from paperlab.store.database import Session
from tests.fakes import make_paper
from tests.paperlab.store.test_search import a_paper, many_papers, queries, read_by_somebody, reproduced

NOW = datetime(2026, 11, 24, 6, 15, tzinfo=UTC)
FEW, MANY = (
    settings(max_examples=number, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
    for number in (15, 400)
)
Both = tuple[Session, Session]
_OF_A_SPELLING = re.compile(r"u[0-9a-f]{0,6}$")

awkward = st.text(
    alphabet=st.one_of(
        st.sampled_from("ab 'é\\\"&|!:*<>()-#='½²ßİıΣς机器\u0301\u200b\u00a0_./%\N{ROMAN NUMERAL TWO}"),
        st.characters(exclude_categories=["Cs"], exclude_characters="\0"),
    ),
    max_size=30,
)


@pytest.fixture
def both(settings_for, engine_for, shared_settings, tmp_path) -> Iterator[Both]:
    """A session of a SQLite database and one of a PostgreSQL database, both empty."""
    local = settings_for(home=tmp_path / "local")
    local = replace(local, database_url=f"sqlite:///{local.home / 'paperlab.db'}")
    with ExitStack() as stack:
        one, two = (
            stack.enter_context(database.session(engine_for(settings))) for settings in (local, shared_settings)
        )
        yield one, two


@contextmanager
def undone(both: Both) -> Iterator[None]:
    savepoints = [session.begin_nested() for session in both]
    try:
        yield
    finally:
        for savepoint in savepoints:
            savepoint.rollback()


@FEW
@given(st.data())
def test_what_is_found_and_in_which_order_is_the_same(both, data):
    assert_the_same_is_found(both, data)


@pytest.mark.soak
@MANY
@given(st.data())
def test_what_is_found_and_in_which_order_is_the_same_many_times(both, data):
    assert_the_same_is_found(both, data)


def assert_the_same_is_found(both: Both, data: st.DataObject) -> None:
    held = data.draw(many_papers)
    asked = [data.draw(queries) for _ in range(5)]
    with undone(both):
        for session in both:
            papers.upsert(session, held, NOW)
            read_by_somebody(session, held)
        for query in asked:
            newest = [search.newest(session, query, 5, reproduced=reproduced) for session in both]
            assert newest[0] == newest[1], query
            ranked = [search.ranked(session, query, 50, reproduced=reproduced) for session in both]
            assert ranked[0] == ranked[1], query


@FEW
@given(st.data())
def test_awkward_texts_are_found_by_their_words_in_both(both, data):
    assert_words_are_found(both, data)


@pytest.mark.soak
@MANY
@given(st.data())
def test_awkward_texts_are_found_by_their_words_in_both_many_times(both, data):
    assert_words_are_found(both, data)


def assert_words_are_found(both: Both, data: st.DataObject) -> None:
    texts = data.draw(st.lists(st.tuples(awkward, awkward, awkward), min_size=2, max_size=4))
    held = [
        a_paper(n, title, abstract, [name, "Wei Zhang"], ["cs.CL"], date(2024, 1, 5))
        for n, (title, abstract, name) in enumerate(texts, 1)
    ]
    known = [word for row in texts for text in row for word in words.tokens(text)] or ["wei"]
    start = data.draw(st.integers(0, len(known) - 1))
    looked_for = tuple(known[start : start + data.draw(st.integers(1, 3))])
    with undone(both):
        for session in both:
            papers.upsert(session, held, NOW)
        for field in (Field.ANY, Field.TITLE, Field.ABSTRACT, Field.AUTHOR, Field.COMMENT):
            for is_beginning in (False, True):
                if is_beginning and _OF_A_SPELLING.search(looked_for[-1]):
                    continue  # SQLite's index finds other letters' spellings too: "u*" finds "机器"
                query = Text(field, looked_for, is_beginning)
                one, two = (search.ranked(session, query, 50) for session in both)
                assert one == two, query


# --- what PostgreSQL bounds -----------------------------------------------------------------------------------


def found(session: Session, text: str) -> list[str]:
    ordinals = search.newest(session, parse(text), 50).ordinals
    return [paper.arxiv_id for paper in papers.get_many_by_ordinal(session, ordinals)]


def by_many(count: int) -> Paper:
    """A paper of a collaboration: each first name a few hundred times."""
    names = [f"{['Ada', 'Wei', 'Ken'][n % 3]} van Number{n}" for n in range(count)]
    return replace(make_paper(1), authors=(*names, "Last Of All", "Ada"), title="A large collaboration")


def test_names_are_found_in_lists_longer_than_a_vector_knows_places(both):
    """9,000 names are 27,000 words; a vector knows 16,383 places, and 256 of one word."""
    long, short = by_many(9000), replace(make_paper(2), authors=("Ken Ada", "Wei van", "Number1 Last"))
    for session in both:
        papers.upsert(session, [long, short], NOW)
        assert full_text.check(session).is_good
    for text, expected in {
        'au:"ken van number8999"': [long],
        'au:"van number8500"': [long],
        'au:"ada van number8"': [],
        'au:"van num*"': [long],
        'au:"last of all"': [long],
        'au:"of all ada"': [],
        'au:"number8999 last"': [],
        'au:"ken ada"': [short],
        "au:number7777": [long],
        '"wei van number4"': [long],
        'ti:"van number4"': [],
    }.items():
        for session in both:
            assert found(session, text) == [paper.arxiv_id for paper in expected], text


def test_endless_words_and_texts_are_held(both):
    endless = "supercalifragilistic" * 200
    monster = " ".join(f"word{n:07d}" for n in range(120_000))
    described = replace(make_paper(1), title="A monster", abstract=f"begins {endless} {monster}")
    for session in both:
        papers.upsert(session, [described, make_paper(2)], NOW)
        for text in (endless, "supercalif*", "ti:monster word0000001"):
            assert found(session, text) == [described.arxiv_id], text[:20]


def test_a_vector_is_written_as_its_type_is_read():
    document = tsvector.Document(1, "It's a test", "Test; two", "", ["Ada O'Neill"], "every y2024")
    assert tsvector.literal(document) == (
        "'#every' '#y2024' 'it':1A 's':2A 'a':3A 'test':4A,6C 'two':7C 'ada':10B 'o':11B 'neill':12B"
    )


# --- what PostgreSQL refuses ----------------------------------------------------------------------------------


def test_signs_that_no_text_can_hold_are_replaced_and_the_paper_is_known_again(engine):
    odd = replace(
        make_paper(1),
        title="A \0 sign",
        abstract="half \ud83d of a pair, 😀",
        authors=("Nul \0 Name",),
        comment="\udcff",
    )
    with database.session(engine) as session:
        assert papers.upsert(session, [odd], NOW).new == 1
        assert papers.upsert(session, [odd], NOW).unchanged == 1
        reading.add_note(session, odd.arxiv_id, "a \0 note", NOW)
        held = papers.get(session, odd.arxiv_id)
        assert held is not None
        assert (held.title, held.abstract, held.comment) == ("A � sign", "half � of a pair, 😀", "�")
        assert found(session, 'ti:"a sign"') == [odd.arxiv_id]


def test_case_and_order_of_texts_are_those_of_sqlite(both):
    tags = ["b", "B", "a b", "a-b", "A", "ä", "z", "_"]
    listed = []
    for session in both:
        papers.upsert(session, [make_paper(1)], NOW)
        reading.tag(session, [make_paper(1).arxiv_id], tags, NOW)
        listed.append(list(reading.tags_in_use(session)))
    assert listed[0] == listed[1]


def test_times_come_back_as_they_went_in_whatever_zone_the_server_is_in(engine):
    paper = make_paper(1)
    with database.session(engine) as session:
        session.connection().exec_driver_sql("SET LOCAL TIME ZONE 'Pacific/Kiritimati'")
        papers.upsert(session, [paper], NOW)
        held = papers.get(session, paper.arxiv_id)
        assert held is not None
        assert (held.submitted_at, held.updated_at) == (paper.submitted_at, paper.updated_at)
        assert full_text.check(session).is_good
        full_text.rebuild(session)
        assert found(session, f"date:{paper.submitted_at:%Y-%m-%d}") == [paper.arxiv_id]
