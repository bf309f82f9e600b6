"""Which of the measurements made for a claim count: comparable ones, made with what computes the same today.

A measurement is old when the code of its recipe, or a data file that it read, is another one now.  A replay
(replay.py) can show that changed code computes the same to the last bit; then the measurement counts as one of today.
A seed counts once, by its first finished run, so that running again can't replace a result nor add to n.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from paperlab.entities import Claim, Measurement, Replay
from paperlab.runs import protocol

_MADE = ("task", "dataset", "split", "metric", "unit", "recipe", "tier")
"""What protocol.compare looks at besides protocol and overrides."""


@dataclass(frozen=True)
class Today:
    """What a measurement has to have been made with; where nothing is known, nothing counts as old."""

    fingerprints: Mapping[str, str] = field(default_factory=dict)
    """Of now, by "recipe/tier" and, for what needs no recipe, by the reproduction's name."""
    data: Mapping[str, str] = field(default_factory=dict)
    """SHA-256 of the data files now, by their place."""
    equal: Mapping[tuple[str, str], Replay] = field(default_factory=dict)
    """By recipe and fingerprint: older code that a replay showed to compute the same as today's."""
    parted: Mapping[tuple[str, str], Replay] = field(default_factory=dict)
    """Older code that a replay showed to compute something else."""

    def is_of_old_code(self, item: Measurement) -> bool:
        """Whether the code of a run's recipe is another now, by all that is known."""
        now = self.fingerprints.get(f"{item.recipe}/{item.tier}")
        return now is not None and item.fingerprint != now and (item.recipe or "", item.fingerprint) not in self.equal

    def why_old(self, claim: Claim, item: Measurement) -> str:
        """What has changed since: "code that has changed since", "other data (train.en)"; empty for nothing."""
        changed = []
        now = self.fingerprints.get(f"{claim.recipe}/{claim.tier}", self.fingerprints.get(claim.reproduction))
        key = (item.recipe or "", item.fingerprint)
        if now is not None and item.fingerprint != now and key not in self.equal:
            replay = self.parted.get(key)
            changed.append("code that has changed since" + (f" ({_where(replay)})" if replay else ""))
        files = sorted(place for place, found in item.data.items() if self.data.get(place, found) != found)
        if files:
            changed.append(f"data that has changed since ({', '.join(files)})")
        return " and ".join(changed)


@dataclass(frozen=True)
class Evidence:
    """What passed the gates for one claim, and what did not."""

    by_seed: Mapping[int | None, Measurement]
    outdated: str
    """What has changed since all of it was measured; empty where it holds today."""
    refused: tuple[protocol.Comparison, ...]
    unstated: tuple[str, ...]
    replays: tuple[Replay, ...] = ()
    """By which some of it counts although its code has changed."""
    older: tuple[str, ...] = ()
    """Why each comparable measurement of another time does not count beside what holds today."""

    @property
    def used(self) -> tuple[Measurement, ...]:
        return tuple(self.by_seed.values())

    @property
    def values(self) -> list[float]:
        return [measurement.value for measurement in self.used]


def gather(claim: Claim, measurements: Iterable[Measurement], today: Today) -> Evidence:
    """Lay the measurements that were made for `claim` beside it and sort them."""
    comparing = _Comparing(claim)
    mine = [(item, comparing(item)) for item in measurements if item.claim_id == claim.id]
    comparable = sorted(
        (item for item, comparison in mine if comparison.comparable),
        key=lambda item: item.run_id or "",  # the ids of runs sort by time
    )
    why = {id(item): today.why_old(claim, item) for item in comparable}
    fresh = [item for item in comparable if not why[id(item)]]
    # Seeds of different code or data are not one sample: where all is old, the newest of it is what was known.
    counted = fresh or [item for item in comparable if _made_with(item) == _made_with(comparable[-1])]
    by_seed: dict[int | None, Measurement] = {}
    for item in counted:
        by_seed.setdefault(item.seed, item)
    renewed = {(item.recipe or "", item.fingerprint) for item in by_seed.values()}
    return Evidence(
        by_seed=by_seed,
        outdated=why[id(counted[-1])] if counted else "",
        refused=tuple(comparison for _, comparison in mine if not comparison.comparable),
        unstated=next((comparison.unstated for _, comparison in mine if comparison.comparable), ()),
        replays=tuple(today.equal[key] for key in sorted(renewed) if key in today.equal),
        older=tuple(why[id(item)] for item in comparable if why[id(item)]) if fresh else (),
    )


class _Comparing:
    """protocol.compare, once for all measurements that were made alike: hundreds of seeds of one recipe are."""

    def __init__(self, claim: Claim) -> None:
        self._claim = claim
        self._known: dict[tuple[object, ...], tuple[Measurement, protocol.Comparison]] = {}

    def __call__(self, item: Measurement) -> protocol.Comparison:
        # The store hands out one object for protocols that are alike; the measurement that is kept keeps it alive.
        made = (id(item.protocol), id(item.overrides), *(getattr(item, name) for name in _MADE))
        if made not in self._known:
            self._known[made] = item, protocol.compare(self._claim, item)
        return self._known[made][1]


def caveats(found: Sequence[Evidence]) -> str:
    """What is said after a verdict's reason, each with its semicolon."""
    text = ""
    unstated = dict.fromkeys(name for evidence in found for name in evidence.unstated)
    if unstated:
        text += f"; the claim does not state {', '.join(unstated)}"
    refused = [comparison for evidence in found for comparison in evidence.refused]
    if refused:
        fields = dict.fromkeys(name for comparison in refused for name in comparison.differing)
        text += f"; {len(refused)} not comparable ({', '.join(fields)})"
    older = [why for evidence in found for why in evidence.older]
    if older:
        text += f"; {len(older)} older left out, with {', '.join(dict.fromkeys(older))}"
    replays = dict.fromkeys(replay.run_after for evidence in found for replay in evidence.replays)
    if replays:
        text += f"; the code has changed since, and computes the same (replay {', '.join(replays)})"
    return text


def _made_with(item: Measurement) -> tuple[str, tuple[tuple[str, str], ...]]:
    return item.fingerprint, tuple(sorted(item.data.items()))


def _where(replay: Replay) -> str:
    return f"a replay parts from it: {replay.details.get('parts_at') or 'somewhere'}"
