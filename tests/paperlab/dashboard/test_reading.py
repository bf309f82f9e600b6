"""What the reader does on the pages is kept, and shown back."""

from __future__ import annotations

import shutil

import pytest

from paperlab.store import database, reading
from tests.paperlab.dashboard import filled
from tests.paperlab.dashboard.test_views import said

PAPER = "2611.00001"


@pytest.fixture
def home(filled_home, tmp_path):
    """A filled home of one's own, to write to."""
    shutil.copytree(filled_home, tmp_path / "home")
    return tmp_path / "home"


def held(home, arxiv_id=PAPER):
    engine = database.open_database(filled.settings(home))
    with database.read_only(engine) as session:
        return reading.get(session, arxiv_id)


def press(page, key: str):
    return next(button for button in page.button if button.key == key).click().run()


def test_a_star_is_set_and_taken_back(view, home):
    page = press(view("paper", home, id=PAPER), f"head-star-{PAPER}")
    assert not page.exception
    assert held(home).starred_at
    page = press(page, f"head-star-{PAPER}")
    assert not held(home).starred_at


def test_reading_and_skipping_work_from_a_list(view, home):
    newest = "2611.00002"
    page = press(view("papers", home), f"list-skip-{newest}")
    assert not page.exception
    assert held(home, newest).skipped_at
    press(page, f"list-read-{newest}")
    assert held(home, newest).read_at


def test_a_note_is_kept_shown_and_deleted(view, home):
    page = view("paper", home, id=PAPER)
    page.text_area(key=f"new-note-{PAPER}").input("look at <b>table 2</b> $5")
    form = next(button for button in page.button if button.label == "Keep note")
    page = form.click().run()
    assert not page.exception
    (note,) = held(home).notes
    assert note.text == "look at <b>table 2</b> $5"
    page = view("paper", home, id=PAPER)
    assert note.text in said(page)
    press(page, f"note-{note.id}")
    assert held(home).notes == ()


def test_tags_are_set_and_a_name_that_can_be_none_is_told(view, home):
    page = view("paper", home, id=PAPER)
    page.multiselect(key=f"tags-{PAPER}").set_value(["Attention"]).run()
    assert held(home).tags == ("attention",)


def test_two_versions_are_laid_word_by_word(view, home):
    page = view("paper", home, id=PAPER)
    assert "The record is the same" in said(page)
