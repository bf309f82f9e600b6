"""The verdict that the runs pass on a claim.  `judge` is pure: a claim and measurements in, a verdict out.

Before the statistics (inference.py) it has to pass four gates:

1. Standing (decisions.py): read in a text or confirmed, not retracted, and no newer version of its paper is out.
2. Comparability (protocol.py): same quantity, same protocol, the claim's own recipe and tier, no override that
   computes.
3. Freshness (evidence.py): the code and the data of a measurement are those of today, or a replay showed that the
   code computes the same; with old measurements only, the verdict is `stale`.
4. Independence: a seed counts once, by its first finished run, so that running again can't replace a result nor add
   to n.

Then by kind: structural - every value within the tolerance (half of the last printed digit), one check is enough;
value - within the tolerance; bound - at least or at most the value; ordering - the better minus the worse above 0,
paired when both sides ran the same seeds, otherwise Welch; trend - one slope for each seed that ran the whole
series.  One seed decides none of these but the first.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from paperlab.entities import Claim, ClaimKind, Measurement, Verdict, VerdictKind
from paperlab.runs import decisions, inference, protocol
from paperlab.runs.decisions import Standing, content_hash
from paperlab.runs.evidence import Evidence, Today, caveats, gather
from paperlab.runs.inference import ALPHA, Decision, Region, Sample
from paperlab.runs.pooling import Pooled, pool


@dataclass(frozen=True)
class Judgement:
    """A verdict and the measurements that it was computed from."""

    verdict: Verdict
    used: tuple[Measurement, ...] = ()
    sample: Sample | None = None
    """The values that were tested, one a seed; None where nothing was."""
    region: Region | None = None
    """Where their mean has to lie."""
    outdated: str = ""
    """What has changed since all of it was measured; empty where it holds today."""


def judge(
    claim: Claim,
    measurements: Iterable[Measurement],
    *,
    today: Today | None = None,
    claims: Mapping[str, Claim] | None = None,
    standings: Mapping[str, Standing] | None = None,
    unmeasured: str = "",
    alpha: float = ALPHA,
) -> Judgement:
    """What `measurements` say of `claim`.

    `today` is what they have to have been made with to count.  `claims` holds the claims that an ordering or a trend
    runs through, `standings` whether each may be judged.  `unmeasured` says why there is nothing to judge by, where
    the caller knows.
    """
    parts = parts_of(claim, claims or {})
    by_id = standings or {}
    own = by_id.get(claim.id) or decisions.standing(claim)
    if reason := own.refusal or _retracted_part(claim, parts, by_id):
        return _without(claim, VerdictKind.NOT_ATTEMPTED, reason)
    if claim.kind is ClaimKind.VALUE and claim.tolerance is None:
        reason = "no tolerance is stated for it" if claim.recipe else "no recipe measures it yet"
        return _without(claim, VerdictKind.NOT_ATTEMPTED, reason)
    mine = list(measurements)
    found = [gather(part, mine, today or Today()) for part in parts]
    for part, evidence in zip(parts, found, strict=True):
        if not evidence.by_seed:
            return _nothing_counts(claim, part, evidence, unmeasured)
    lent = [gather(each, mine, today or Today()) for each in _lending(claim, claims or {}, by_id)]
    return _weigh(claim, parts, found, lent=lent, own=own, alpha=alpha)


def computed_from(claim: Claim, judgement: Judgement, alpha: float = ALPHA) -> dict[str, Any]:
    """What the log of verdicts keeps beside a verdict: enough to compute it again and to see what changed."""
    return {
        "claim": content_hash(claim),
        "alpha": alpha,
        "measurements": [
            {"run": used.run_id, "seed": used.seed, "value": used.value, "fingerprint": used.fingerprint}
            | ({"data": dict(used.data)} if used.data else {})
            for used in judgement.used
        ],
    }


def parts_of(claim: Claim, claims: Mapping[str, Claim]) -> list[Claim]:
    """The claims whose measurements decide: the claim itself, or those that it relates to each other."""
    if claim.kind is ClaimKind.ORDERING:
        return [claims[name] for name in (claim.better, claim.worse) if name is not None]
    if claim.kind is ClaimKind.TREND and claim.series:
        return [claims[name] for name in claim.series]
    return [claim]


def _nothing_counts(claim: Claim, part: Claim, evidence: Evidence, unmeasured: str) -> Judgement:
    if evidence.refused:
        fields = tuple(dict.fromkeys(field for comparison in evidence.refused for field in comparison.differing))
        details = dict.fromkeys(detail for comparison in evidence.refused for detail in comparison.details)
        return _without(claim, VerdictKind.NOT_COMPARABLE, "; ".join(details), differing_fields=fields)
    if unmeasured:
        reason = unmeasured
    elif part.kind is ClaimKind.STRUCTURAL:
        reason = "not checked with this code yet: paperlab claims check"
    elif not part.recipe:
        reason = "no recipe measures it yet"
    else:
        tier = f" --tier {part.tier}" if part.tier not in (None, "full") else ""
        of = "" if part is claim else f" {part.id}"
        reason = f"no finished run measures{of or ' it'}: paperlab reproduce {part.recipe}{tier}"
    return _without(claim, VerdictKind.NOT_ATTEMPTED, reason)


def _lending(claim: Claim, claims: Mapping[str, Claim], standings: Mapping[str, Standing]) -> list[Claim]:
    """The claims whose recipes may lend this one their spread."""
    names = claim.pool.claims if claim.pool is not None else ()
    known = [claims[name] for name in names if name in claims]
    return [each for each in known if each.id not in standings or not standings[each.id].retracted]


def _retracted_part(claim: Claim, parts: Sequence[Claim], standings: Mapping[str, Standing]) -> str:
    """Why a relation can't be judged: a claim of it does not stand where it was said to."""
    gone = [part.id for part in parts if part is not claim and part.id in standings and standings[part.id].retracted]
    return f"it runs through {gone[0]}, which is {standings[gone[0]].refusal}" if gone else ""


