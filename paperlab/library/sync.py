"""Papers in from arXiv, so that a crash repeats work and never skips it.

What is asked is decided in plan.py and fetched by walk.py.  Every page is one transaction: its papers, their matches,
the receipt's numbers.  The cursor moves in the transaction of the last page, and only when everything above it is held.
"""

from __future__ import annotations

import math
import os
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

from filelock import FileLock, Timeout

from paperlab.arxiv import query_api
from paperlab.arxiv.client import Budget, Client, Spent
from paperlab.arxiv.limiter import Clock
from paperlab.arxiv.query_api import Page
from paperlab.arxiv_id import ArxivId
from paperlab.entities import Paper, Profile, Receipt, ReceiptStatus
from paperlab.errors import NotReady, PaperlabError, TryAgain
from paperlab.library import arrivals, landmarks, profiles, relevance
from paperlab.library.plan import (
    FIRST_SYNC,
    OVERLAP,
    Plan,
    SyncOptions,
    of_store,
    refuse_wrong_clock,
)
from paperlab.library.walk import Question, Step, walk, whole_minute
from paperlab.settings import Settings
from paperlab.store import cursors, database, gaps, papers, receipts
from paperlab.store.database import Engine, Session

PART = 2
"""Requests that the last page of a window takes: its total counts once two answers named it."""


class Stopped(TryAgain):
    """The sync ended early.  What came in is stored; `receipt` says how far it got, and `feed` what was announced."""

    def __init__(self, cause: TryAgain, receipt: Receipt, feed: Receipt | None = None) -> None:
        super().__init__(cause.message, cause.hint, reason=cause.reason, retry_after_s=cause.retry_after_s)
        self.receipt = receipt
        self.feed = feed


def run(
    engine: Engine,
    settings: Settings,
    options: SyncOptions,
    *,
    clock: Clock | None = None,
    progress: Callable[[Receipt], None] = lambda _: None,
) -> Receipt:
    """One sync of the query API alone, from lock to receipt.  `progress` hears the receipt after every page.

    Raises Stopped (budget, rate limit, network, papers that can't be had), TryAgain where another sync runs, and
    InvalidInput and NotReady as they come; everything but the last two leaves what came in and a receipt.
    """
    clock = clock or Clock()
    with only_sync(settings):
        planned = prepare(engine, settings, options, clock)
        with Client.of(settings, clock=clock, budget=Budget(options.max_requests, options.max_seconds)) as client:
            return ask(engine, settings, options, planned, client=client, progress=progress)


def prepare(engine: Engine, settings: Settings, options: SyncOptions, clock: Clock) -> Plan:
    """What there is to do before anything is asked, and what will be asked.  The sync lock is held.

    Raises NotReady, with nothing written, where this machine's clock can't be right.
    """
    now = time_of(clock)
    with database.read_only(engine) as session:
        refuse_wrong_clock(session, now)
    landmarks.seed(engine, settings, now)
    profiles.rematch_changed(engine, settings.profiles, now)
    with database.session(engine) as session:
        planned = of_store(session, settings, options, now)
        receipts.close_dead(session, now=now)
    return planned


def start_receipt(
    engine: Engine, *, source: str, kind: str, query: str, cursor: datetime | None, now: datetime
) -> Receipt:
    """A receipt that says "running", and in which process."""
    process = {"host": socket.gethostname(), "pid": os.getpid()}
    with database.session(engine) as session:
        return receipts.start(session, source=source, kind=kind, query=query, cursor=cursor, process=process, now=now)


def ask(
    engine: Engine,
    settings: Settings,
    options: SyncOptions,
    planned: Plan,
    *,
    client: Client,
    progress: Callable[[Receipt], None] = lambda _: None,
) -> Receipt:
    """Walk through what is planned.  The sync lock is held; raises what `run` raises."""
    now = time_of(client.clock)
    receipt = start_receipt(
        engine, source=query_api.SOURCE, kind=planned.kind, query=planned.query, cursor=planned.cursor, now=now
    )
    profile = settings.profile(options.profile)
    return _Sync(engine, settings, planned, client, profile, progress, receipt, client.spent.copy()).run()


