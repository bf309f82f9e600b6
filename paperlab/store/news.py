"""What happened in the store since a time, as a digest asks for it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import cast

import sqlalchemy as sa
from sqlalchemy.orm import Session

from paperlab.entities import Alert, AlertKind, AnnouncementKind
from paperlab.store.papers import SEED
from paperlab.store.schema import AlertRow, AnnouncementRow, PaperRow, ProfileMatchRow, WatchlistRow, WatchMatchRow

_PAPERS = cast(sa.Table, PaperRow.__table__)
_WATCHED = cast(sa.Table, WatchMatchRow.__table__)
_IDS_PER_QUERY = 500


def relevant_arrivals(
    session: Session, profiles: Sequence[str], *, since: datetime, submitted_since: datetime
) -> list[str]:
    """Papers that came in since then and match one of the profiles, newest submission first.

    Old ones that a backfill brought are no news: a paper was submitted since `submitted_since`, or announced as new.
    """
    matches = sa.select(ProfileMatchRow.arxiv_id).where(ProfileMatchRow.profile.in_(list(profiles)))
    statement = _arrived(since, submitted_since).where(_PAPERS.c.arxiv_id.in_(matches))
    return [str(arxiv_id) for arxiv_id in session.execute(statement).scalars()]


def watched_arrivals(session: Session, *, since: datetime, submitted_since: datetime) -> list[str]:
    """Papers that a watchlist matches and that came in since then, or changed so that it matches since then."""
    ever = sa.select(_WATCHED.c.arxiv_id)
    by_a_change = _WATCHED.c.matched_at >= since
    arrived = _arrived(since, submitted_since).where(_PAPERS.c.arxiv_id.in_(ever))
    changed = (
        sa.select(_PAPERS.c.arxiv_id)
        .where(_PAPERS.c.last_changed_at >= since, _PAPERS.c.first_held_at < since, _PAPERS.c.source != SEED)
        .where(_PAPERS.c.arxiv_id.in_(ever.where(by_a_change)))
        .order_by(_PAPERS.c.updated_at.desc(), _PAPERS.c.arxiv_id)
    )
    found = [*session.execute(arrived).scalars(), *session.execute(changed).scalars()]
    return [str(arxiv_id) for arxiv_id in dict.fromkeys(found)]


def watchlists_of(session: Session, arxiv_ids: Iterable[str]) -> dict[str, list[tuple[str, str]]]:
    """Name and query of the watchlists that match each paper; a paper without one is not in it."""
    ids = list(arxiv_ids)
    found: dict[str, list[tuple[str, str]]] = {}
    for start in range(0, len(ids), _IDS_PER_QUERY):
        statement = (
            sa.select(_WATCHED.c.arxiv_id, WatchlistRow.name, WatchlistRow.query)
            .join(WatchlistRow, WatchlistRow.name == _WATCHED.c.watchlist)
            .where(_WATCHED.c.arxiv_id.in_(ids[start : start + _IDS_PER_QUERY]))
            .order_by(_WATCHED.c.arxiv_id, WatchlistRow.name)
        )
        for arxiv_id, name, query in session.execute(statement):
            found.setdefault(arxiv_id, []).append((name, query))
    return found


def alerts(session: Session, *, since: datetime | None = None, ids: Iterable[int] = ()) -> list[Alert]:
    """Alerts that were raised since then and not seen yet, or those with these ids; the last one raised first."""
    statement = sa.select(AlertRow).order_by(AlertRow.raised_at.desc(), AlertRow.id.desc())
    if since is not None:
        statement = statement.where(AlertRow.raised_at >= since, AlertRow.seen_at.is_(None))
    else:
        statement = statement.where(AlertRow.id.in_(list(ids)))
    return [
        Alert(row.id, row.arxiv_id, AlertKind(row.kind), row.details, row.raised_at, row.seen_at)
        for row in session.execute(statement).scalars()
    ]


def _arrived(since: datetime, submitted_since: datetime) -> sa.Select[tuple[str]]:
    announced = sa.select(AnnouncementRow.arxiv_id).where(
        AnnouncementRow.announced_at >= since, AnnouncementRow.kind == AnnouncementKind.NEW.value
    )
    return (
        sa.select(_PAPERS.c.arxiv_id)
        .where(_PAPERS.c.first_held_at >= since, _PAPERS.c.source != SEED)
        .where(sa.or_(_PAPERS.c.submitted_at >= submitted_since, _PAPERS.c.arxiv_id.in_(announced)))
        .order_by(_PAPERS.c.submitted_at.desc(), _PAPERS.c.arxiv_id.desc())
    )
