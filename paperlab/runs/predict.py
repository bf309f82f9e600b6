"""What a run is expected to take on this machine, and to measure: time, memory, device-hours, metric intervals.

Nothing is guessed.  The time comes from finished runs of the same recipe and code on the same hardware; else from
rates that were measured here (`measure` looks at the recipe for some seconds and keeps what it found, with date and
packages, under the home); else there is none.  The interval of a metric comes from the values that other seeds
measured (a t prediction interval for one more), else from what the recipe or a claim says beforehand, else there is
no basis and that is what is said.
"""

from __future__ import annotations

import hashlib
import json
import math
import os
import platform
import shlex
import subprocess
import sys
from collections.abc import Iterable, Mapping, MutableMapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from importlib import metadata
from pathlib import Path
from statistics import median
from typing import Any

from paperlab.entities import Claim, ClaimKind, Measurement, Run, RunStatus
from paperlab.runs import inference, launch, protocol, seed_groups, student_t
from paperlab.store import runs as store
from paperlab.store.database import Session
from reproductions import registry

LEVEL = 0.95
"""Of the metric intervals: this share of them is meant to hold the value."""
EARLIER, MEASURED, NONE = "earlier-runs", "measured-rates", "none"


@dataclass(frozen=True)
class Interval:
    """Where one metric of the run is expected.  Without bounds: no basis, and `basis` says why."""

    claim: str | None
    task: str
    dataset: str
    split: str
    metric: str
    unit: str
    low: float | None
    high: float | None
    basis: str
    n: int
    """Seeds behind it; 0 for a reference."""
    protocol: Mapping[str, Any]


@dataclass(frozen=True)
class Prediction:
    """What is said of a run before it begins; run.json keeps it under "prediction"."""

    made_at: str
    kind: str
    """EARLIER, MEASURED or NONE: where time and memory come from."""
    basis: str
    """The same in words."""
    seconds: float | None
    at_least: bool
    """A part of the time could not be measured, so the whole takes longer."""
    memory_bytes: int | None
    device: str | None
    device_hours: float | None
    unit: str | None
    """ "GPU-hours" or "CPU-hours"."""
    metrics: tuple[Interval, ...]
    notes: tuple[str, ...] = ()

    def as_json(self) -> dict[str, Any]:
        content: dict[str, Any] = json.loads(json.dumps(asdict(self)))
        return content


@dataclass(frozen=True)
class Resources:
    """Time and memory, without the metrics."""

    kind: str
    basis: str
    seconds: float | None = None
    at_least: bool = False
    memory_bytes: int | None = None
    device: str | None = None
    device_hours: float | None = None
    unit: str | None = None
    notes: tuple[str, ...] = ()


def predict(
    session: Session | None,
    request: launch.Request,
    claims: Iterable[Claim],
    *,
    home: Path,
    now: datetime,
    rates: Mapping[str, Any] | None = None,
) -> Prediction:
    """What this run is expected to take and to measure, by what is known now; takes milliseconds and starts nothing.

    `rates` are what `measure` has just found; without them those kept under `home` are used.  `session` is None where
    there is no database yet, and so no earlier run.
    """
    alike = [] if session is None else same_recipe(session, request)
    resources = known(alike, request, home=home) if rates is None else from_rates(rates)
    return Prediction(
        made_at=f"{now:%Y-%m-%dT%H:%M:%SZ}",
        **{name: getattr(resources, name) for name in Resources.__dataclass_fields__},
        metrics=tuple(intervals(session, request, alike, claims)),
    )


# --- time and memory --------------------------------------------------------------------------------------------


def known(alike: Sequence[Run], request: launch.Request, *, home: Path, fingerprint: str | None = None) -> Resources:
    """Time and memory by the runs of `same_recipe`, else by the rates kept under `home`, else nothing."""
    return (
        from_runs(alike, request)
        or kept_resources(request, home, fingerprint=fingerprint)
        or Resources(NONE, _no_basis(request))
    )


