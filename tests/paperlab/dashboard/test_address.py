"""A page's state is its address: read from there, written there, and harmless where it is nonsense."""

from __future__ import annotations

import pytest
from streamlit.testing.v1 import AppTest

OPTIONS = ["red", "green", "blue"]


def controls() -> None:
    import streamlit as st

    from paperlab.dashboard import address

    options = ["red", "green", "blue"]
    st.text_input("text", **address.text("q", clears=("page",)))
    st.selectbox("one", options, index=None, **address.choice("one", options))
    st.selectbox("always one", options, **address.choice("always", options, "red"))
    st.multiselect("some", options, **address.choices("some", options))
    st.toggle("on", **address.flag("on", default=True))
    st.date_input("day", value=None, **address.day("day"))
    st.number_input("amount", min_value=0.0, value=None, **address.amount("amount"))
    st.session_state["shown-page"] = st.pagination(9, **address.page(9))


def shown(page: AppTest) -> dict[str, object]:
    assert not page.exception
    keys = ("q", "one", "always", "some", "on", "day", "amount")
    return {**{key: page.session_state[key] for key in keys}, "page": page.session_state["shown-page"]}


@pytest.fixture
def page():
    return lambda **state: _run(AppTest.from_function(controls, default_timeout=100), state)


def _run(page: AppTest, state: dict[str, object]) -> AppTest:
    page.query_params.update(state)
    return page.run()


DEFAULTS = {
    "q": "",
    "one": None,
    "always": "red",
    "some": [],
    "on": True,
    "day": None,
    "amount": None,
    "page": 1,
}


def test_an_address_without_state_shows_the_defaults(page):
    assert shown(page()) == DEFAULTS


def test_a_pasted_address_sets_every_control(page):
    found = shown(
        page(
            q="a b",
            one="blue",
            always="green",
            some=["red", "blue"],
            on="false",
            day="2026-11-24",
            amount="2.5",
            page="3",
        )
    )
    assert {**found, "day": str(found["day"])} == {
        "q": "a b",
        "one": "blue",
        "always": "green",
        "some": ["red", "blue"],
        "on": False,
        "day": "2026-11-24",
        "amount": 2.5,
        "page": 3,
    }
    assert shown(page(some="red,blue,red"))["some"] == ["red", "blue"]


NONSENSE = {
    "one": "pink",
    "always": "",
    "some": ["pink", "<script>"],
    "on": "perhaps",
    "day": "24.11.26",
    "amount": "-1",
    "page": "many",
}


@pytest.mark.parametrize("amount", ["-1", "nan", "inf", "1e999", "x"])
def test_what_a_control_can_not_take_is_its_default(page, amount):
    assert shown(page(**{**NONSENSE, "amount": amount})) == DEFAULTS


def test_a_day_or_a_page_out_of_bounds_is_brought_back(page):
    assert shown(page(page="99"))["page"] == 9
    assert shown(page(page="-4"))["page"] == 1
    for day in ("0001-01-01", "9999-12-31"):
        assert not page(day=day).exception


def test_a_change_is_written_and_the_default_is_not_kept(page):
    drawn = page(one="blue", page="3", other="stays")
    drawn.text_input[0].set_value(" new question ").run()
    assert drawn.query_params == {"one": "blue", "other": "stays", "q": "new question"}  # on its first page
    drawn.selectbox[1].set_value("green").run()
    drawn.multiselect[0].set_value(["red", "blue"]).run()
    drawn.toggle[0].set_value(False).run()
    assert drawn.query_params == {
        "one": "blue",
        "other": "stays",
        "q": "new question",
        "always": "green",
        "some": ["red", "blue"],
        "on": "false",
    }
    drawn.selectbox[1].set_value("red").run()
    drawn.selectbox[0].set_value(None).run()
    drawn.text_input[0].set_value("").run()
    assert drawn.query_params == {"other": "stays", "some": ["red", "blue"], "on": "false"}


def test_going_back_wins_over_what_the_controls_held(page):
    drawn = page(one="blue")
    drawn.selectbox[0].set_value("red").run()
    drawn.query_params = {"one": "blue"}
    assert shown(drawn.run())["one"] == "blue"
    drawn.query_params = {}
    assert shown(drawn.run()) == DEFAULTS


def test_a_text_without_end_is_cut(page):
    from paperlab.dashboard.address import LONGEST

    assert len(shown(page(q="x" * 100_000))["q"]) == LONGEST
