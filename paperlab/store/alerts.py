"""What happened to papers that concern the reader.  Nothing here commits."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, cast

import sqlalchemy as sa
from sqlalchemy.orm import Session

from paperlab.entities import Alert, AlertKind
from paperlab.store.schema import AlertRow

_ALERTS = cast(sa.Table, AlertRow.__table__)
_IDS_PER_QUERY = 500


@dataclass(frozen=True)
class News:
    """An alert to be raised.  `version` is the one that replaced or withdrew the paper."""

    arxiv_id: str
    kind: AlertKind
    version: int
    details: Mapping[str, Any]


def raise_new(session: Session, news: Iterable[News], now: datetime) -> int:
    """Raise one alert per paper, kind and version: what was raised before is not raised again.  Returns how many."""
    wanted = {(each.arxiv_id, each.kind.value, each.version): each for each in news}
    for ids in _batches(arxiv_id for arxiv_id, _, _ in list(wanted)):
        for row in session.execute(sa.select(_ALERTS).where(_ALERTS.c.arxiv_id.in_(ids))):
            wanted.pop((row.arxiv_id, row.kind, row.details["version"]), None)
    rows = [
        {
            "arxiv_id": each.arxiv_id,
            "kind": each.kind.value,
            "details": {**each.details, "version": each.version},
            "raised_at": now,
        }
        for each in wanted.values()
    ]
    if rows:
        session.execute(sa.insert(_ALERTS), rows)
    return len(rows)


def find(session: Session, *, seen: bool = False) -> list[Alert]:
    """The alerts that were not seen yet, or with `seen` all of them; the newest first."""
    statement = sa.select(_ALERTS).order_by(_ALERTS.c.raised_at.desc(), _ALERTS.c.id.desc())
    if not seen:
        statement = statement.where(_ALERTS.c.seen_at.is_(None))
    return [
        Alert(row.id, row.arxiv_id, AlertKind(row.kind), row.details, row.raised_at, row.seen_at)
        for row in session.execute(statement)
    ]


def mark_seen(session: Session, numbers: Sequence[int], now: datetime) -> int:
    """These alerts were seen; one that was seen before keeps its time.  Returns how many were not."""
    changed = 0
    for start in range(0, len(numbers), _IDS_PER_QUERY):
        chunk = list(numbers[start : start + _IDS_PER_QUERY])
        unseen = sa.update(_ALERTS).where(_ALERTS.c.id.in_(chunk), _ALERTS.c.seen_at.is_(None))
        changed += session.connection().execute(unseen.values(seen_at=now)).rowcount
    return changed


def _batches(ids: Iterable[str]) -> Iterator[list[str]]:
    distinct = list(dict.fromkeys(ids))
    for start in range(0, len(distinct), _IDS_PER_QUERY):
        yield distinct[start : start + _IDS_PER_QUERY]
