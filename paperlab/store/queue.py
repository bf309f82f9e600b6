"""The queue of runs: what is to be trained, by whom it is being trained, how it ended.

An entry is taken within a writing session, which holds the write lock from its beginning: two workers never take the
same one.  Nothing here commits, and nothing here knows which process lives; see runs/queue.py.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from paperlab.store.schema import QueueRow

WAITING, RUNNING, FINISHED, FAILED, CANCELLED = STATES = ("waiting", "running", "finished", "failed", "cancelled")


@dataclass(frozen=True)
class Wanted:
    """A run that somebody wants made."""

    recipe: str
    tier: str
    seed: int
    overrides: Mapping[str, str] = field(default_factory=dict)
    gpus: int = 1
    """Processes, each on a GPU of its own where there are some."""
    why: Mapping[str, Any] = field(default_factory=dict)
    """ {"claims": [...], "reason": ..., "by": "add", "sweep" or "fill"}, and of "fill" what it was worth."""
    predicted: Mapping[str, Any] = field(default_factory=dict)
    """What it was expected to cost: seconds, device_hours and their unit, bytes, and the basis."""


@dataclass(frozen=True)
class Entry:
    """A line of the queue."""

    id: int
    recipe: str
    tier: str
    seed: int
    overrides: Mapping[str, str]
    gpus: int
    state: str
    why: Mapping[str, Any]
    predicted: Mapping[str, Any]
    added_at: datetime
    started_at: datetime | None = None
    finished_at: datetime | None = None
    run_id: str | None = None
    worker: Mapping[str, Any] = field(default_factory=dict)
    """ {"host", "pid", "began"} of the process that took it; empty for one that nobody has."""
    message: str = ""

    @property
    def words(self) -> str:
        """ "transformer-base --tier smoke --seed 2 --set optim.lr=0.5"."""
        changes = "".join(f" --set {name}={value}" for name, value in self.overrides.items())
        many = f" --gpus {self.gpus}" if self.gpus > 1 else ""
        return f"{self.recipe} --tier {self.tier} --seed {self.seed}{changes}{many}"


def add(session: Session, wanted: Wanted, now: datetime) -> tuple[Entry, bool]:
    """Put a run into the queue.  Returns its entry, and False where the same run was waiting or running already."""
    for held in find(session, (WAITING, RUNNING)):
        if (held.recipe, held.tier, held.seed, dict(held.overrides)) == (
            wanted.recipe,
            wanted.tier,
            wanted.seed,
            dict(wanted.overrides),
        ):
            return held, False
    row = QueueRow(
        recipe=wanted.recipe,
        tier=wanted.tier,
        seed=wanted.seed,
        overrides=dict(wanted.overrides),
        gpus=wanted.gpus,
        state=WAITING,
        why=dict(wanted.why),
        predicted=dict(wanted.predicted),
        added_at=now,
        worker={},
        message="",
    )
    session.add(row)
    session.flush()
    return _entry(row), True


def get(session: Session, entry_id: int) -> Entry | None:
    row = session.get(QueueRow, entry_id)
    return None if row is None else _entry(row)


def find(session: Session, states: Iterable[str] = STATES) -> list[Entry]:
    """The entries in these states, in the order in which they are taken."""
    statement = sa.select(QueueRow).where(QueueRow.state.in_(list(states))).order_by(QueueRow.id)
    return [_entry(row) for row in session.execute(statement).scalars()]


def take(session: Session, worker: Mapping[str, Any], now: datetime, *, leaving: Iterable[int] = ()) -> Entry | None:
    """Give the oldest waiting entry, but none of `leaving`, to this worker; None where there is none."""
    statement = sa.select(QueueRow).where(QueueRow.state == WAITING, QueueRow.id.not_in(list(leaving)))
    row = session.execute(statement.order_by(QueueRow.id).limit(1)).scalar_one_or_none()
    if row is None:
        return None
    row.state, row.worker, row.started_at, row.message = RUNNING, dict(worker), now, ""
    session.flush()
    return _entry(row)


def put_back(session: Session, entry_id: int, why: str, run_id: str | None = None) -> None:
    """Let it wait again; the run that was begun is remembered, and gone on with by whoever takes it."""
    row = session.get_one(QueueRow, entry_id)
    row.state, row.worker, row.started_at, row.message = WAITING, {}, None, why
    row.run_id = run_id or row.run_id
    session.flush()


def end(
    session: Session, entry_id: int, state: str, now: datetime, *, run_id: str | None = None, why: str = ""
) -> None:
    """It is finished, failed or cancelled."""
    row = session.get_one(QueueRow, entry_id)
    row.state, row.finished_at, row.message = state, now, why
    row.run_id = run_id or row.run_id
    session.flush()


def _entry(row: QueueRow) -> Entry:
    return Entry(
        id=row.id,
        recipe=row.recipe,
        tier=row.tier,
        seed=row.seed,
        overrides=row.overrides,
        gpus=row.gpus,
        state=row.state,
        why=row.why,
        predicted=row.predicted,
        added_at=row.added_at,
        started_at=row.started_at,
        finished_at=row.finished_at,
        run_id=row.run_id,
        worker=row.worker,
        message=row.message,
    )
