"""Whether the tracker is well: what each source brought last, what is missing, and when to ask again.

Nothing here asks the network.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta

from paperlab.arxiv import query_api
from paperlab.arxiv.limiter import Clock, Limiter
from paperlab.entities import Gap, Receipt
from paperlab.library import feed_days
from paperlab.library.feed_days import EASTERN, FEED_DAYS, UnreadFeeds
from paperlab.settings import Settings
from paperlab.store import database, feeds, gaps, matches, papers, receipts, upgrade
from paperlab.store.feeds import FeedState

FEED_READY = timedelta(minutes=30)
"""After midnight, for the feed to be built."""
SILENCE = timedelta(hours=36)
"""Without a success for so long, a nightly sync has missed a night."""
LISTED = 20


@dataclass(frozen=True)
class SourceStatus:
    """One source: its newest receipt, and when it last did all that was asked."""

    source: str
    last: Receipt
    last_success_at: datetime | None


@dataclass(frozen=True)
class Status:
    """What `paperlab status` shows."""

    now: datetime
    sources: tuple[SourceStatus, ...]
    last_success_at: datetime | None
    """Of the walk through the query API that a night rests on; a window of the past says nothing of it."""
    silent: bool
    """No success for 36 hours, or none ever."""
    open_gaps: int
    oldest_gap: Gap | None
    open_ids: tuple[str, ...]
    """The first twenty."""
    given_up: int
    """Gaps that were closed without the paper, where it has not come since."""
    requests_24h: int
    refusals_24h: Mapping[str, int]
    """Answers such as 429 and 503, by status."""
    away_s: float
    """Seconds until arXiv may be asked again; 0: now."""
    away_reason: str
    feed: FeedState | None
    """The feed that was read last."""
    unread_feeds: tuple[UnreadFeeds, ...]
    """Days whose feed was missed, by profile."""
    next_sync_at: datetime
    """The next time that a sync can bring something: now where this is past."""
    papers: int
    matching: Mapping[str, int]
    """Papers that match, by profile."""
    next_command: str


def status(settings: Settings, clock: Clock | None = None) -> Status:
    """The state of the tracker, also where there is no database yet.  Writes and creates nothing."""
    clock = clock or Clock()
    now = datetime.fromtimestamp(clock.wall(), UTC)
    away_s, away_reason = _away(settings, clock)
    engine = database.connect(settings)
    with database.storage_errors(engine):
        missing = upgrade.check(engine).state == "missing"
    if missing:
        return _empty(settings, now, away_s, away_reason)
    with database.read_only(database.open_database(settings)) as session:
        newest = receipts.newest_by_source(session)
        successes = receipts.last_success_by_source(session)
        success = receipts.last_success(session, query_api.SOURCE)
        recent = receipts.since(session, now - timedelta(hours=24))
        still_open = gaps.still_open(session)
        given_up = len(gaps.given_up(session))
        read = feeds.every(session)
        unread = feed_days.unread(session, settings, now)
        held = papers.count(session)
        matching = {name: matches.count(session, name) for name in settings.profiles}
    last_success_at = _ended(success)
    refusals: Counter[str] = Counter()
    for receipt in recent:
        refusals.update(receipt.details.get("refusals", {}))
    return Status(
        now=now,
        sources=tuple(
            SourceStatus(name, receipt, _ended(successes.get(name))) for name, receipt in sorted(newest.items())
        ),
        last_success_at=last_success_at,
        silent=last_success_at is None or now - last_success_at > SILENCE,
        open_gaps=len(still_open),
        oldest_gap=still_open[0] if still_open else None,
        open_ids=tuple(gap.arxiv_id for gap in still_open[:LISTED]),
        given_up=given_up,
        requests_24h=sum(receipt.requests for receipt in recent),
        refusals_24h=dict(refusals),
        away_s=away_s,
        away_reason=away_reason if away_s > 0 else "",
        feed=read[0] if read else None,
        unread_feeds=unread,
        next_sync_at=max(next_sync(last_success_at, now), now + timedelta(seconds=away_s)),
        papers=held,
        matching=matching,
        next_command="paperlab sync",
    )


def next_sync(last_success_at: datetime | None, now: datetime) -> datetime:
    """The next time that there is something new: now, unless the newest feed was out at the last success."""
    if last_success_at is None or last_success_at < latest_feed(now):
        return now
    return next_feed(now)


def next_feed(now: datetime) -> datetime:
    """When the next feed can be read: half past midnight Eastern Time on the next day that has one."""
    day = now.astimezone(EASTERN).date()
    while True:
        ready = _ready_on(datetime.combine(day, time(), EASTERN))
        if ready > now and day.weekday() in FEED_DAYS:
            return ready
        day += timedelta(days=1)


def latest_feed(now: datetime) -> datetime:
    """When the newest feed that there is became readable."""
    day = now.astimezone(EASTERN).date()
    while True:
        ready = _ready_on(datetime.combine(day, time(), EASTERN))
        if ready <= now and day.weekday() in FEED_DAYS:
            return ready
        day -= timedelta(days=1)


def _ready_on(midnight: datetime) -> datetime:
    return midnight.astimezone(UTC) + FEED_READY


def _ended(receipt: Receipt | None) -> datetime | None:
    return (receipt.finished_at or receipt.started_at) if receipt else None


def _away(settings: Settings, clock: Clock) -> tuple[float, str]:
    """Seconds until arXiv may be asked, and why.  The limiter makes its folder; a status does not."""
    if not settings.home.is_dir():
        return 0.0, ""
    return Limiter(settings.home, settings.arxiv.interval_s, clock).away()


def _empty(settings: Settings, now: datetime, away_s: float, away_reason: str) -> Status:
    return Status(
        now=now,
        sources=(),
        last_success_at=None,
        silent=True,
        open_gaps=0,
        oldest_gap=None,
        open_ids=(),
        given_up=0,
        requests_24h=0,
        refusals_24h={},
        away_s=away_s,
        away_reason=away_reason,
        feed=None,
        unread_feeds=(),
        next_sync_at=now + timedelta(seconds=away_s),
        papers=0,
        matching=dict.fromkeys(settings.profiles, 0),
        next_command="paperlab sync",
    )
