"""What happens to papers when they come in, from whatever source: one function, one transaction.

They are stored, and what is derived from them is derived at once, so that nothing else has to remember to.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from paperlab.entities import Paper
from paperlab.library import alerts, code_links, profiles, watchlists
from paperlab.settings import Settings
from paperlab.store import papers
from paperlab.store.database import Session
from paperlab.store.papers import UpsertCounts


def take(session: Session, settings: Settings, arriving: Iterable[Paper], now: datetime) -> UpsertCounts:
    """Hold these papers, and match what changed.  Does not commit: a cursor may belong to the same transaction."""
    counts = papers.upsert(session, arriving, now)
    changed = papers.get_many(session, counts.changed)
    profiles.record(session, settings.profiles, changed)
    derive(session, changed, now)
    alerts.record(session, counts.before, now)
    return counts


def derive(session: Session, changed: Iterable[Paper], now: datetime) -> None:
    """All that follows from papers that are held now and were not, or not so, but for their profiles' matches.

    The snapshot's import calls it too, with thousands of papers at once.  Does not commit.
    """
    batch = list(changed)
    code_links.record(session, batch, now)
    watchlists.record(session, batch, now)  # after the links: a watchlist may ask for them
