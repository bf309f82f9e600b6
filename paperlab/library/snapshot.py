"""The public metadata dump into the store: `paperlab sync --source snapshot FILE`.

Every few thousand lines are one transaction: papers, everything derived from them, the receipt's numbers, and how far
the file has been read.  So it can be stopped at any moment, and goes on from there; a file that has changed since is
read from its beginning.
"""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from paperlab.arxiv import categories, snapshot
from paperlab.arxiv.limiter import Clock
from paperlab.arxiv.snapshot import Batch, Identity, Position, Unreadable
from paperlab.entities import Paper, Receipt, ReceiptStatus
from paperlab.errors import InvalidInput, PaperlabError, TryAgain
from paperlab.library import agreement, arrivals, landmarks, profiles
from paperlab.library.sync import Stopped, only_sync, start_receipt
from paperlab.settings import Settings
from paperlab.store import bulk, database, harvests, matches, papers, receipts
from paperlab.store.database import Engine, Session

KIND = "snapshot"
BATCH = 4000
"""Lines a transaction.  Large ones write the full-text index in fewer pieces; memory grows by 10 KB a line."""
_TOLERANCE = timedelta(days=2)
"""How far ahead of our clock a paper's date may be."""
_BATCHES_PER_COLLECTION = 10
_NAMED = 20
"""Unreadable lines that a receipt names; the others are counted."""


@dataclass(frozen=True)
class SnapshotOptions:
    """What to read.  `categories` are alternatives, none is all; None is no limit."""

    file: Path
    categories: tuple[str, ...] = ()
    max_seconds: float | None = None
    profile: str = "llm"
    """Whose matches the receipt counts; every profile is matched."""


@dataclass
class Tally:
    """What one reading has met so far, in lines."""

    new: int = 0
    revised: int = 0
    unchanged: int = 0
    outside: int = 0
    """Papers of other categories."""
    unreadable: int = 0
    named: list[Unreadable] = field(default_factory=list)
    matching: int = 0
    """Held papers that match the receipt's profile."""
    by_term: int = 0

    @property
    def held(self) -> int:
        return self.new + self.revised + self.unchanged


def run(
    engine: Engine,
    settings: Settings,
    options: SnapshotOptions,
    *,
    clock: Clock | None = None,
    progress: Callable[[Receipt], None] = lambda _: None,
    batch: int = BATCH,
) -> Receipt:
    """Read the file, from where the last reading of it stopped.  `progress` hears the receipt after every batch.

    Raises InvalidInput where the file or a category is none, TornFile where it is cut (what came before is stored),
    Stopped after `max_seconds`, and TryAgain where another sync runs or the file changes while it is read.
    """
    clock = clock or Clock()
    file = options.file.absolute()
    wanted = categories.validate(options.categories)
    settings.profile(options.profile)
    identity = snapshot.identify(file)
    name = f"{snapshot.SOURCE}:{file}:{'+'.join(sorted(wanted))}"
    with only_sync(settings):
        now = _time(clock)
        landmarks.seed(engine, settings, now)
        profiles.rematch_changed(engine, settings.profiles, now)
        with database.session(engine) as session:
            start, changed = _start(harvests.get(session, name), identity)
            receipts.close_dead(session, now=now)
        query = f"{file.name}: {' OR '.join(wanted) or 'every category'}"
        receipt = start_receipt(engine, source=snapshot.SOURCE, kind=KIND, query=query, cursor=None, now=now)
        details = {"file": str(file), "size": identity.size, "from_line": start.line + 1, "changed_file": changed}
        reading = _Reading(
            engine,
            settings,
            replace(options, file=file, categories=wanted),
            clock,
            progress,
            batch,
            name,
            identity,
            details,
        )
        return reading.run(receipt, start)


def _start(state: Mapping[str, Any] | None, identity: Identity) -> tuple[Position, bool]:
    """Where to go on, and whether the file is another than the one that was begun."""
    if state is None:
        return Position(), False
    if state["identity"] != asdict(identity):
        return Position(), True
    return Position(**state["position"]), False


