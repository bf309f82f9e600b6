"""Two or more runs side by side: what differs in how they came about, and what they measured.

Numbers are subtracted only where they mean the same: same quantity, same protocol.  Whether a difference is more than
the luck of a seed is told by the runs of the same seeds on both sides, in pairs (Student 1908): the differences seed
by seed are one sample, and its t interval and p value are given.  One pair decides nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from paperlab.entities import Measurement, MetricPoint, Run
from paperlab.errors import UnknownName
from paperlab.runs import inference, protocol, seed_groups, student_t
from paperlab.runs.seed_groups import SeedGroup
from paperlab.store import runs as store
from paperlab.store.database import Session

ALPHA = 0.05
"""Two-sided: intervals hold 95 %."""
VALIDATION_LOSS = "val/loss"

_BATCHING = frozenset({"tokens_per_batch", "batch_size", "sequences_per_batch"})
_IDENTITY = frozenset({"id", "format", "created_at", "command", "again", "overrides", "attempts"})


@dataclass(frozen=True)
class Side:
    """A run that is compared, its repetitions, and what they wrote.  All by run id."""

    run: Run
    group: SeedGroup
    measurements: Mapping[str, Sequence[Measurement]]
    final: Mapping[str, MetricPoint]
    """The last val/loss; a run that recorded none is left out."""
    lowest: Mapping[str, MetricPoint]


@dataclass(frozen=True)
class Difference:
    """A key of run.json that not all runs agree on.  None: the run does not have it."""

    key: str
    values: tuple[Any, ...]


@dataclass(frozen=True)
class PairedTest:
    """The mean of other minus first over the seeds that both have.

    `interval` and `p` are None where one pair, or pairs that all differ by the same, show no spread.
    """

    seeds: tuple[int, ...]
    mean: float
    interval: tuple[float, float] | None
    p: float | None

    @property
    def differs(self) -> bool | None:
        return None if self.p is None else self.p < ALPHA


@dataclass(frozen=True)
class Row:
    """One quantity: a value for each run (None: it has none), and for each but the first how it differs from it."""

    name: str
    unit: str
    values: tuple[float | None, ...]
    steps: tuple[int | None, ...]
    """At which step the value stands, for losses; None for measurements."""
    protocol_differs: tuple[str, ...]
    """The fields that forbid a difference."""
    differences: tuple[float | None, ...]
    tests: tuple[PairedTest | None, ...]


@dataclass(frozen=True)
class Comparison:
    run_ids: tuple[str, ...]
    seeds: tuple[tuple[int, ...], ...]
    """Of each run's group."""
    differing: tuple[Difference, ...]
    agreeing: int
    """How many keys all runs agree on."""
    rows: tuple[Row, ...]


def load(session: Session, run_ids: Sequence[str]) -> list[Side]:
    """The runs with all that comparing them needs.  Raises UnknownName for a run that is not indexed."""
    held = store.get_many(session, run_ids)
    for run_id in run_ids:
        if run_id not in held:
            raise UnknownName("run", run_id, store.ids(session), "paperlab runs list")
    recipes = dict.fromkeys((run.recipe, run.tier) for run in held.values())
    alike = {key: store.find(session, store.RunFilter(recipe=key[0], tier=key[1])) for key in recipes}
    groups = {run.id: seed_groups.of(run, alike[run.recipe, run.tier]) for run in held.values()}
    # Of all at once: a recipe that was run for years has hundreds of seeds.
    every = list(dict.fromkeys(each.id for group in groups.values() for each in group.runs))
    measured: dict[str | None, list[Measurement]] = {}
    for item in store.measurements(session, run_ids=every):
        measured.setdefault(item.run_id, []).append(item)
    losses = {each.run_id: each for each in store.series(session, every, (VALIDATION_LOSS,)) if each.values}
    final = {run_id: _point(each, -1) for run_id, each in losses.items()}
    lowest = {run_id: _point(each, each.values.index(min(each.values))) for run_id, each in losses.items()}
    return [
        Side(
            held[run_id],
            groups[run_id],
            {each.id: measured.get(each.id, []) for each in groups[run_id].runs},
            *({each.id: of[each.id] for each in groups[run_id].runs if each.id in of} for of in (final, lowest)),
        )
        for run_id in run_ids
    ]


