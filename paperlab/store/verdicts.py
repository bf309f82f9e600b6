"""The append-only log of verdicts: a row when a claim's verdict, or what it was computed from, changes.

Rows are never changed or deleted, so "when did this stop holding, and because of which run?" can be answered.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from paperlab.entities import Verdict, VerdictKind
from paperlab.store.schema import VerdictRow


@dataclass(frozen=True)
class LoggedVerdict:
    """One entry of the log."""

    claim_id: str
    kind: VerdictKind
    reason: str
    measured: float | None
    judged_at: datetime
    computed_from: Mapping[str, Any]


def append_if_changed(session: Session, verdict: Verdict, computed_from: Mapping[str, Any], now: datetime) -> bool:
    """Log the verdict unless it is the claim's last one, computed from the same.  Says whether it was logged.

    That nothing has been attempted yet is no news, so a log does not begin with it.  Does not commit.
    """
    last = latest(session, verdict.claim_id)
    if last is None and verdict.kind is VerdictKind.NOT_ATTEMPTED:
        return False
    if last is not None and (last.kind, last.computed_from) == (verdict.kind, computed_from):
        return False
    session.add(
        VerdictRow(
            claim_id=verdict.claim_id,
            kind=verdict.kind.value,
            reason=verdict.reason,
            measured=verdict.measured,
            judged_at=now,
            computed_from=dict(computed_from),
        )
    )
    session.flush()
    return True


def latest(session: Session, claim_id: str) -> LoggedVerdict | None:
    statement = sa.select(VerdictRow).where(VerdictRow.claim_id == claim_id).order_by(VerdictRow.id.desc()).limit(1)
    row = session.execute(statement).scalar_one_or_none()
    return None if row is None else _as_logged(row)


def latest_of(session: Session, claim_ids: Collection[str]) -> dict[str, LoggedVerdict]:
    """The last entry of each of these claims that has one."""
    last = sa.select(sa.func.max(VerdictRow.id)).group_by(VerdictRow.claim_id)
    rows = session.execute(sa.select(VerdictRow).where(VerdictRow.id.in_(last))).scalars()
    return {row.claim_id: _as_logged(row) for row in rows if row.claim_id in claim_ids}


def newest(session: Session, limit: int) -> list[LoggedVerdict]:
    """The last `limit` entries of the log, newest first."""
    statement = sa.select(VerdictRow).order_by(VerdictRow.id.desc()).limit(limit)
    return [_as_logged(row) for row in session.execute(statement).scalars()]


def history(session: Session, claim_id: str | None = None) -> list[LoggedVerdict]:
    """The log, oldest first, of one claim or of all."""
    statement = sa.select(VerdictRow).order_by(VerdictRow.id)
    if claim_id is not None:
        statement = statement.where(VerdictRow.claim_id == claim_id)
    return [_as_logged(row) for row in session.execute(statement).scalars()]


def _as_logged(row: VerdictRow) -> LoggedVerdict:
    return LoggedVerdict(
        row.claim_id, VerdictKind(row.kind), row.reason, row.measured, row.judged_at, row.computed_from
    )