def _weigh(
    claim: Claim,
    parts: Sequence[Claim],
    found: Sequence[Evidence],
    *,
    lent: Sequence[Evidence],
    own: Standing,
    alpha: float,
) -> Judgement:
    region = _region(claim)
    values: Sample | None = None
    if claim.kind is ClaimKind.STRUCTURAL:
        verdict = _exact(claim, found[0], region)
    else:
        values = _sample(claim, parts, found)
        if values is None:
            reason = "no seed ran the whole series: a slope needs every claim of it from one seed"
            return _without(claim, VerdictKind.INCONCLUSIVE, reason, seeds_needed=1)
        common = _common(claim, values, lent)
        verdict = _decided(claim, common.sample, region, alpha)
        verdict = replace(verdict, reason=verdict.reason + common.said)
        found = [*found, *lent] if common.sample is not values else found
    used = tuple(item for evidence in found for item in evidence.used)
    runs = tuple(dict.fromkeys(item.run_id for item in used if item.run_id))
    caveat = f"; {own.caveat}" if own.caveat else ""
    verdict = replace(verdict, reason=verdict.reason + caveats(found) + caveat, run_ids=runs)
    outdated = " and ".join(dict.fromkeys(evidence.outdated for evidence in found if evidence.outdated))
    if outdated or own.doubt:
        since = f" with {outdated}" if outdated else ""
        doubt = f", but {own.doubt}" if own.doubt else ""
        reason = f"was {verdict.kind.value}{since}: {verdict.reason}{doubt}"
        verdict = replace(verdict, kind=VerdictKind.STALE, reason=reason, seeds_needed=0)
    return Judgement(verdict, used, values, region, outdated)


def _region(claim: Claim) -> Region:
    slack = claim.tolerance.value if claim.tolerance else 0.0
    if claim.kind is ClaimKind.BOUND and claim.value is not None:
        return (
            Region(claim.value - slack, math.inf)
            if claim.relation == "at-least"
            else Region(-math.inf, claim.value + slack)
        )
    if claim.kind is ClaimKind.ORDERING or claim.value is None:
        return Region(-math.inf, 0.0) if claim.relation == "falls" else Region(0.0, math.inf)
    return Region.around(claim.value, slack)


def _exact(claim: Claim, evidence: Evidence, region: Region) -> Verdict:
    outside = [value for value in evidence.values if not region.holds(value)]
    kind = VerdictKind.DIFFERS if outside else VerdictKind.REPRODUCED
    value = outside[0] if outside else evidence.values[0]
    reason = f"{_number(value)} is {'not ' if outside else ''}{_described(claim)}"
    return Verdict(claim.id, kind, reason, value)


