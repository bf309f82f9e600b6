"""What more runs would do for a claim: which ones could decide it, how open it is, how likely they decide.

The value of making them is `doubt * chance`, in verdicts:

    doubt    How open the verdict is, 0 to 1.  Nothing measured yet: 1.  Undecided: the entropy, in bits, of whether
             the true mean lies in the claim's region, by the t distribution of the seeds so far: 1 where that is
             even, near 0 where the seeds have all but said it.  Stale: 0.5, a convention: most changes of code change
             no result.  Decided: 0.
    chance   That these seeds decide, if mean and spread are what they were so far (inference.power).  Where no spread
             is known yet: 0.5, a convention.

One seed proves nothing, so the runs that a claim needs are a whole group: at least START seeds in all, and as many as
`inference.further_seeds` plans.  For an ordering or a trend that is the group of every recipe in it, on the same seeds.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from paperlab.entities import Claim, ClaimKind, VerdictKind
from paperlab.runs import inference, student_t
from paperlab.runs.decisions import Standing
from paperlab.runs.inference import Region, Sample
from paperlab.runs.verdict import Judgement, parts_of

START = 3
"""Seeds to begin with: the verdict's 90 % interval of two reaches 6.3 standard errors to either side, of three 2.9."""
STALE_DOUBT = 0.5
EVEN = 0.5


@dataclass(frozen=True, order=True)
class Seed:
    """A run that could be made."""

    recipe: str
    tier: str
    seed: int


@dataclass(frozen=True)
class Need:
    """What would move the verdict of a claim."""

    claim_id: str
    verdict: VerdictKind
    doubt: float
    chance: float
    runs: frozenset[Seed]
    seeds: int
    """How many there would be in all, of each recipe."""
    why: str

    @property
    def value(self) -> float:
        return self.doubt * self.chance


@dataclass(frozen=True)
class LeftOut:
    """A claim for which no run is proposed."""

    claim_id: str
    verdict: VerdictKind
    why: str
    hours: float | None = None
    """What its runs would take, in the budget's unit, where that is why."""


def needs(
    claims: Sequence[Claim],
    judged: Mapping[str, Judgement],
    standings: Mapping[str, Standing],
    finished: Mapping[tuple[str, str], frozenset[int]],
) -> tuple[list[Need], list[LeftOut]]:
    """What each open claim needs, and why others are left out; of decided ones nothing is said.

    `finished` are the seeds that ran with the code of today, by recipe and tier: they can't be made anew.
    """
    by_id = {claim.id: claim for claim in claims}
    found: list[Need] = []
    left: list[LeftOut] = []
    for claim in claims:
        judgement = judged[claim.id]
        kind = judgement.verdict.kind
        if kind in {VerdictKind.REPRODUCED, VerdictKind.DIFFERS}:
            continue
        parts = parts_of(claim, by_id)
        if why := _hopeless(claim, parts, judgement, standings):
            left.append(LeftOut(claim.id, kind, why))
            continue
        total = _seeds_in_all(judgement)
        if total is None:
            why = f"more than {inference.MOST_SEEDS} seeds would be needed to decide it"
            left.append(LeftOut(claim.id, kind, why))
            continue
        runs = _runs(parts, judgement, finished, total)
        doubt, chance = _doubt(judgement), _chance(judgement, total)
        many = len(runs)
        why = f"{kind.value}; {many} run{'s' if many != 1 else ''} for {total} seeds"
        found.append(Need(claim.id, kind, doubt, chance, runs, total, why))
    return found, left


