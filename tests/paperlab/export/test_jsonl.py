"""JSON lines: nothing left out, nothing changed."""

from __future__ import annotations

import json

from paperlab.export import jsonl
from tests.paperlab.export.test_bibtex import paper


def test_a_paper_is_one_object_on_one_line():
    [line] = jsonl.lines([paper(title="two\nlines \u2028 Ü")])
    assert line.count("\n") == 1
    record = json.loads(line)
    assert record["title"] == "two\nlines \u2028 Ü"
    assert record["arxiv_id"] == "1706.03762"
    assert record["submitted_at"] == "2017-06-12T00:00:00Z"
    assert record["authors"] == ["Ashish Vaswani", "Noam Shazeer"]
    assert record["abstract_url"] == "https://arxiv.org/abs/1706.03762"