def _sample(claim: Claim, parts: Sequence[Claim], found: Sequence[Evidence]) -> Sample | None:
    """The values to be tested, one a seed; None for a trend that no seed ran through."""
    step = max(protocol.resolution(item.metric, item.unit, item.n) for evidence in found for item in evidence.used)
    if claim.kind is ClaimKind.ORDERING:
        sign = -1.0 if protocol.lower_is_better(parts[0].metric) else 1.0
        better, worse = ({seed: sign * item.value for seed, item in evidence.by_seed.items()} for evidence in found)
        if better.keys() == worse.keys():
            return inference.sample([value - worse[seed] for seed, value in better.items()], step)
        return inference.difference(list(better.values()), list(worse.values()), step)
    if claim.kind is ClaimKind.TREND and claim.series:
        axis = [claim.series[part.id] for part in parts]
        whole = [seed for seed in found[0].by_seed if all(seed in evidence.by_seed for evidence in found)]
        slopes = [
            inference.slope([(x, evidence.by_seed[seed].value) for x, evidence in zip(axis, found, strict=True)])
            for seed in whole
        ]
        return inference.sample(slopes) if slopes else None
    return inference.sample(found[0].values, step)


def _common(claim: Claim, values: Sample, lent: Sequence[Evidence]) -> Pooled:
    """The sample with the spread that it shares with others, where the claim says so and they hold today."""
    if claim.pool is None:
        return Pooled(values, "")
    others = [
        inference.sample(
            evidence.values, max(protocol.resolution(item.metric, item.unit, item.n) for item in evidence.used)
        )
        for evidence in lent
        if evidence.by_seed and not evidence.outdated
    ]
    return pool(values, others, claim.pool.why)


def _decided(claim: Claim, values: Sample, region: Region, alpha: float) -> Verdict:
    seeds = f"{values.n} seed{'s' if values.n != 1 else ''}"
    interval = values.interval(alpha)
    if interval is None:
        if values.n == 1:
            reason, needed = f"{_number(values.mean)} from 1 seed: one gives no spread, at least 1 more is needed", 1
        else:
            reason = (
                f"{_number(values.mean)} from each of {seeds}: the seed changes nothing, so more of them decide nothing"
            )
            needed = 0
        return Verdict(claim.id, VerdictKind.INCONCLUSIVE, reason, values.mean, None, values.n, needed)
    shown = f"{100 * (1 - 2 * alpha):g} % interval [{_number(interval[0])}, {_number(interval[1])}] of {seeds}"
    decision = inference.decide(values, region, alpha)
    if decision is Decision.UNDECIDED:
        more = inference.further_seeds(values, region, alpha)
        advice = (
            f"about {more} more should decide"
            if more
            else f"more than {inference.MOST_SEEDS} would be needed to decide"
        )
        reason = f"{shown} reaches across the edge of {_described(claim)}; {advice}"
        needed = inference.MOST_SEEDS if more is None else more
        return Verdict(claim.id, VerdictKind.INCONCLUSIVE, reason, values.mean, interval, values.n, needed)
    inside = decision is Decision.INSIDE
    kind = VerdictKind.REPRODUCED if inside else VerdictKind.DIFFERS
    reason = f"{shown} {'lies within' if inside else 'lies outside'} {_described(claim)}"
    return Verdict(claim.id, kind, reason, values.mean, interval, values.n)


def _described(claim: Claim) -> str:
    """The region in words: "27.3 ± 0.5", "at least 0.99", "better - worse > 0"."""
    slack = f" ± {_number(claim.tolerance.value)}" if claim.tolerance and claim.tolerance.value else ""
    if claim.kind is ClaimKind.ORDERING:
        return "better - worse > 0"
    if claim.value is None:
        return f"a slope that {claim.relation}"
    if claim.kind is ClaimKind.BOUND:
        return f"{'at least' if claim.relation == 'at-least' else 'at most'} {_number(claim.value)}{slack}"
    return f"{_number(claim.value)}{slack}"


def _without(claim: Claim, kind: VerdictKind, reason: str, **fields: Any) -> Judgement:
    return Judgement(Verdict(claim.id, kind, reason, **fields))


def _number(value: float) -> str:
    return f"{value:.6g}"
