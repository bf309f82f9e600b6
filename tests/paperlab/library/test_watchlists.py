"""A question is asked of every paper as it arrives and of all that are held, with the same answer."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import hypothesis
import pytest
from hypothesis import strategies as st

from paperlab import query as language
from paperlab.arxiv_id import ArxivId
from paperlab.entities import Paper
from paperlab.errors import InvalidInput, UnknownName
from paperlab.library import arrivals, reading, watchlists
from paperlab.store import database
from paperlab.store import papers as papers_store
from tests.fakes import make_paper

NOW = datetime(2026, 11, 24, 6, 15, tzinfo=UTC)
LATER = NOW + timedelta(days=1)
MOE = replace(make_paper(1, NOW), title="A mixture of experts", categories=("cs.CL",), primary_category="cs.CL")
OTHER = replace(make_paper(2, NOW), title="Diffusion", categories=("cs.LG",), primary_category="cs.LG")
REVISED = replace(MOE, version=2, title="Sparse layers", updated_at=NOW + timedelta(hours=1))
QUERY = 'ti:"mixture of experts" AND cat:cs.CL'


@pytest.fixture
def settings(settings_for):
    return settings_for()


@pytest.fixture
def session(settings, engine_for):
    with database.session(engine_for(settings)) as session:
        yield session


def names(found: watchlists.Matches) -> list[str]:
    return [paper.arxiv_id for paper in found.papers]


def test_a_paper_is_matched_as_it_arrives(session, settings):
    watchlists.add(session, "moe", QUERY, NOW)
    arrivals.take(session, settings, [MOE, OTHER], NOW)
    assert names(watchlists.matches(session, "moe")) == [MOE.arxiv_id]


def test_papers_that_are_held_are_matched_when_a_watchlist_is_added(session, settings):
    arrivals.take(session, settings, [MOE, OTHER], NOW)
    watched = watchlists.add(session, "moe", QUERY, NOW)
    assert (watched.counts.new, watched.counts.all) == (1, 1)
    assert names(watchlists.matches(session, "moe", new_only=True)) == [MOE.arxiv_id]


def test_papers_held_already_can_be_left_out_of_the_news(session, settings):
    arrivals.take(session, settings, [MOE], NOW)
    assert watchlists.add(session, "moe", QUERY, NOW, from_now=True).counts == watchlists.Counts(new=0, all=1)
    arrivals.take(session, settings, [replace(MOE, arxiv_id="2611.09999")], LATER)
    assert names(watchlists.matches(session, "moe", new_only=True)) == ["2611.09999"]


def test_a_paper_is_new_once_and_a_replaced_one_keeps_its_match(session, settings):
    watchlists.add(session, "moe", QUERY, NOW)
    arrivals.take(session, settings, [MOE], NOW)
    assert watchlists.mark_shown(session, "moe", [MOE.arxiv_id], NOW) == 1
    assert watchlists.mark_shown(session, "moe", [MOE.arxiv_id], LATER) == 0
    arrivals.take(session, settings, [REVISED], LATER)
    arrivals.take(session, settings, [replace(REVISED, version=3, title=MOE.title)], LATER)
    assert names(watchlists.matches(session, "moe", new_only=True)) == []
    assert names(watchlists.matches(session, "moe")) == [MOE.arxiv_id]


def test_a_match_whose_revision_no_longer_answers_is_named_and_new_no_second_time(session, settings):
    watchlists.add(session, "moe", QUERY, NOW)
    arrivals.take(session, settings, [MOE, replace(MOE, arxiv_id="2611.09999")], NOW)
    assert watchlists.matches(session, "moe").no_longer == frozenset()
    watchlists.mark_shown(session, "moe", [MOE.arxiv_id], NOW)
    arrivals.take(session, settings, [REVISED], LATER)
    found = watchlists.matches(session, "moe")
    assert names(found) == ["2611.09999", MOE.arxiv_id]
    assert found.no_longer == {MOE.arxiv_id}
    arrivals.take(session, settings, [replace(REVISED, version=3, title=MOE.title)], LATER)
    assert watchlists.matches(session, "moe").no_longer == frozenset()
    assert names(watchlists.matches(session, "moe", new_only=True)) == ["2611.09999"]


def test_a_revision_can_bring_the_match(session, settings):
    watchlists.add(session, "sparse", "ti:sparse", NOW)
    arrivals.take(session, settings, [MOE], NOW)
    assert names(watchlists.matches(session, "sparse")) == []
    arrivals.take(session, settings, [REVISED], LATER)
    assert names(watchlists.matches(session, "sparse", new_only=True)) == [MOE.arxiv_id]


def test_with_another_question_vanished_matches_go_and_kept_ones_are_not_new_again(session, settings):
    third = replace(make_paper(3, NOW), title="Experts disagree", categories=("cs.LG",))
    arrivals.take(session, settings, [MOE, OTHER, third], NOW)
    watchlists.add(session, "w", "ti:mixture OR ti:diffusion", NOW)
    watchlists.mark_shown(session, "w", [MOE.arxiv_id, OTHER.arxiv_id], NOW)
    counts = watchlists.edit(session, "w", "ti:experts", LATER).counts
    assert (counts.new, counts.all) == (1, 2)
    assert names(watchlists.matches(session, "w", new_only=True)) == [third.arxiv_id]
    assert watchlists.get(session, "w").created_at == NOW


def test_the_same_watchlist_again_changes_nothing_and_another_under_its_name_is_refused(session, settings):
    arrivals.take(session, settings, [MOE], NOW)
    watchlists.add(session, "moe", QUERY, NOW)
    watchlists.mark_shown(session, "moe", [MOE.arxiv_id], NOW)
    assert watchlists.add(session, "moe", QUERY, LATER).counts.new == 0
    with pytest.raises(InvalidInput, match="already watches") as refused:
        watchlists.add(session, "moe", "experts", LATER)
    assert refused.value.hint == "paperlab watch edit moe QUERY"


def test_a_watchlist_that_is_removed_leaves_the_papers_and_can_be_added_anew(session, settings):
    arrivals.take(session, settings, [MOE], NOW)
    watchlists.add(session, "moe", QUERY, NOW)
    assert watchlists.remove(session, "moe").query == QUERY
    assert papers_store.get(session, MOE.arxiv_id) == MOE
    with pytest.raises(UnknownName):
        watchlists.matches(session, "moe")
    assert watchlists.add(session, "moe", QUERY, NOW).counts.new == 1


@pytest.mark.parametrize("query", ["is:starred", "experts -is:read", "tag:moe", "note:good OR experts", "has:result"])
def test_what_only_the_reader_knows_is_refused(session, query):
    with pytest.raises(InvalidInput, match="nobody knows it when a paper arrives"):
        watchlists.add(session, "w", query, NOW)
    assert watchlists.list_all(session) == []


@pytest.mark.parametrize("name", ["", "-x", "two words", "a/b", "x" * 61, "a\nb"])
def test_a_name_that_a_shell_would_trip_over_is_refused(session, name):
    with pytest.raises(InvalidInput, match="can't name a watchlist"):
        watchlists.add(session, name, "experts", NOW)


def test_a_word_is_not_looked_for_in_notes_neither_on_arrival_nor_backwards(session, settings):
    arrivals.take(session, settings, [OTHER], NOW)
    reading.add_note(session, ArxivId(OTHER.arxiv_id), "compare with zebrafish", NOW)
    assert watchlists.add(session, "fish", "zebrafish", NOW).counts.all == 0
    assert watchlists.add(session, "others", "-zebrafish", NOW).counts.all == 1


def test_links_in_the_text_are_known_on_arrival(session, settings):
    watchlists.add(session, "code", "cat:cs.CL has:code", NOW)
    linked = replace(MOE, abstract="Our code is at https://github.com/ada/engine.")
    arrivals.take(session, settings, [linked, OTHER], NOW)
    assert names(watchlists.matches(session, "code")) == [MOE.arxiv_id]
    assert watchlists.add(session, "backwards", "cat:cs.CL has:code", NOW).counts.all == 1


def test_a_withdrawal_under_the_same_version_arrives_too(session, settings):
    watchlists.add(session, "gone", "is:withdrawn", NOW)
    arrivals.take(session, settings, [MOE], NOW)
    arrivals.take(session, settings, [replace(MOE, withdrawn=True)], LATER)
    assert names(watchlists.matches(session, "gone")) == [MOE.arxiv_id]


# --- authors --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("asked", "on_the_paper"),
    [
        ("Ada Lovelace", "Ada Lovelace"),
        ("Ada Lovelace", "A. Lovelace"),
        ("Lovelace, Ada", "Ada Lovelace"),
        ("Ada Lovelace", "Lovelace, Ada"),
        ("Ada King Lovelace", "A. K. Lovelace"),
        ("Ada King Lovelace", "A.K. Lovelace"),
        ("Ada King Lovelace", "Ada Lovelace"),
        ("Ada King Lovelace", "Ada K. Lovelace"),
        ("Laurens van der Maaten", "L. van der Maaten"),
        ("Kurt Gödel", "Kurt Godel"),
        ("K. Godel", "K. Gödel"),
        ("Plato", "Plato"),
    ],
)
def test_an_author_is_found_under_the_usual_forms_of_the_name(asked, on_the_paper):
    paper = replace(MOE, authors=("Somebody Else", on_the_paper, "A. Nother"))
    assert language.holds(watchlists.question(watchlists.author_query(asked)), language.facts(paper))


@pytest.mark.parametrize(
    "authors", [("Adam Lovelace",), ("Ada Love",), ("Grace Ada", "Lovelace King"), ("B. Lovelace",)]
)
def test_somebody_else_is_not_followed(authors):
    paper = replace(MOE, authors=authors)
    assert not language.holds(watchlists.question(watchlists.author_query("Ada Lovelace")), language.facts(paper))


@pytest.mark.parametrize("name", ["", " ", ",", '"', "123", "*", "("])
def test_a_name_without_a_letter_is_nobody(name):
    with pytest.raises(InvalidInput, match="nobody's name"):
        watchlists.author_query(name)


@hypothesis.given(st.text(max_size=40))
def test_any_name_gives_a_question_or_a_clear_error(name):
    try:
        query = watchlists.author_query(name)
    except InvalidInput:
        return
    assert watchlists.question(query)


# --- on arrival and backwards ---------------------------------------------------------------------------------

WORDS = ("mixture", "experts", "of", "sparse", "café", "GPT-4", "x²")
words = st.sampled_from(WORDS)
texts = st.lists(words, min_size=1, max_size=6).map(" ".join)
authors = st.lists(st.sampled_from(("Ada Lovelace", "A. Turing", "Kurt Gödel")), min_size=1, max_size=3, unique=True)
categories = st.lists(st.sampled_from(("cs.CL", "cs.LG", "stat.ML")), min_size=1, max_size=3, unique=True).map(tuple)
leaves = st.one_of(
    st.builds("{}{}".format, st.sampled_from(("", "ti:", "abs:", "co:")), words),
    st.builds('{}"{} {}"'.format, st.sampled_from(("", "ti:", "abs:")), words, words),
    st.builds("{}{}*".format, st.sampled_from(("", "abs:")), st.sampled_from(("exp", "mix", "caf", "spa"))),
    st.sampled_from(("cat:cs.CL", "cat:cs.*", "cat:stat.ML", "au:lovelace", 'au:"A. Turing"', "au:godel")),
    st.sampled_from(("year:2026", "since:2026-11-23", "until:2026-11-22", "is:withdrawn", "has:code")),
)
queries = st.recursive(
    leaves,
    lambda inner: st.one_of(
        st.builds("({} AND {})".format, inner, inner),
        st.builds("({} OR {})".format, inner, inner),
        st.builds("-({})".format, inner),
    ),
    max_leaves=5,
)


@st.composite
def histories(draw: st.DrawFn) -> list[Paper]:
    """Papers in the order in which they arrive, some in several versions."""
    arriving = []
    for number in range(draw(st.integers(1, 5))):
        first = make_paper(number, NOW)
        for version in range(1, 1 + draw(st.integers(1, 2))):
            named = draw(categories)
            arriving.append(
                replace(
                    first,
                    version=version,
                    title=draw(texts),
                    abstract=draw(texts) + draw(st.sampled_from(("", " Our code: https://github.com/ada/engine"))),
                    comment=draw(st.none() | texts),
                    authors=tuple(draw(authors)),
                    categories=named,
                    primary_category=named[0],
                    submitted_at=NOW - timedelta(days=number),
                    updated_at=NOW - timedelta(days=number) + timedelta(hours=version),
                    withdrawn=draw(st.booleans()),
                )
            )
    return arriving


FEW, MANY = (
    hypothesis.settings(
        deadline=None, max_examples=number, suppress_health_check=[hypothesis.HealthCheck.function_scoped_fixture]
    )
    for number in (20, 200)
)


@FEW
@hypothesis.given(arriving=histories(), query=queries)
def test_matching_on_arrival_equals_matching_backwards(engine_for, settings, arriving, query):
    assert_both_ways_agree(engine_for(settings), settings, arriving, query)


@pytest.mark.soak
@MANY
@hypothesis.given(arriving=histories(), query=queries)
def test_matching_on_arrival_equals_matching_backwards_many_times(engine_for, settings, arriving, query):
    assert_both_ways_agree(engine_for(settings), settings, arriving, query)


def assert_both_ways_agree(engine, settings, arriving, query):
    """What arrived in one version matches in both ways; of a revised paper a match that was, stays."""
    with database.session(engine) as session:
        watchlists.add(session, "arrival", query, NOW)
        for paper in arriving:
            arrivals.take(session, settings, [paper], NOW)
        watchlists.add(session, "backwards", query, NOW)
        on_arrival = set(names(watchlists.matches(session, "arrival", limit=None)))
        backwards = set(names(watchlists.matches(session, "backwards", limit=None)))
        revised = {paper.arxiv_id for paper in arriving if paper.version > 1}
        assert on_arrival - revised == backwards - revised
        assert backwards <= on_arrival
        watchlists.edit(session, "arrival", query, NOW)
        assert set(names(watchlists.matches(session, "arrival", limit=None))) == backwards
        session.rollback()