def fingerprint_now(recipe: str, tier: str, codes: MutableMapping[str, str]) -> str:
    """The fingerprint that a run of this recipe would have now.

    `codes` keeps that of each reproduction's code from call to call: reading it takes longer than all else here.
    """
    with launch.explained():
        name = registry.get(recipe).name
        if name not in codes:
            codes[name] = registry.fingerprint(name)
        return registry.fingerprint(recipe, tier, code=codes[name])


def same_recipe(session: Session, request: launch.Request, *, fingerprint: str | None = None) -> list[Run]:
    """The finished runs that differ from this one in their seed alone, oldest first; code of today only.

    `fingerprint` is that of now, where the caller has it.
    """
    fingerprint = fingerprint or fingerprint_now(request.recipe, request.tier, {})
    wanted = store.RunFilter(recipe=request.recipe, tier=request.tier, status=RunStatus.FINISHED)
    changes = seed_groups.computing(_changes(request))
    runs = [
        run
        for run in store.find(session, wanted)
        if run.fingerprint == fingerprint and seed_groups.computing(run.overrides) == changes
    ]
    return runs[::-1]


def from_runs(runs: Sequence[Run], request: launch.Request) -> Resources | None:
    """What undisturbed runs on this hardware took: the medians.  None where there is none."""
    machine = registry.machine()
    here = [run for run in runs if _is_like(run, request, machine) and run.attempts == 1 and run.seconds is not None]
    if not here:
        return None
    kind = seed_groups.cost(here[-1]).hardware
    costs = [cost for run in here if (cost := seed_groups.cost(run)).hardware == kind]
    hours = [cost.hours for cost in costs if cost.hours is not None]
    spent = [cost.device_hours for cost in costs if cost.device_hours is not None]
    peaks = [cost.peak_memory for cost in costs if cost.peak_memory is not None]
    many = f"{len(hours)} earlier run{'s' if len(hours) != 1 else ''}"
    return Resources(
        kind=EARLIER,
        basis=f"the median of {many} on {kind}" if len(hours) > 1 else f"{many} on {kind}",
        seconds=round(3600.0 * median(hours), 3),
        memory_bytes=int(median(peaks)) if peaks else None,
        device=here[-1].device,
        device_hours=median(spent),
        unit=costs[-1].unit,
    )


def from_rates(rates: Mapping[str, Any]) -> Resources:
    """What the rates say that `measure` found."""
    on_gpu = str(rates["device"]).startswith("cuda")
    seconds = rates["seconds"]
    devices = 1 if on_gpu else int(rates["threads"])
    machine = rates["machine"]
    named = machine["gpu"] if on_gpu else f"{machine['cpu']}, {devices} thread{'s' if devices != 1 else ''}"
    missing = f"; without {', '.join(rates['at_least'])}" if rates["at_least"] else ""
    return Resources(
        kind=MEASURED if seconds is not None else NONE,
        basis=f"{rates['rates']['steps']} steps measured on {named} at {rates['measured_at']}{missing}",
        seconds=seconds,
        at_least=bool(rates["at_least"]),
        memory_bytes=rates["memory_bytes"] or None,
        device=rates["device"],
        device_hours=None if seconds is None else devices * seconds / 3600.0,
        unit="GPU-hours" if on_gpu else "CPU-hours",
        notes=tuple(rates["rates"]["notes"]),
    )


