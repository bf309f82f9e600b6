"""What a digest has shown already, so that nothing is shown twice.

A channel is a kind of thing ("digest" for papers, "digest/alerts", ...), a key its name there.  All that one digest
shows is marked with one time, so the last digest can be put together once more.

What was not shown is not noted one by one: a reach says up to which time nothing is waiting.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import cast

import sqlalchemy as sa
from sqlalchemy.orm import Session

from paperlab.store import harvests
from paperlab.store.schema import ShownRow

_SHOWN = cast(sa.Table, ShownRow.__table__)
_KEYS_PER_QUERY = 500


@dataclass(frozen=True)
class Reach:
    """How far a series of digests has come."""

    since: datetime
    """All that came in before this was shown or dealt with: the next one begins here."""
    until: datetime
    """When the last one ended.  What came in between and was not shown is waiting."""


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


def since(session: Session, channel: str, moment: datetime) -> list[str]:
    """The keys that were shown in this channel from this time on, what was shown last first."""
    statement = sa.select(_SHOWN.c.arxiv_id).where(_SHOWN.c.channel == channel, _SHOWN.c.shown_at >= moment)
    return list(session.execute(statement.order_by(_SHOWN.c.shown_at.desc(), _SHOWN.c.arxiv_id.desc())).scalars())


def reach(session: Session, series: str) -> Reach | None:
    """None where no digest of this series was marked."""
    state = harvests.get(session, series)
    if state is None:
        return None
    return Reach(datetime.fromisoformat(state["since"]), datetime.fromisoformat(state["until"]))


def set_reach(session: Session, series: str, value: Reach) -> None:
    """Does not commit."""
    state = {"since": value.since.isoformat(), "until": value.until.isoformat()}
    harvests.save(session, series, state, value.until)
