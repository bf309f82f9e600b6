"""Watchlists, the papers that match them, and which of those were shown.  Nothing here commits."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, cast

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from paperlab.entities import Watchlist
from paperlab.store.schema import PaperRow, WatchlistRow, WatchMatchRow

_LISTS = cast(sa.Table, WatchlistRow.__table__)
_MATCHES = cast(sa.Table, WatchMatchRow.__table__)
_PAPERS = cast(sa.Table, PaperRow.__table__)
_IDS_PER_QUERY = 500


@dataclass(frozen=True)
class Counts:
    new: int
    """Matches that were never shown as new."""
    all: int


# --- watchlists -----------------------------------------------------------------------------------------------


def get(session: Session, name: str) -> Watchlist | None:
    row = session.execute(sa.select(_LISTS).where(_LISTS.c.name == name)).first()
    return None if row is None else _as_watchlist(row)


def find_all(session: Session) -> list[Watchlist]:
    """Every watchlist, by name."""
    return [_as_watchlist(row) for row in session.execute(sa.select(_LISTS).order_by(_LISTS.c.name))]


def save(session: Session, watchlist: Watchlist) -> None:
    """A new watchlist, or another question under a name that exists."""
    row = {
        "name": watchlist.name,
        "query": watchlist.query,
        "created_at": watchlist.created_at,
        "matched_query": watchlist.matched_query,
    }
    changed = {name: row[name] for name in ("query", "matched_query")}
    session.execute(_insert(session, _LISTS).values(row).on_conflict_do_update(index_elements=["name"], set_=changed))


def remove(session: Session, name: str) -> None:
    """Remove a watchlist with its matches."""
    session.execute(sa.delete(_LISTS).where(_LISTS.c.name == name))


def counts(session: Session) -> dict[str, Counts]:
    """By name, for watchlists that have matches."""
    new = sa.func.count().filter(_MATCHES.c.shown_at.is_(None))
    statement = sa.select(_MATCHES.c.watchlist, new, sa.func.count()).group_by(_MATCHES.c.watchlist)
    return {name: Counts(int(unshown), int(total)) for name, unshown, total in session.execute(statement)}


# --- matches --------------------------------------------------------------------------------------------------


def add_matches(session: Session, name: str, arxiv_ids: Iterable[str], now: datetime) -> None:
    """These papers match; one that matched before keeps the times of its match."""
    rows = [{"watchlist": name, "arxiv_id": arxiv_id, "matched_at": now} for arxiv_id in dict.fromkeys(arxiv_ids)]
    if rows:
        session.execute(_insert(session, _MATCHES).on_conflict_do_nothing(), rows)


def replace_matches(session: Session, name: str, arxiv_ids: Iterable[str], now: datetime) -> None:
    """Exactly these papers match: others go, those that stay keep their times."""
    wanted = dict.fromkeys(arxiv_ids)
    held = session.execute(sa.select(_MATCHES.c.arxiv_id).where(_MATCHES.c.watchlist == name)).scalars().all()
    for ids in _batches(arxiv_id for arxiv_id in held if arxiv_id not in wanted):
        session.execute(sa.delete(_MATCHES).where(_MATCHES.c.watchlist == name, _MATCHES.c.arxiv_id.in_(ids)))
    known = set(held)
    add_matches(session, name, [arxiv_id for arxiv_id in wanted if arxiv_id not in known], now)


def matches(
    session: Session, name: str, *, new_only: bool = False, limit: int | None = None, offset: int = 0
) -> list[str]:
    """Ids of the papers that match, newest submission first; with `new_only` those that were never shown as new."""
    statement = (
        sa.select(_MATCHES.c.arxiv_id)
        .join(_PAPERS, _PAPERS.c.arxiv_id == _MATCHES.c.arxiv_id)
        .where(_MATCHES.c.watchlist == name)
        .order_by(_PAPERS.c.submitted_at.desc(), _PAPERS.c.arxiv_id.desc())
        .limit(limit)
        .offset(offset)
    )
    if new_only:
        statement = statement.where(_MATCHES.c.shown_at.is_(None))
    return list(session.execute(statement).scalars())


def mark_shown(session: Session, name: str, arxiv_ids: Iterable[str], now: datetime) -> int:
    """These matches were shown as new; one that was shown before keeps its time.  Returns how many were not."""
    changed = 0
    for ids in _batches(arxiv_ids):
        unshown = (_MATCHES.c.watchlist == name, _MATCHES.c.arxiv_id.in_(ids), _MATCHES.c.shown_at.is_(None))
        changed += session.connection().execute(sa.update(_MATCHES).where(*unshown).values(shown_at=now)).rowcount
    return changed


def mark_all_shown(session: Session, name: str, now: datetime) -> None:
    unshown = (_MATCHES.c.watchlist == name, _MATCHES.c.shown_at.is_(None))
    session.execute(sa.update(_MATCHES).where(*unshown).values(shown_at=now))


def of_paper(session: Session, arxiv_id: str) -> list[str]:
    """Names of the watchlists that this paper matches."""
    statement = sa.select(_MATCHES.c.watchlist).where(_MATCHES.c.arxiv_id == arxiv_id)
    return list(session.execute(statement.order_by(_MATCHES.c.watchlist)).scalars())


def of_papers(session: Session, arxiv_ids: Sequence[str]) -> Mapping[str, list[str]]:
    """Names of the watchlists that each of these papers matches, by id."""
    found: dict[str, list[str]] = {}
    for ids in _batches(arxiv_ids):
        statement = sa.select(_MATCHES.c.arxiv_id, _MATCHES.c.watchlist).where(_MATCHES.c.arxiv_id.in_(ids))
        for arxiv_id, name in session.execute(statement.order_by(_MATCHES.c.arxiv_id, _MATCHES.c.watchlist)):
            found.setdefault(arxiv_id, []).append(name)
    return found


def _as_watchlist(row: sa.Row[Any]) -> Watchlist:
    return Watchlist(row.name, row.query, row.created_at, row.matched_query)


def _insert(session: Session, table: sa.Table) -> sqlite.Insert | postgresql.Insert:
    return postgresql.insert(table) if session.get_bind().dialect.name == "postgresql" else sqlite.insert(table)


def _batches(ids: Iterable[str]) -> Iterator[list[str]]:
    distinct = list(dict.fromkeys(ids))
    for start in range(0, len(distinct), _IDS_PER_QUERY):
        yield distinct[start : start + _IDS_PER_QUERY]
