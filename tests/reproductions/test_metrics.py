"""Scores against sacreBLEU itself and against values that can be worked out by hand."""

from __future__ import annotations

import math

import pytest
import sacrebleu

from reproductions.engine import metrics

OUTPUTS = ["The cat sat on the mat.", "A dog runs through well-known streets."]
REFERENCES = ["The cat sat on the red mat.", "A dog runs through well-known Streets."]


def test_bleu_is_sacrebleus_and_carries_its_signature():
    score = metrics.bleu(OUTPUTS, REFERENCES)
    assert score.value == pytest.approx(sacrebleu.corpus_bleu(OUTPUTS, [REFERENCES]).score)
    assert score.signature.startswith("nrefs:1|case:mixed|eff:no|tok:13a|smooth:exp|version:")


def test_casing_and_tokenisation_are_named_in_the_signature():
    lower = metrics.bleu(OUTPUTS, REFERENCES, lowercase=True, tokenize="intl")
    assert "case:lc" in lower.signature
    assert "tok:intl" in lower.signature
    assert lower.value > metrics.bleu(OUTPUTS, REFERENCES).value


def test_bleu_of_the_reference_is_100():
    assert metrics.bleu(REFERENCES, REFERENCES).value == pytest.approx(100)
    assert metrics.compound_split_bleu(REFERENCES, REFERENCES).value == pytest.approx(100)


def test_hyphens_become_tokens_and_free_ones_do_not():
    assert metrics.split_compounds("well-known – a - b") == "well ##AT##-##AT## known – a - b"
    assert metrics.split_compounds("a-b-c") == "a ##AT##-##AT## b ##AT##-##AT## c"


def test_splitting_compounds_credits_the_halves():
    outputs, references = ["one two three four well-known"], ["one two three four well-worn"]
    split = metrics.compound_split_bleu(outputs, references).value
    assert split > metrics.bleu(outputs, references).value


def test_exact_match_is_a_share():
    assert metrics.exact_match(["a ", "b", "C"], ["a", "b", "c"]) == pytest.approx(2 / 3)


@pytest.mark.parametrize("score", [metrics.bleu, metrics.exact_match, metrics.compound_split_bleu])
def test_lists_of_different_length_are_refused(score):
    with pytest.raises(ValueError, match="2 outputs against 1 references"):
        score(["a", "b"], ["a"])


def test_perplexity_and_bits_follow_from_the_loss():
    assert metrics.perplexity(math.log(50)) == pytest.approx(50)
    assert metrics.perplexity(1000) == math.inf
    assert metrics.bits_per_byte(8 * math.log(2), 4) == pytest.approx(2)
