"""A sweep: one recipe over a grid of its fields, each cell with the same seeds; results by a validation metric.

Everything is checked before anything is trained.  Seed by seed through the whole grid, so that what is stopped early
has treated the cells alike.  A cell's values that the recipe has anyway are no changes: its runs are the recipe's own.

Cells are ranked by what was recorded on validation data, never by a test split.  The intervals of all cells hold
together with 95 % (Student's t, Bonferroni), so a rank is a range; and since the best of many cells looks better than
it is, the winner asks for seeds that took no part in choosing it.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import fmean
from typing import Any

from paperlab.entities import Run
from paperlab.errors import InvalidInput
from paperlab.runs import compare, inference, interleaved, launch, overrides, predict, seed_groups, standings
from paperlab.store import runs as store
from paperlab.store.database import Session

MOST_RUNS = 1000
"""More is a slip of the hand."""
ALPHA = 0.05

_OPENING, _CLOSING, _QUOTES = "[({", "])}", "\"'"


@dataclass(frozen=True)
class Axis:
    """A field of the recipe and the values that it takes in turn."""

    field: str
    values: tuple[str, ...]

    @classmethod
    def parse(cls, word: str) -> Axis:
        """ "optim.lr=1e-3,3e-4".  A comma within brackets or quotes parts nothing.  Raises InvalidInput."""
        ((field, text),) = overrides.parse([word]).items()
        values = tuple(value.strip() for value in _parted(text))
        if not all(values):
            raise InvalidInput(f'--set "{word}" has an empty value', "for example: --set optim.lr=1e-3,3e-4")
        return cls(field, tuple(_unquoted(value) for value in values))


@dataclass(frozen=True)
class Cell:
    """A point of the grid."""

    values: Mapping[str, str]
    """Of every axis."""
    changes: Mapping[str, str]
    """Those that the recipe does not have anyway: the overrides of its runs."""

    @property
    def label(self) -> str:
        return " ".join(f"{name}={value}" for name, value in self.values.items()) or "as it is"


@dataclass(frozen=True)
class Planned:
    """What is known of a cell before it is trained."""

    cell: Cell
    finished: Mapping[int, str]
    """The runs of the seeds that are done: ids by seed."""
    resources: predict.Resources
    """Of one run."""


@dataclass(frozen=True)
class Result:
    """What the finished seeds of a cell show.  A value is None where a run did not record the metric."""

    cell: Cell
    runs: Mapping[int, str]
    """Ids by seed."""
    values: Mapping[int, float | None]
    """The last one of each seed; NaN where that was not finite."""
    mean: float | None
    """None where a seed has no finite value: those that have one are no fair sample of the cell."""
    sd: float | None
    interval: tuple[float, float] | None
    ranks: tuple[int, int] | None
    device_hours: float | None
    """The mean of a run."""
    unit: str | None
    remark: str = ""


@dataclass(frozen=True)
class Outcome:
    metric: str
    lower_is_better: bool | None
    results: tuple[Result, ...]
    """The best mean first; in the order of the grid where there is no better and worse."""
    protocol_differs: tuple[str, ...]
    """Where these differ between cells, the metric does not mean the same in them, and nothing is ranked."""
    says: str


def grid(recipe: str, tier: str, axes: Sequence[Axis]) -> tuple[Cell, ...]:
    """Every combination, the last axis fastest.

    Raises InvalidInput for unknown names, values of a wrong type, a field that is named twice and cells that are the
    same.
    """
    fields = [axis.field for axis in axes]
    for field in fields:
        if fields.count(field) > 1:
            raise InvalidInput(f'"{field}" is set twice', f"give its values at once: --set {field}=A,B")
    if math.prod(len(axis.values) for axis in axes) > MOST_RUNS:
        raise InvalidInput(f"the grid has more than {MOST_RUNS} cells", "fewer values, or fewer fields at once")
    base = overrides.values(recipe, tier, {})
    seen: dict[str, Cell] = {}
    for combination in itertools.product(*(axis.values for axis in axes)):
        values = dict(zip(fields, combination, strict=True))
        made = overrides.values(recipe, tier, values)
        changes = {name: text for name, text in values.items() if _at(made, name) != _at(base, name)}
        cell = Cell(values, changes)
        twin = seen.setdefault(repr(made), cell)
        if twin is not cell:
            raise InvalidInput(f'"{cell.label}" and "{twin.label}" are the same recipe', "name each value once")
    return tuple(seen.values())


def plan(session: Session | None, cells: Sequence[Cell], request: launch.Request, *, home: Path) -> list[Planned]:
    """What is finished of each cell and what a run of it is expected to take; starts nothing."""
    fingerprint = predict.fingerprint_now(request.recipe, request.tier, {})
    found = []
    for cell in cells:
        asked = replace(request, overrides=overrides.words(cell.changes))
        alike = [] if session is None else predict.same_recipe(session, asked, fingerprint=fingerprint)
        known = predict.known(alike, asked, home=home, fingerprint=fingerprint)
        done = {run.seed: run.id for run in reversed(alike)}  # of a seed that ran twice the first run counts
        found.append(Planned(cell, dict(sorted(done.items())), known))
    return found


def train(
    planned: Sequence[Planned],
    seeds: Sequence[int],
    request: launch.Request,
    run: Callable[[launch.Request], launch.Ended],
) -> Iterator[tuple[Cell, int, launch.Ended]]:
    """Trains what is not finished, seed by seed through the grid; yields how each training ended.

    Goes on as long as it is asked to.

    `request` has recipe, tier, device, threads and quiet; `run` is launch.run for one home.
    """
    for seed in seeds:
        for each in planned:
            if seed not in each.finished:
                asked = replace(request, overrides=overrides.words(each.cell.changes), seed=seed)
                yield each.cell, seed, run(asked)


def outcome(session: Session, runs: Sequence[tuple[Cell, Mapping[int, str]]], metric: str) -> Outcome:
    """What the finished runs say, given for each cell as ids by seed.

    Raises InvalidInput where none of them recorded `metric`.
    """
    interleaved.check_metric(metric)
    held = [(cell, {seed: _run(session, run_id) for seed, run_id in by_seed.items()}) for cell, by_seed in runs]
    everything = [run for _, by_seed in held for run in by_seed.values()]
    # With its gaps: of a run whose loss ran away the last value is none, and not the last finite one.
    read = store.series(session, [run.id for run in everything], (metric,), gaps=True)
    last = {series.run_id: series.values[-1] for series in read if len(series.values)}
    values = [{seed: last.get(run.id) for seed, run in by_seed.items()} for _, by_seed in held]
    if everything and all(value is None for by_seed in values for value in by_seed.values()):
        names = store.metric_names(session, everything[0].id)
        raise InvalidInput(f'no run recorded "{metric}"', f"they have: {', '.join(names) or 'nothing'}")
    differs = compare.validation_differs(metric, *everything) if everything else ()
    lower = interleaved.direction(metric)
    found = [_result(cell, by_seed, of) for (cell, by_seed), of in zip(held, values, strict=True)]
    ranked = _ranked(found, None if differs else lower)
    return Outcome(metric, lower, tuple(ranked), differs, _says(ranked, metric, differs, lower))


def _result(cell: Cell, runs: Mapping[int, Run], values: Mapping[int, float | None]) -> Result:
    numbers = [value for value in values.values() if value is not None]
    costs = [seed_groups.cost(run) for run in runs.values()]
    hours = [cost.device_hours for cost in costs if cost.device_hours is not None]
    missing, wild = len(values) - len(numbers), sum(not math.isfinite(value) for value in numbers)
    remark = "not trained" if not values else f"{missing} of {len(values)} did not record it" if missing else ""
    remark = f"{wild} of {len(values)} did not stay finite" if wild else remark
    sample = inference.sample(numbers) if numbers and not remark else None  # of all seeds or of none
    if sample is not None and sample.sd is None:
        remark = "1 seed shows no spread" if sample.n == 1 else "the seeds show no spread"
    return Result(
        cell=cell,
        runs={seed: run.id for seed, run in runs.items()},
        values=dict(values),
        mean=sample.mean if sample else None,
        sd=sample.sd if sample else None,
        interval=None,
        ranks=None,
        device_hours=fmean(hours) if hours else None,
        unit=costs[0].unit if costs else None,
        remark=remark,
    )


def _ranked(found: Sequence[Result], lower: bool | None) -> list[Result]:
    """With intervals that hold together and, where there is a better and a worse, with ranks and in their order."""
    spread = sum(each.sd is not None for each in found)
    level = ALPHA / 2.0 / max(1, spread)
    numbers = [[value for value in each.values.values() if value is not None] for each in found]
    intervals = [
        inference.sample(values).interval(level) if each.sd is not None else None
        for each, values in zip(found, numbers, strict=True)
    ]
    ranks = [None] * len(found) if lower is None else standings.rank_ranges(intervals, lower_is_better=lower)
    told = [
        replace(each, interval=interval, ranks=range_)
        for each, interval, range_ in zip(found, intervals, ranks, strict=True)
    ]
    if lower is None:
        return told

    def place(each: Result) -> float:
        if each.mean is None:
            return math.inf
        return each.mean if lower else -each.mean

    return sorted(told, key=place)  # stable: equal ones stay in the order of the grid


def _says(ranked: Sequence[Result], metric: str, differs: tuple[str, ...], lower: bool | None) -> str:
    if differs:
        return f"{metric} does not mean the same in all cells ({', '.join(differs)} differ), so they have no order"
    if lower is None:
        return f"which way {metric} gets better is not known, so the cells have no order"
    measured = [each for each in ranked if each.mean is not None]
    return _best(measured) if measured else "no cell has a result"


def _best(measured: Sequence[Result]) -> str:
    best = measured[0]
    if len(measured) == 1:
        return f'"{best.cell.label}" is the only cell with a result'
    if best.ranks is None:
        return f'"{best.cell.label}" is ahead, but {best.remark}: more seeds would tell luck from a difference'
    rivals = [f'"{each.cell.label}"' for each in measured[1:] if each.ranks is None or each.ranks[0] == 1]
    if not rivals:
        return f'"{best.cell.label}" is best'
    named = ", ".join(rivals[:5]) + (f" and {len(rivals) - 5} more" if len(rivals) > 5 else "")
    return f'"{best.cell.label}" is ahead, and these seeds do not tell it from {named}'


def unused(seeds: Sequence[int], many: int) -> str:
    """Seeds that took no part, as --seeds takes them: "4-6"."""
    first = max(seeds) + 1
    return f"{first}-{first + many - 1}"


def _run(session: Session, run_id: str) -> Run:
    run = store.get(session, run_id)
    if run is None:
        raise InvalidInput(f"the run {run_id} is not indexed", "paperlab runs index")
    return run


def _at(values: Mapping[str, Any], path: str) -> Any:
    for name in path.split("."):
        values = values[name]
    return values


def _parted(text: str) -> Iterator[str]:
    """The parts between commas that stand in no brackets and no quotes."""
    depth, quote, begin = 0, "", 0
    for at, sign in enumerate(text):
        if quote:
            quote = "" if sign == quote else quote
        elif sign in _QUOTES:
            quote = sign
        elif sign in _OPENING:
            depth += 1
        elif sign in _CLOSING:
            depth -= 1
        elif sign == "," and depth <= 0:
            yield text[begin:at]
            begin = at + 1
    yield text[begin:]


def _unquoted(value: str) -> str:
    return value[1:-1] if len(value) > 1 and value[0] == value[-1] and value[0] in _QUOTES else value
