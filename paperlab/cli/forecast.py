"""How a prediction is made for a command line, and how it is written out."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from paperlab.cli import output
from paperlab.errors import PaperlabError
from paperlab.library import claims as library
from paperlab.library import database as library_database
from paperlab.runs import launch, predict
from paperlab.runs import seeds as naming
from paperlab.runs.calibration import Calibration, Ratios
from paperlab.runs.predict import Interval, Prediction
from paperlab.settings import Settings
from paperlab.store.database import Session, read_only


def show(
    place: Settings, request: launch.Request, *, afresh: bool, json_: bool, seeds: tuple[int, ...] | None = None
) -> None:
    """What this run is expected to take and to measure.  `afresh`: measured now, though it is known already.

    With `seeds` also what a run of each of them would take, one after the other.
    """
    claims = library.load()
    now = datetime.now(UTC)
    with _reading(place) as reading:
        said = None if afresh else predict.predict(reading, request, claims, home=place.home, now=now)
        if said is None or said.kind == predict.NONE:
            output.talk(f"looking at {request.recipe} --tier {request.tier} for some seconds", quiet=request.quiet)
            rates = predict.measure(request, home=place.home, now=now)
            said = predict.predict(reading, request, claims, home=place.home, now=now, rates=rates)
    if json_:
        of = {"recipe": request.recipe, "tier": request.tier, "seed": request.seed}
        output.write_json({**of, **said.as_json(), **({"all_seeds": _of_all(said, seeds)} if seeds else {})})
    else:
        _write(said, seeds or ())


def _of_all(said: Prediction, seeds: tuple[int, ...]) -> dict[str, Any]:
    many = len(seeds)
    return {
        "seeds": seeds,
        "seconds": None if said.seconds is None else many * said.seconds,
        "device_hours": None if said.device_hours is None else many * said.device_hours,
    }


def kept_with(place: Settings, request: launch.Request) -> launch.Request:
    """The request with what can be said of it without looking.  No prediction is worth not training for."""
    try:
        with _reading(place) as reading:
            said = predict.predict(reading, request, library.load(), home=place.home, now=datetime.now(UTC))
    except PaperlabError as error:
        output.talk(f"the run keeps no prediction: {error.message}", quiet=request.quiet)
        return request
    return replace(request, prediction=said.as_json())


@contextmanager
def _reading(place: Settings) -> Iterator[Session | None]:
    """A reading session; None where there is no database: looking ahead makes none."""
    if library_database.is_missing(place):
        yield None
        return
    with read_only(library_database.open_or_create(place)) as opened:
        yield opened


def _write(said: Prediction, seeds: tuple[int, ...]) -> None:
    least = "at least " if said.at_least else ""
    hours = None if said.seconds is None else f"{least}{duration(said.seconds)}"
    memory = None if said.memory_bytes is None else f"{said.memory_bytes / 1e9:.2f} GB"
    spent = None if said.device_hours is None else f"{least}{said.device_hours:.3g} {said.unit}"
    for name, value in (("time", hours), ("memory", memory), ("cost", spent), ("basis", said.basis)):
        output.write_line(f"{name:<8}{output.cell(value)}")
    if seeds and said.seconds is not None and said.device_hours is not None:
        together = duration(len(seeds) * said.seconds)
        cost = f"{len(seeds) * said.device_hours:.3g} {said.unit}"
        output.write_line(f"all     {naming.shown(seeds)}: {least}{together}, {least}{cost}")
    for note in said.notes:
        output.write_line(f"note    {note}")
    output.write_line("")
    if not said.metrics:
        output.write_line("metrics no basis: no other seed has finished here, and nothing was said beforehand")
        return
    output.write_table(
        ("metric", "dataset", "expected", "unit", "basis", "claim"),
        [(each.metric, each.dataset, _between(each), each.unit, each.basis, each.claim) for each in said.metrics],
    )


def _between(interval: Interval) -> str | None:
    return None if interval.low is None else f"{interval.low:.6g} to {interval.high:.6g}"


def duration(seconds: float) -> str:
    if seconds < 120:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.3g} h"


def write_calibration(found: Calibration) -> None:
    """Run by run, then what they say together."""
    if found.runs:
        output.write_table(
            ("run", "time from", "predicted s", "measured s", "ratio", "memory ratio", "intervals held", "left out"),
            [
                (
                    each.run_id,
                    each.kind,
                    each.predicted_seconds,
                    each.measured_seconds,
                    _short(each.time_ratio),
                    _short(each.memory_ratio),
                    f"{sum(metric.holds for metric in each.metrics)} of {len(each.metrics)}",
                    each.left_out or None,
                )
                for each in found.runs
            ],
        )
        output.write_line("")
    for what, by_kind in (("time", found.time), ("memory", found.memory)):
        for kind, ratios in by_kind.items():
            output.write_line(f"{what:<8}measured / predicted from {kind}: {_summary(ratios)}")
    if found.share is not None and found.share_interval is not None:
        low, high = found.share_interval
        output.write_line(
            f"metrics {found.held} of {found.intervals} values within their interval: {found.share:.0%} "
            f"[{low:.0%}, {high:.0%}], meant {found.meant:.0%}"
        )
    if found.without_basis:
        output.write_line(f"metrics {found.without_basis} without a basis, so nothing was said of them")
    output.write_line(f"so: {found.says}")


def _summary(ratios: Ratios) -> str:
    if ratios.n == 1:
        return f"{_short(ratios.typical)}, 1 run"
    return f"{_short(ratios.typical)} [{_short(ratios.least)}, {_short(ratios.most)}], {ratios.n} runs"


def _short(value: float | None) -> str | None:
    return None if value is None else f"{value:.3g}"
