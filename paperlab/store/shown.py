"""What a digest has shown already, so that nothing is shown twice.

A channel is a kind of thing ("digest" for papers, "digest/alerts", ...), a key its name there.  All that one digest
shows is marked with one time, so the last digest can be put together once more.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import cast

import sqlalchemy as sa
from sqlalchemy.orm import Session

from paperlab.store.schema import ShownRow

_SHOWN = cast(sa.Table, ShownRow.__table__)
_KEYS_PER_QUERY = 500


def among(session: Session, channel: str, keys: Iterable[str]) -> set[str]:
    """Those of the keys that were shown in this channel."""
    wanted = list(dict.fromkeys(keys))
    found: set[str] = set()
    for start in range(0, len(wanted), _KEYS_PER_QUERY):
        chunk = wanted[start : start + _KEYS_PER_QUERY]
        statement = sa.select(_SHOWN.c.arxiv_id).where(_SHOWN.c.channel == channel, _SHOWN.c.arxiv_id.in_(chunk))
        found.update(session.execute(statement).scalars())
    return found


def mark(session: Session, channel: str, keys: Iterable[str], shown_at: datetime) -> int:
    """Note that these were shown; what was shown before keeps its time.  Does not commit.  Returns how many are new."""
    wanted = list(dict.fromkeys(keys))
    before = among(session, channel, wanted)
    rows = [{"channel": channel, "arxiv_id": key, "shown_at": shown_at} for key in wanted if key not in before]
    if rows:
        session.execute(sa.insert(_SHOWN), rows)
    return len(rows)


def last(session: Session, channels: Iterable[str]) -> datetime | None:
    """When something was last shown in one of the channels."""
    statement = sa.select(sa.func.max(_SHOWN.c.shown_at)).where(_SHOWN.c.channel.in_(list(channels)))
    return session.execute(statement).scalar()


def at(session: Session, channel: str, shown_at: datetime) -> list[str]:
    """The keys that were shown in this channel at exactly this time."""
    statement = sa.select(_SHOWN.c.arxiv_id).where(_SHOWN.c.channel == channel, _SHOWN.c.shown_at == shown_at)
    return list(session.execute(statement.order_by(_SHOWN.c.arxiv_id)).scalars())
