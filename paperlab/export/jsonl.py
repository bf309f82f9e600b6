"""Papers as JSON lines (https://jsonlines.org): one object a line, nothing left out, nothing changed."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import asdict
from datetime import UTC
from typing import Any

from paperlab.entities import Paper


def lines(papers: Iterable[Paper]) -> Iterator[str]:
    """One line for each paper, its line feed included; memory does not grow with their number."""
    for paper in papers:
        yield json.dumps(as_record(paper), ensure_ascii=False) + "\n"


def as_record(paper: Paper) -> dict[str, Any]:
    """A paper as plain JSON values; `arxiv_id` has no version."""
    record = asdict(paper)
    for name in ("submitted_at", "updated_at"):
        record[name] = record[name].astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
    return {**record, "abstract_url": paper.abstract_url}
