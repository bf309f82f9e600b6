"""What a feed said of itself the last time, so that an unchanged one is not sent and a repeated one is noticed."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.orm import Session

from paperlab.store.schema import FeedRow


@dataclass(frozen=True)
class FeedState:
    """One address of a feed, as it was when it was last read."""

    url: str
    etag: str | None
    last_modified: str | None
    published_at: datetime | None
    """The day that the feed was of."""
    content_hash: str
    fetched_at: datetime


def get(session: Session, url: str) -> FeedState | None:
    row = session.get(FeedRow, url)
    return _as_state(row) if row else None


def save(session: Session, state: FeedState) -> None:
    """Does not commit: what the feed announced and this belong to one transaction."""
    row = session.get(FeedRow, state.url)
    if row is None:
        row = FeedRow(url=state.url)
        session.add(row)
    for name in ("etag", "last_modified", "published_at", "content_hash", "fetched_at"):
        setattr(row, name, getattr(state, name))
    session.flush()


def every(session: Session) -> list[FeedState]:
    """The one that was read last first."""
    rows = session.execute(sa.select(FeedRow).order_by(FeedRow.fetched_at.desc())).scalars()
    return [_as_state(row) for row in rows]


def _as_state(row: FeedRow) -> FeedState:
    return FeedState(row.url, row.etag, row.last_modified, row.published_at, row.content_hash, row.fetched_at)
