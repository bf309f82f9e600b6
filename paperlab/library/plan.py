"""What a sync asks, decided from the cursors held, before anything is asked.

- the first time, the papers submitted in the last seven days;
- every later night, what was updated since the cursor, newest first, two days further down than needed;
- with `since` or `until`, the papers submitted in that window.

A window that was left half way goes on where it stopped.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

from paperlab.arxiv import categories, query_api, rss
from paperlab.arxiv.limiter import Clock
from paperlab.entities import ReceiptStatus
from paperlab.errors import InvalidInput, NotReady
from paperlab.library.walk import OVERLAP as PAGE_OVERLAP
from paperlab.library.walk import Question, whole_minute
from paperlab.settings import Settings
from paperlab.store import cursors, database, extent, gaps, receipts, upgrade
from paperlab.store.database import Session

FIRST_SYNC = timedelta(days=7)
OVERLAP = timedelta(days=2)
"""Papers appear with the time of their submission once moderators let them through, so below papers already seen."""
FAR_FUTURE = timedelta(days=366)
CLOCK_TOLERANCE = timedelta(minutes=10)
"""How far ahead of now a cursor may have been moved before the clock of then is taken to have been wrong."""
CLOCK_MAY_BE_BEHIND = timedelta(days=3)
"""How far before the newest paper held a clock may stand: arXiv's papers are hours old when they come."""
_EARLIEST_CLOCK = datetime(2020, 1, 1, tzinfo=UTC)
"""A machine without a battery starts in 1970, or when its firmware was made."""
_RECEIPTS = 50
"""How many of the last ones are looked through for a night like the one that is planned."""
NIGHTLY = "nightly"
WINDOW = "window"
ANNOUNCEMENTS = "announcements"
EARLIEST = datetime(1991, 1, 1, tzinfo=UTC)
"""arXiv opened in August of that year."""


@dataclass(frozen=True)
class SyncOptions:
    """What the user asked for.  `categories` replaces those of the profile."""

    profile: str = "llm"
    categories: tuple[str, ...] = ()
    since: datetime | None = None
    until: datetime | None = None
    max_requests: int | None = None
    max_seconds: float | None = None


@dataclass(frozen=True)
class Held:
    """What the store knows that decides what is asked: the cursors, without those that a clock ahead of time moved."""

    cursors: Mapping[str, datetime] = field(default_factory=dict)
    set_back: Mapping[str, datetime | None] = field(default_factory=dict)
    """What becomes of those once arXiv has answered: the time to go back to, or None where to begin anew."""

    @classmethod
    def of(cls, session: Session, now: datetime) -> Held:
        """A cursor that was moved in the future was moved by a clock that was ahead: its seven days were not the last.

        The next night looks at the last seven days again, and an unfinished first sync begins anew.  A window that was
        asked for by date goes on: its days are the user's, and how far it came is by arXiv's dates.
        """
        reached = cursors.every(session)
        wrong = cursors.moved_after(session, now + CLOCK_TOLERANCE)
        set_back = {name: _set_back(name, reached[name], now) for name in wrong if not _is_by_date(name)}
        trusted = {name: moment for name, at in reached.items() if (moment := set_back.get(name, at)) is not None}
        return cls(trusted, set_back)


@dataclass(frozen=True)
class Plan:
    """What a sync would ask now."""

    kind: str
    question: Question
    cursor_name: str
    cursor: datetime | None
    progress_name: str | None = None
    """The cursor of an unfinished window."""
    first: bool = False
    page_size: int = 0
    set_back: Mapping[str, datetime | None] = field(default_factory=dict)
    """As in Held."""

    @property
    def query(self) -> str:
        question = self.question
        order = "oldest first" if question.floor is None else f"updated since {question.floor:%Y-%m-%dT%H:%MZ}"
        return f"{question.text}, {order}"


def plan(held: Held, settings: Settings, options: SyncOptions, now: datetime) -> Plan:
    """Decide what to ask, from what is held.

    Raises InvalidInput for an unknown profile or category and for an empty window.
    """
    asked = options.categories or settings.profile(options.profile).categories
    names = categories.validate(sorted(asked))
    cursor_name = f"{query_api.SOURCE}:{'+'.join(names)}"
    cursor = held.cursors.get(cursor_name)
    explicit = options.since is not None or options.until is not None
    if cursor is not None and cursor > now:
        # A clock that was ahead wrote it: nothing was announced in the future, so what it passes is looked at again.
        cursor = now - FIRST_SYNC
    if cursor is not None and not explicit:
        floor = cursor - OVERLAP
        question = Question(names, floor=floor)
        return Plan(NIGHTLY, question, cursor_name, cursor, page_size=_night_page(settings), set_back=held.set_back)
    _refuse_absurd(options, now)
    until = options.until or now
    since = options.since or until - FIRST_SYNC
    if not since < until:
        raise InvalidInput(
            f"the window from {since:%Y-%m-%d %H:%M} to {until:%Y-%m-%d %H:%M} is empty",
            "--since must be before --until",
        )
    progress_name = f"{cursor_name}:{_window_name(options) if explicit else 'first'}"
    reached = held.cursors.get(progress_name)
    question = Question(names, since=whole_minute(reached or since), until=whole_minute(until + timedelta(seconds=59)))
    size = settings.arxiv.page_size
    return Plan(WINDOW, question, cursor_name, cursor, progress_name, not explicit, size, held.set_back)


