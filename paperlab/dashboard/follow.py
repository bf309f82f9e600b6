"""A run as its directory tells it now, read on from where the last look stopped.

One Progress per run is shared by all who look at it: each look reads what was appended since the last one, so a
page can follow a run of any length.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from paperlab.dashboard.charts import POINTS_SHOWN, Curve
from paperlab.entities import Measurement, Run, Sample
from paperlab.errors import NotReady
from paperlab.runs import changes
from paperlab.runs.trace import Trace
from paperlab.store.runs import Series
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
    traces: dict[str, Trace] = field(default_factory=dict)
    """By the metric's name."""
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
                raise NotReady(error.message, error.hint or "paperlab runs list") from error
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
                self.traces.clear()
                self.samples.clear()
            if new.drop_points_after is not None:
                for trace in self.traces.values():
                    trace.drop_after(new.drop_points_after)
            if new.drop_samples_after is not None:
                late = [place for place, sample in self.samples.items() if sample.step > new.drop_samples_after]
                for place in late:
                    del self.samples[place]
            for name, columns in new.points.items():
                self.traces.setdefault(name, Trace()).extend(columns)
            self.samples.update(new.samples)
            self.state = dict(new.state)
            if not new.more:
                return new

    def _curves(self) -> Iterable[Curve]:
        for name, trace in sorted(self.traces.items()):
            shown = trace.thinned(POINTS_SHOWN)
            yield Curve(self.directory.id, name, shown.steps, shown.times, shown.values, len(trace))


def curves_of(series: Iterable[Series]) -> tuple[Curve, ...]:
    """Stored series as curves."""
    return tuple(Curve(each.run_id, each.name, each.steps, each.times, each.values, each.total) for each in series)
