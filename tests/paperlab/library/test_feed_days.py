"""A day whose feed was never read is named, with the harvest that makes up for it."""

from __future__ import annotations

import time
from dataclasses import replace
from datetime import UTC, date, datetime

import pytest

from paperlab.arxiv import rss
from paperlab.arxiv.limiter import Clock
from paperlab.cli import status as status_command
from paperlab.entities import ReceiptStatus
from paperlab.library import feed_days, harvest, status
from paperlab.library.harvest import HarvestOptions
from paperlab.library.sync import start_receipt
from paperlab.store import database, receipts
from tests.fakes import FakeArxiv, make_papers


def noon(day: int) -> datetime:
    """In October 2026, UTC; the 16th is a Friday."""
    return datetime(2026, 10, day, 12, tzinfo=UTC)


@pytest.fixture
def tracker(settings_for, engine_for):
    with FakeArxiv(make_papers(30)) as arxiv:
        config = settings_for(arxiv.url, rss_url=arxiv.rss_url, oai_url=arxiv.oai_url)
        yield config, engine_for(config)


def read_feed(tracker, *days: int) -> None:
    config, engine = tracker
    url = rss.feed_url(config.arxiv.rss_url, sorted(config.profiles["llm"].categories))
    for day in days:
        receipt = start_receipt(engine, source="rss", kind="announcements", query=url, cursor=None, now=noon(day))
        read = replace(
            receipt,
            status=ReceiptStatus.COMPLETE,
            finished_at=noon(day),
            details={"feed_published_at": noon(day).isoformat()},
        )
        with database.session(engine) as session:
            receipts.save(session, read)


def unread(tracker, day: int) -> tuple[date, ...]:
    config, engine = tracker
    with database.read_only(engine) as session:
        found = feed_days.unread(session, config, noon(day))
    return found[0].days if found else ()


def test_without_any_feed_read_no_day_is_missed(tracker):
    assert unread(tracker, 22) == ()


def test_a_working_day_between_two_feeds_is_missed_and_a_weekend_is_not(tracker):
    read_feed(tracker, 15, 16, 19, 21)
    assert unread(tracker, 22) == (date(2026, 10, 20),)


def test_the_feed_of_today_can_still_be_read(tracker):
    read_feed(tracker, 19, 20)
    assert unread(tracker, 21) == ()


def test_the_command_that_is_named_makes_up_for_the_day(tracker):
    config, engine = tracker
    read_feed(tracker, 19, 21)
    with database.read_only(engine) as session:
        (found,) = feed_days.unread(session, config, noon(22))
    assert found.command.startswith("paperlab sync --source oai --set cs:cs:AI --set cs:cs:CL ")
    assert found.command.endswith(" --from 2026-10-20")
    sets = tuple(found.command.split("--set ")[1:])
    asked = HarvestOptions(tuple(each.split()[0] for each in sets), since=date(2026, 10, 20))
    ahead = noon(22).timestamp() - time.time()
    clock = Clock(wall=lambda: time.time() + ahead)
    assert harvest.run(engine, config, asked, clock=clock).status is ReceiptStatus.COMPLETE
    assert unread(tracker, 22) == ()


@pytest.mark.parametrize(
    "options",
    [
        {"sets": ("cs",), "since": date(2026, 10, 20)},  # stat.ML is missing
        {"sets": ("cs", "stat"), "since": date(2026, 10, 21)},
        {"sets": ("cs", "stat"), "since": date(2026, 10, 16), "until": date(2026, 10, 19)},
    ],
)
def test_a_harvest_of_other_sets_or_days_makes_up_for_nothing(tracker, options):
    config, engine = tracker
    read_feed(tracker, 19, 21)
    ahead = noon(22).timestamp() - time.time()
    harvest.run(engine, config, HarvestOptions(**options), clock=Clock(wall=lambda: time.time() + ahead))
    assert unread(tracker, 22) == (date(2026, 10, 20),)


def test_the_status_names_the_days_and_counts_the_rest(tracker):
    config, _ = tracker
    read_feed(tracker, 1, 21)
    state = status.status(config, Clock(wall=lambda: noon(22).timestamp()))
    (line,) = [line for line in status_command.lines(state) if line.startswith("feed of")]
    assert "2026-10-02, 2026-10-05, 2026-10-06, 2026-10-07, 2026-10-08 and 8 more days not read" in line
    assert line.endswith("--from 2026-10-02")


@pytest.mark.parametrize(
    ("category", "name"),
    [
        ("cs.CL", "cs:cs:CL"),
        ("stat.ML", "stat:stat:ML"),
        ("hep-th", "physics:hep-th"),
        ("astro-ph.CO", "physics:astro-ph:CO"),
        ("physics.flu-dyn", "physics:physics:flu-dyn"),
        ("q-bio.NC", "q-bio:q-bio:NC"),
    ],
)
def test_a_category_has_the_name_that_oai_pmh_gives_it(category, name):
    assert feed_days.oai_set(category) == name
