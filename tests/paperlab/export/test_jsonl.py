"""JSON lines: nothing left out, nothing changed."""

from __future__ import annotations

import json

from paperlab.export import jsonl


def test_a_record_is_one_object_on_one_line():
    record = {"title": "two\nlines \u2028 Ü", "authors": ["A", "B"], "version": 2, "doi": None}
    [line] = jsonl.lines([record])
    assert line.count("\n") == 1
    assert line.endswith("\n")
    assert json.loads(line) == record
