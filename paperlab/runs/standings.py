"""How our own numbers stand to each other: within one protocol, with the ranks that the seeds allow, and their cost.

Numbers of one quantity and one protocol make a table; what was measured otherwise is in another one.  An entry is a
recipe with its overrides on one kind of machine, in its newest code, one value a seed.

A rank is a range.  The intervals of all entries of a table hold together with 95 % (Student's t, Bonferroni 1936: each
at 1 - 0.05 / m), so "wholly better than mine" is never said wrongly of any pair in 95 of 100 tables, and neither is a
range of ranks: the best one counts the entries that are surely better, the worst one those that are not surely worse.
An entry of one seed has no spread and so no rank.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from paperlab.entities import Measurement, Run
from paperlab.runs import compare, inference, protocol, seed_groups
from paperlab.runs.inference import Sample
from paperlab.runs.seed_groups import Cost

ALPHA = 0.05

Direction = Callable[[str], bool | None]
"""Whether lower is better for a metric; None where that is not known."""


@dataclass(frozen=True)
class Standing:
    """One entry of a table."""

    label: str
    reproduction: str
    recipe: str
    tier: str
    mean: float
    seeds: int
    interval: tuple[float, float] | None
    ranks: tuple[int, int] | None
    """Best and worst that the intervals allow; None where `unranked` says why."""
    unranked: str
    hardware: str
    cost_unit: str
    """ "GPU-hours" or "CPU-hours"."""
    device_hours: float | None
    """The mean over the seeds; the limits below are for the costliest of them."""
    hours: float | None
    peak_memory: int | None
    """Bytes."""
    run_ids: tuple[str, ...]
    best_for_cost: bool = False
    """On this hardware nothing of the table is as good for less."""


@dataclass(frozen=True)
class Table:
    """Entries of one quantity and protocol, the best mean first."""

    task: str
    dataset: str
    split: str
    metric: str
    unit: str
    conditions: Mapping[str, Any]
    """The protocol, signature and number of examples that all entries share."""
    lower_is_better: bool | None
    standings: tuple[Standing, ...]
    older: int
    """How many entries of older code are left out."""


@dataclass(frozen=True)
class Limits:
    """What there is: bytes of memory on one device, hours of the clock.  None: no limit."""

    memory: int | None = None
    hours: float | None = None

    def fits(self, standing: Standing) -> bool | None:
        """None where the runs did not record what it takes."""
        pairs = [(self.memory, standing.peak_memory), (self.hours, standing.hours)]
        asked = [(limit, taken) for limit, taken in pairs if limit is not None]
        if any(taken is not None and taken > limit for limit, taken in asked):
            return False
        return None if any(taken is None for _, taken in asked) else True


def rank_ranges(
    intervals: Sequence[tuple[float, float] | None], *, lower_is_better: bool
) -> list[tuple[int, int] | None]:
    """The best and the worst rank that each interval allows among all of them; None for what has none."""
    known = [interval for interval in intervals if interval is not None]

    def better(one: tuple[float, float], other: tuple[float, float]) -> bool:
        return one[1] < other[0] if lower_is_better else one[0] > other[1]

    found: list[tuple[int, int] | None] = []
    for each in intervals:
        if each is None:
            found.append(None)
            continue
        best = 1 + sum(better(other, each) for other in known)
        found.append((best, len(known) - sum(better(each, other) for other in known)))
    return found


def tables(measurements: Iterable[Measurement], runs: Mapping[str, Run], direction: Direction) -> list[Table]:
    """The measurements of finished runs (`runs` by id) as tables, those with the most entries first."""
    by_protocol: dict[str, list[Measurement]] = {}
    for item in measurements:
        if item.run_id in runs:
            by_protocol.setdefault(_protocol_key(item), []).append(item)
    costs = {run_id: seed_groups.cost(run) for run_id, run in runs.items()}  # once: each reads a file
    found = [_table(items, runs, costs, direction) for _, items in sorted(by_protocol.items())]
    return sorted(found, key=lambda table: -len(table.standings))


def _protocol_key(item: Measurement) -> str:
    conditions = sorted((name, _normal(value)) for name, value in compare.conditions(item).items())
    return json.dumps([*compare.quantity(item)[2:], conditions])


def _normal(value: Any) -> str:
    """Equal for what protocol.same calls the same."""
    if isinstance(value, bool) or value is None:
        return repr(value)
    if isinstance(value, int | float):
        return f"{float(value)!r}"
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(_normal, value))}]"
    return json.dumps(str(value).strip().casefold())


def _table(items: list[Measurement], runs: Mapping[str, Run], costs: Mapping[str, Cost], direction: Direction) -> Table:
    one = items[0]
    lower = direction(protocol.canonical(one.metric).replace("-", " "))
    newest, older = _newest(items, runs, costs)
    resolution = protocol.resolution(one.metric, one.unit, one.n)
    samples = [inference.sample([item.value for item in group], resolution) for group in newest]
    spread = sum(sample.error is not None for sample in samples)
    standings = [_standing(group, sample, runs, costs, spread) for group, sample in zip(newest, samples, strict=True)]
    sign = -1.0 if lower is False else 1.0
    ordered = sorted(standings, key=lambda each: (sign * each.mean, each.label, each.hardware))
    return Table(
        one.task,
        one.dataset,
        one.split,
        one.metric,
        one.unit,
        compare.conditions(one),
        lower,
        tuple(_costed(_ranked(ordered, lower), lower)),
        older,
    )


def _newest(
    items: Iterable[Measurement], runs: Mapping[str, Run], costs: Mapping[str, Cost]
) -> tuple[list[list[Measurement]], int]:
    """The measurements by entry, one a seed, in the newest code of each; and the number of entries of older code."""
    entries: dict[tuple[str, ...], dict[str, dict[int, Measurement]]] = {}
    for item in sorted(items, key=lambda item: (runs[item.run_id or ""].created_at, item.run_id or "")):
        run = runs[item.run_id or ""]
        recipe, tier, overrides, code = seed_groups.key(run)
        entry = entries.setdefault((recipe, tier, overrides, costs[run.id].hardware), {})
        entry.setdefault(code, {}).setdefault(run.seed, item)  # in the order of time: the newest code comes last
    newest = [list(list(codes.values())[-1].values()) for codes in entries.values()]
    return newest, sum(len(codes) - 1 for codes in entries.values())


def _standing(
    group: list[Measurement], sample: Sample, runs: Mapping[str, Run], costs: Mapping[str, Cost], spread: int
) -> Standing:
    taken = [costs[item.run_id or ""] for item in group]
    hours = [cost.hours for cost in taken if cost.hours is not None]
    device_hours = [cost.device_hours for cost in taken if cost.device_hours is not None]
    memory = [cost.peak_memory for cost in taken if cost.peak_memory is not None]
    run = runs[group[0].run_id or ""]
    why = ""
    if sample.error is None:
        why = "1 seed shows no spread" if sample.n == 1 else "the seeds show no spread"
    return Standing(
        label=" ".join([run.recipe, run.tier, *seed_groups.overrides_text(run.overrides)]),
        reproduction=run.reproduction,
        recipe=run.recipe,
        tier=run.tier,
        mean=sample.mean,
        seeds=sample.n,
        interval=sample.interval(ALPHA / 2.0 / spread) if spread else None,
        ranks=None,
        unranked=why,
        hardware=taken[0].hardware,
        cost_unit=taken[0].unit,
        device_hours=sum(device_hours) / len(device_hours) if device_hours else None,
        hours=max(hours) if len(hours) == len(taken) else None,
        peak_memory=max(memory) if len(memory) == len(taken) else None,
        run_ids=tuple(item.run_id or "" for item in group),
    )


def _ranked(standings: list[Standing], lower: bool | None) -> list[Standing]:
    if lower is None:
        why = "which way this metric gets better is not known"
        return [replace(each, unranked=each.unranked or why) for each in standings]
    ranges = rank_ranges([each.interval for each in standings], lower_is_better=lower)
    return [replace(each, ranks=ranks) for each, ranks in zip(standings, ranges, strict=True)]


def _costed(standings: list[Standing], lower: bool | None) -> list[Standing]:
    """Marks those that nothing on the same hardware beats in both quality and cost."""
    if lower is None:
        return standings

    def beats(other: Standing, each: Standing) -> bool:
        if other.hardware != each.hardware or other.device_hours is None or each.device_hours is None:
            return False
        gain = (each.mean - other.mean) * (1.0 if lower else -1.0)
        saving = each.device_hours - other.device_hours
        return gain >= 0.0 and saving >= 0.0 and (gain > 0.0 or saving > 0.0)

    return [
        replace(
            each,
            best_for_cost=each.device_hours is not None and not any(beats(other, each) for other in standings),
        )
        for each in standings
    ]
