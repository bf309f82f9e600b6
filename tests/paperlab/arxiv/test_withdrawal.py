"""What counts as a withdrawal, by sentences of the kind that arXiv and authors write."""

from __future__ import annotations

import gzip
import json
import re

import pytest

from paperlab.arxiv.withdrawal import is_withdrawn


@pytest.mark.parametrize(
    "comment",
    [
        "This paper has been withdrawn",
        "This paper has been withdrawn by the author(s) due to a crucial sign error in equation 1",
        "The article was withdrawn by the authors.",
        "this submission has now been temporarily withdrawn",
        "Withdrawn",
        "WITHDRAWN: the proof of Lemma 2 is wrong",
        "Withdrawn by arXiv administrators",
        "withdrawn from arXiv until the journal has decided",
        "Retracted due to an error in the evaluation",
        "12 pages, 3 figures. This work has been retracted by the authors",
        "9 pages, withdrawn",
        "paper withdrawn, a revised one is being written",
        "Because of changes to the model proposed in the paper, it has been withdrawn from the archive.",
        "This paper has been withdrawan as the model was modified",
        "With the agreement of all authors, we decide to withdraw this paper",
        "We hereby retract our manuscript",
        "arXiv admin note: This version has been removed because it violates arXiv's policy",
        "Removed by arXiv administrators because of its licence",
        "(This paper has been withdrawn)",
        "The authors have decided to withdraw\n  this preprint",
    ],
)
def test_a_paper_that_was_taken_back_is_recognised(comment):
    assert is_withdrawn(comment)


@pytest.mark.parametrize(
    "comment",
    [
        None,
        "",
        "12 pages, 3 figures",
        "arXiv admin note: text overlap with arXiv:1203.1685 by other authors",
        "A corpus of withdrawn items; 8 pages",
        "Withdrawn items are counted too",
        "This paper has not been withdrawn",
        "not withdrawn",
        "Replaces withdrawn arXiv:2401.00001",
        "This version replaces arXiv:2401.00001, which was withdrawn",
        "10 pages, withdraw experimental results on two data sets",
        "It was in its second revision at a journal when it was withdrawn there",
        "submitted to a journal, later withdrawn to correct it",
        "This paper has been withdrawn from ICLR 2025 and is under review elsewhere",
        "Withdrawn from ICLR 2025",
        "Withdrawn by the authors from ACL 2024",
        "We decided to withdraw this paper from NeurIPS",
        "An earlier version was withdrawn; this one is complete",
        "Version 1 has been withdrawn and replaced",
        "one of the figures has been removed due to its size",
        "duplicate text removed from the introduction",
        "A study of retracted articles, 20 pages",
        "On retraction and withdrawal in dialogue",
        "This paper withdraws Lemma 2 of an earlier one",
        "This version withdraws the claim of Theorem 3",
        "This note retracted no claims",
        "withdrawn from consideration at NeurIPS 2023; now under review at TMLR",
    ],
)
def test_other_sentences_with_these_words_are_no_withdrawal(comment):
    assert not is_withdrawn(comment)


def test_an_old_abstract_can_say_it_but_a_study_of_withdrawn_papers_does_not():
    assert is_withdrawn(None, "This paper has been withdrawn by the author.")
    assert is_withdrawn("10 pages", "This article has been withdrawn by arXiv administrators because of its licence.")
    assert not is_withdrawn(
        None, "We use papers withdrawn from arXiv. This paper has been withdrawn is their sentence."
    )
    assert not is_withdrawn(None, "Withdrawn patients answer less often.")


def test_a_mark_before_the_title_counts_and_a_word_in_it_does_not():
    assert is_withdrawn(None, "Text.", "[Withdrawn] A model of attention")
    assert is_withdrawn(None, "Text.", "RETRACTED: A model of attention")
    assert not is_withdrawn(None, "Text.", "Retracted papers and who cites them")
    assert not is_withdrawn(None, "Text.", "Model beliefs in retraction")


def test_of_the_real_comments_with_these_words_those_of_the_usual_form_count_and_overlap_notes_do_not(test_data):
    usual = re.compile(r"this paper has been withdrawn\b|withdrawn by", re.IGNORECASE)
    overlap = re.compile(r"^arXiv admin note: (substantial )?text overlap with [^;]*$", re.IGNORECASE)
    counted = {True: 0, False: 0}
    with gzip.open(test_data / "arxiv" / "papers" / "cscl_1993-2018.jsonl.gz", "rt", encoding="utf-8") as lines:
        for line in lines:
            comment = " ".join((json.loads(line)["comments"] or "").split())
            if usual.search(comment):
                assert is_withdrawn(comment), comment
                counted[True] += 1
            elif overlap.match(comment):
                assert not is_withdrawn(comment), comment
                counted[False] += 1
    assert counted[True] >= 15
    assert counted[False] >= 50


@pytest.mark.parametrize(
    ("abstract", "title"),
    [
        ("This study withdrew opioids from mice.", None),
        ("The study withdrawal rate was 12 %.", None),
        (None, "Withdrawal: Modelling Liquidity"),
        (None, "[Withdrawal] symptoms"),
        (None, "Withdrawing: A Game"),
    ],
)
def test_withdrawal_as_a_subject_of_research_is_no_withdrawal(abstract, title):
    assert not is_withdrawn(None, abstract, title)
