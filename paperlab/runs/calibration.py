"""Predicted against measured: how good the predictions are that runs kept of themselves."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any

from paperlab.entities import Measurement, Run, RunStatus
from paperlab.runs import predict, protocol, seed_groups
from paperlab.store import runs as store
from paperlab.store.database import Session

_QUANTITY = ("task", "dataset", "split", "metric", "unit")
FEW = 10
"""Below this many, the summary says that they are too few to tell."""


@dataclass(frozen=True)
class MetricCheck:
    """One interval that was predicted, and the value that came."""

    claim: str | None
    metric: str
    dataset: str
    low: float
    high: float
    value: float
    basis: str

    @property
    def holds(self) -> bool:
        return self.low <= self.value <= self.high


@dataclass(frozen=True)
class RunCheck:
    """One finished run that kept a prediction.  Ratios are measured / predicted; None where one side is missing."""

    run_id: str
    label: str
    kind: str
    """Where its time came from: predict.EARLIER, predict.MEASURED or predict.NONE."""
    predicted_seconds: float | None
    measured_seconds: float | None
    time_ratio: float | None
    predicted_bytes: int | None
    measured_bytes: int | None
    memory_ratio: float | None
    metrics: tuple[MetricCheck, ...]
    left_out: str
    """Why its time does not count; empty where it does."""


@dataclass(frozen=True)
class Ratios:
    """Of several ratios."""

    n: int
    typical: float | None
    """The median."""
    least: float | None
    most: float | None


@dataclass(frozen=True)
class Calibration:
    """All runs with a prediction, and what they say together."""

    runs: tuple[RunCheck, ...]
    time: Mapping[str, Ratios]
    """By where the prediction came from."""
    memory: Mapping[str, Ratios]
    intervals: int
    """Metric intervals with bounds whose value is known."""
    held: int
    share: float | None
    share_interval: tuple[float, float] | None
    """Where the true share lies with 95 % confidence (Wilson 1927)."""
    meant: float
    """The share that is meant to hold."""
    without_basis: int
    """Metrics of which nothing was said beforehand."""

    @property
    def says(self) -> str:
        """What may be concluded, in a sentence."""
        counted = sum(ratios.n for ratios in self.time.values())
        if not self.runs:
            return "no finished run kept a prediction yet"
        if counted < FEW or self.intervals < FEW:
            few = f"{counted} time{'s' if counted != 1 else ''} and {self.intervals} metric intervals"
            return f"{few} are too few to tell how good the predictions are"
        low, high = self.share_interval or (0.0, 1.0)
        if low <= self.meant <= high:
            return f"the intervals hold as often as meant, as far as {self.intervals} of them can tell"
        return f"the intervals hold {'less' if high < self.meant else 'more'} often than meant"


def calibration(session: Session) -> Calibration:
    """Every finished run with a prediction, newest first, laid beside what it came to."""
    runs = [run for run in store.find(session, store.RunFilter(status=RunStatus.FINISHED)) if _prediction(run)]
    checks = [check(run, store.measurements(session, run_id=run.id)) for run in runs]
    found = [metric for each in checks for metric in each.metrics]
    held = sum(metric.holds for metric in found)
    said = [item for run in runs for item in _intervals(_prediction(run))]
    return Calibration(
        runs=tuple(checks),
        time=_by_kind([(each.kind, each.time_ratio) for each in checks if not each.left_out]),
        memory=_by_kind([(each.kind, each.memory_ratio) for each in checks]),
        intervals=len(found),
        held=held,
        share=held / len(found) if found else None,
        share_interval=wilson(held, len(found)) if found else None,
        meant=predict.LEVEL,
        without_basis=sum(item.get("low") is None for item in said),
    )


def check(run: Run, measurements: Iterable[Measurement]) -> RunCheck:
    """One run against its prediction."""
    said = _prediction(run)
    seconds, size = _number(said.get("seconds")), _number(said.get("memory_bytes"))
    peak = seed_groups.cost(run).peak_memory
    left_out = ""
    if seconds and run.attempts > 1:
        left_out = f"{run.attempts} attempts: some steps were taken twice"
    elif seconds and said.get("at_least"):
        left_out = "a lower bound was predicted"
    return RunCheck(
        run_id=run.id,
        label=" ".join([run.recipe, run.tier, *seed_groups.overrides_text(run.overrides), f"seed {run.seed}"]),
        kind=said["kind"] if said.get("kind") in (predict.EARLIER, predict.MEASURED) else predict.NONE,
        predicted_seconds=seconds,
        measured_seconds=run.seconds,
        time_ratio=_ratio(run.seconds, seconds),
        predicted_bytes=None if size is None else int(size),
        measured_bytes=peak,
        memory_ratio=_ratio(peak, size),
        metrics=tuple(_metrics(_intervals(said), list(measurements))),
        left_out=left_out,
    )


def wilson(held: int, n: int, z: float = 1.959963984540054) -> tuple[float, float]:
    """The interval of a share at 95 % confidence: sound for few and for extreme shares (Wilson 1927)."""
    share, spread = held / n, z * z / n
    centre = (share + spread / 2.0) / (1.0 + spread)
    half = z / (1.0 + spread) * math.sqrt(share * (1.0 - share) / n + spread / (4.0 * n))
    return max(0.0, centre - half), min(1.0, centre + half)


def _metrics(said: Sequence[Mapping[str, Any]], measured: Sequence[Measurement]) -> list[MetricCheck]:
    found = []
    for item in said:
        low, high = _number(item.get("low")), _number(item.get("high"))
        if low is None or high is None:
            continue
        values = [each for each in measured if _is_meant(item, each)]
        if len(values) != 1:
            continue  # not measured, or not to be told apart: nothing can be held against it
        found.append(
            MetricCheck(
                claim=item.get("claim"),
                metric=values[0].metric,
                dataset=values[0].dataset,
                low=low,
                high=high,
                value=values[0].value,
                basis=str(item.get("basis", "")),
            )
        )
    return found


def _is_meant(item: Mapping[str, Any], measured: Measurement) -> bool:
    """The same quantity of the same claim, by the protocol that was stated: all of it where other seeds stated it."""
    if item.get("claim") != measured.claim_id or any(item.get(name) != getattr(measured, name) for name in _QUANTITY):
        return False
    stated = item.get("protocol")
    stated = stated if isinstance(stated, Mapping) else {}
    if item.get("n"):
        return dict(stated) == dict(measured.protocol)
    return all(protocol.same(value, measured.protocol.get(name)) for name, value in stated.items())


def _by_kind(pairs: Sequence[tuple[str, float | None]]) -> dict[str, Ratios]:
    kinds = dict.fromkeys(kind for kind, ratio in pairs if ratio is not None)
    return {kind: _ratios([ratio for each, ratio in pairs if each == kind and ratio is not None]) for kind in kinds}


def _ratios(values: Sequence[float]) -> Ratios:
    return Ratios(len(values), median(values), min(values), max(values))


def _ratio(measured: float | None, predicted: float | None) -> float | None:
    return measured / predicted if measured is not None and predicted else None


def _intervals(said: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    metrics = said.get("metrics")
    return [item for item in metrics if isinstance(item, Mapping)] if isinstance(metrics, list) else []


def _number(value: Any) -> float | None:
    """A run directory may come from anywhere: what is no number was not predicted."""
    return value if isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value) else None


def _prediction(run: Run) -> Mapping[str, Any]:
    said = run.record.get("prediction")
    return said if isinstance(said, Mapping) else {}
