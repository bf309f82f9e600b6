"""What a run recorded and measured as one long table: a row a number, the same columns in CSV and Parquet.

A point is a value at a step of training; a measurement is a final value, with what it was measured on and how.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from typing import NamedTuple

from paperlab.entities import Measurement, MetricPoint, Run
from paperlab.export.csv import guarded


class Row(NamedTuple):
    """Missing fields are None: a point has no protocol, a measurement no step."""

    run: str
    recipe: str
    tier: str
    seed: int
    kind: str
    """ "point" or "measurement"."""
    name: str
    step: int | None
    time: datetime | None
    value: float
    unit: str | None = None
    task: str | None = None
    dataset: str | None = None
    split: str | None = None
    examples: int | None = None
    claim: str | None = None
    protocol: str | None = None
    """JSON, its keys sorted."""
    signature: str | None = None


def rows(run: Run, points: Iterable[MetricPoint], measurements: Iterable[Measurement]) -> Iterator[Row]:
    """The points in the order given, then the measurements."""
    identity = (run.id, run.recipe, run.tier, run.seed)
    for point in points:
        yield Row(*identity, "point", point.name, point.step, datetime.fromtimestamp(point.time, UTC), point.value)
    for item in measurements:
        protocol = json.dumps(dict(item.protocol), sort_keys=True, ensure_ascii=False)
        yield Row(
            *identity,
            kind="measurement",
            name=item.metric,
            step=None,
            time=None,
            value=item.value,
            unit=item.unit,
            task=item.task,
            dataset=item.dataset,
            split=item.split,
            examples=item.n,
            claim=item.claim_id,
            protocol=protocol,
            signature=item.signature,
        )


def csv_lines(table: Iterable[Row]) -> Iterator[str]:
    """The header, then a record a row (RFC 4180).  Texts are guarded against spreadsheets, as in export/csv.py."""
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\r\n")
    writer.writerow(Row._fields)
    for row in table:
        writer.writerow([_cell(value) for value in row])
        if buffer.tell() > 65536:
            yield _taken(buffer)
    yield _taken(buffer)


def _cell(value: str | float | datetime | None) -> str:
    if value is None:
        return ""
    if isinstance(value, datetime):
        return value.isoformat(timespec="milliseconds").replace("+00:00", "Z")
    return guarded(value) if isinstance(value, str) else repr(value)


def _taken(buffer: io.StringIO) -> str:
    text = buffer.getvalue()
    buffer.seek(0)
    buffer.truncate()
    return text
