from __future__ import annotations

from pathlib import Path

import pytest
from streamlit import config
from streamlit.testing.v1 import AppTest

ROOT = Path(__file__).parents[3]


@pytest.fixture
def app(monkeypatch, filled_home):
    """app.py as `streamlit run` draws it, listening on the address given."""
    monkeypatch.setenv("PAPERLAB_HOME", str(filled_home))
    before = config.get_option("server.address")

    def draw(address: str | None) -> AppTest:
        config.set_option("server.address", address)
        return AppTest.from_file(str(ROOT / "app.py"), default_timeout=100).run()

    yield draw
    config.set_option("server.address", before)


def test_the_first_page_is_today(app):
    page = app("127.0.0.1")
    assert not page.exception
    assert [title.value for title in page.title] == ["What changed"]
    assert not page.warning


def test_without_an_address_nothing_is_shown_but_how_to_start_it(app):
    page = app(None)
    assert not page.exception
    assert "every address" in page.error[0].value
    assert "paperlab dashboard" in page.code[0].value
    assert not page.title


def test_an_address_that_others_can_reach_is_pointed_out(app):
    assert "everyone who can reach this machine" in app("0.0.0.0").warning[0].value
