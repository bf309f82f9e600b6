"""OAI-PMH into the store: `paperlab sync --source oai --set cs:cs:CL --from 2017-01-01`.

Each answer is one transaction: its papers, the receipt's numbers, and how far the set has been read (oai_walk.py says
what is asked).  So a harvest can be stopped at any moment and goes on after days; where its token has expired by then,
one day's records are asked for again.  A record that can't be read is a gap, and asked for by itself at the end of this
harvest and of later ones.

A harvest without `since` and `until` goes on with what was left unfinished; after a finished one, from the day before
its first answer; otherwise it takes the whole set.  A record that was deleted marks a paper that we hold as withdrawn;
no paper is ever removed.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

from paperlab.arxiv import categories, oai_pmh
from paperlab.arxiv.client import Budget, Client
from paperlab.arxiv.limiter import Clock
from paperlab.arxiv.oai_pmh import Listing, Question, Record, Unreadable
from paperlab.entities import Paper, Receipt, ReceiptStatus
from paperlab.errors import InvalidInput, NotReady, PaperlabError, TryAgain
from paperlab.library import agreement, arrivals, landmarks, profiles, sync
from paperlab.library.oai_walk import Progress, Step, walk
from paperlab.library.sync import Stopped
from paperlab.settings import Settings
from paperlab.store import database, gaps, harvests, papers, receipts
from paperlab.store.database import Engine, Session

KIND = "harvest"
OVERLAP = timedelta(days=1)
"""Before the first answer of the last harvest: answers come from caches, and a day is not over when it is asked for."""
DISTRUST = timedelta(days=7)
"""How far back a harvest begins where the last one's dates lie in the future: a clock was wrong."""
DELETED = "deleted by arXiv"
MAX_TRIES = 7
"""Harvests that ask for a record which could not be read, before it is given up."""
_NAMED = 20
"""Unreadable records that a receipt names; the others are counted."""
_SET = re.compile(r"[a-z-]+(?::[a-z-]+(?::(?P<subject>[A-Za-z-]+))?)?")
_GROUPS = ("cs", "econ", "eess", "math", "physics", "q-bio", "q-fin", "stat")
_PHYSICS = (
    "astro-ph cond-mat gr-qc hep-ex hep-lat hep-ph hep-th math-ph nlin nucl-ex nucl-th physics quant-ph".split()  # noqa: SIM905
)


@dataclass(frozen=True)
class HarvestOptions:
    """What to ask.  Days are those of a record's last change (datestamps); None is no limit.

    A bare day of `until` is included; a time of `until` is not.
    """

    sets: tuple[str, ...]
    since: date | None = None
    until: date | None = None
    max_requests: int | None = None
    max_seconds: float | None = None


def run(
    engine: Engine,
    settings: Settings,
    options: HarvestOptions,
    *,
    clock: Clock | None = None,
    progress: Callable[[Receipt], None] = lambda _: None,
) -> Receipt:
    """Harvest the sets, one after the other.  `progress` hears the receipt after every answer.

    Raises Stopped (budget, rate limit, network, answers that don't agree), TryAgain where another sync runs, and
    InvalidInput and NotReady as they come; everything but the last two leaves what came in and a receipt.
    """
    clock = clock or Clock()
    sets = tuple(dict.fromkeys(map(_validated, options.sets)))
    if not sets:
        raise InvalidInput("no set is named", "example: paperlab sync --source oai --set cs:cs:CL --from 2017-01-01")
    since, until = _days(options)
    with sync.only_sync(settings):
        now = sync.time_of(clock)
        landmarks.seed(engine, settings, now)
        profiles.rematch_changed(engine, settings.profiles, now)
        with database.session(engine) as session:
            receipts.close_dead(session, now=now)
            planned = _plan_all(session, sets, since, until, now)
        receipt = sync.start_receipt(
            engine,
            source=oai_pmh.SOURCE,
            kind=KIND,
            query="; ".join(map(str, planned)),
            cursor=planned[0].cursor,
            now=now,
        )
        with Client.of(settings, clock=clock, budget=Budget(options.max_requests, options.max_seconds)) as client:
            return _Harvest(engine, settings, client, progress, receipt).run(planned)


