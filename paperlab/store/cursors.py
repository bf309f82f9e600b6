"""Where each source's sync stopped.

A cursor is written in the same transaction as the papers it covers, so a crash repeats work but never skips it.
The time between requests is not kept here: see arxiv/limiter.py.
"""

from __future__ import annotations

from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.orm import Session

from paperlab.store.schema import CursorRow


def get(session: Session, name: str) -> datetime | None:
    row = session.get(CursorRow, name)
    return row.reached_at if row else None


def move(session: Session, name: str, reached_at: datetime, now: datetime) -> None:
    """Set the cursor, forward or back.  Does not commit: the caller's papers and this belong to one transaction."""
    row = session.get(CursorRow, name)
    if row is None:
        session.add(CursorRow(name=name, reached_at=reached_at, moved_at=now))
    elif row.reached_at != reached_at or row.moved_at > now:
        row.reached_at = reached_at
        row.moved_at = now
    session.flush()


def drop(session: Session, name: str) -> None:
    session.execute(sa.delete(CursorRow).where(CursorRow.name == name))


def every(session: Session) -> dict[str, datetime]:
    rows = session.execute(sa.select(CursorRow).order_by(CursorRow.name)).scalars()
    return {row.name: row.reached_at for row in rows}


def moved_after(session: Session, moment: datetime) -> frozenset[str]:
    """The cursors that were moved later than this.  Later than now: by a clock that was ahead."""
    return frozenset(session.execute(sa.select(CursorRow.name).where(CursorRow.moved_at > moment)).scalars())