@dataclass(frozen=True)
class Preview:
    """What a sync would ask now, and how many papers of open gaps a night would look up."""

    plan: Plan
    feed_url: str
    open_gaps: int = 0
    papers: int | None = None
    """About as many are expected in the list of a night, where one was complete before; of a window nothing is."""

    @property
    def lookups(self) -> int:
        """Requests for the open gaps."""
        return -(-self.open_gaps // query_api.IDS_PER_REQUEST)

    @property
    def pages(self) -> int | None:
        """Requests for the walk, if nothing has to be asked twice."""
        if self.papers is None:
            return None
        return max(1, math.ceil(self.papers / (self.plan.page_size * (1 - PAGE_OVERLAP))))


def preview(settings: Settings, options: SyncOptions, clock: Clock | None = None) -> Preview:
    """What a sync would ask now.  Asks nothing, writes nothing, creates nothing.

    Raises what `plan` raises, and NotReady where this machine's clock can't be right.
    """
    now = datetime.fromtimestamp((clock or Clock()).wall(), UTC)
    engine = database.connect(settings)
    with database.storage_errors(engine):
        missing = upgrade.check(engine).state == "missing"
    if missing:
        planned = plan(Held(), settings, options, now)
        return Preview(planned, _feed_url(settings, planned))
    with database.read_only(database.open_database(settings)) as session:
        refuse_wrong_clock(session, now)
        planned = of_store(session, settings, options, now)
        asked = {gap.arxiv_id for gap in (*gaps.still_open(session), *gaps.to_ask_again(session, now))}
        return Preview(planned, _feed_url(settings, planned), len(asked), _expected(session, planned, now))


def _expected(session: Session, planned: Plan, now: datetime) -> int | None:
    """Papers of a night: as many a day, down to the floor, as the last sync of these categories met."""
    floor, asked = planned.question.floor, planned.question.text
    if floor is None:
        return None
    for receipt in receipts.latest(session, _RECEIPTS):
        reached = receipt.cursor_after
        if receipt.source != query_api.SOURCE or receipt.status is not ReceiptStatus.COMPLETE or reached is None:
            continue
        if receipt.kind == NIGHTLY and receipt.query.startswith(f"{asked}, ") and receipt.cursor_before is not None:
            met = reached - (receipt.cursor_before - OVERLAP)
        elif receipt.kind == WINDOW and receipt.query.startswith(f"({asked}) ") and receipt.cursor_before is None:
            met = FIRST_SYNC
        else:
            continue
        # The first sync met no revised papers, which are about as many: its week stands for three days at least.
        return math.ceil(receipt.announced * max(1.0, (now - floor) / met))
    return None


def _feed_url(settings: Settings, planned: Plan) -> str:
    return rss.feed_url(settings.arxiv.rss_url, planned.question.categories)


def of_store(session: Session, settings: Settings, options: SyncOptions, now: datetime) -> Plan:
    """`plan`, with what the store knows of the list that will be walked through.  Raises what `plan` raises."""
    planned = plan(Held.of(session, now), settings, options, now)
    return replace(planned, question=replace(planned.question, reaches=_reaches(session, planned)))


def _reaches(session: Session, planned: Plan) -> datetime | None:
    """How far a list goes at least: no paper leaves it, though one that is revised goes to its head."""
    question = planned.question
    if question.floor is None:
        if question.since is None or question.until is None:
            return None
        return extent.first_submitted(session, question.categories, question.since, question.until)
    for reached in (question.floor, planned.cursor):
        if reached is not None and extent.any_updated_by(session, question.categories, reached):
            return reached
    return None


def refuse_wrong_clock(session: Session, now: datetime) -> None:
    """Raises NotReady where this machine's clock can't be right: what it says would move cursors for good."""
    newest = extent.held_after(session, now + CLOCK_MAY_BE_BEHIND)
    if newest is not None:
        raise NotReady(
            f"this machine's clock says {now:%Y-%m-%d %H:%M}, but a paper held is of {newest:%Y-%m-%d %H:%M}",
            "set the clock; then: paperlab doctor",
        )
    if now < _EARLIEST_CLOCK:
        raise NotReady(f"this machine's clock says {now:%Y-%m-%d %H:%M}", "set the clock; then: paperlab doctor")


def _is_by_date(cursor_name: str) -> bool:
    """Whether a cursor is that of an unfinished window of the user's dates."""
    return ".." in cursor_name.partition(":")[2]


def _set_back(cursor_name: str, reached: datetime, now: datetime) -> datetime | None:
    is_of_night = cursor_name.count(":") == 1
    return min(reached, now - FIRST_SYNC) if is_of_night else None


def _night_page(settings: Settings) -> int:
    """Twice the usual: a night with two days of overlap is to take few requests, and a page that fails is halved."""
    return min(query_api.MAX_PAGE, 2 * settings.arxiv.page_size)


def _refuse_absurd(options: SyncOptions, now: datetime) -> None:
    for name, moment in (("--since", options.since), ("--until", options.until)):
        if moment is not None and moment < EARLIEST:
            raise InvalidInput(f"{name} {moment:%Y-%m-%d} is before arXiv", "its first papers are of 1991")
    if options.since is not None and options.since > now:
        raise InvalidInput(f"--since {options.since:%Y-%m-%d %H:%M} is in the future", "nothing was submitted then")
    if options.until is not None and options.until > now + FAR_FUTURE:
        raise InvalidInput(f"--until {options.until:%Y-%m-%d} is in the far future", "leave it out: it means now")


def _window_name(options: SyncOptions) -> str:
    since = f"{options.since:%Y%m%d%H%M}" if options.since else ""
    until = f"{options.until:%Y%m%d%H%M}" if options.until else ""
    return f"{since}..{until}"
