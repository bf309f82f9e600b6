"""What a difference in protocol is known to do to a metric: known_deltas.toml, asked by what differs.

It explains why two numbers may not be compared, and is never used to make one from the other: an effect that was seen
with one model on one set of data is no conversion.
"""

from __future__ import annotations

import tomllib
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

_ANY = object()


@dataclass(frozen=True)
class KnownDelta:
    """`low` to `high`: the change of the metric, in `unit`, from `before` to `after`."""

    metric: str
    field: str
    low: float
    high: float
    unit: str
    seen: str
    source: str
    before: Any = _ANY
    after: Any = _ANY

    def reversed(self) -> KnownDelta:
        return replace(self, before=self.after, after=self.before, low=0.0 - self.high, high=0.0 - self.low)

    @property
    def exactness(self) -> int:
        """How many of the two sides it names."""
        return (self.before is not _ANY) + (self.after is not _ANY)

    @property
    def in_words(self) -> str:
        """ "+0.7 to +1.0 BLEU; seen: ...; source: ...": what the second side has more than the first."""
        if self.low == -self.high:
            size = f"up to {self.high:.2g} {self.unit} either way"
        elif self.low == self.high:
            size = f"about {self.low:+.2g} {self.unit}"
        else:
            size = f"{self.low:+.3g} to {self.high:+.3g} {self.unit}"
        return f"{size}; seen: {self.seen}; source: {self.source}"


@lru_cache(maxsize=1)
def load() -> tuple[KnownDelta, ...]:
    """Every known effect, in the order of the file."""
    text = Path(__file__).with_name("known_deltas.toml").read_text(encoding="utf-8")
    return tuple(KnownDelta(**entry) for entry in tomllib.loads(text)["delta"])


def find(metric: str, field: str, claimed: Any, measured: Any) -> KnownDelta | None:
    """What is known of `field` being `measured` instead of `claimed`; `metric` by its canonical name.

    The entry that names most of the two values counts; None where nothing is known of this difference.
    """
    both = [each for entry in load() for each in (entry, entry.reversed())]
    mine = [each for each in both if each.field == field and (field == "metric" or each.metric == metric)]
    fitting = [each for each in mine if _fits(each.before, claimed) and _fits(each.after, measured)]
    return max(fitting, key=lambda each: each.exactness, default=None)


def _fits(named: Any, found: Any) -> bool:
    if named is _ANY:
        return True
    if isinstance(named, str) and isinstance(found, str):
        # "sampled" stands for every way to sample: "500 random batches"
        return named.casefold() == found.strip().casefold() or (named == "sampled" and "random" in found.casefold())
    return type(named) is type(found) and bool(named == found)
