"""The status says whether the tracker is well, and never asks the network."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta

import pytest

from paperlab.arxiv.limiter import Clock, Limiter
from paperlab.entities import ReceiptStatus
from paperlab.errors import TryAgain
from paperlab.library import landmarks, night, status, sync
from paperlab.library.plan import SyncOptions
from tests import fakes
from tests.fakes import FakeArxiv, make_paper, make_papers


def at(later: timedelta) -> Clock:
    return Clock(wall=lambda: time.time() + later.total_seconds())


def eastern(day: int, hour: int, minute: int = 0) -> datetime:
    """November 2026; the 23rd is a Monday."""
    return datetime(2026, 11, day, hour, minute, tzinfo=status.EASTERN)


@pytest.fixture
def settings(settings_for):
    with FakeArxiv(make_papers(30)) as arxiv:
        yield settings_for(arxiv.url, rss_url=arxiv.rss_url), arxiv


def test_without_a_database_it_says_what_to_run_and_creates_nothing(settings_for):
    settings = settings_for()
    state = status.status(settings)
    assert (state.sources, state.papers, state.open_gaps, state.silent) == ((), 0, 0, True)
    assert state.next_command == "paperlab sync"
    assert state.next_sync_at == state.now
    assert not settings.home.exists()


def test_after_a_night_each_source_has_its_success_and_the_requests_are_counted(settings, engine_for):
    config, arxiv = settings
    arxiv.announce([make_paper(900)])
    got = night.run(engine_for(config), config, SyncOptions())
    asked = len(arxiv.requests)
    state = status.status(config)
    assert len(arxiv.requests) == asked
    assert [each.source for each in state.sources] == ["query-api", "rss"]
    assert all(each.last_success_at is not None for each in state.sources)
    assert state.last_success_at == got.receipt.finished_at
    assert not state.silent
    assert (state.open_gaps, state.open_ids) == (1, (make_paper(900).arxiv_id,))
    assert state.oldest_gap is not None
    assert state.requests_24h == asked
    assert state.papers == 30 + len({paper.arxiv_id for paper in landmarks.shipped()})
    assert state.matching["llm"] > 0
    assert state.feed is not None


def test_thirty_six_hours_without_a_success_are_silence_and_a_failed_night_does_not_end_them(settings, engine_for):
    config, arxiv = settings
    night.run(engine_for(config), config, SyncOptions())
    assert not status.status(config, at(timedelta(hours=35))).silent
    assert status.status(config, at(timedelta(hours=37))).silent
    arxiv.set_schedule(lambda _: ["503"])
    with pytest.raises(TryAgain):
        night.run(engine_for(config), config, SyncOptions(), clock=at(timedelta(hours=36)))
    state = status.status(config, at(timedelta(hours=37)))
    assert state.silent
    assert state.refusals_24h["503"] >= 6


def test_a_window_of_the_past_does_not_end_the_silence(settings, engine_for):
    config, _ = settings
    night.run(engine_for(config), config, SyncOptions())
    window = SyncOptions(since=datetime(2020, 1, 1, tzinfo=UTC), until=datetime(2020, 1, 2, tzinfo=UTC))
    clock = at(timedelta(days=10))
    assert sync.run(engine_for(config), config, window, clock=clock).status is ReceiptStatus.COMPLETE
    state = status.status(config, clock)
    assert state.silent
    assert state.next_sync_at == state.now


def test_a_snapshot_import_that_was_killed_is_interrupted_once_a_night_was_there(settings, engine_for):
    config, _ = settings
    engine = engine_for(config)
    sync.start_receipt(engine, source="snapshot", kind="snapshot", query="dump", cursor=None, now=datetime.now(UTC))
    night.run(engine, config, SyncOptions())
    of_snapshot = next(each for each in status.status(config).sources if each.source == "snapshot")
    assert of_snapshot.last.status is ReceiptStatus.INTERRUPTED


def test_a_walk_that_succeeds_while_the_feed_is_down_is_no_silence(settings, engine_for):
    config, arxiv = settings
    arxiv.set_schedule(lambda number: ["503"] if number < 3 else ())
    night.run(engine_for(config), config, SyncOptions())
    state = status.status(config)
    assert not state.silent
    feed = next(each for each in state.sources if each.source == "rss")
    assert feed.last_success_at is None
    assert "503" in feed.last.reason


def test_when_arxiv_wants_to_be_left_alone_the_next_sync_waits(settings, engine_for):
    config, _ = settings
    engine_for(config)
    Limiter(config.home, 3.0).stay_away(7200, "HTTP 429")
    state = status.status(config)
    assert 7100 < state.away_s <= 7200
    assert state.away_reason == "HTTP 429"
    assert state.next_sync_at > state.now + timedelta(hours=1)


def test_a_refused_request_is_counted_by_status(settings, engine_for):
    config, arxiv = settings
    arxiv.set_schedule(fakes.at({1: ["429"]}))
    night.run(engine_for(config), config, SyncOptions())
    assert status.status(config).refusals_24h == {"429": 1}


@pytest.mark.parametrize(
    ("now", "expected"),
    [
        (eastern(23, 0, 10), eastern(23, 0, 30)),
        (eastern(23, 0, 30), eastern(24, 0, 30)),
        (eastern(25, 15), eastern(26, 0, 30)),
        (eastern(27, 1), eastern(30, 0, 30)),
        (eastern(28, 12), eastern(30, 0, 30)),
        (eastern(29, 23, 59), eastern(30, 0, 30)),
    ],
)
def test_the_next_feed_is_that_of_the_next_weekday(now, expected):
    assert status.next_feed(now) == expected.astimezone(UTC)


def test_the_feed_keeps_eastern_time_through_the_change_of_the_clocks():
    before, after = datetime(2026, 10, 29, 12, tzinfo=UTC), datetime(2026, 11, 1, 12, tzinfo=UTC)
    assert status.next_feed(before) == datetime(2026, 10, 30, 4, 30, tzinfo=UTC)
    assert status.next_feed(after) == datetime(2026, 11, 2, 5, 30, tzinfo=UTC)


def test_a_sync_is_sensible_now_unless_the_newest_feed_was_out_already():
    saturday = eastern(28, 12)
    assert status.next_sync(eastern(27, 2), saturday) == eastern(30, 0, 30).astimezone(UTC)
    assert status.next_sync(eastern(26, 23), saturday) == saturday
    assert status.next_sync(None, saturday) == saturday