@dataclass(frozen=True)
class _Plan:
    """One set: where it stands, and the names under which that is kept."""

    set: str
    progress: Progress
    name: str
    """Of the unfinished walk."""
    finished_name: str | None
    """Of where the next one begins; a walk that ends at an earlier day says nothing of that."""
    done: bool = False
    """Its walk came to the end in a harvest that was stopped at another set."""

    def __str__(self) -> str:
        since = self.progress.since
        asked = f"{self.set}, changed since {since}" if since else f"{self.set}, all of it"
        return asked + (f" until {self.progress.until}" if self.progress.until else "")

    @property
    def cursor(self) -> datetime | None:
        return _midnight(self.progress.reached or self.progress.since)


def _plan_all(
    session: Session, sets: tuple[str, ...], since: date | None, until: date | None, now: datetime
) -> list[_Plan]:
    for each in sets:
        _forget_other_commands(session, each, sets)
    planned = [_plan(session, each, since, until, now) for each in sets]
    if not all(plan.done for plan in planned):
        return planned
    for plan in planned:
        harvests.drop(session, plan.name)
    return [_plan(session, each, since, until, now) for each in sets]


def _forget_other_commands(session: Session, name: str, sets: tuple[str, ...]) -> None:
    """That a set came to its end tells only the command that was stopped at another set to leave it out."""
    for unfinished, state in harvests.named(session, f"{oai_pmh.SOURCE}:{name}:from ").items():
        if state.get("done") and state.get("sets") != list(sets):
            harvests.drop(session, unfinished)


def _plan(session: Session, name: str, since: date | None, until: date | None, now: datetime) -> _Plan:
    base = f"{oai_pmh.SOURCE}:{name}"
    finished = f"{base}:finished"
    if since is None and until is None:
        for unfinished, state in harvests.named(session, f"{base}:from ").items():
            if state["until"] is None:
                return _Plan(name, Progress.from_state(state), unfinished, finished, bool(state.get("done")))
        if (last := harvests.get(session, finished)) is not None:
            began = date.fromisoformat(last["began"])
            since = began - OVERLAP if began <= now.date() else now.date() - DISTRUST
    asked = f"{base}:from {since or 'the beginning'}" + (f" until {until}" if until else "")
    held = harvests.get(session, asked)
    progress = Progress.from_state(held) if held else Progress(since, until)
    return _Plan(name, progress, asked, finished if until is None else None, bool(held and held.get("done")))