def measure(request: launch.Request, *, home: Path, now: datetime, python: str = sys.executable) -> dict[str, Any]:
    """Looks at the recipe for some seconds in a process of its own, and keeps the rates under `home`.

    Raises NotReady (exit 4) where it can't run here: what it would take, and the tier that fits.
    """
    launch.require_packages()
    words = [word for word in request.arguments(home / "runs") if word != "--again"]
    ended = subprocess.run(
        [python, "-m", "reproductions", *words, "--predict"],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PAPERLAB_HOME": str(home)},
        check=False,
    )
    said: dict[str, Any] = json.loads((ended.stdout.splitlines() or ["{}"])[-1])
    if ended.returncode != 0:
        with launch.explained():
            reason = str(said.get("error") or f"looking at {request.recipe} ended with exit code {ended.returncode}")
            raise registry.ReproductionError(reason, str(said.get("hint", "")), ended.returncode)
    found = {**said, "measured_at": f"{now:%Y-%m-%dT%H:%M:%SZ}", "host": platform.node()}
    file = _file(request, home)
    file.parent.mkdir(parents=True, exist_ok=True)
    temporary = file.with_suffix(f".{os.getpid()}.tmp")
    temporary.write_text(json.dumps(found, indent=1), encoding="utf-8")
    temporary.replace(file)
    return found


def kept_resources(request: launch.Request, home: Path, *, fingerprint: str | None = None) -> Resources | None:
    """By the rates that were measured here earlier with the code and the packages of now; None without such."""
    rates = kept_rates(request, home, fingerprint=fingerprint)
    return None if rates is None else from_rates(rates)


def kept_rates(request: launch.Request, home: Path, *, fingerprint: str | None = None) -> dict[str, Any] | None:
    if request.gpus > 1:
        return None  # one process was measured
    try:
        content = json.loads(_file(request, home, fingerprint).read_text(encoding="utf-8"))
    except (FileNotFoundError, ValueError):
        return None
    same = isinstance(content, dict) and content.get("host") == platform.node()
    return content if same and content["packages"] == _packages(content["packages"]) else None


def _file(request: launch.Request, home: Path, fingerprint: str | None = None) -> Path:
    """Of this recipe with these changes and code, on this device with so many threads."""
    fingerprint = fingerprint or fingerprint_now(request.recipe, request.tier, {})
    key = [seed_groups.computing(_changes(request)), fingerprint, request.device, _asked(request), platform.node()]
    digest = hashlib.sha256(json.dumps(key, sort_keys=True).encode()).hexdigest()
    return home / "rates" / f"{request.recipe}-{request.tier}-{digest[:16]}.json"