@dataclass
class _Reading:
    engine: Engine
    settings: Settings
    options: SnapshotOptions
    clock: Clock
    progress: Callable[[Receipt], None]
    batch: int
    name: str
    identity: Identity
    details: dict[str, Any]
    tally: Tally = field(default_factory=Tally)

    def run(self, receipt: Receipt, start: Position) -> Receipt:
        began = self.clock.monotonic()
        limit = self.options.max_seconds
        reached = start
        batches = snapshot.read(
            self.options.file,
            start,
            categories=self.options.categories,
            not_after=_time(self.clock) + _TOLERANCE,
            batch=self.batch,
        )
        try:
            with bulk.connection(self.engine) as connection, _rare_cycle_collection() as after_batch:
                for batch in batches:
                    with bulk.session(connection) as session:
                        receipt = self._take(session, receipt, batch)
                    reached = batch.end
                    after_batch()
                    self.progress(receipt)
                    if limit is not None and self.clock.monotonic() - began >= limit:
                        raise _over_budget(limit, reached)
            if snapshot.identify(self.options.file) != self.identity:
                raise TryAgain(
                    f"{self.options.file} changed while it was read",
                    "run the same command again: it is read from its beginning",
                    reason="changed",
                )
            if start.line == 0:
                self._refuse_what_is_no_dump()
            return self._finish(receipt, reached, ReceiptStatus.COMPLETE, self._what_is_open())
        except TryAgain as error:
            raise Stopped(error, self._finish(receipt, reached, ReceiptStatus.PARTIAL, error.message)) from error
        except KeyboardInterrupt:
            self._finish(receipt, reached, ReceiptStatus.PARTIAL, "stopped by the user")
            raise
        except PaperlabError as error:
            self._finish(receipt, reached, ReceiptStatus.FAILED, error.message)
            raise

    def _take(self, session: Session, receipt: Receipt, batch: Batch) -> Receipt:
        """One batch and the position after it, in one transaction."""
        now = _time(self.clock)
        tally = self.tally
        take(session, self.settings, batch.papers, now, tally)
        matching, by_term = _matching(session, self.options.profile, batch.papers)
        tally.matching += matching
        tally.by_term += by_term
        tally.outside += batch.outside
        tally.unreadable += len(batch.unreadable)
        tally.named.extend(batch.unreadable[: _NAMED - len(tally.named)])
        state = {"identity": asdict(self.identity), "position": asdict(batch.end)}
        harvests.save(session, self.name, state, now)
        receipt = self._describe(receipt, batch.end, ReceiptStatus.RUNNING, self._what_is_open(), None)
        receipts.save(session, receipt)
        return receipt

    def _finish(self, receipt: Receipt, reached: Position, status: ReceiptStatus, reason: str) -> Receipt:
        now = _time(self.clock)
        receipt = self._describe(receipt, reached, status, reason, now)
        with database.session(self.engine) as session:
            if status is ReceiptStatus.COMPLETE:
                harvests.drop(session, self.name)
            receipts.save(session, receipt)
        return receipt

    def _describe(
        self, receipt: Receipt, reached: Position, status: ReceiptStatus, reason: str, finished_at: datetime | None
    ) -> Receipt:
        tally = self.tally
        return replace(
            receipt,
            status=status,
            reason=reason,
            finished_at=finished_at,
            announced=tally.held + tally.unreadable,
            held=tally.held,
            new=tally.new,
            revised=tally.revised,
            unchanged=tally.unchanged,
            open=tally.unreadable,
            details={
                **self.details,
                "to_line": reached.line,
                "offset": reached.offset,
                "outside": tally.outside,
                "unreadable": [asdict(each) for each in tally.named],
                "matches": {
                    "profile": self.options.profile,
                    "matching": tally.matching,
                    "by term": tally.by_term,
                    "by category": tally.matching - tally.by_term,
                    "no term of the profile": tally.held - tally.matching,
                },
            },
        )

    def _refuse_what_is_no_dump(self) -> None:
        """Raises InvalidInput where no line at all could be read; the next reading begins at the first one again."""
        tally = self.tally
        if not tally.unreadable or tally.held or tally.outside:
            return
        with database.session(self.engine) as session:
            harvests.drop(session, self.name)
        raise InvalidInput(
            f"{self.options.file} is no dump of arXiv's metadata: {self._what_is_open()}",
            "each line is one JSON object with id, title, abstract, categories and versions",
        )

    def _what_is_open(self) -> str:
        tally = self.tally
        if not tally.unreadable:
            return ""
        first = "; ".join(f"line {each.line}: {each.reason}" for each in tally.named[:5])
        lines = "1 line" if tally.unreadable == 1 else f"{tally.unreadable} lines"
        return f"{lines} could not be read: {first}"


def take(session: Session, settings: Settings, arriving: tuple[Paper, ...], now: datetime, tally: Tally) -> None:
    """What `arrivals.take` does with these papers, many times as fast for those that are new or known word for word."""
    if bulk.is_supported(session.connection()):
        found = bulk.sort(session, arriving)
        bulk.insert(session, found.new, now)
        bulk.insert_matches(session, profiles.find(settings.profiles, found.new), found.new)
        arrivals.derive(session, found.new, now)
        tally.new += len(found.new)
        tally.unchanged += len(found.unchanged)
        arriving = found.others
    if arriving:
        held = {paper.arxiv_id: paper for paper in papers.get_many(session, [each.arxiv_id for each in arriving])}
        arriving = tuple(agreement.beneath(paper, held.get(paper.arxiv_id)) for paper in arriving)
        counts = arrivals.take(session, settings, arriving, now)
        tally.new += counts.new
        tally.revised += counts.revised
        tally.unchanged += len(arriving) - counts.new - counts.revised


def _matching(session: Session, profile: str, held: tuple[Paper, ...]) -> tuple[int, int]:
    """How many of these papers match the profile, and how many of those by a term."""
    if bulk.is_supported(session.connection()):
        return bulk.matching(session, profile, held)
    found = matches.of_papers(session, [paper.arxiv_id for paper in held]).values()
    of_profile = [match for of_one in found for match in of_one if match.profile == profile]
    return len(of_profile), sum(bool(match.terms) for match in of_profile)


@contextmanager
def _rare_cycle_collection() -> Iterator[Callable[[], None]]:
    """Millions of small values, none in a cycle: looking for cycles among them all the time takes 4 % of it.

    Yields what is to be called after each batch: SQLAlchemy leaves a few hundred values in cycles there, which would
    add up to 60 MB in a million papers.
    """
    enabled, batches = gc.isenabled(), 0

    def after_batch() -> None:
        nonlocal batches
        batches += 1
        if batches % _BATCHES_PER_COLLECTION == 0:
            gc.collect()

    gc.disable()
    try:
        yield after_batch
    finally:
        if enabled:
            gc.enable()


def _over_budget(limit: float, reached: Position) -> TryAgain:
    return TryAgain(
        f"--max-seconds {limit:g} is over at line {reached.line}",
        "run the same command again: it goes on from there",
        reason="budget",
    )


def _time(clock: Clock) -> datetime:
    return datetime.fromtimestamp(clock.wall(), UTC)