@dataclass
class _Sync:
    engine: Engine
    settings: Settings
    plan: Plan
    client: Client
    profile: Profile
    progress: Callable[[Receipt], None]
    receipt: Receipt
    spent_before: Spent
    outcomes: dict[str, str] = field(default_factory=dict)
    """What became of each paper in this sync: "new", "revised" or "unchanged"."""
    missing: int = 0
    remaining: int = 0
    """Of a window, what has not been walked to yet."""
    unreadable: dict[str, None] = field(default_factory=dict)
    """Entries that came but could not be read, each with its flaw."""
    named: set[str] = field(default_factory=set)
    """The papers of entries that could not be read, each with an open gap where it is not held."""
    corrected: set[str] = field(default_factory=set)
    """Cursors that were set back in this sync."""
    newest: datetime | None = None
    """The latest update at the head of the list."""
    oldest: datetime | None = None
    """The earliest update that the walk has come to."""
    has_advanced: bool = False
    """Whether the next sync of this window begins further on than this one did."""

    def run(self) -> Receipt:
        now = time_of(self.client.clock)
        try:
            for step in walk(self._fetch, self.plan.question, self.plan.page_size, now):
                self._take(step)
        except TryAgain as error:
            error = self._what_it_needs(error) if error.reason == "budget" else error
            raise Stopped(error, self._finish(ReceiptStatus.PARTIAL, error.message)) from error
        except KeyboardInterrupt:
            self._finish(ReceiptStatus.PARTIAL, "stopped by the user")
            raise
        except PaperlabError as error:
            self._finish_failed(error)
            raise
        if self.missing:
            raise Stopped(
                TryAgain(
                    f"arXiv announced {self.missing} more papers than it gave",
                    "run the same command again: the next sync asks for them",
                    reason="incomplete",
                    retry_after_s=60.0,
                ),
                self.receipt,
            )
        return self.receipt

    def _what_it_needs(self, error: TryAgain) -> TryAgain:
        """A spent budget, and how large one has to be where the next sync would come no further with the same.

        A night begins at the newest paper each time, so a budget that is too small is too small for every night: only
        the papers between the head of the list and the floor are all there, for what is revised goes to the head.  How
        much that takes is told from how far this one came, as if as much were updated every day.
        """
        before, spent = self.spent_before.requests, self.client.spent
        used = spent.requests - before
        floor = self.plan.question.floor
        if floor is None and self.has_advanced:
            return error
        if floor is None:
            return TryAgain(
                f"{error.message}, too little for a part of this window, which takes {before + PART} requests",
                "a part is a page, and the last one counts once two answers agree: raise the limit, or leave it out",
                reason="budget",
            )
        reached, share = "it brought no page", 0.0
        if self.newest is not None and self.oldest is not None and self.oldest < self.newest:
            reached = f"it reached {self.oldest:%Y-%m-%d %H:%M} and has to reach {floor:%Y-%m-%d %H:%M}"
            share = (self.newest - floor) / (self.newest - self.oldest)
        needed = f"{before + max(used + 1, math.ceil(used * share))} requests"
        if self.client.budget.max_requests is None or spent.requests < self.client.budget.max_requests:
            seconds = self.client.clock.monotonic() - spent.began
            needed = f"{math.ceil(seconds * max(share, 2.0))} seconds"
        return TryAgain(
            f"{error.message}, too little for this night: {reached}, which takes about {needed}",
            f"a night begins at the newest paper each time: allow about {needed}, or leave the limit out",
            reason="budget",
        )

    def _fetch(self, question: Question, start: int, size: int) -> Page:
        page = query_api.fetch_page(
            self.client,
            self.settings.arxiv.api_url,
            question.text,
            start=start,
            size=size,
            order=question.order,
            descending=question.floor is not None,
        )
        self.unreadable.update(dict.fromkeys(map(str, page.unreadable)))
        return page

    def _take(self, step: Step) -> None:
        """Store one page, and with the last one the cursor, in one transaction."""
        now = time_of(self.client.clock)
        self.missing += step.missing
        self.remaining = step.remaining
        if step.first:
            self.newest = max((p.updated_at for p in step.papers if p.updated_at <= now), default=None)
            self.oldest = None
        below = min((paper.updated_at for paper in step.papers), default=None)
        self.oldest = min(filter(None, (self.oldest, below)), default=None)
        with database.session(self.engine) as session:
            self._set_back(session, now)
            self._store(session, step.papers, now)
            self._open_gaps(session, step.unreadable, now)
            self._move_cursors(session, step, now)
            status = ReceiptStatus.RUNNING
            if step.last:
                status = ReceiptStatus.PARTIAL if self.missing else ReceiptStatus.COMPLETE
            self.receipt = self._describe(session, status, self._what_is_missing(session), now)
            receipts.save(session, self.receipt)
        self.progress(self.receipt)

    def _what_is_missing(self, session: Session) -> str:
        named = len(self._unread(session))
        parts = [
            f"{self.missing} announced, but not given" if self.missing else "",
            f"{named} to be looked up by identifier" if named else "",
        ]
        if any(parts) and self.unreadable:
            parts.append(f"could not be read: {'; '.join(list(self.unreadable)[:5])}")
        return "; ".join(filter(None, parts))

    def _open_gaps(self, session: Session, unreadable: frozenset[ArxivId], now: datetime) -> None:
        """An entry that can't be read holds up no cursor: every night asks for its paper by identifier."""
        held = {paper.arxiv_id: paper for paper in papers.get_many(session, {each.base for each in unreadable})}
        for each in sorted(unreadable, key=str):
            if each.version is None:
                flaw = "its entry in a list"
                gaps.note_unversioned(session, each.base, source=query_api.SOURCE, flaw=flaw, now=now)
                self.named.add(each.base)
                continue
            version = each.version
            before = held.get(each.base)
            if before is not None and before.source != papers.SEED and before.version >= version:
                continue
            reason = "its entry can't be read"
            gaps.note(session, each.base, version, source=query_api.SOURCE, reason=reason, now=now)
            self.named.add(each.base)

    def _unread(self, session: Session) -> set[str]:
        if not self.named:
            return set()
        return self.named & {gap.arxiv_id for gap in gaps.still_open(session)} - self.outcomes.keys()

    def _store(self, session: Session, arrived: tuple[Paper, ...], now: datetime) -> None:
        counts = arrivals.take(session, self.settings, arrived, now)
        for paper in arrived:
            if paper.arxiv_id in counts.arrived:
                self.outcomes[paper.arxiv_id] = "new"
            elif paper.arxiv_id in counts.changed:
                if self.outcomes.get(paper.arxiv_id) != "new":
                    self.outcomes[paper.arxiv_id] = "revised"
            else:
                self.outcomes.setdefault(paper.arxiv_id, "unchanged")

    def _set_back(self, session: Session, now: datetime) -> None:
        """Once arXiv has answered: what a clock that was ahead had moved."""
        for name, reached in self.plan.set_back.items():
            if cursors.get(session, name) is None or name in self.corrected:
                continue
            self.corrected.add(name)
            if reached is None:
                cursors.drop(session, name)
            else:
                cursors.move(session, name, reached, now)

    def _move_cursors(self, session: Session, step: Step, now: datetime) -> None:
        planned = self.plan
        if planned.progress_name is None:
            if step.last and not self.missing and self.newest is not None:
                cursors.move(session, planned.cursor_name, max(self.newest, planned.cursor or self.newest), now)
            return
        began_name = f"{planned.progress_name}:began"
        if cursors.get(session, began_name) is None and planned.first:
            cursors.move(session, began_name, now, now)
        if not step.last:
            if step.whole_up_to is not None and not self.missing:
                cursors.move(session, planned.progress_name, step.whole_up_to, now)
                since = planned.question.since
                self.has_advanced |= since is None or whole_minute(step.whole_up_to) > since
            return
        cursors.drop(session, planned.progress_name)
        if self.missing or not planned.first:
            return
        began = cursors.get(session, began_name) or now
        cursors.drop(session, began_name)
        cursors.move(session, planned.cursor_name, self._first_cursor(session, began), now)

    def _first_cursor(self, session: Session, began: datetime) -> datetime:
        """Revisions made while the first window was fetched, in parts perhaps, must stay above the cursor."""
        question = self.plan.question
        end = min(question.until or began, began)
        newest = papers.newest_update(
            session, question.categories, since=end - FIRST_SYNC - OVERLAP, until=end, not_after=began
        )
        return newest or end - FIRST_SYNC

    def _describe(self, session: Session, status: ReceiptStatus, reason: str, now: datetime) -> Receipt:
        outcomes = list(self.outcomes.values())
        running = status is ReceiptStatus.RUNNING
        spent, before = self.client.spent, self.spent_before
        unread = len(self._unread(session))
        details: dict[str, Any] = {"refusals": dict(spent.refusals - before.refusals)}
        if not running:
            details["matches"] = relevance.tally(session, self.profile, self.outcomes)
        return replace(
            self.receipt,
            status=status,
            reason=reason,
            finished_at=None if running else now,
            requests=spent.requests - before.requests,
            waited_s=round(spent.waited_s - before.waited_s, 3),
            details=details,
            announced=len(outcomes) + self.missing + self.remaining + unread,
            held=len(outcomes),
            new=outcomes.count("new"),
            revised=outcomes.count("revised"),
            unchanged=outcomes.count("unchanged"),
            open=self.missing + self.remaining + unread,
            cursor_after=cursors.get(session, self.plan.cursor_name),
        )

    def _finish(self, status: ReceiptStatus, reason: str) -> Receipt:
        with database.session(self.engine) as session:
            self.receipt = self._describe(session, status, reason, time_of(self.client.clock))
            receipts.save(session, self.receipt)
        return self.receipt

    def _finish_failed(self, error: PaperlabError) -> None:
        """Note the failure.  Where the store itself failed that can't be noted: the next sync finds it interrupted."""
        try:
            self._finish(ReceiptStatus.FAILED, error.message)
        except NotReady as storage:
            error.add_note(f"its receipt could not be finished: {storage.message}")