@dataclass
class _Harvest:
    engine: Engine
    settings: Settings
    client: Client
    progress: Callable[[Receipt], None]
    receipt: Receipt
    outcomes: dict[str, str] = field(default_factory=dict)
    """What became of each paper in this harvest: "new", "revised" or "unchanged"."""
    open: dict[str, Unreadable] = field(default_factory=dict)
    """Records that could not be read, and so may be versions that are not held; by identifier, or by flaw."""
    unreadable: dict[str, None] = field(default_factory=dict)
    """Every flaw met."""
    deleted: set[str] = field(default_factory=set)
    reached: datetime | None = None
    sets: list[str] = field(default_factory=list)
    has_advanced: bool = False
    """Whether the next harvest begins further on than this one did."""

    def run(self, planned: Sequence[_Plan]) -> Receipt:
        self.sets = [plan.set for plan in planned]
        try:
            for plan in planned:
                if not plan.done:
                    self.reached = plan.cursor
                    for step in walk(self._fetch, plan.set, plan.progress):
                        self._take(plan, step)
            self._ask_for_unreadable()
            with database.session(self.engine) as session:
                for plan in planned:
                    harvests.drop(session, plan.name)
            return self._finish(ReceiptStatus.COMPLETE, self._what_is_open())
        except TryAgain as error:
            if error.reason == "budget" and not self.has_advanced:
                error = TryAgain(
                    f"{error.message} before one day was whole",
                    "parts of a day are gone on with until midnight UTC, and every day is read twice: allow twice the "
                    "pages of the largest day",
                    reason="budget",
                )
            raise Stopped(error, self._finish(ReceiptStatus.PARTIAL, error.message)) from error
        except KeyboardInterrupt:
            self._finish(ReceiptStatus.PARTIAL, "stopped by the user")
            raise
        except PaperlabError as error:
            self._finish_failed(error)
            raise

    def _fetch(self, question: Question) -> Listing:
        return oai_pmh.fetch(self.client, self.settings.arxiv.oai_url, question)

    def _take(self, plan: _Plan, step: Step) -> None:
        """Store one answer and how far the set has been read with it, in one transaction."""
        now = sync.time_of(self.client.clock)
        reached = step.progress.until or step.progress.began if step.done else step.progress.reached
        self.has_advanced |= step.done or _is_further(step, plan.progress.reached)
        self.reached = _midnight(reached) or self.reached
        with database.session(self.engine) as session:
            self._store(session, step.listing, now)
            state = step.progress.as_state() | {"done": step.done, "sets": self.sets}
            harvests.save(session, plan.name, state, now)
            if step.done:
                self._note_end(session, plan, step.progress, now)
            self.receipt = self._describe(ReceiptStatus.RUNNING, "", now)
            receipts.save(session, self.receipt)
        self.progress(self.receipt)

    def _note_end(self, session: Session, plan: _Plan, progress: Progress, now: datetime) -> None:
        """Where the next harvest begins: by the server's clock, unless that is ahead of ours."""
        if plan.finished_name is None or progress.began is None:
            return
        held = harvests.get(session, plan.finished_name)
        before = date.fromisoformat(held["began"]) if held else None
        if before is not None and before <= now.date():
            if progress.since is not None and progress.since > before:
                return  # nobody asked for the days between
        else:
            before = None
        began = min(progress.began, now.date())
        harvests.save(session, plan.finished_name, {"began": str(max(began, before or began))}, now)

    def _store(self, session: Session, listing: Listing, now: datetime) -> None:
        ids = [record.arxiv_id for record in listing.records]
        ids += [each.arxiv_id for each in listing.unreadable if each.arxiv_id]
        held = {paper.arxiv_id: paper for paper in papers.get_many(session, ids)}
        arriving: list[Paper] = []
        for record in listing.records:
            if record.deleted:
                self.deleted.add(record.arxiv_id)
                self.open.pop(record.arxiv_id, None)
                if record.arxiv_id in held:
                    arriving.append(replace(held[record.arxiv_id], withdrawn=True))
            elif record.paper is not None:
                arriving.append(agreement.as_held(record.paper, held.get(record.arxiv_id)))
        self._hold(session, arriving, now)
        for each in listing.unreadable:
            self._leave_open(session, each, held, now)

    def _hold(self, session: Session, arriving: Sequence[Paper], now: datetime) -> None:
        counts = arrivals.take(session, self.settings, arriving, now)
        for paper in arriving:
            if paper.arxiv_id in counts.arrived:
                self.outcomes[paper.arxiv_id] = "new"
            elif paper.arxiv_id in counts.changed:
                if self.outcomes.get(paper.arxiv_id) != "new":
                    self.outcomes[paper.arxiv_id] = "revised"
            else:
                self.outcomes.setdefault(paper.arxiv_id, "unchanged")
            self.open.pop(paper.arxiv_id, None)

    def _leave_open(self, session: Session, each: Unreadable, held: Mapping[str, Paper], now: datetime) -> None:
        """What can't be read may be a version that we don't hold."""
        self.unreadable[each.flaw] = None
        if each.arxiv_id is None:
            self.open[each.flaw] = each
            return
        before = held.get(each.arxiv_id)
        is_held = before is not None and before.source != papers.SEED
        version = before.version + 1 if before and is_held else 1
        gaps.note(session, each.arxiv_id, version, source=oai_pmh.SOURCE, reason=each.flaw, now=now)
        if each.arxiv_id not in self.outcomes:
            self.open[each.arxiv_id] = each

    def _ask_for_unreadable(self) -> None:
        """Every record that could not be read, in this harvest or an earlier one, by itself."""
        with database.session(self.engine) as session:
            gaps.close_held(session, sync.time_of(self.client.clock))
            left = [gap.arxiv_id for gap in gaps.still_open(session) if gap.source == oai_pmh.SOURCE]
        for arxiv_id in dict.fromkeys(left):
            told = self._fetch_record(arxiv_id)
            now = sync.time_of(self.client.clock)
            with database.session(self.engine) as session:
                if isinstance(told, Record):
                    self._store(session, Listing((told,), now), now)
                    outcome = DELETED if told.deleted else gaps.HELD
                    gaps.close(session, arxiv_id, source=oai_pmh.SOURCE, outcome=outcome, now=now)
                else:
                    gaps.note_tries(session, [arxiv_id], limit=MAX_TRIES, now=now)

    def _fetch_record(self, arxiv_id: str) -> object:
        """The record, or what arXiv has instead of it: one identifier that is refused keeps no other from its turn."""
        try:
            return oai_pmh.fetch_record(self.client, self.settings.arxiv.oai_url, arxiv_id)
        except InvalidInput as refusal:
            return refusal

    def _what_is_open(self) -> str:
        if not self.unreadable:
            return ""
        flaws = "; ".join(list(self.unreadable)[:5])
        return f"{len(self.unreadable)} records could not be read: {flaws}"

    def _describe(self, status: ReceiptStatus, reason: str, now: datetime) -> Receipt:
        outcomes = list(self.outcomes.values())
        details: dict[str, Any] = {"deleted": len(self.deleted), "refusals": dict(self.client.spent.refusals)}
        if self.unreadable:
            details["unreadable"] = list(self.unreadable)[:_NAMED]
        return replace(
            self.receipt,
            status=status,
            reason=reason,
            finished_at=None if status is ReceiptStatus.RUNNING else now,
            requests=self.client.spent.requests,
            waited_s=round(self.client.spent.waited_s, 3),
            announced=len(outcomes) + len(self.open),
            held=len(outcomes),
            new=outcomes.count("new"),
            revised=outcomes.count("revised"),
            unchanged=outcomes.count("unchanged"),
            open=len(self.open),
            cursor_after=self.reached,
            details=details,
        )

    def _finish(self, status: ReceiptStatus, reason: str) -> Receipt:
        with database.session(self.engine) as session:
            now = sync.time_of(self.client.clock)
            gaps.close_held(session, now)
            self.receipt = self._describe(status, reason, now)
            receipts.save(session, self.receipt)
        return self.receipt

    def _finish_failed(self, error: PaperlabError) -> None:
        """Note the failure.  Where the store itself failed that can't be noted: the next one finds it interrupted."""
        try:
            self._finish(ReceiptStatus.FAILED, error.message)
        except NotReady as storage:
            error.add_note(f"its receipt could not be finished: {storage.message}")


