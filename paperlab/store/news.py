"""Which papers are news: what came into the store since a time, as a digest asks for it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import Any, cast

import sqlalchemy as sa
from sqlalchemy.orm import Session

from paperlab.entities import AnnouncementKind
from paperlab.store.papers import SEED
from paperlab.store.schema import AnnouncementRow, PaperRow, ProfileMatchRow, WatchMatchRow

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
    return _ids(session, _arrived(since, submitted_since).where(_PAPERS.c.arxiv_id.in_(matches)))


def arrivals_among(
    session: Session, arxiv_ids: Sequence[str], *, since: datetime, submitted_since: datetime
) -> set[str]:
    """Those of the papers that came in since then, as above."""
    found: set[str] = set()
    for start in range(0, len(arxiv_ids), _IDS_PER_QUERY):
        chunk = arxiv_ids[start : start + _IDS_PER_QUERY]
        found.update(_ids(session, _arrived(since, submitted_since).where(_PAPERS.c.arxiv_id.in_(chunk))))
    return found


def watched_arrivals(session: Session, *, since: datetime, submitted_since: datetime) -> list[str]:
    """Papers that a watchlist matches, never shown as new, that came in since then or changed so that they match."""
    unshown = sa.select(_WATCHED.c.arxiv_id).where(_WATCHED.c.shown_at.is_(None))
    arrived = _arrived(since, submitted_since).where(_PAPERS.c.arxiv_id.in_(unshown))
    changed = (
        sa.select(_PAPERS.c.arxiv_id)
        .join(_WATCHED, _WATCHED.c.arxiv_id == _PAPERS.c.arxiv_id)
        .where(_PAPERS.c.last_changed_at >= since, _PAPERS.c.last_changed_at > _PAPERS.c.first_held_at)
        .where(_WATCHED.c.matched_at >= since, _WATCHED.c.matched_at > _PAPERS.c.first_held_at)
        .where(_WATCHED.c.shown_at.is_(None), _PAPERS.c.source != SEED)
        .order_by(_PAPERS.c.updated_at.desc(), _PAPERS.c.arxiv_id)
    )
    return list(dict.fromkeys([*_ids(session, arrived), *_ids(session, changed)]))


def came_in(session: Session, arxiv_ids: Iterable[str], *, on_hold: timedelta) -> dict[str, datetime]:
    """When each paper became news: the latest `since` with which the queries above still find it.

    For them `submitted_since` must be `since` less `on_hold`.
    """
    ids = list(dict.fromkeys(arxiv_ids))
    found: dict[str, datetime] = {}
    for start in range(0, len(ids), _IDS_PER_QUERY):
        chunk = ids[start : start + _IDS_PER_QUERY]
        announced = _latest(
            session,
            sa.select(AnnouncementRow.arxiv_id, sa.func.max(AnnouncementRow.announced_at))
            .where(AnnouncementRow.arxiv_id.in_(chunk), AnnouncementRow.kind == AnnouncementKind.NEW.value)
            .group_by(AnnouncementRow.arxiv_id),
        )
        matched = _latest(
            session,
            sa.select(_WATCHED.c.arxiv_id, sa.func.max(_WATCHED.c.matched_at))
            .where(_WATCHED.c.arxiv_id.in_(chunk), _WATCHED.c.shown_at.is_(None))
            .group_by(_WATCHED.c.arxiv_id),
        )
        columns = (_PAPERS.c.arxiv_id, _PAPERS.c.first_held_at, _PAPERS.c.submitted_at, _PAPERS.c.last_changed_at)
        for paper in session.execute(sa.select(*columns).where(_PAPERS.c.arxiv_id.in_(chunk))):
            held_at, changed_at = paper.first_held_at, paper.last_changed_at
            recent_until = min(paper.submitted_at, held_at) + on_hold
            arrived_at = min(held_at, max(recent_until, announced.get(paper.arxiv_id, recent_until)))
            matched_at = matched.get(paper.arxiv_id, held_at)
            changed = changed_at > held_at and matched_at > held_at
            found[paper.arxiv_id] = max(arrived_at, min(changed_at, matched_at)) if changed else arrived_at
    return found


def shown_by_watchlists(session: Session, arxiv_ids: Iterable[str]) -> set[str]:
    """Those of the papers that some watchlist has shown as new."""
    ids = list(arxiv_ids)
    found: set[str] = set()
    for start in range(0, len(ids), _IDS_PER_QUERY):
        statement = sa.select(_WATCHED.c.arxiv_id).where(
            _WATCHED.c.arxiv_id.in_(ids[start : start + _IDS_PER_QUERY]), _WATCHED.c.shown_at.is_not(None)
        )
        found.update(_ids(session, statement))
    return found


def _arrived(since: datetime, submitted_since: datetime) -> sa.Select[Any]:
    announced = sa.select(AnnouncementRow.arxiv_id).where(
        AnnouncementRow.announced_at >= since, AnnouncementRow.kind == AnnouncementKind.NEW.value
    )
    return (
        sa.select(_PAPERS.c.arxiv_id)
        .where(_PAPERS.c.first_held_at >= since, _PAPERS.c.source != SEED)
        .where(sa.or_(_PAPERS.c.submitted_at >= submitted_since, _PAPERS.c.arxiv_id.in_(announced)))
        .order_by(_PAPERS.c.submitted_at.desc(), _PAPERS.c.arxiv_id.desc())
    )


def _latest(session: Session, statement: sa.Select[str, datetime]) -> dict[str, datetime]:
    return {str(arxiv_id): moment for arxiv_id, moment in session.execute(statement)}


def _ids(session: Session, statement: sa.Select[Any]) -> list[str]:
    return [str(arxiv_id) for arxiv_id in session.execute(statement).scalars()]
