"""JSON lines (https://jsonlines.org): one object a line, nothing left out, nothing changed."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any


def lines(records: Iterable[Mapping[str, Any]]) -> Iterator[str]:
    """One line for each record, its line feed included; memory does not grow with their number."""
    for record in records:
        yield json.dumps(record, ensure_ascii=False) + "\n"
