"""What a sync decides to ask, from the cursors held."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from paperlab.library.plan import FIRST_SYNC, OVERLAP, Held, SyncOptions, plan

NOW = datetime(2026, 11, 23, 6, 15, tzinfo=UTC)
NAME = "query-api:cs.CL"
OPTIONS = SyncOptions(categories=("cs.CL",))


def test_a_nightly_sync_goes_down_to_the_cursor_and_a_little_further(settings_for):
    settings = settings_for()
    cursor = NOW - timedelta(days=1)
    assert plan(Held({NAME: cursor}), settings, OPTIONS, NOW).question.floor == cursor - OVERLAP


def test_a_cursor_that_a_wrong_clock_put_into_the_future_passes_nothing(settings_for):
    settings = settings_for()
    planned = plan(Held({NAME: NOW + timedelta(days=40)}), settings, OPTIONS, NOW)
    assert planned.cursor == NOW - FIRST_SYNC
    assert planned.question.floor == NOW - FIRST_SYNC - OVERLAP
