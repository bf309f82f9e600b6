"""What arXiv's daily feed announced, each version and kind once, whether or not we hold it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import cast

import sqlalchemy as sa
from sqlalchemy.orm import Session

from paperlab.entities import Announcement, AnnouncementKind
from paperlab.store.schema import AnnouncementRow

_ANNOUNCEMENTS = cast(sa.Table, AnnouncementRow.__table__)
_IDS_PER_QUERY = 500


def record(session: Session, announcements: Iterable[Announcement], now: datetime) -> list[Announcement]:
    """Note what was announced.  Returns what had not been announced before.  Does not commit."""
    by_key = {(each.arxiv_id, each.version, each.kind.value): each for each in announcements}
    known = _known(session, [arxiv_id for arxiv_id, _, _ in by_key])
    fresh = [each for key, each in by_key.items() if key not in known]
    if fresh:
        session.execute(
            sa.insert(_ANNOUNCEMENTS),
            [
                {
                    "arxiv_id": each.arxiv_id,
                    "version": each.version,
                    "kind": each.kind.value,
                    "announced_at": each.announced_at,
                    "first_seen_at": now,
                }
                for each in fresh
            ],
        )
    return fresh


def of_paper(session: Session, arxiv_id: str) -> list[Announcement]:
    """Oldest first."""
    rows = session.execute(
        sa.select(AnnouncementRow)
        .where(AnnouncementRow.arxiv_id == arxiv_id)
        .order_by(AnnouncementRow.announced_at, AnnouncementRow.version)
    ).scalars()
    return [Announcement(row.arxiv_id, row.version, AnnouncementKind(row.kind), row.announced_at) for row in rows]


def count(session: Session) -> int:
    return int(session.execute(sa.select(sa.func.count()).select_from(_ANNOUNCEMENTS)).scalar_one())


def _known(session: Session, arxiv_ids: Sequence[str]) -> set[tuple[str, int, str]]:
    table = _ANNOUNCEMENTS.c
    found: set[tuple[str, int, str]] = set()
    for start in range(0, len(arxiv_ids), _IDS_PER_QUERY):
        chunk = arxiv_ids[start : start + _IDS_PER_QUERY]
        rows = session.execute(sa.select(table.arxiv_id, table.version, table.kind).where(table.arxiv_id.in_(chunk)))
        found.update((row.arxiv_id, row.version, row.kind) for row in rows)
    return found
