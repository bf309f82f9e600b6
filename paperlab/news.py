"""The nouns of a digest: what is new for the reader, and why.  Plain values, as in entities.py."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from paperlab.entities import Alert, Gap, Paper, VerdictKind


class WhyKind(StrEnum):
    WATCHLIST = "watchlist"
    AUTHOR = "author"
    """Somebody whom the reader follows."""
    RANKING = "ranking"
    PROFILE = "profile"


@dataclass(frozen=True)
class Why:
    """One reason for which a paper is in a digest."""

    kind: WhyKind
    name: str
    """The watchlist (also where it follows an author) or the profile; for the ranking, what it learnt from."""
    words: tuple[str, ...] = ()
    """The profile's terms that were found, or the words that lifted the paper."""


@dataclass(frozen=True)
class DigestPaper:
    paper: Paper
    why: tuple[Why, ...]


@dataclass(frozen=True)
class DigestAlert:
    alert: Alert
    title: str
    words: str
    """What happened and why it is told."""


@dataclass(frozen=True)
class VerdictChange:
    """A claim's verdict became another one."""

    claim_id: str
    before: VerdictKind | None
    after: VerdictKind
    reason: str
    judged_at: datetime


@dataclass(frozen=True)
class Digest:
    """What is new for the reader, in the order in which it is to be read."""

    since: datetime | None
    """None for a digest that is shown once more."""
    until: datetime
    alerts: tuple[DigestAlert, ...] = ()
    watched: tuple[DigestPaper, ...] = ()
    ranked: tuple[DigestPaper, ...] = ()
    """Those most like what the reader starred and tagged, the best first."""
    relevant: tuple[DigestPaper, ...] = ()
    """Those of the profiles that are neither watched nor ranked, the newest first."""
    verdicts: tuple[VerdictChange, ...] = ()
    gaps: tuple[Gap, ...] = ()
    """Announced and not held: a state, not news."""
    left_out: int = 0
    """Papers that belong here and are more than were asked for."""
    next_since: datetime | None = None
    """Where the next one of its kind begins; None for a digest that doesn't count for that."""
    lost: int = 0
    """Papers that were left out for so long that they come no more by themselves."""
    lost_since: datetime | None = None
    """When the oldest of them came in."""

    @property
    def papers(self) -> tuple[DigestPaper, ...]:
        return (*self.watched, *self.ranked, *self.relevant)

    @property
    def has_news(self) -> bool:
        return bool(self.alerts or self.papers or self.verdicts)
