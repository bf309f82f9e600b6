"""A button queues, trains nothing, and says when nobody takes it from there."""

from __future__ import annotations

import shutil

import pytest

from paperlab.store import database, queue
from tests.paperlab.dashboard import filled
from tests.paperlab.dashboard.test_reading import press
from tests.paperlab.dashboard.test_views import said


@pytest.fixture
def home(filled_home, tmp_path):
    shutil.copytree(filled_home, tmp_path / "home")
    return tmp_path / "home"


def entries(home):
    engine = database.open_database(filled.settings(home))
    with database.read_only(engine) as session:
        return queue.find(session, (queue.WAITING, queue.RUNNING))


def test_seeds_are_queued_once_and_can_be_taken_out(view, home):
    page = view("reproductions", home, name="transformer")
    assert "Nothing is taking work" not in said(page)
    page = press(page, "queue-transformer-base-smoke")
    assert not page.exception
    assert [(entry.recipe, entry.tier, entry.seed) for entry in entries(home)] == [
        ("transformer-base", "smoke", seed) for seed in (1, 2, 3)
    ]
    assert any("Nothing is taking work" in warning.value for warning in page.warning)
    assert "paperlab queue run" in said(page)
    page = press(page, "queue-transformer-base-smoke")
    assert len(entries(home)) == 3
    page = press(page, f"cancel-{entries(home)[0].id}")
    assert [entry.seed for entry in entries(home)] == [2, 3]


def test_an_entry_that_is_gone_is_told(view, home):
    page = press(view("reproductions", home), "queue-transformer-base-smoke")
    (first, *_) = entries(home)
    with database.session(database.open_database(filled.settings(home))) as session:
        queue.end(session, first.id, queue.CANCELLED, filled.NOW)
    page = press(page, f"cancel-{first.id}")
    assert not page.exception
    assert "is cancelled already" in said(page)
