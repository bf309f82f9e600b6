"""The search box of the Papers page."""

from __future__ import annotations

import pytest


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ("attention OR", "OR at character 11 of the query has nothing to join"),
        ('"open quote', "No paper held matches"),
        ("year:last", "is not a time"),
    ],
)
def test_what_can_not_be_read_is_said_and_the_box_stays(view, filled_home, query, said):
    page = view("papers", filled_home, q=query)
    assert not page.exception
    texts = [str(element.value) for kind in (page.error, page.info, page.markdown) for element in kind]
    assert any(said in text.replace("\\", "") for text in texts), texts
    assert page.text_input[0].value == query