def _hopeless(claim: Claim, parts: Sequence[Claim], judgement: Judgement, standings: Mapping[str, Standing]) -> str:
    """Why no run would move this claim's verdict; empty where one might."""
    own = standings.get(claim.id, Standing())
    gone = next((part.id for part in parts if standings.get(part.id, Standing()).retracted), None)
    if stands_not := own.refusal or own.doubt or (f"it runs through {gone}, which is retracted" if gone else ""):
        return stands_not
    if claim.kind is ClaimKind.STRUCTURAL:
        return "it needs no run: paperlab claims check"
    if any(part.recipe is None or part.tier is None for part in parts):
        return "no recipe measures it yet"
    if claim.kind is ClaimKind.VALUE and claim.tolerance is None:
        return "no tolerance is stated for it"
    return _settled(judgement)


def _settled(judgement: Judgement) -> str:
    """Why more of the same runs would say the same."""
    held = judgement.verdict
    if held.kind is VerdictKind.NOT_COMPARABLE and not _never_ran(held.differing_fields):
        return f"its runs measure something else: {', '.join(held.differing_fields)} differ"
    if held.kind is VerdictKind.STALE and not judgement.outdated:
        return held.reason
    if held.kind is VerdictKind.INCONCLUSIVE and held.seeds_needed == 0:
        return held.reason
    return ""


def _never_ran(fields: Sequence[str]) -> bool:
    """Whether only other recipes, other tiers and changed fields ("optim.lr") were measured, never this recipe."""
    return all(name in {"recipe", "tier"} or "." in name for name in fields)


def _seeds_in_all(judgement: Judgement) -> int | None:
    """How many seeds should decide; None where more than inference plans with."""
    sample, region = judgement.sample, judgement.region
    if sample is None or region is None:
        return START
    if judgement.outdated:
        return max(START, sample.n)
    more = inference.further_seeds(sample, region)
    return None if more is None else max(START, sample.n + more)


def _runs(
    parts: Sequence[Claim],
    judgement: Judgement,
    finished: Mapping[tuple[str, str], frozenset[int]],
    total: int,
) -> frozenset[Seed]:
    """The runs by which every part has `total` seeds, the same ones in all parts as far as that goes."""
    counting: dict[str, set[int]] = {}
    made: dict[str, frozenset[int]] = {}
    for part in parts:
        made[part.id] = finished.get((str(part.recipe), str(part.tier)), frozenset())
        used = {item.seed for item in judgement.used if item.claim_id == part.id and item.seed is not None}
        held = used if judgement.used else made[part.id]
        counting[part.id] = set() if judgement.outdated else set(held)
    known = set().union(*counting.values())
    dead = set().union(*(made[part.id] - counting[part.id] for part in parts))  # finished, and yet no evidence
    fresh = (seed for seed in itertools.count(1) if seed not in known and seed not in dead)
    common = sorted(known - dead, key=lambda seed: (-sum(seed in held for held in counting.values()), seed))
    wanted = [*common, *itertools.islice(fresh, max(0, total - len(common)))][:total]
    return frozenset(
        Seed(str(part.recipe), str(part.tier), seed)
        for part in parts
        for seed in wanted
        if seed not in counting[part.id]
    )


def _doubt(judgement: Judgement) -> float:
    if judgement.verdict.kind is VerdictKind.STALE:
        return STALE_DOUBT
    if judgement.sample is None or judgement.region is None or judgement.sample.error is None:
        return 1.0
    return _entropy(_inside(judgement.sample, judgement.sample.error, judgement.region))


def _inside(sample: Sample, error: float, region: Region) -> float:
    """The probability that the true mean lies in the region, by the t distribution around the mean so far."""
    low, high = (region.low - sample.mean) / error, (region.high - sample.mean) / error
    return student_t.cdf(high, sample.df) - student_t.cdf(low, sample.df)


def _entropy(p: float) -> float:
    """In bits, of a thing that is so with probability `p`."""
    return -sum(each * math.log2(each) for each in (p, 1.0 - p) if 0.0 < each < 1.0)


def _chance(judgement: Judgement, total: int) -> float:
    sample, region = judgement.sample, judgement.region
    if sample is None or region is None or sample.sd is None:
        return EVEN
    return min(1.0, sum(inference.power(total, sample.mean, sample.sd, region)))
