"""Feeds that were never read, and what brings the papers that only they named.

A feed is there until the next midnight Eastern Time.  The walk through the query API brings nearly everything without
it, but not a paper that moderators let through late, nor an old one that is listed in one more category.  Their records
carry the day of the announcement in OAI-PMH, so a harvest from that day on brings them.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from paperlab.arxiv import oai_pmh, rss
from paperlab.entities import Receipt, ReceiptStatus
from paperlab.settings import Settings
from paperlab.store import feeds, receipts
from paperlab.store.database import Session

EASTERN = ZoneInfo("America/New_York")
FEED_DAYS = frozenset(range(5))
"""Monday to Friday: what is announced at 20:00 Eastern Time, Sunday to Thursday, is in the feed built at midnight
(https://info.arxiv.org/help/availability.html).  Holidays are not known here: then the feed is empty."""

_ONE_ARCHIVE = frozenset({"cs", "econ", "eess", "math", "q-bio", "q-fin", "stat"})
"""Groups of OAI-PMH with one archive of the same name; all other archives belong to physics."""
_HARVESTED = re.compile(
    r"(?P<set>[^,;]+), (?:changed since (?P<since>[\d-]+)|all of it)(?: until (?P<until>[\d-]+))?(?:; |$)"
)
"""A receipt's question: "cs:cs:CL, changed since 2026-11-20 until 2026-11-23; cs:cs:LG, all of it"."""


@dataclass(frozen=True)
class UnreadFeeds:
    """The days, oldest first, of which a profile's feed was never read, and the command that makes up for it."""

    profile: str
    days: tuple[date, ...]
    command: str


def unread(session: Session, settings: Settings, now: datetime) -> tuple[UnreadFeeds, ...]:
    """By profile, from the first feed that was read to yesterday's: today's can still be read.

    A harvest of a profile's categories makes up for every day that it covers and that was over when it began.
    """
    harvests = [
        receipt
        for receipt in receipts.of_source(session, oai_pmh.SOURCE)
        if receipt.status is ReceiptStatus.COMPLETE and receipt.kind == "harvest"
    ]
    found = []
    for name, profile in settings.profiles.items():
        read = _read_days(session, rss.feed_url(settings.arxiv.rss_url, sorted(profile.categories)))
        if not read:
            continue
        sets = [oai_set(category) for category in sorted(profile.categories)]
        missed = _feed_days(min(read), now.astimezone(EASTERN).date())
        days = tuple(day for day in missed if day not in read and not _is_harvested(day, sets, harvests))
        if days:
            found.append(UnreadFeeds(name, days, _command(sets, days[0])))
    return tuple(found)


def oai_set(category: str) -> str:
    """`cs:cs:CL`, `physics:hep-th`, `physics:astro-ph:CO`: what OAI-PMH calls a category."""
    archive, _, subject = category.partition(".")
    group = archive if archive in _ONE_ARCHIVE else "physics"
    return ":".join(part for part in (group, archive, subject) if part)


def _read_days(session: Session, url: str) -> set[date]:
    """The days of the feeds that were read at an address, also where they were empty."""
    moments = [_published(receipt) for receipt in receipts.of_source(session, rss.SOURCE, url)]
    held = feeds.get(session, url)
    if held is not None:  # a sync that died has left this and no more
        moments.append(held.published_at)
    return {moment.astimezone(EASTERN).date() for moment in moments if moment is not None}


def _published(receipt: Receipt) -> datetime | None:
    """When the feed was built that a sync read; None where it got none, or only that nothing had changed."""
    text = receipt.details.get("feed_published_at")
    return datetime.fromisoformat(text) if text else None


def _feed_days(first: date, today: date) -> Iterator[date]:
    """The days that have a feed, after `first` and before `today`."""
    for number in range(1, (today - first).days):
        day = first + timedelta(days=number)
        if day.weekday() in FEED_DAYS:
            yield day


def _is_harvested(day: date, sets: Iterable[str], harvests: Sequence[Receipt]) -> bool:
    over = datetime.combine(day + timedelta(days=1), time(), EASTERN)
    asked = [match for each in harvests if each.started_at >= over for match in _HARVESTED.finditer(each.query)]
    covering = [
        match["set"]
        for match in asked
        if (match["since"] or "") <= str(day) and (match["until"] is None or str(day) <= match["until"])
    ]
    return all(any(f"{wanted}:".startswith(f"{each}:") for each in covering) for wanted in sets)


def _command(sets: Iterable[str], since: date) -> str:
    """Without a last day: a record that has been touched since carries a later one."""
    return f"paperlab sync --source oai {' '.join(f'--set {each}' for each in sets)} --from {since}"
