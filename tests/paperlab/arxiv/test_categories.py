from __future__ import annotations

import pytest

from paperlab.arxiv import categories
from paperlab.errors import UnknownName
from paperlab.settings import LLM_PROFILE


def test_categories_keep_their_order_and_lose_repetitions():
    assert categories.validate(["cs.LG", "cs.CL", "cs.LG"]) == ("cs.LG", "cs.CL")


@pytest.mark.parametrize(("typo", "meant"), [("cs.Cl", "cs.CL"), ("cs.LLG", "cs.LG"), ("stat.LM", "stat.ML")])
def test_a_typo_is_told_with_what_was_meant(typo, meant):
    with pytest.raises(UnknownName) as unknown:
        categories.validate(["cs.CL", typo])
    assert unknown.value.exit_code == 3
    assert meant in unknown.value.hint


def test_the_profile_that_ships_asks_for_real_categories():
    assert categories.validate(LLM_PROFILE.categories) == LLM_PROFILE.categories


def test_whole_archives_and_closed_ones_are_categories_too():
    assert categories.validate(["quant-ph", "cmp-lg", "cs.CL"]) == ("quant-ph", "cmp-lg", "cs.CL")