# --- words of the command line --------------------------------------------------------------------------------


def _validated(text: str) -> str:
    """A set as arXiv names them: `cs`, `physics:hep-th`, `cs:cs:CL`."""
    match = _SET.fullmatch(text)
    if text in _GROUPS:
        return text
    if match is None or ":" not in text:
        known = f"perhaps {_set_of(text)}" if text in categories.CATEGORIES else "sets are group:archive:CATEGORY"
        raise InvalidInput(
            f'"{text}" is not an OAI-PMH set', f"{known}; examples: cs:cs:CL, physics:hep-th, stat:stat:ML"
        )
    if match["subject"]:
        categories.validate([".".join(text.split(":")[1:])])
    return text


def _set_of(category: str) -> str:
    archive, _, subject = category.partition(".")
    group = "physics" if archive in _PHYSICS else archive
    return f"{group}:{archive}:{subject}" if subject else f"{group}:{archive}"


def _is_further(step: Step, before: date | None) -> bool:
    """Whether a whole day was read since `before`: that of the list's first record alone is only begun."""
    reached = step.progress.reached
    if reached is None or before is not None:
        return reached != before
    return any(record.datestamp < reached for record in step.listing.records)


def _days(options: HarvestOptions) -> tuple[date | None, date | None]:
    since = options.since.date() if isinstance(options.since, datetime) else options.since
    until = options.until
    if isinstance(until, datetime):
        until = (until - timedelta(microseconds=1)).date()
    if since and until and since > until:
        raise InvalidInput(f"from {since} until {until} there is no day", "--from must not be after --until")
    return since, until


def _midnight(day: date | None) -> datetime | None:
    return datetime.combine(day, time(), UTC) if day else None
