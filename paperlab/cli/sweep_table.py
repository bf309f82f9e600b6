"""How a sweep is written out: its plan, its table, and what to do with the winner."""

from __future__ import annotations

import math
import shlex
from collections.abc import Mapping, Sequence
from typing import Any

from paperlab.cli import forecast, output
from paperlab.cli import queue as queue_command
from paperlab.runs import overrides, queue
from paperlab.runs import sweep as sweeps
from paperlab.runs.sweep import Outcome, Planned, Result

_CONFIRMING = 3


def show_plan(planned: Sequence[Planned], seeds: tuple[int, ...], about: Mapping[str, Any], *, json_: bool) -> None:
    """The grid: what is finished of it, what a run is expected to take, and what is left in all."""
    left = [sum(seed not in each.finished for seed in seeds) for each in planned]
    pairs = [(each.resources, many) for each, many in zip(planned, left, strict=True)]
    seconds = sum(many * (resources.seconds or 0.0) for resources, many in pairs)
    hours = sum(many * (resources.device_hours or 0.0) for resources, many in pairs)
    unit = next((resources.unit for resources, _ in pairs if resources.unit), None)
    unknown = sum(many for resources, many in pairs if resources.seconds is None)
    runs = len(planned) * len(seeds)
    if json_:
        cells = [
            {
                "values": each.cell.values,
                "changes": each.cell.changes,
                "finished": [{"seed": seed, "run": run_id} for seed, run_id in each.finished.items()],
                "left": many,
                "predicted": queue.cost(each.resources),
            }
            for each, many in zip(planned, left, strict=True)
        ]
        total = {"runs": runs, "left": sum(left), "seconds": seconds, "device_hours": hours, "unit": unit}
        output.write_json({**about, "cells": cells, "total": {**total, "runs_without_prediction": unknown}})
        return
    output.write_table(
        (*planned[0].cell.values, "finished", "a run", "basis"),
        [
            (
                *each.cell.values.values(),
                f"{len(seeds) - many} of {len(seeds)}",
                queue_command.expected(queue.cost(each.resources)),
                each.resources.basis,
            )
            for each, many in zip(planned, left, strict=True)
        ],
    )
    parts = [f"{forecast.duration(seconds)}, {hours:.3g} {unit}"] if seconds else []
    parts += [f"{unknown} without a prediction"] if unknown else []
    output.write_line(": ".join([f"{sum(left)} of {runs} runs are left", *["; ".join(parts)] * bool(parts)]))


def advise(found: Outcome, about: Mapping[str, Any], *, quiet: bool) -> None:
    """How the winner is confirmed."""
    best = found.results[0]
    if best.ranks is None:
        return
    more = sweeps.unused(about["seeds"], _CONFIRMING)
    words = ["paperlab", "reproduce", about["recipe"], "--tier", about["tier"], "--seeds", more]
    words += [word for change in overrides.words(best.cell.changes) for word in ("--set", change)]
    output.talk(
        f"the best of many looks better than it is; with seeds that chose nothing: {shlex.join(words)}", quiet=quiet
    )


def as_json(result: Result) -> dict[str, Any]:
    """A cell as one object."""
    shown = {name: value for name, value in vars(result).items() if name not in ("cell", "runs", "values")}
    runs = [
        {"seed": seed, "run": run_id, "value": _finite(result.values[seed])} for seed, run_id in result.runs.items()
    ]
    return {"values": result.cell.values, "changes": result.cell.changes, "runs": runs, **shown}


def write(found: Outcome) -> None:
    """The table, the best first, and what it says."""
    names = list(found.results[0].cell.values)
    output.write_table(
        ("rank", *names, f"{found.metric}, mean", "95 % of all together", "sd", "seeds", "a run", "remark"),
        [
            (
                _range(each.ranks),
                *each.cell.values.values(),
                each.mean,
                None if each.interval is None else f"{each.interval[0]:.6g} to {each.interval[1]:.6g}",
                each.sd,
                len(each.values),
                None if each.device_hours is None else f"{each.device_hours:.3g} {each.unit}",
                each.remark or None,
            )
            for each in found.results
        ],
    )
    output.write_line("")
    output.write_line(f"so: {found.says}")


def _range(ranks: tuple[int, int] | None) -> str | None:
    if ranks is None:
        return None
    return str(ranks[0]) if ranks[0] == ranks[1] else f"{ranks[0]} to {ranks[1]}"


def _finite(value: float | None) -> float | None:
    return value if value is not None and math.isfinite(value) else None
