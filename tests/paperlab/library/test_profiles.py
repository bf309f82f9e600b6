"""What is relevant is decided here: whole words, case folded, any ending where a * says so."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from paperlab.entities import Profile, ProfileMatch
from paperlab.errors import InvalidInput
from paperlab.library import profiles
from paperlab.settings import LLM_PROFILE
from paperlab.store import database, matches, papers
from tests.fakes import make_paper, make_papers

NOW = datetime(2026, 11, 24, tzinfo=UTC)
PAPER = replace(make_paper(1, NOW), categories=("cs.LG",), abstract="Nothing here.")


def terms(text: str, *wanted: str) -> tuple[str, ...]:
    return profiles.matcher(Profile("test", ("cs.CL",), (), wanted)).terms_in(text)


@pytest.mark.parametrize(
    ("text", "term", "found"),
    [
        ("Large Language Models", "language model*", True),
        ("large language\n  models", "language model*", True),
        ("a language modelling task", "language model*", True),
        ("a language model", "language model*", True),
        ("sublanguage models", "language model*", False),
        ("LLMs are", "LLM", False),
        ("an LLM.", "llm", True),
        ("(LLM)", "LLM", True),
        ("pre-training", "pre-train*", True),
        ("impromptu", "prompt*", False),
        ("C++ code", "c++", True),
        ("a C++11 compiler", "c++", False),
        ("Straße", "STRASSE", True),
        ("a.b", "a+b", False),
    ],
)
def test_a_term_is_a_whole_word_unless_a_star_ends_it(text, term, found):
    assert (terms(text, term) == (term,)) is found


def test_every_term_that_stands_there_is_named_in_the_profiles_order():
    text = "Few-shot prompting of a language model head; prompts matter."
    wanted = ("prompt*", "language model", "language model head*", "few-shot prompt*", "absent", "language model*")
    assert terms(text, *wanted) == tuple(term for term in wanted if term != "absent")


def test_a_category_may_decide_alone():
    profile = Profile("reader", ("cs.CL",), ("cs.LG",), ("attention",))
    assert profiles.matcher(profile).match(PAPER) == ProfileMatch("reader", PAPER.arxiv_id, ())
    assert profiles.matcher(profile).match(replace(PAPER, categories=("math.CO",), title="x")) is None


@pytest.mark.parametrize("term", ["", "*", " ", "--"])
def test_a_term_that_stands_for_everything_is_refused(term):
    with pytest.raises(InvalidInput, match="everything"):
        profiles.matcher(Profile("greedy", ("cs.CL",), (), ("fine", term)))


@given(st.lists(st.sampled_from(LLM_PROFILE.terms)), st.lists(st.sampled_from(["we", "LLMish", "train", ",", "\n"])))
def test_any_mixture_of_terms_is_found_again(wanted, between):
    words = [term.rstrip("*") for term in wanted]
    text = " . ".join([*words, " ".join(between)])
    found = profiles.matcher(LLM_PROFILE).terms_in(text)
    assert set(wanted) <= set(found)
    assert list(found) == [term for term in LLM_PROFILE.terms if term in found]


def test_one_expression_finds_what_one_search_per_term_finds(test_data):
    from itertools import islice

    from tests.fakes import load_papers

    llm = profiles.matcher(LLM_PROFILE)
    alone = {term: profiles.matcher(replace(LLM_PROFILE, terms=(term,))) for term in LLM_PROFILE.terms}
    for paper in islice(load_papers(test_data / "arxiv/papers/daily_2025-q1.jsonl.gz"), 200):
        text = f"{paper.title} . {paper.abstract}"
        assert llm.terms_in(text) == tuple(term for term in LLM_PROFILE.terms if alone[term].terms_in(text))


def test_a_changed_profile_is_matched_against_everything_held(settings_for):
    engine = database.open_database(settings_for(), create=True)
    with database.session(engine) as session:
        papers.upsert(session, make_papers(30, NOW), NOW)
    narrow = Profile("mine", ("cs.CL",), (), ("study 7",))
    assert profiles.rematch_changed(engine, {"mine": narrow}, NOW) == ["mine"]
    assert profiles.rematch_changed(engine, {"mine": narrow}, NOW) == []
    with database.read_only(engine) as session:
        assert matches.count(session, "mine") == 1
    wide = replace(narrow, terms=("study*",))
    assert profiles.rematch_changed(engine, {"mine": wide}, NOW) == ["mine"]
    with database.read_only(engine) as session:
        assert matches.count(session, "mine") == 30
