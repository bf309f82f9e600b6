"""What each sync asked, got and left open.  Written when it starts, so that one that dies leaves a trace too."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from paperlab.entities import Receipt, ReceiptStatus
from paperlab.store.schema import ReceiptRow


def start(
    session: Session,
    *,
    source: str,
    kind: str,
    query: str,
    cursor: datetime | None,
    process: Mapping[str, Any],
    now: datetime,
) -> Receipt:
    """A receipt that says "running"."""
    row = ReceiptRow(
        source=source,
        kind=kind,
        query=query,
        status=ReceiptStatus.RUNNING.value,
        reason="",
        started_at=now,
        finished_at=None,
        cursor_before=cursor,
        cursor_after=cursor,
        process=dict(process),
    )
    session.add(row)
    session.flush()
    return _as_receipt(row)


def save(session: Session, receipt: Receipt) -> None:
    """Write what the sync knows now.  Raises ValueError where the numbers don't balance."""
    if receipt.announced != receipt.held + receipt.open:
        raise ValueError(f"receipt {receipt.id}: announced {receipt.announced} is not held + open")
    if receipt.held != receipt.new + receipt.revised + receipt.unchanged:
        raise ValueError(f"receipt {receipt.id}: held {receipt.held} is not new + revised + unchanged")
    row = session.get_one(ReceiptRow, receipt.id)
    for name in (
        *("query", "reason", "finished_at", "requests", "announced", "held", "new", "revised", "unchanged", "open"),
        *("waited_s", "cursor_before", "cursor_after"),
    ):
        setattr(row, name, getattr(receipt, name))
    row.details = dict(receipt.details)
    row.status = receipt.status.value
    session.flush()


def close_dead(session: Session, *, now: datetime) -> int:
    """Mark as interrupted what still says "running".  Only under the sync lock.

    All that run longer than a transaction hold that lock: syncs, harvests and snapshots.  A receipt of a process that
    died has no time of its end: `finished_at` stays empty.
    """
    rows = session.execute(sa.select(ReceiptRow).where(ReceiptRow.status == ReceiptStatus.RUNNING.value)).scalars()
    closed = 0
    for row in rows:
        row.status = ReceiptStatus.INTERRUPTED.value
        row.reason = f"process {row.process.get('pid', '?')} died; noticed {now.isoformat(timespec='seconds')}"
        closed += 1
    session.flush()
    return closed


def get(session: Session, receipt_id: int) -> Receipt | None:
    row = session.get(ReceiptRow, receipt_id)
    return _as_receipt(row) if row else None


def latest(session: Session, limit: int | None = 20) -> list[Receipt]:
    """Newest first."""
    rows = session.execute(sa.select(ReceiptRow).order_by(ReceiptRow.id.desc()).limit(limit)).scalars()
    return [_as_receipt(row) for row in rows]


def newest_by_source(session: Session) -> dict[str, Receipt]:
    """The newest receipt of each source, look-ups of single papers aside."""
    newest = sa.select(sa.func.max(ReceiptRow.id)).where(ReceiptRow.kind != "lookup").group_by(ReceiptRow.source)
    rows = session.execute(sa.select(ReceiptRow).where(ReceiptRow.id.in_(newest)).order_by(ReceiptRow.source)).scalars()
    return {row.source: _as_receipt(row) for row in rows}


def last_success_by_source(session: Session) -> dict[str, Receipt]:
    """The newest complete receipt of each source, look-ups of single papers aside."""
    newest = (
        sa.select(sa.func.max(ReceiptRow.id))
        .where(ReceiptRow.kind != "lookup", ReceiptRow.status == ReceiptStatus.COMPLETE.value)
        .group_by(ReceiptRow.source)
    )
    rows = session.execute(sa.select(ReceiptRow).where(ReceiptRow.id.in_(newest)).order_by(ReceiptRow.source)).scalars()
    return {row.source: _as_receipt(row) for row in rows}


def since(session: Session, moment: datetime) -> list[Receipt]:
    """Those of commands that began then or later, newest first."""
    rows = session.execute(
        sa.select(ReceiptRow).where(ReceiptRow.started_at >= moment).order_by(ReceiptRow.id.desc())
    ).scalars()
    return [_as_receipt(row) for row in rows]


def of_source(session: Session, source: str, query: str | None = None) -> list[Receipt]:
    """Oldest first; with `query`, those that asked just this."""
    statement = sa.select(ReceiptRow).where(ReceiptRow.source == source).order_by(ReceiptRow.id)
    if query is not None:
        statement = statement.where(ReceiptRow.query == query)
    return [_as_receipt(row) for row in session.execute(statement).scalars()]


def last_success(session: Session, source: str | None = None) -> Receipt | None:
    """The newest complete receipt of a night: of a nightly sync, or of the first one.

    The first one asks for a window of days too, and sets the cursor that the nights go on from; a window that was asked
    for by its days leaves that cursor alone.
    """
    is_first = sa.and_(
        ReceiptRow.kind == "window", ReceiptRow.cursor_before.is_(None), ReceiptRow.cursor_after.is_not(None)
    )
    statement = sa.select(ReceiptRow).where(
        ReceiptRow.status == ReceiptStatus.COMPLETE.value, sa.or_(ReceiptRow.kind == "nightly", is_first)
    )
    if source is not None:
        statement = statement.where(ReceiptRow.source == source)
    row = session.execute(statement.order_by(ReceiptRow.id.desc()).limit(1)).scalar()
    return _as_receipt(row) if row else None


def _as_receipt(row: ReceiptRow) -> Receipt:
    return Receipt(
        id=row.id,
        source=row.source,
        kind=row.kind,
        query=row.query,
        status=ReceiptStatus(row.status),
        reason=row.reason,
        started_at=row.started_at,
        finished_at=row.finished_at,
        requests=row.requests,
        announced=row.announced,
        held=row.held,
        new=row.new,
        revised=row.revised,
        unchanged=row.unchanged,
        open=row.open,
        waited_s=row.waited_s,
        cursor_before=row.cursor_before,
        cursor_after=row.cursor_after,
        details=row.details,
    )