def time_of(clock: Clock) -> datetime:
    """The wall clock as an aware time."""
    return datetime.fromtimestamp(clock.wall(), UTC)


@contextmanager
def only_sync(settings: Settings) -> Iterator[None]:
    """One sync at a time for a PAPERLAB_HOME, and for a database that several machines share.

    The pid beside the lock is for people to read.
    """
    pid_file = settings.home / "sync.pid"
    try:
        settings.home.mkdir(parents=True, exist_ok=True)
        lock = FileLock(settings.home / "sync.lock")
        lock.acquire(timeout=0)
    except Timeout as error:
        pid = pid_file.read_text(encoding="utf-8").strip() if pid_file.exists() else ""
        raise TryAgain(
            f"another sync is running{f' (process {pid})' if pid else ''}",
            "wait for it to end: paperlab papers list shows what is in already",
            reason="lock",
            retry_after_s=60.0,
        ) from error
    except OSError as error:
        raise NotReady(
            f"{settings.home} can't be written: {error.strerror}", "set PAPERLAB_HOME to a folder you can write"
        ) from error
    try:
        try:
            pid_file.write_text(f"{os.getpid()}\n", encoding="utf-8")
        except OSError as error:
            raise NotReady(f"{pid_file} can't be written: {error.strerror}", "free some disk space") from error
        with database.only_one(settings, "sync") as is_alone:
            if not is_alone:
                raise TryAgain(
                    "another machine is syncing with this database",
                    "wait for it to end: paperlab papers list shows what is in already",
                    reason="lock",
                    retry_after_s=60.0,
                )
            yield
    finally:
        pid_file.unlink(missing_ok=True)
        lock.release()
