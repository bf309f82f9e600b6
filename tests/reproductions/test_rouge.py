"""ROUGE against the examples of its paper, and worked by hand."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reproductions.applications import rouge

WORDS = st.lists(st.sampled_from(["a", "b", "c", "d", "e"]), max_size=8).map(" ".join)


def test_words_are_small_letters_and_digits_without_marks():
    assert rouge.words("The U.S.-made GPT-2, 1,542M!") == ["the", "u", "s", "made", "gpt", "2", "1", "542m"]


def test_rouge_1_and_2_count_shared_words_and_pairs():
    # 6 words against 5; "the", "cat", "sat" are shared, "the" once: recall 3/5, precision 3/6.
    # Pairs: "the cat", "cat sat" of 5 and of 4.
    found = rouge.scores("the cat sat on the mat", "the cat sat still today")
    assert found["rouge-1"] == pytest.approx(2 * (3 / 6) * (3 / 5) / (3 / 6 + 3 / 5))
    assert found["rouge-2"] == pytest.approx(2 * (2 / 5) * (2 / 4) / (2 / 5 + 2 / 4))


def test_a_word_that_is_said_again_counts_as_often_as_the_reference_has_it():
    assert rouge.scores("the the the the", "the cat")["rouge-1"] == pytest.approx(2 * (1 / 4) * (1 / 2) / (3 / 4))


def test_rouge_l_is_that_of_the_papers_examples():
    reference = "police killed the gunman"
    found = {text: rouge.scores(text, reference) for text in ("police kill the gunman", "the gunman kill police")}
    assert found["police kill the gunman"]["rouge-l"] == 0.75
    assert found["the gunman kill police"]["rouge-l"] == 0.5
    # The same pairs of words in both: ROUGE-2 can't tell them apart.
    assert found["police kill the gunman"]["rouge-2"] == found["the gunman kill police"]["rouge-2"]


def test_rouge_lsum_takes_the_union_over_the_summarys_sentences():
    # Section 3.2's example: "w1 w2" from one sentence and "w1 w3 w5" from the other are 4 of 5 words of the reference.
    found = rouge.scores("w1 w2 w6 w7 w8. w1 w3 w8 w9 w5.", "w1 w2 w3 w4 w5")["rouge-lsum"]
    assert found == pytest.approx(2 * (4 / 10) * (4 / 5) / (4 / 10 + 4 / 5))


def test_rouge_lsum_does_not_care_in_which_order_sentences_come_and_rouge_l_does():
    found = rouge.scores("It rains. We stay.", "We stay. It rains.")
    assert found["rouge-lsum"] == 1.0
    assert found["rouge-l"] == 0.5


def test_rouge_lsum_counts_a_word_that_two_sentences_match_once():
    assert rouge.scores("a", "a. a.")["rouge-lsum"] == pytest.approx(2 * 1 * (1 / 2) / (3 / 2))


def test_of_several_references_the_one_with_the_highest_rouge_1_gives_all_scores():
    found = rouge.best("a b c d", ["d c b a", "a b x y"])
    assert found["rouge-1"] == 1.0
    assert found["rouge-2"] == 0.0  # the other reference has a pair of words in common, and a lower ROUGE-1


def test_nothing_in_common_and_nothing_at_all_score_zero():
    assert set(rouge.scores("", "a b").values()) == {0.0}
    assert set(rouge.scores("c", "a b").values()) == {0.0}
    assert rouge.mean(["a", ""], [["a"], ["a"]]) == dict.fromkeys(rouge.NAMES, 50.0) | {"rouge-2": 0.0}


@given(WORDS, WORDS)
def test_a_common_subsequence_is_never_longer_than_what_both_have(one, other):
    one, other = one.split(), other.split()
    length = rouge.longest_common(one, other)
    assert length == rouge.longest_common(other, one)
    assert length <= min(len(one), len(other), len([word for word in one if word in other]))
    assert (length > 0) == bool(set(one) & set(other))


@given(WORDS, WORDS)
def test_every_score_lies_between_0_and_1_and_a_text_is_its_own_best_summary(one, other):
    assert all(0 <= value <= 1 for value in rouge.scores(one, other).values())
    if len(one.split()) > 1:
        assert set(rouge.scores(one, one).values()) == {1.0}


@given(WORDS, WORDS)
def test_the_package_rouge_score_gives_the_same_numbers(one, other):
    scoring = pytest.importorskip("rouge_score.rouge_scorer", reason="pip install rouge-score, to compare with it")
    theirs = scoring.RougeScorer(["rouge1", "rouge2", "rougeL", "rougeLsum"], use_stemmer=False)
    texts = [". ".join(text.split("d")) for text in (one, other)]  # some of several sentences
    reference, summary = (text.replace(". ", ".\n") for text in texts)
    found = theirs.score(reference, summary)
    ours = rouge.scores(texts[1], texts[0])
    for name, score in zip(rouge.NAMES, found.values(), strict=True):
        assert ours[name] == pytest.approx(score.fmeasure), name