def _packages(names: Iterable[str]) -> dict[str, str]:
    versions = {}
    for name in names:
        try:
            versions[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue  # gone since: the rates are of another environment
    return versions


def _is_like(run: Run, request: launch.Request, here: Mapping[str, Any]) -> bool:
    """Whether a run was made on hardware like this machine's, on the device and with the threads that are asked for."""
    provenance = run.record.get("provenance") or {}
    hardware = provenance.get("hardware") or {}
    on_gpu = request.device == "cuda" or (request.device == "auto" and Path("/proc/driver/nvidia/version").exists())
    if run.device.startswith("cuda") != on_gpu:
        return False
    if int(provenance.get("world_size") or 1) != request.gpus:
        return False
    if not on_gpu and _threads_asked(run) != _asked(request):
        return False
    return (hardware.get("cpu"), hardware.get("cores")) == (here["cpu"], here["cores"])


def _asked(request: launch.Request) -> int | None:
    """The threads that are asked for; None leaves them to torch."""
    text = os.environ.get("PAPERLAB_THREADS", "")
    return request.threads or (int(text) if text.isdigit() else None)


def _threads_asked(run: Run) -> int | None:
    """What a run was started with; PAPERLAB_THREADS is in no command line, so then it is what torch had."""
    words = [str(word) for word in run.record.get("command") or ()]
    threads = (run.record.get("provenance") or {}).get("threads")
    if "--threads" in words or os.environ.get("PAPERLAB_THREADS"):
        return None if threads is None else int(threads)
    return None


def _no_basis(request: launch.Request) -> str:
    words = ["paperlab", "reproduce", request.recipe, "--tier", request.tier]
    changes = [word for change in request.overrides for word in ("--set", change)]
    return f"no basis: it has not run here with this code; to measure: {shlex.join([*words, *changes])} --predict"


# --- metrics ----------------------------------------------------------------------------------------------------


def intervals(
    session: Session | None, request: launch.Request, runs: Sequence[Run], claims: Iterable[Claim]
) -> list[Interval]:
    """Where the run's metrics are expected: by other seeds of the same recipe, by references, or nowhere."""
    quantities: dict[str, list[Measurement]] = {}
    if session is not None:
        by_seed = {run.seed: run.id for run in reversed(runs) if run.seed != request.seed}
        for run_id in by_seed.values():
            for item in store.measurements(session, run_id=run_id):
                quantities.setdefault(_quantity(item), []).append(item)
    found = [_from_seeds(items) for items in quantities.values()]
    told = {each.claim for each in found if each.low is not None}
    references = {each.claim: each for each in _from_references(request, claims) if each.claim not in told}
    kept = [each for each in found if each.low is not None or each.claim not in references]
    return [*kept, *references.values()]


def _from_seeds(items: Sequence[Measurement]) -> Interval:
    """For one more value after these, at LEVEL: mean +- t s sqrt(1 + 1/n), for values that are normal."""
    first = items[0]
    step = max(protocol.resolution(item.metric, item.unit, item.n) for item in items)
    values = inference.sample([item.value for item in items], step)
    low = high = None
    basis = f"no basis: {values.n} seed{'s' if values.n != 1 else ''} without a spread"
    if values.sd is not None:
        half = student_t.quantile(0.5 + LEVEL / 2, values.df) * values.sd * math.sqrt(1.0 + 1.0 / values.n)
        low, high = values.mean - half, values.mean + half
        basis = f"{100 * LEVEL:g} % t prediction interval over {values.n} seeds"
    return Interval(
        claim=first.claim_id,
        task=first.task,
        dataset=first.dataset,
        split=first.split,
        metric=first.metric,
        unit=first.unit,
        low=low,
        high=high,
        basis=basis,
        n=values.n,
        protocol=dict(first.protocol),
    )


def _from_references(request: launch.Request, claims: Iterable[Claim]) -> list[Interval]:
    """What the recipe said of itself before it ran, else what the claim reports: give or take the tolerance."""
    if seed_groups.computing(_changes(request)):
        return []  # what is said of a recipe is not said of a changed one
    with launch.explained():
        said = registry.recipe(request.recipe, request.tier).predicted or {}
    found = []
    for claim in claims:
        if (claim.recipe, claim.tier) != (request.recipe, request.tier) or claim.kind is ClaimKind.STRUCTURAL:
            continue
        value, source = claim.value, "the value that is reported"
        if claim.id in said:
            value, source = float(said[claim.id]), "what the recipe predicts"
        if value is None or (claim.kind is not ClaimKind.VALUE and claim.id not in said):
            continue  # a bound says where a value is not
        slack = claim.tolerance.value if claim.tolerance else None
        basis = f"no basis: {source} is {value:.6g}, and no tolerance is stated"
        if slack is not None:
            basis = f"{source}, {value:.6g}, and the claim's tolerance"
        found.append(
            Interval(
                claim=claim.id,
                task=claim.task,
                dataset=claim.dataset,
                split=claim.split,
                metric=claim.metric,
                unit=claim.unit,
                low=None if slack is None else value - slack,
                high=None if slack is None else value + slack,
                basis=basis,
                n=0,
                protocol=dict(claim.protocol),
            )
        )
    return found


def _quantity(item: Measurement) -> str:
    """The same for values that mean the same: claim, data, metric and protocol."""
    values = (item.claim_id, item.task, item.dataset, item.split, item.metric, item.unit, dict(item.protocol))
    return json.dumps(values, sort_keys=True, default=str)


def _changes(request: launch.Request) -> dict[str, str]:
    pairs = [word.partition("=") for word in request.overrides]
    return {name.strip(): value.strip() for name, _, value in pairs}
