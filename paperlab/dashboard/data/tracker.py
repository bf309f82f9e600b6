"""What the syncs did, as the pages read it."""

from __future__ import annotations

from paperlab.dashboard.data.cache import cached
from paperlab.entities import Receipt
from paperlab.store import database, receipts


@cached
def latest_receipts(session: database.Session, limit: int) -> list[Receipt]:
    return receipts.latest(session, limit)
