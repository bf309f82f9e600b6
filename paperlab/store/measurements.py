"""What finished runs measured: a run writes its measurements when it ends, and the indexer copies them.

Nothing here commits.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

import sqlalchemy as sa
from sqlalchemy.orm import Session

from paperlab.entities import Measurement
from paperlab.store.schema import MeasurementRow, RunRow

_RUNS = cast(sa.Table, RunRow.__table__)
_MEASUREMENTS = cast(sa.Table, MeasurementRow.__table__)
_VALUES_AT_ONCE = 500  # SQLite takes so many values in one statement, and more
_OF_MEASUREMENT = ("claim_id", "task", "dataset", "split", "metric", "value", "unit", "n", "signature")
_OF_RUN = ("recipe", "tier", "seed", "fingerprint")

_Placed = tuple[str, int, Measurement]
"""A measurement with its run and its place there."""


def set_measurements(session: Session, run_id: str, measurements: Sequence[Measurement]) -> None:
    """The measurements of this run are now exactly these."""
    session.execute(sa.delete(_MEASUREMENTS).where(_MEASUREMENTS.c.run_id == run_id))
    rows = [
        {
            "run_id": run_id,
            "position": position,
            "protocol": dict(item.protocol),
            **{column: getattr(item, column) for column in _OF_MEASUREMENT},
        }
        for position, item in enumerate(measurements)
    ]
    if rows:
        session.execute(sa.insert(_MEASUREMENTS), rows)


def measurements(
    session: Session,
    *,
    run_id: str | None = None,
    run_ids: Iterable[str] | None = None,
    claim_ids: Iterable[str] | None = None,
) -> list[Measurement]:
    """What finished runs measured, oldest run first: of one run or several, for some claims, or all.

    Protocols that are written alike are one object: tens of thousands of measurements have a few dozen of them.
    """
    if run_id is not None:
        run_ids = [run_id]
    kept = _Texts()
    found: list[_Placed] = []
    for of_run in _some(_MEASUREMENTS.c.run_id, run_ids):
        for of_claim in _some(_MEASUREMENTS.c.claim_id, claim_ids):
            found += _measured((*of_run, *of_claim), session, kept)
    return _in_order(found)


@dataclass(frozen=True)
class MeasuredCount:
    """So many values of one metric on one task and dataset, spelled exactly so."""

    task: str
    dataset: str
    metric: str
    values: int


def counts(session: Session) -> list[MeasuredCount]:
    """Every task, dataset and metric that runs measured."""
    names = (_MEASUREMENTS.c.task, _MEASUREMENTS.c.dataset, _MEASUREMENTS.c.metric)
    statement = sa.select(*names, sa.func.count()).group_by(*names).order_by(*names)
    return [MeasuredCount(row[0], row[1], row[2], int(row[3])) for row in session.execute(statement)]


def of_quantities(session: Session, quantities: Iterable[tuple[str, str, str]]) -> list[Measurement]:
    """What was measured of these tasks, datasets and metrics, spelled exactly so; oldest run first."""
    kept = _Texts()
    found: list[_Placed] = []
    for task, dataset, metric in dict.fromkeys(quantities):
        wanted = (_MEASUREMENTS.c.task == task, _MEASUREMENTS.c.dataset == dataset, _MEASUREMENTS.c.metric == metric)
        found += _measured(wanted, session, kept)
    return _in_order(found)


def _in_order(found: list[_Placed]) -> list[Measurement]:
    return [measurement for _, _, measurement in sorted(found, key=lambda each: each[:2])]


def _measured(conditions: Sequence[sa.ColumnElement[bool]], session: Session, kept: _Texts) -> list[_Placed]:
    """Runs are read once, however much each of them measured."""
    of_runs = sa.select(
        _RUNS.c.id,
        *(_RUNS.c[name] for name in _OF_RUN),
        sa.cast(_RUNS.c.overrides, sa.Text),
        sa.cast(_RUNS.c.record["provenance"]["data"], sa.Text),
    ).where(_RUNS.c.id.in_(sa.select(_MEASUREMENTS.c.run_id).where(*conditions)))
    runs = {
        run_id: {**dict(zip(_OF_RUN, rest, strict=True)), "overrides": kept.value(overrides), "data": kept.hashes(data)}
        for run_id, *rest, overrides, data in session.execute(of_runs)
    }
    statement = sa.select(
        _MEASUREMENTS.c.run_id,
        _MEASUREMENTS.c.position,
        sa.cast(_MEASUREMENTS.c.protocol, sa.Text),
        *(_MEASUREMENTS.c[name] for name in _OF_MEASUREMENT),
    ).where(*conditions)
    return [
        (
            run_id,
            position,
            Measurement(
                run_id=run_id,
                protocol=kept.value(protocol),
                **runs[run_id],
                **dict(zip(_OF_MEASUREMENT, rest, strict=True)),
            ),
        )
        for run_id, position, protocol, *rest in session.execute(statement)
        if run_id in runs
    ]


class _Texts:
    """JSON as it is stored, each text decoded once."""

    def __init__(self) -> None:
        self._values: dict[str | None, Any] = {None: None}
        self._hashes: dict[str | None, Mapping[str, str]] = {}

    def value(self, text: str | None) -> Any:
        if text not in self._values:
            self._values[text] = json.loads(text or "null")
        return self._values[text]

    def hashes(self, text: str | None) -> Mapping[str, str]:
        """Of provenance's data: the SHA-256 of each file that has one."""
        if text not in self._hashes:
            files = self.value(text)
            found = files.items() if isinstance(files, dict) else ()
            hashes = {place: file.get("sha256") for place, file in found if isinstance(file, dict)}
            self._hashes[text] = {place: str(digest) for place, digest in hashes.items() if digest}
        return self._hashes[text]


def _some(column: sa.ColumnElement[Any], values: Iterable[str] | None) -> Iterator[tuple[sa.ColumnElement[bool], ...]]:
    """Conditions that together say that the column has one of these values; none where there is nothing to say."""
    if values is None:
        yield ()
        return
    wanted = list(dict.fromkeys(values))
    for begin in range(0, len(wanted), _VALUES_AT_ONCE):
        yield (column.in_(wanted[begin : begin + _VALUES_AT_ONCE]),)
