"""Which papers are relevant to which profile, and the terms that made them so."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any, cast

import sqlalchemy as sa
from sqlalchemy.orm import Session

from paperlab.entities import ProfileMatch
from paperlab.store.schema import PaperRow, ProfileMatchRow, ProfileRow

_MATCHES = cast(sa.Table, ProfileMatchRow.__table__)
_IDS_PER_QUERY = 500


def replace(
    session: Session, arxiv_ids: Iterable[str], matches: Iterable[ProfileMatch], profiles: Iterable[str]
) -> None:
    """The matches of these papers with these profiles are now exactly `matches`.  Does not commit."""
    ids = list(arxiv_ids)
    names = list(profiles)
    for start in range(0, len(ids), _IDS_PER_QUERY):
        chunk = ids[start : start + _IDS_PER_QUERY]
        session.execute(sa.delete(_MATCHES).where(_MATCHES.c.arxiv_id.in_(chunk), _MATCHES.c.profile.in_(names)))
    rows = [{"profile": m.profile, "key": m.arxiv_id, "terms": list(m.terms)} for m in matches]
    if rows:
        submitted = sa.select(PaperRow.submitted_at).where(PaperRow.arxiv_id == sa.bindparam("key")).scalar_subquery()
        statement = sa.insert(_MATCHES).values(arxiv_id=sa.bindparam("key"), submitted_at=submitted)
        session.connection().execute(statement, rows)


def of_paper(session: Session, arxiv_id: str) -> list[ProfileMatch]:
    statement = sa.select(_MATCHES).where(_MATCHES.c.arxiv_id == arxiv_id).order_by(_MATCHES.c.profile)
    return [ProfileMatch(row.profile, row.arxiv_id, tuple(row.terms)) for row in session.execute(statement)]


def of_papers(session: Session, arxiv_ids: Iterable[str]) -> dict[str, list[ProfileMatch]]:
    """The matches of each of these papers, by id; a paper without one is not in it."""
    ids = list(arxiv_ids)
    found: dict[str, list[ProfileMatch]] = {}
    for start in range(0, len(ids), _IDS_PER_QUERY):
        statement = sa.select(_MATCHES).where(_MATCHES.c.arxiv_id.in_(ids[start : start + _IDS_PER_QUERY]))
        for row in session.execute(statement.order_by(_MATCHES.c.arxiv_id, _MATCHES.c.profile)):
            found.setdefault(row.arxiv_id, []).append(ProfileMatch(row.profile, row.arxiv_id, tuple(row.terms)))
    return found


def count(session: Session, profile: str) -> int:
    statement = sa.select(sa.func.count()).select_from(_MATCHES).where(_MATCHES.c.profile == profile)
    return int(session.execute(statement).scalar_one())


def definition(session: Session, profile: str) -> Mapping[str, Any] | None:
    """The profile as it was when every paper was last matched against it."""
    row = session.get(ProfileRow, profile)
    return row.definition if row else None


def set_definition(session: Session, profile: str, value: Mapping[str, Any], now: datetime) -> None:
    row = session.get(ProfileRow, profile)
    if row is None:
        session.add(ProfileRow(name=profile, definition=dict(value), matched_at=now))
    else:
        row.definition = dict(value)
        row.matched_at = now
    session.flush()
