"""Runs, their samples and measurements: derived from run directories, rebuilt by `paperlab runs index`.

Their points are packed (run_points.py); what reads and writes them, and measurements (measurements.py), stands here
too.  Nothing here commits.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from functools import cache
from pathlib import Path
from typing import Any, cast

import orjson
import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from paperlab.entities import Run, RunStatus, Sample
from paperlab.store.measurements import measurements, set_measurements
from paperlab.store.run_points import (
    Series,
    add_columns,
    add_points,
    drop_points_after,
    last_points,
    metric_names,
    points,
    remove_points,
    series,
)
from paperlab.store.schema import RunRow, RunSampleRow

__all__ = [
    "Indexed",
    "RunFilter",
    "Series",
    "add_columns",
    "add_points",
    "add_samples",
    "count",
    "drop_points_after",
    "drop_samples_after",
    "find",
    "get",
    "get_many",
    "ids",
    "indexed",
    "last_points",
    "measurements",
    "metric_names",
    "points",
    "put",
    "recipes",
    "remove",
    "samples",
    "series",
    "set_measurements",
    "state",
]

_RUNS = cast(sa.Table, RunRow.__table__)
_SAMPLES = cast(sa.Table, RunSampleRow.__table__)
_RUNS_AT_ONCE = 500  # SQLite takes so many values in one statement, and more


@dataclass(frozen=True)
class RunFilter:
    """Which runs: an empty filter means all."""

    reproduction: str | None = None
    recipe: str | None = None
    tier: str | None = None
    status: RunStatus | None = None


@dataclass(frozen=True)
class Indexed:
    """Where a run's directory lies, and how far it has been read (the indexer's own note)."""

    place: str
    status: RunStatus
    note: str
    """The state as JSON: of ten thousand runs at once it is decoded one by one, where it is looked at."""

    @property
    def state(self) -> Mapping[str, Any]:
        decoded: Mapping[str, Any] = orjson.loads(self.note)
        return decoded

    @property
    def path(self) -> Path:
        return Path(self.place)


# --- writing: the indexer's --------------------------------------------------------------------------------------


def put(session: Session, run: Run, state: Mapping[str, Any]) -> None:
    """Insert the run or replace its row; its points, samples and measurements stay."""
    row = _shallow(run) | {"path": str(run.path), "status": run.status.value, "indexed": dict(state)}
    _upsert(session, _RUNS, [row])


def remove(session: Session, run_id: str) -> None:
    """Forget a run with all that was read of it."""
    remove_points(session, run_id)
    set_measurements(session, run_id, [])
    session.execute(sa.delete(_SAMPLES).where(_SAMPLES.c.run_id == run_id))
    session.execute(sa.delete(_RUNS).where(_RUNS.c.id == run_id))


def add_samples(session: Session, run_id: str, samples: Iterable[tuple[int, Sample]]) -> None:
    """Add samples, each with its position in the file."""
    rows = [{"run_id": run_id, "position": position, **_shallow(sample)} for position, sample in samples]
    _upsert(session, _SAMPLES, rows)


def drop_samples_after(session: Session, run_id: str, step: int) -> None:
    """Drop the samples that a resume from `step` superseded."""
    session.execute(sa.delete(_SAMPLES).where(_SAMPLES.c.run_id == run_id, _SAMPLES.c.step > step))


# --- reading -----------------------------------------------------------------------------------------------------


def indexed(session: Session) -> dict[str, Indexed]:
    """How far each run's directory has been read, by id.  Made for very many runs that have not changed."""
    noted = sa.cast(_RUNS.c.indexed, sa.Text)
    statement = sa.select(_RUNS.c.id, _RUNS.c.path, _RUNS.c.status, noted)
    status_of = {status.value: status for status in RunStatus}
    return {
        run_id: Indexed(place, status_of[status], note)
        for run_id, place, status, note in session.execute(statement).all()
    }


def state(session: Session, run_id: str) -> Mapping[str, Any] | None:
    """How far the run's directory has been read; None for a run that is not held."""
    found: Mapping[str, Any] | None = session.execute(sa.select(_RUNS.c.indexed).where(_RUNS.c.id == run_id)).scalar()
    return found


def get(session: Session, run_id: str) -> Run | None:
    row = session.execute(sa.select(_RUNS).where(_RUNS.c.id == run_id)).one_or_none()
    return None if row is None else _as_run(row)


def get_many(session: Session, run_ids: Iterable[str]) -> dict[str, Run]:
    """Those of the runs that are held, by id."""
    wanted = list(dict.fromkeys(run_ids))
    parts = [wanted[begin : begin + _RUNS_AT_ONCE] for begin in range(0, len(wanted), _RUNS_AT_ONCE)]
    rows = (row for part in parts for row in session.execute(sa.select(_RUNS).where(_RUNS.c.id.in_(part))))
    return {row.id: _as_run(row) for row in rows}


def find(session: Session, wanted: RunFilter | None = None, limit: int | None = None, offset: int = 0) -> list[Run]:
    """The runs that match, newest first."""
    statement = _narrow(sa.select(_RUNS), wanted).order_by(_RUNS.c.created_at.desc(), _RUNS.c.id.desc())
    return [_as_run(row) for row in session.execute(statement.limit(limit).offset(offset))]


def count(session: Session, wanted: RunFilter | None = None) -> int:
    return int(session.execute(_narrow(sa.select(sa.func.count()).select_from(_RUNS), wanted)).scalar_one())


def ids(session: Session) -> list[str]:
    """The ids of all runs, newest first."""
    return list(session.execute(sa.select(_RUNS.c.id).order_by(_RUNS.c.id.desc())).scalars())


def recipes(session: Session) -> list[str]:
    """The names of recipes that runs are held of, in order."""
    return list(session.execute(sa.select(_RUNS.c.recipe).distinct().order_by(_RUNS.c.recipe)).scalars())


def samples(session: Session, run_id: str, step: int | None = None) -> list[Sample]:
    """The samples that count, in order of writing; of one step where `step` is given."""
    statement = sa.select(_SAMPLES).where(_SAMPLES.c.run_id == run_id).order_by(_SAMPLES.c.position)
    if step is not None:
        statement = statement.where(_SAMPLES.c.step == step)
    return [Sample(row.step, row.source, row.output, row.reference, row.decoding) for row in session.execute(statement)]


def _narrow(statement: sa.Select[Any], wanted: RunFilter | None) -> sa.Select[Any]:
    for name, value in asdict(wanted or RunFilter()).items():
        if value is not None:
            statement = statement.where(_RUNS.c[name] == str(value))
    return statement


def _as_run(row: sa.Row[Any]) -> Run:
    values = dict(row._mapping)
    del values["indexed"]
    return Run(**values | {"path": Path(row.path), "status": RunStatus(row.status)})


def _upsert(session: Session, table: sa.Table, rows: Sequence[Mapping[str, Any]]) -> None:
    if not rows:
        return
    session.execute(_upserting(table, session.get_bind().dialect.name), rows)


@cache
def _upserting(table: sa.Table, dialect_name: str) -> sa.Insert:
    statement = (postgresql if dialect_name == "postgresql" else sqlite).insert(table)
    keys = [column.name for column in table.primary_key]
    changes = {column.name: statement.excluded[column.name] for column in table.columns if column.name not in keys}
    upserting: sa.Insert = statement.on_conflict_do_update(index_elements=keys, set_=changes)
    return upserting


def _shallow(entity: Run | Sample) -> dict[str, Any]:
    """Its fields by name; asdict would copy all that is in them."""
    return {field.name: getattr(entity, field.name) for field in fields(entity)}
