"""What filling the queue has to know: claims, verdicts, finished runs, costs, what waits already."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from paperlab.entities import Claim
from paperlab.errors import InvalidInput
from paperlab.runs import decisions, fill, judging, launch, predict, queue, structure, worth
from paperlab.runs.fill import Budget, Cost, Filling, Group
from paperlab.runs.worth import LeftOut, Need, Seed
from paperlab.store import queue as store
from paperlab.store.database import Engine, Session
from reproductions import registry

_COUNT = re.compile(r"(\d+|one)\s+", re.IGNORECASE)


@dataclass(frozen=True)
class Survey:
    """What each open claim needs, which are left out and why, and what one run of each recipe and tier costs."""

    needs: tuple[Need, ...]
    left_out: tuple[LeftOut, ...]
    costs: Mapping[tuple[str, str], Cost]

    def hours(self, need: Need) -> tuple[float, str] | None:
        """Device hours of all runs that a claim needs, and their unit; None where not known, or of two units."""
        costs = [self.costs[run.recipe, run.tier] for run in need.runs]
        if not costs or any(cost.hours is None for cost in costs) or len({cost.unit for cost in costs}) > 1:
            return None
        return sum(cost.hours or 0.0 for cost in costs), costs[0].unit


def propose(
    session: Session, everything: Sequence[Claim], budget: Budget, *, home: Path, tiers: Iterable[str] | None = None
) -> Filling:
    """Which runs to queue for this budget, by what is known now; starts nothing and queues nothing.

    `tiers`: only claims whose recipes are of these.
    """
    found = survey(session, everything, home=home)
    needs, left_out = list(found.needs), list(found.left_out)
    if tiers is not None:
        wanted = set(tiers)
        others = [need for need in needs if any(run.tier not in wanted for run in need.runs)]
        needs = [need for need in needs if need not in others]
        left_out += [LeftOut(need.claim_id, need.verdict, "its recipe is of another tier") for need in others]
    waiting = [
        Seed(entry.recipe, entry.tier, entry.seed)
        for entry in store.find(session, (store.WAITING, store.RUNNING))
        if not entry.overrides
    ]
    chosen = fill.choose(needs, found.costs, budget, queued=waiting)
    return Filling(budget, chosen.groups, (*chosen.left_out, *left_out))


def survey(session: Session, everything: Sequence[Claim], *, home: Path) -> Survey:
    """The open claims, what would move their verdicts, and what that costs."""
    checks = structure.known({claim.reproduction for claim in everything}, home)
    judged = judging.judgements(session, everything, checks, among=everything)
    standings = decisions.standings(session, everything)
    recipes = sorted({(claim.recipe, claim.tier) for claim in everything if claim.recipe and claim.tier})
    finished: dict[tuple[str, str], frozenset[int]] = {}
    costs: dict[tuple[str, str], Cost] = {}
    codes: dict[str, str] = {}
    for recipe, tier in recipes:
        request = launch.Request(recipe, tier)
        try:
            fingerprint = predict.fingerprint_now(recipe, tier, codes)
            alike = predict.same_recipe(session, request, fingerprint=fingerprint)
            resources = predict.known(alike, request, home=home, fingerprint=fingerprint)
            costs[recipe, tier] = _cost(request, resources)
        except InvalidInput as error:  # a claim may name a tier that its recipe does not have
            costs[recipe, tier] = Cost(None, "", error.message)
            alike = []
        finished[recipe, tier] = frozenset(run.seed for run in alike)
    needs, left_out = worth.needs(everything, judged, standings, finished)
    return Survey(tuple(needs), tuple(left_out), costs)


def put(engine: Engine, filling: Filling, *, home: Path, now: datetime) -> list[queue.Put]:
    """Queue what was proposed, each run with the claims that it is for."""
    found = []
    for group in filling.groups:
        requests = [launch.Request(run.recipe, run.tier, run.seed) for run in group.runs]
        found += queue.put(engine, requests, why(group, filling.budget), home=home, now=now)
    return found


def why(group: Group, budget: Budget) -> Mapping[str, object]:
    """What an entry of the queue keeps about why it is there."""
    return {
        "by": "fill",
        "claims": [need.claim_id for need in group.settled],
        "reason": reason(group, budget),
        "value": round(group.value, 4),
        "hours": group.hours,
        "unit": budget.unit,
        "doubt": {need.claim_id: round(need.doubt, 4) for need in group.settled},
        "chance": {need.claim_id: round(need.chance, 4) for need in group.settled},
    }


def reason(group: Group, budget: Budget) -> str:
    """ "a:b is inconclusive, doubt 0.8: 5 seeds decide with chance 0.81"; of several, how many and what is expected."""
    first = group.settled[0]
    if len(group.settled) == 1:
        says = f"{first.claim_id} is {first.verdict.value}, doubt {first.doubt:.2g}"
        return f"{says}: {first.seeds} seeds decide with chance {first.chance:.2g}"
    return f"{len(group.settled)} claims, {group.value:.2g} verdicts expected for {group.hours:.3g} {budget.unit}"


def _cost(request: launch.Request, resources: predict.Resources) -> Cost:
    """By runs and rates of this machine, else by what the recipe says that it needs."""
    if resources.device_hours is not None and resources.unit is not None:
        least = "at least " if resources.at_least else ""
        return Cost(resources.device_hours, resources.unit, f"{least}{resources.basis}", resources.seconds)
    with launch.explained():
        needs = registry.recipe(request.recipe, request.tier).needs
    unit = "GPU-hours" if needs.device == "cuda" or "gpu" in needs.hardware.lower() else "CPU-hours"
    if not needs.hours:
        return Cost(None, unit, resources.basis)
    match = _COUNT.match(needs.hardware)
    devices = 1 if match is None or match[1].lower() == "one" else int(match[1])
    basis = f"what the recipe says it needs: {needs.hours:g} h on {needs.hardware}"
    return Cost(devices * needs.hours, unit, basis, 3600.0 * needs.hours)
