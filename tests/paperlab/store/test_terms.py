"""Which words of a paper are counted."""

from __future__ import annotations

import pytest

from paperlab.store import terms


@pytest.mark.parametrize(
    ("word", "folded"),
    [
        ("models", "model"),
        ("strategies", "strategy"),
        ("queries", "query"),
        ("languages", "language"),
        ("corpus", "corpus"),
        ("loss", "loss"),
        ("analysis", "analysis"),
        ("gas", "gas"),
        ("model", "model"),
    ],
)
def test_plurals_are_folded_and_other_words_stay(word, folded):
    assert terms.fold(word) == folded


def test_words_have_no_accents_no_case_and_no_function_words():
    assert terms.words("The Schrödinger bridge, and a GPT-4 of 2026") == ["schrodinger", "bridge", "gpt"]


def test_a_term_is_shown_as_it_is_written_most():
    vocabulary = terms.choose([("Language models", "language models for language models")] * 3)
    assert dict(zip(vocabulary.terms, vocabulary.spellings, strict=True))["language model"] == "language models"


def test_the_title_weighs_twice_and_pairs_do_not_span_title_and_abstract():
    places = {"alpha": 0, "beta": 1, "alpha beta": 2, "beta gamma": 3}
    assert terms.count("alpha betas", "gamma alpha beta", places) == {0: 3, 1: 3, 2: 3}


def test_a_term_that_is_rare_or_everywhere_is_left_out():
    texts = [(f"common own{n}", "filler" if n < 5 else "frequent" if n < 30 else "rest") for n in range(300)]
    vocabulary = terms.choose(texts)
    assert {"filler", "frequent"} <= set(vocabulary.terms)
    assert not {"common", "own7", "rest"} & set(vocabulary.terms)
