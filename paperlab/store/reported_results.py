"""Numbers that leaderboards say papers report.  They are kept as they were found, and judge nothing."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, cast

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from paperlab.entities import ReportedResult
from paperlab.store.schema import ReportedResultRow

_RESULTS = cast(sa.Table, ReportedResultRow.__table__)
_ROWS_PER_INSERT = 500


@dataclass(frozen=True)
class BoardCount:
    """How many results a task and dataset have, as one source spells them."""

    task: str
    dataset: str
    metric: str
    source: str
    results: int


def add(session: Session, results: Iterable[ReportedResult], now: datetime) -> int:
    """Keep what is not held yet.  Does not commit.  Returns how many are new."""
    rows = [_as_row(result, now) for result in {key(result): result for result in results}.values()]
    before = count(session)
    dialect = session.get_bind().dialect.name
    for start in range(0, len(rows), _ROWS_PER_INSERT):
        inserting = postgresql.insert(_RESULTS) if dialect == "postgresql" else sqlite.insert(_RESULTS)
        session.execute(inserting.on_conflict_do_nothing(), rows[start : start + _ROWS_PER_INSERT])
    return count(session) - before


def key(result: ReportedResult) -> str:
    """Hash of everything that the source says: the same row read twice is one."""
    content = [
        *(result.source, result.task, result.dataset, result.model, result.metric, result.value_text),
        *(result.arxiv_id, dict(result.details)),
    ]
    return hashlib.sha256(json.dumps(content, sort_keys=True, ensure_ascii=False).encode()).hexdigest()


def count(session: Session) -> int:
    return int(session.execute(sa.select(sa.func.count()).select_from(_RESULTS)).scalar_one())


def boards(session: Session) -> list[BoardCount]:
    """Every task, dataset, metric and source there is, with its number of results."""
    names = (_RESULTS.c.task, _RESULTS.c.dataset, _RESULTS.c.metric, _RESULTS.c.source)
    statement = sa.select(*names, sa.func.count()).group_by(*names).order_by(*names)
    return [BoardCount(row[0], row[1], row[2], row[3], int(row[4])) for row in session.execute(statement)]


def of_board(session: Session, names: Iterable[tuple[str, str]]) -> list[ReportedResult]:
    """The results of these pairs of task and dataset, spelled exactly so, in a stable order."""
    found: list[ReportedResult] = []
    for task, dataset in dict.fromkeys(names):
        statement = sa.select(_RESULTS).where(_RESULTS.c.task == task, _RESULTS.c.dataset == dataset)
        found += [_as_result(row) for row in session.execute(statement.order_by(_RESULTS.c.source, _RESULTS.c.key))]
    return found


def of_paper(session: Session, arxiv_id: str) -> list[ReportedResult]:
    """What leaderboards say that this paper reports."""
    statement = sa.select(_RESULTS).where(_RESULTS.c.arxiv_id == arxiv_id)
    order = (_RESULTS.c.task, _RESULTS.c.dataset, _RESULTS.c.metric, _RESULTS.c.key)
    return [_as_result(row) for row in session.execute(statement.order_by(*order))]


def _as_row(result: ReportedResult, now: datetime) -> Mapping[str, Any]:
    return {
        "key": key(result),
        "source": result.source,
        "task": result.task,
        "dataset": result.dataset,
        "model": result.model,
        "metric": result.metric,
        "value_text": result.value_text,
        "value": result.value,
        "details": dict(result.details),
        "arxiv_id": result.arxiv_id,
        "imported_at": now,
    }


def _as_result(row: sa.Row[Any]) -> ReportedResult:
    return ReportedResult(
        source=row.source,
        task=row.task,
        dataset=row.dataset,
        model=row.model,
        metric=row.metric,
        value_text=row.value_text,
        value=row.value,
        arxiv_id=row.arxiv_id,
        details=row.details,
    )