def _point(series: store.Series, place: int) -> MetricPoint:
    return MetricPoint(series.steps[place], series.times[place], series.name, series.values[place])


def compare(sides: Sequence[Side]) -> Comparison:
    """Lay runs side by side; differences and tests are against the first.  Raises ValueError for fewer than two."""
    if len(sides) < 2:
        raise ValueError("a comparison needs at least two runs")
    differing, agreeing = differences([side.run for side in sides])
    rows = [*(_loss_rows(sides)), *_measured_rows(sides)]
    return Comparison(
        tuple(side.run.id for side in sides),
        tuple(side.group.seeds for side in sides),
        differing,
        agreeing,
        tuple(rows),
    )


def differences(runs: Sequence[Run]) -> tuple[tuple[Difference, ...], int]:
    """The keys of run.json on which the runs do not agree, and the number of those on which they do.

    What tells runs apart by itself (identifier, time, command line) is left out; overrides show as the recipe's fields.
    """
    flat = [
        flattened({name: value for name, value in run.record.items() if name not in _IDENTITY})
        | {f"overrides.{name}": value for name, value in run.overrides.items()}
        for run in runs
    ]
    keys = dict.fromkeys(name for record in flat for name in record)
    differing = [
        Difference(name, tuple(record.get(name) for record in flat))
        for name in keys
        if any(record.get(name) != flat[0].get(name) for record in flat)
    ]
    return tuple(differing), len(keys) - len(differing)


