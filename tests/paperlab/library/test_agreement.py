"""What only looks different is kept as it is held."""

from __future__ import annotations

from dataclasses import replace

import pytest

from paperlab.library.agreement import as_held
from tests.fakes import make_paper

HELD = replace(
    make_paper(1),
    authors=("José Gödel", "Anton Phillips Jr.", "The X Collaboration", ":", "A. B. Cee"),
    categories=("cs.CL", "cs.AI", "cs.LG"),
    primary_category="cs.CL",
    abstract="One line of words",
)
TOLD = replace(HELD, source="oai")


@pytest.mark.parametrize(
    "changes",
    [
        {"authors": ("Jose Godel", "Anton Phillips", "Jr", "The X Collaboration", "A.B. Cee")},
        {"categories": ("cs.CL", "cs.LG", "cs.AI")},
        {"abstract": "One line\n  of words"},
        {"title": f" {HELD.title}\n"},
        {"comment": f"  {HELD.comment}"},
    ],
)
def test_another_way_to_write_the_same_is_no_difference(changes):
    assert as_held(replace(TOLD, **changes), HELD) == TOLD


@pytest.mark.parametrize(
    "changes",
    [
        {"authors": HELD.authors[:-1]},
        {"authors": tuple(reversed(HELD.authors))},
        {"categories": ("cs.AI", "cs.CL", "cs.LG"), "primary_category": "cs.AI"},
        {"categories": ("cs.CL", "cs.AI")},
        {"abstract": "Two lines of words"},
        {"doi": "10.1/2"},
        {"comment": None},
        {"withdrawn": True},
    ],
)
def test_other_words_are_a_difference(changes):
    told = replace(TOLD, **changes)
    assert as_held(told, HELD) == told


def test_another_version_and_a_landmark_paper_decide_nothing():
    rewritten = replace(TOLD, authors=("Jose Godel",), version=2)
    assert as_held(rewritten, replace(HELD, authors=("José Gödel",))) == rewritten
    told = replace(TOLD, authors=("Jose Godel",))
    assert as_held(told, replace(HELD, authors=("José Gödel",), source="seed")) == told
    assert as_held(told, None) == told
