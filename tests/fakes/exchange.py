"""One answer in the making, whichever of arXiv's interfaces gives it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any


@dataclass
class Exchange:
    """One answer in the making.  Faults change it; then `render` makes its body, unless `body` is there already."""

    entries: list[Any]
    """What the body lists: papers of the query API, announcements of a feed, records of OAI-PMH."""
    total: int | None = None
    start: int = 0
    size: int = 0
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes | None = None
    render: Callable[[Exchange], bytes] = lambda _: b""
    cut_at: float | None = None
    """Send only this fraction of the body."""
    unpublished: int | None = None
    """Index of an entry that comes without the date or number that it can't be read without."""
    reset: bool = False
    stall: bool = False
    after: list[Callable[[], object]] = field(default_factory=list)
    """Run once the answer is sent."""
