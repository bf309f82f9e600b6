"""Runs that differ in their seed alone, and what each of them cost.

Such runs are repetitions of one another: the same recipe, tier, overrides and code.  Overrides that only change what
is written down (how often a value is logged) do not part them.  A seed counts once, by its first finished run, as it
does for a verdict.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import pairwise
from statistics import median
from typing import Any

from paperlab.entities import MetricPoint, Run, RunStatus
from paperlab.runs.protocol import RECORDING_ONLY
from reproductions.run_directory import RunDirectory

Key = tuple[str, str, str, str]


@dataclass(frozen=True)
class SeedGroup:
    """Repetitions: one run a seed, in the order of the seeds."""

    runs: tuple[Run, ...]

    @property
    def first(self) -> Run:
        return self.runs[0]

    @property
    def label(self) -> str:
        """ "transformer-base smoke optim.lr=3e-4"."""
        return " ".join([self.first.recipe, self.first.tier, *overrides_text(self.first.overrides)])

    @property
    def seeds(self) -> tuple[int, ...]:
        return tuple(run.seed for run in self.runs)


def key(run: Run) -> Key:
    """What the runs of a group have in common: recipe, tier, overrides that compute, code."""
    return run.recipe, run.tier, json.dumps(computing(run.overrides), sort_keys=True), run.fingerprint


def computing(overrides: Mapping[str, Any]) -> dict[str, Any]:
    """Those of the overrides that change what is computed."""
    return {name: value for name, value in overrides.items() if name not in RECORDING_ONLY}


def overrides_text(overrides: Mapping[str, Any]) -> list[str]:
    return [f"{name}={value}" for name, value in sorted(computing(overrides).items())]


def group(runs: Iterable[Run]) -> list[SeedGroup]:
    """The finished runs as groups, ordered by recipe, tier, overrides and code."""
    groups: dict[Key, dict[int, Run]] = {}
    for run in sorted(runs, key=lambda run: (run.created_at, run.id)):
        if run.status is RunStatus.FINISHED:
            groups.setdefault(key(run), {}).setdefault(run.seed, run)
    return [SeedGroup(tuple(held[seed] for seed in sorted(held))) for _, held in sorted(groups.items())]


def of(run: Run, runs: Iterable[Run]) -> SeedGroup:
    """The group of `run` among `runs`; `run` itself stands for its seed, finished or not."""
    held = next((each for each in group(other for other in runs if key(other) == key(run))), None)
    by_seed = {other.seed: other for other in held.runs} if held else {}
    by_seed[run.seed] = run
    return SeedGroup(tuple(by_seed[seed] for seed in sorted(by_seed)))


# --- what a run cost ------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Cost:
    """`device_hours` are hours times devices: GPUs, or the CPU threads that were used.  None: not recorded."""

    hardware: str
    unit: str
    """ "GPU-hours" or "CPU-hours"."""
    hours: float | None
    """Of the clock."""
    device_hours: float | None
    peak_memory: int | None
    """Bytes of the device that was trained on: of one GPU, or of the process."""


def cost(run: Run) -> Cost:
    """What a finished run took, as it recorded it."""
    provenance = run.record.get("provenance") or {}
    hardware = provenance.get("hardware") or {}
    ranks = int(provenance.get("world_size") or 1)
    on_gpu = run.device.startswith("cuda")
    threads = int(provenance.get("threads") or 1)
    devices = ranks if on_gpu else ranks * threads
    named = str(hardware.get("gpu" if on_gpu else "cpu") or run.device)
    many = f"{ranks} x " if ranks > 1 else ""
    used = "" if on_gpu else f", {threads} thread{'s' if threads != 1 else ''}"
    hours = None if run.seconds is None else run.seconds / 3600.0
    result = RunDirectory(run.path).result or {}
    peak = result.get("peak_memory_bytes")
    return Cost(
        hardware=f"{many}{named}{used}",
        unit="GPU-hours" if on_gpu else "CPU-hours",
        hours=hours,
        device_hours=None if hours is None else hours * devices,
        peak_memory=int(peak) if isinstance(peak, int | float) else None,
    )


def seconds_per_step(points: Iterable[MetricPoint]) -> float | None:
    """The median time of one optimiser step, from the times of one logged metric; None for fewer than two points.

    The median leaves out what some intervals hold besides steps: evaluations, checkpoints, the pause before a resume.
    """
    ordered = sorted(points, key=lambda point: point.step)
    paces = [
        (after.time - before.time) / (after.step - before.step)
        for before, after in pairwise(ordered)
        if after.step > before.step and after.time > before.time
    ]
    return median(paces) if paces else None
