"""How seeds are named on a command line."""

from __future__ import annotations

import pytest

from paperlab.errors import InvalidInput
from paperlab.runs import seeds


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("3", (1, 2, 3)),
        ("1,2,5", (1, 2, 5)),
        (" 4-6 , 1", (4, 5, 6, 1)),
        ("5-5", (5,)),
        ("0,0-1", (0, 1)),
    ],
)
def test_a_number_is_how_many_and_a_list_or_range_is_those(text: str, named: tuple[int, ...]) -> None:
    assert seeds.parse(text) == named


@pytest.mark.parametrize("text", ["", "0", "-3", "x", "1,", "3-1", "1;2", "2000", "0-2000", "4294967296,1", "1.5"])
def test_what_names_no_seeds_is_refused_with_examples(text: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        seeds.parse(text)
    assert "--seeds 3 means seeds 1 to 3" in refused.value.hint


def test_seeds_are_shown_as_people_say_them() -> None:
    assert [seeds.shown(each) for each in ((4,), (1, 2), (2, 3, 4), (1, 5))] == [
        "seed 4",
        "seeds 1, 2",
        "seeds 2 to 4",
        "seeds 1, 5",
    ]
