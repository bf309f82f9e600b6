"""Filling the queue under a budget: the groups of runs that should settle most for the least device time.

Greedy: of the groups that still fit, the one with the most value (worth.py) for its cost is taken, together with every
claim that its runs settle too, until none fits.  Greed alone can spend on small things what one large group would have
used better, so it is also let loose after each of the most valuable groups, and the filling with the most value is the
one.  What is chosen, or waits in the queue already, costs the next group nothing.  A group is taken as a whole or not
at all: a part of it could decide nothing.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from paperlab.errors import InvalidInput
from paperlab.runs.worth import LeftOut, Need, Seed

_BUDGET = re.compile(r"(\d+(?:\.\d+)?)\s*(gpu|cpu)\s*-?\s*(?:h|hours?)", re.IGNORECASE)
_ROUNDING = 1e-9
_FIRSTS = 16
"""Groups that greed is tried after."""


@dataclass(frozen=True)
class Budget:
    hours: float
    unit: str
    """ "GPU-hours" or "CPU-hours"."""

    @classmethod
    def parse(cls, text: str) -> Budget:
        """ "6gpuh", "0.5 cpuh".  Raises InvalidInput."""
        match = _BUDGET.fullmatch(text.strip())
        if match is None or not float(match[1]) > 0.0:
            hint = "for example --budget 6gpuh or --budget 0.5cpuh: hours times GPUs, or times CPU threads"
            raise InvalidInput(f'--budget "{text}" is no device time', hint)
        return cls(float(match[1]), f"{match[2].upper()}-hours")

    def __str__(self) -> str:
        return f"{self.hours:g} {self.unit}"


@dataclass(frozen=True)
class Cost:
    """Of one run.  `hours` is None where nothing is known."""

    hours: float | None
    unit: str
    basis: str
    seconds: float | None = None


@dataclass(frozen=True)
class Group:
    """Runs that are taken together, and the claims that they should settle."""

    runs: tuple[Seed, ...]
    """Those that are new with this group."""
    hours: float
    settled: tuple[Need, ...]

    @property
    def value(self) -> float:
        """Verdicts that are expected to come of it."""
        return sum(need.value for need in self.settled)


@dataclass(frozen=True)
class Filling:
    budget: Budget
    groups: tuple[Group, ...]
    """In the order in which they were chosen."""
    left_out: tuple[LeftOut, ...]

    @property
    def hours(self) -> float:
        return sum(group.hours for group in self.groups)


def choose(
    needs: Sequence[Need],
    costs: Mapping[tuple[str, str], Cost],
    budget: Budget,
    *,
    queued: Iterable[Seed] = (),
) -> Filling:
    """Which groups to queue.  `costs` are those of one run, by recipe and tier; `queued` waits or runs already."""
    waiting = frozenset(queued)
    left_out: list[LeftOut] = []
    open_: list[Need] = []
    for need in needs:
        why = "its runs wait in the queue already" if need.runs <= waiting else _unaffordable(need, costs, budget)
        if why:
            left_out.append(LeftOut(need.claim_id, need.verdict, why))
        else:
            open_.append(need)
    groups = _best(open_, costs, budget, waiting)
    settled = {need.claim_id for group in groups for need in group.settled}
    taken = waiting.union(*(group.runs for group in groups))
    left = max(0.0, budget.hours - sum(group.hours for group in groups))
    for need in open_:
        if need.claim_id not in settled:
            why = f"more than the {left:.3g} {budget.unit} that are left"
            left_out.append(LeftOut(need.claim_id, need.verdict, why, _hours(need.runs - taken, costs)))
    return Filling(budget, tuple(groups), tuple(left_out))


def _best(
    open_: Sequence[Need], costs: Mapping[tuple[str, str], Cost], budget: Budget, waiting: frozenset[Seed]
) -> list[Group]:
    """The groups of the most value, and of those with the same value the cheapest, in the order of choice."""
    alone = [(need, _group(need, open_, set(waiting), costs)) for need in {need.runs: need for need in open_}.values()]
    fitting = [(need, group) for need, group in alone if group.hours <= budget.hours]
    firsts = [need for need, group in sorted(fitting, key=lambda pair: -pair[1].value)[:_FIRSTS]]
    return max(
        [_greedy(open_, costs, budget, waiting, first) for first in (None, *firsts)],  # of equals plain greed
        key=lambda groups: (round(sum(map(_value, groups)), 9), -sum(group.hours for group in groups)),
    )


def _greedy(
    open_: Sequence[Need],
    costs: Mapping[tuple[str, str], Cost],
    budget: Budget,
    waiting: frozenset[Seed],
    first: Need | None = None,
) -> list[Group]:
    groups: list[Group] = []
    taken, left, still = set(waiting), budget.hours * (1.0 + _ROUNDING), list(open_)
    while still:
        candidates = [first] if first is not None and not groups else {need.runs: need for need in still}.values()
        options = [_group(need, still, taken, costs) for need in candidates]
        fitting = [group for group in options if group.hours <= left]
        if not fitting:
            break
        best = max(fitting, key=lambda group: (group.value / max(group.hours, _ROUNDING), group.value))
        groups.append(best)
        taken.update(best.runs)
        left -= best.hours
        still = [need for need in still if need not in best.settled]
    return groups


def _value(group: Group) -> float:
    return group.value


def _group(need: Need, still: Sequence[Need], taken: set[Seed], costs: Mapping[tuple[str, str], Cost]) -> Group:
    """The runs that this claim still needs, with all the claims that have all they need once those are made."""
    runs = need.runs - taken
    held = taken | runs
    settled = tuple(each for each in still if each.runs <= held)
    return Group(tuple(sorted(runs)), _hours(runs, costs), settled)


def _hours(runs: Iterable[Seed], costs: Mapping[tuple[str, str], Cost]) -> float:
    return sum(costs[run.recipe, run.tier].hours or 0.0 for run in runs)


def _unaffordable(need: Need, costs: Mapping[tuple[str, str], Cost], budget: Budget) -> str:
    """Why what this claim needs can't be counted in this budget; empty where it can."""
    for recipe, tier in sorted({(run.recipe, run.tier) for run in need.runs}):
        cost = costs[recipe, tier]
        if cost.hours is None:
            return f"what it costs is not known: {cost.basis}"
        if cost.unit != budget.unit:
            return f"{recipe} --tier {tier} costs {cost.unit} here, not {budget.unit}"
    return ""