def flattened(values: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Nested tables as dotted paths: {"optim": {"lr": 1}} is {"optim.lr": 1}."""
    flat: dict[str, Any] = {}
    for name, value in values.items():
        if isinstance(value, Mapping) and value:
            flat |= flattened(value, f"{prefix}{name}.")
        else:
            flat[f"{prefix}{name}"] = value
    return flat


def paired(first: Mapping[int, float], other: Mapping[int, float], resolution: float = 0.0) -> PairedTest | None:
    """other - first over the seeds in common, by seed; None without one.  See the module for the test."""
    seeds = tuple(sorted(first.keys() & other.keys()))
    if not seeds:
        return None
    values = inference.sample([other[seed] - first[seed] for seed in seeds], resolution)
    if values.error is None:
        return PairedTest(seeds, values.mean, None, None)
    p = 2.0 * student_t.cdf(-abs(values.mean) / values.error, values.df)
    return PairedTest(seeds, values.mean, values.interval(ALPHA / 2.0), p)


# --- rows -----------------------------------------------------------------------------------------------------


def _loss_rows(sides: Sequence[Side]) -> Iterable[Row]:
    """Final and lowest validation loss."""
    forbidding = validation_differs(VALIDATION_LOSS, *(side.run for side in sides))
    final, lowest = [side.final for side in sides], [side.lowest for side in sides]
    for label, chosen in (("final", final), ("lowest", lowest)):
        if not any(chosen):
            continue
        here = [held.get(side.run.id) for side, held in zip(sides, chosen, strict=True)]
        by_seed = [
            {run.seed: held[run.id].value for run in side.group.runs if run.id in held}
            for side, held in zip(sides, chosen, strict=True)
        ]
        yield _row(
            f"{VALIDATION_LOSS}, {label}",
            "nats per token",
            sides,
            values=[None if point is None else point.value for point in here],
            steps=[None if point is None else point.step for point in here],
            by_seed=by_seed,
            forbidding=forbidding,
        )


def _measured_rows(sides: Sequence[Side]) -> Iterable[Row]:
    """What result.json has, quantity by quantity.

    Where each run measured a quantity once, the runs stand in one row, whatever their protocols; where one measured
    it several times (greedy and with a beam), each protocol has a row of its own.
    """
    quantities: dict[tuple[str, ...], list[list[Measurement]]] = {}
    for at, side in enumerate(sides):
        for item in side.measurements.get(side.run.id, ()):
            quantities.setdefault(quantity(item), [[] for _ in sides])[at].append(item)
    for items in quantities.values():
        if all(len(held) <= 1 for held in items):
            yield _measured_row(sides, [held[0] if held else None for held in items])
            continue
        protocols: list[Mapping[str, Any]] = []
        for item in (item for held in items for item in held):
            if not any(_differing(conditions(item), known) == () for known in protocols):
                protocols.append(conditions(item))
        for wanted in protocols:
            yield _measured_row(sides, [_under(held, wanted) for held in items])


def _measured_row(sides: Sequence[Side], here: Sequence[Measurement | None]) -> Row:
    present = [item for item in here if item is not None]
    one = present[0]
    forbidding = tuple(
        dict.fromkeys(name for item in present for name in _differing(conditions(item), conditions(one)))
    )
    by_seed: list[dict[int, float]] = []
    for side, item in zip(sides, here, strict=True):
        held: dict[int, float] = {}
        for run in side.group.runs if item is not None else ():
            alike = [each for each in side.measurements.get(run.id, ()) if quantity(each) == quantity(one)]
            same = None if item is None else _under(alike, conditions(item))
            if same is not None:
                held[run.seed] = same.value
        by_seed.append(held)
    where = "/".join(part for part in (one.task, one.dataset, one.split) if part)
    return _row(
        f"{one.metric} on {where}" if where else one.metric,
        one.unit,
        sides,
        values=[None if item is None else item.value for item in here],
        steps=[None] * len(sides),
        by_seed=by_seed,
        forbidding=forbidding,
        resolution=protocol.resolution(one.metric, one.unit, one.n),
    )


def _row(
    name: str,
    unit: str,
    sides: Sequence[Side],
    *,
    values: Sequence[float | None],
    steps: Sequence[int | None],
    by_seed: Sequence[Mapping[int, float]],
    forbidding: tuple[str, ...],
    resolution: float = 0.0,
) -> Row:
    first = values[0]
    gaps: list[float | None] = []
    tests: list[PairedTest | None] = []
    for at in range(1, len(sides)):
        value = values[at]
        comparable = not forbidding and value is not None and first is not None
        gaps.append(value - first if comparable and value is not None and first is not None else None)
        repeated = seed_groups.key(sides[at].run) == seed_groups.key(sides[0].run)  # a seed against another one
        tests.append(paired(by_seed[0], by_seed[at], resolution) if comparable and not repeated else None)
    return Row(name, unit, tuple(values), tuple(steps), forbidding, tuple(gaps), tuple(tests))


def quantity(item: Measurement) -> tuple[str, ...]:
    """What is measured, without how."""
    return item.task, item.dataset, item.split, protocol.canonical(item.metric), item.unit.strip().casefold()


def conditions(item: Measurement) -> dict[str, Any]:
    """How it is measured: the protocol, the metric's signature, the number of examples."""
    found = dict(item.protocol)
    if item.signature is not None:
        found["signature"] = item.signature
    if item.n is not None:
        found["examples"] = item.n
    return found


def validation_differs(metric: str, *runs: Run) -> tuple[str, ...]:
    """The fields for which a validation metric, such as "val/loss", is not one quantity in these runs."""
    grounds = [_validation_conditions(metric, run) for run in runs]
    return tuple(dict.fromkeys(name for each in grounds for name in _differing(grounds[0], each)))


def _validation_conditions(metric: str, run: Run) -> dict[str, Any]:
    """What a validation metric depends on besides the model: data, tokenizer, and for a loss how it is smoothed.

    Every field of the recipe's data counts unless it only says how much is trained on at once.
    """
    values, provenance = run.record.get("recipe_values") or {}, run.record.get("provenance") or {}
    found = {f"data.{name}": value for name, value in (values.get("data") or {}).items() if name not in _BATCHING}
    if protocol.canonical(metric) == "loss":
        found["label_smoothing"] = (values.get("model") or {}).get("label_smoothing")
    found["tokenizer"] = (provenance.get("tokenizer") or {}).get("sha256")
    files: Mapping[str, Any] = provenance.get("data") or {}
    for name, file in files.items():
        found[f"{name} sha256"] = file.get("sha256") if isinstance(file, Mapping) else file
    return found


def _under(items: Iterable[Measurement], wanted: Mapping[str, Any]) -> Measurement | None:
    return next((item for item in items if _differing(conditions(item), wanted) == ()), None)


def _differing(one: Mapping[str, Any], other: Mapping[str, Any]) -> tuple[str, ...]:
    names = dict.fromkeys([*one, *other])
    return tuple(name for name in names if not protocol.same(one.get(name), other.get(name)))
