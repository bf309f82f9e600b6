"""A run's numbers as CSV and Parquet: every one, as it was, and back again."""

from __future__ import annotations

import csv
import importlib.util
import io
import json

import pytest

from paperlab.entities import MetricPoint
from paperlab.errors import NotReady
from paperlab.export import parquet, run_table
from paperlab.export.csv import unguarded
from tests.paperlab.runs import recorded

RUN = recorded.run(2**32 - 1, id="run-1")
FORMULA = "=HYPERLINK(1)"
ROWS = list(
    run_table.rows(
        RUN,
        [MetricPoint(step, 1795512612.4125 + step, FORMULA, 0.1 + step) for step in range(3)],
        [recorded.measurement(RUN, -1e-9, protocol={"beam": 4, "a": [1]}, n=None, claim_id="-c")],
    )
)


def test_csv_has_every_number_to_the_last_digit_and_no_formula():
    read = list(csv.DictReader(io.StringIO("".join(run_table.csv_lines(ROWS)), newline="")))
    assert [(row["kind"], row["step"], float(row["value"])) for row in read] == [
        ("point", "0", 0.1),
        ("point", "1", 1.1),
        ("point", "2", 2.1),
        ("measurement", "", -1e-9),
    ]
    assert unguarded(read[0]["name"]) == FORMULA
    assert not any(cell.startswith(("=", "+", "@")) for row in read for cell in row.values())
    assert read[0]["time"] == "2026-11-24T09:30:12.412Z"
    assert json.loads(read[3]["protocol"]) == {"beam": 4, "a": [1]}
    assert int(read[0]["seed"]) == 2**32 - 1


def test_a_long_table_is_written_piece_by_piece():
    pieces = list(run_table.csv_lines(ROWS[0] for _ in range(3000)))
    assert len(pieces) > 3
    assert "".join(pieces).count("\r\n") == 3001


def test_parquet_reads_back_what_was_written(tmp_path, monkeypatch):
    arrow = pytest.importorskip("pyarrow.parquet", reason="pyarrow comes with the dashboard's extra")
    monkeypatch.setattr(parquet, "ROWS_AT_ONCE", 3)  # so that there is more than one batch
    assert parquet.write(tmp_path / "t.parquet", iter(ROWS)) == 4
    read = arrow.read_table(tmp_path / "t.parquet")
    assert [run_table.Row(**row) for row in read.to_pylist()] == ROWS


def test_parquet_of_nothing_has_the_columns(tmp_path):
    arrow = pytest.importorskip("pyarrow.parquet", reason="pyarrow comes with the dashboard's extra")
    assert parquet.write(tmp_path / "t.parquet", []) == 0
    assert tuple(arrow.read_table(tmp_path / "t.parquet").column_names) == run_table.Row._fields


def test_without_pyarrow_the_command_that_installs_it_is_named(tmp_path, monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(NotReady, match="needs pyarrow") as refused:
        parquet.write(tmp_path / "t.parquet", ROWS)
    assert "pip install" in refused.value.hint
