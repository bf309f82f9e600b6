"""The table of a run as Parquet, for pandas, DuckDB, Spark and the like.  pyarrow comes with the dashboard's extra."""

from __future__ import annotations

import importlib
import importlib.util
from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import Any

from paperlab.errors import NotReady
from paperlab.export.run_table import Row

ROWS_AT_ONCE = 50_000
_TEXTS = ("run", "recipe", "tier", "kind", "name", "unit", "task", "dataset", "split", "claim", "protocol", "signature")


def write(path: Path, table: Iterable[Row]) -> int:
    """Write the rows, some thousand at a time, and return their number.  Raises NotReady without pyarrow."""
    if importlib.util.find_spec("pyarrow") is None:
        raise NotReady("Parquet needs pyarrow, which is not installed", "pip install 'paperlab[dashboard]'")
    arrow: Any = importlib.import_module("pyarrow")
    parquet: Any = importlib.import_module("pyarrow.parquet")
    schema = _schema(arrow)
    written = 0
    with parquet.ParquetWriter(path, schema, compression="zstd") as writer:
        for batch in _batches(iter(table)):
            columns = [list(column) for column in zip(*batch, strict=True)]
            arrays = [arrow.array(column, field.type) for column, field in zip(columns, schema, strict=True)]
            writer.write_table(arrow.Table.from_arrays(arrays, schema=schema))
            written += len(batch)
    return written


def _schema(arrow: Any) -> Any:
    numbers = {"seed": arrow.int64(), "step": arrow.int64(), "examples": arrow.int64(), "value": arrow.float64()}
    types = {name: arrow.string() for name in _TEXTS} | numbers | {"time": arrow.timestamp("us", tz="UTC")}
    return arrow.schema([arrow.field(name, types[name]) for name in Row._fields])


def _batches(rows: Iterator[Row]) -> Iterator[list[Row]]:
    while batch := list(islice(rows, ROWS_AT_ONCE)):
        yield batch
