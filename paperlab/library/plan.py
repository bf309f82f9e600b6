"""What a sync asks, decided from the cursors held, before anything is asked.

- the first time, the papers submitted in the last seven days;
- every later night, what was updated since the cursor, newest first, two days further down than needed;
- with `since` or `until`, the papers submitted in that window.

A window that was left half way goes on where it stopped.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from paperlab.arxiv import categories, query_api
from paperlab.arxiv.limiter import Clock
from paperlab.errors import InvalidInput
from paperlab.library.walk import Question, whole_minute
from paperlab.settings import Settings
from paperlab.store import cursors, database, upgrade

FIRST_SYNC = timedelta(days=7)
OVERLAP = timedelta(days=2)
"""Papers appear with the time of their submission once moderators let them through, so below papers already seen."""
FAR_FUTURE = timedelta(days=366)
CLOCK_TOLERANCE = timedelta(minutes=10)
"""How far ahead of now a cursor may have been moved before the clock of then is taken to have been wrong."""
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

    @property
    def query(self) -> str:
        question = self.question
        order = "oldest first" if question.floor is None else f"updated since {question.floor:%Y-%m-%dT%H:%MZ}"
        return f"{question.text}, {order}"


def plan(held: Mapping[str, datetime], settings: Settings, options: SyncOptions, now: datetime) -> Plan:
    """Decide what to ask, from the cursors held.

    Raises InvalidInput for an unknown profile or category and for an empty window.
    """
    asked = options.categories or settings.profile(options.profile).categories
    names = categories.validate(sorted(asked))
    cursor_name = f"{query_api.SOURCE}:{'+'.join(names)}"
    cursor = held.get(cursor_name)
    explicit = options.since is not None or options.until is not None
    if cursor is not None and cursor > now:
        # A clock that was ahead wrote it: nothing was announced in the future, so what it passes is looked at again.
        cursor = now - FIRST_SYNC
    if cursor is not None and not explicit:
        floor = cursor - OVERLAP
        question = Question(names, floor=floor)
        return Plan(NIGHTLY, question, cursor_name, cursor, page_size=_night_page(settings))
    _refuse_absurd(options, now)
    until = options.until or now
    since = options.since or until - FIRST_SYNC
    if not since < until:
        raise InvalidInput(
            f"the window from {since:%Y-%m-%d %H:%M} to {until:%Y-%m-%d %H:%M} is empty",
            "--since must be before --until",
        )
    progress_name = f"{cursor_name}:{_window_name(options) if explicit else 'first'}"
    reached = held.get(progress_name)
    question = Question(names, since=whole_minute(reached or since), until=whole_minute(until + timedelta(seconds=59)))
    return Plan(WINDOW, question, cursor_name, cursor, progress_name, not explicit, settings.arxiv.page_size)


def preview(settings: Settings, options: SyncOptions, clock: Clock | None = None) -> Plan:
    """What a sync would ask now.  Asks nothing, writes nothing, creates nothing."""
    engine = database.connect(settings)
    held: Mapping[str, datetime] = {}
    with database.storage_errors(engine):
        missing = upgrade.check(engine).state == "missing"
    if not missing:
        with database.read_only(database.open_database(settings)) as session:
            held = cursors.every(session)
    return plan(held, settings, options, datetime.fromtimestamp((clock or Clock()).wall(), UTC))


def is_of_window(cursor_name: str) -> bool:
    """Whether a cursor is that of an unfinished window, and not that of the nights."""
    return cursor_name.count(":") > 1


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
