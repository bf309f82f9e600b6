"""A run as its directory tells it now, read on from where the last look stopped.

One Progress per run is shared by all who look at it: each look reads what was appended since the last one, so a
page can follow a run of any length.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from paperlab.dashboard.charts import Curve
from paperlab.entities import Measurement, MetricPoint, Run, Sample
from paperlab.errors import NotReady
from paperlab.runs import changes
from reproductions.run_directory import ReproductionError, RunDirectory


@dataclass(frozen=True)
class RunView:
    """All that a page shows of a run.  `is_live`: read from its directory, not from the tables."""

    run: Run
    curves: tuple[Curve, ...]
    samples: tuple[Sample, ...]
    measurements: tuple[Measurement, ...]
    events: tuple[dict[str, Any], ...]
    is_live: bool


@dataclass
class Progress:
    """How far a run directory was read, and what was found up to there."""

    directory: RunDirectory
    state: dict[str, Any] = field(default_factory=dict)
    points: dict[str, dict[int, tuple[float, float]]] = field(default_factory=dict)
    """Metric name to step to time and value."""
    samples: dict[int, Sample] = field(default_factory=dict)
    """By their place in the file."""
    lock: threading.Lock = field(default_factory=threading.Lock)

    def look(self) -> RunView:
        """Read on to the end of the directory's files.  Raises NotReady where it is no readable run directory."""
        with self.lock:
            try:
                new = self._advance()
                events = tuple(self.directory.events())
            except ReproductionError as error:
                raise NotReady(error.message, error.hint) from error
            except changes.UNREADABLE as error:
                path = self.directory.path
                raise NotReady(f"{path} can't be read: {type(error).__name__} {error}", "paperlab runs list") from error
            return RunView(
                run=new.run,
                curves=tuple(self._curves()),
                samples=tuple(self.samples[place] for place in sorted(self.samples)),
                measurements=tuple(new.measurements),
                events=events,
                is_live=True,
            )

    def _advance(self) -> changes.Changes:
        while True:
            new = changes.read(self.directory, self.state)
            if new.afresh:
                self.points.clear()
                self.samples.clear()
            if new.drop_points_after is not None:
                for series in self.points.values():
                    for step in [step for step in series if step > new.drop_points_after]:
                        del series[step]
            if new.drop_samples_after is not None:
                late = [place for place, sample in self.samples.items() if sample.step > new.drop_samples_after]
                for place in late:
                    del self.samples[place]
            for point in new.points:
                self.points.setdefault(point.name, {})[point.step] = (point.time, point.value)
            self.samples.update(new.samples)
            self.state = dict(new.state)
            if not new.more:
                return new

    def _curves(self) -> Iterable[Curve]:
        for name, series in sorted(self.points.items()):
            steps = sorted(step for step, (_, value) in series.items() if math.isfinite(value))
            yield Curve(self.directory.id, name, steps, [series[s][0] for s in steps], [series[s][1] for s in steps])


def curves_of(run_id: str, points: Iterable[MetricPoint]) -> tuple[Curve, ...]:
    """Stored points, ordered by name and step, as curves."""
    by_name: dict[str, list[MetricPoint]] = {}
    for point in points:
        by_name.setdefault(point.name, []).append(point)
    return tuple(
        Curve(run_id, name, [p.step for p in found], [p.time for p in found], [p.value for p in found])
        for name, found in by_name.items()
    )
