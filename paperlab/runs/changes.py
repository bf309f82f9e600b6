"""What a run directory holds beyond what was read of it before.  Pure but for reading files; knows no database.

`state` is the reader's note of how far it came.  It is JSON, and empty at the beginning:

    format                 of this note: a run noted by an older reader is read afresh
    metrics, samples       byte offset up to which metrics.jsonl and samples.jsonl were read
    resumes                how many `resumed` events were taken into account
    stamps                 size and time of the files whose change means that there is something to read
    heartbeat              size and time of the writer's sign of life

A `resumed` event supersedes the lines that lie before its offset in the file and after its step.  Lines read now
are held against every event; for lines read before, dropping what lies after the step of each new event comes to
the same, as long as nothing behind the event's offset had been read: where it had (a copy that was made file by
file), all is read afresh.
"""

from __future__ import annotations

import math
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import orjson

from paperlab.entities import Measurement, Run, RunStatus, Sample
from paperlab.store.point_blocks import Columns
from reproductions.run_directory import RunDirectory

_FORMAT = 2
_BYTES_AT_ONCE = 16 * 2**20
"""Of one file at once, so that a long run fills no memory."""

_WATCHED = ("run.json", "metrics.jsonl", "samples.jsonl", "events.jsonl", "result.json")


@dataclass(frozen=True)
class Changes:
    """What is new.  `state` is the note to come back with; `more` says that coming back at once is worth it."""

    run: Run
    state: Mapping[str, Any]
    afresh: bool
    """What was read of this run before is to be forgotten."""
    points: Mapping[str, Columns]
    """By the metric's name, in the order of the file; NaN where a value was not finite."""
    samples: Sequence[tuple[int, Sample]]
    """Each with its place in the file."""
    drop_points_after: int | None
    drop_samples_after: int | None
    measurements: Sequence[Measurement]
    more: bool

    @property
    def number_of_points(self) -> int:
        return sum(map(len, self.points.values()))


def read(directory: RunDirectory, state: Mapping[str, Any]) -> Changes:
    """What `directory` holds beyond `state`.

    Raises ReproductionError, or KeyError, TypeError or ValueError, for a directory that is none of ours.
    """
    beat = _stamp(f"{os.fspath(directory.path)}/heartbeat")  # before what it tells is read
    stamps = _stamps(directory)
    sizes = {name: stamps[f"{name}.jsonl"][0] for name in ("metrics", "samples")}
    events = directory.events()  # after the sizes: every resume that a line below them comes after is among the events
    resumes = [event for event in events if event["event"] == "resumed"]
    afresh = not _goes_on(state, sizes, resumes)
    if afresh:
        state = {}
    new = resumes[state.get("resumes", 0) :]
    offsets = {name: int(state.get(name, 0)) for name in sizes}
    lines: dict[str, Iterator[tuple[int, dict[str, Any]]]] = {}
    for name, size in sizes.items():
        content = _whole_lines(directory.path / f"{name}.jsonl", offsets[name], size)
        lines[name] = _effective(_objects(content, offsets[name]), resumes, f"{name}_offset")
        offsets[name] += len(content)
    drop_after = min((int(event["from_step"]) for event in new), default=None)
    result = directory.result
    return Changes(
        run=describe(directory, events, result),
        state={"format": _FORMAT, **offsets, "resumes": len(resumes), "stamps": stamps, "heartbeat": beat},
        afresh=afresh,
        points=_points(line for _, line in lines["metrics"]),
        samples=[(at, _sample(line)) for at, line in lines["samples"]],
        drop_points_after=drop_after,
        drop_samples_after=drop_after,
        measurements=_measurements(directory, result),
        more=any(sizes[name] - offsets[name] > 0 and offsets[name] > state.get(name, 0) for name in sizes),
    )


UNREADABLE = (KeyError, TypeError, ValueError, AttributeError, ArithmeticError, RecursionError, OSError)
"""What reading a damaged directory can raise; one such run must not hide the others."""


def is_settled(folder: str, status: RunStatus, state: Mapping[str, Any]) -> bool:
    """Whether the run in `folder` had ended when `state` was noted, and has not changed since: a few calls of stat.

    One that was interrupted or failed may go on: who goes on with it begins with a heartbeat.
    """
    if status is RunStatus.RUNNING or state.get("format") != _FORMAT:
        return False
    stamps = state.get("stamps") or {}
    for name in _WATCHED:
        if stamps.get(name) != _stamp(f"{folder}/{name}"):
            return False
    return status is RunStatus.FINISHED or state.get("heartbeat") == _stamp(f"{folder}/heartbeat")


def describe(directory: RunDirectory, events: Sequence[Mapping[str, Any]], result: Mapping[str, Any] | None) -> Run:
    """The run as its directory tells it."""
    record = directory.run
    beat = directory.heartbeat() or {}
    # The heartbeat is some seconds old; an event, such as a checkpoint, may be newer.
    newest = max([beat, *events[-1:]], key=lambda sign: float(sign.get("time", 0.0)))
    last_time = float(newest.get("time", 0.0))
    values = record.get("recipe_values") or {}
    return Run(
        id=directory.id,
        path=directory.path,
        reproduction=str(record["reproduction"]),
        recipe=str(record["recipe"]),
        tier=str(record["tier"]),
        seed=int(record["seed"]),
        overrides=dict(record.get("overrides") or {}),
        fingerprint=str(record["fingerprint"]),
        status=RunStatus(directory.status()),
        created_at=datetime.fromisoformat(record["created_at"]).astimezone(UTC),
        updated_at=datetime.fromtimestamp(last_time, UTC).replace(microsecond=0) if last_time else None,
        step=int((result or newest).get("step", 0)),
        max_steps=_whole((values.get("train") or {}).get("max_steps")),
        device=str((record.get("provenance") or {}).get("device", "unknown")),
        attempts=sum(event["event"] in ("started", "resumed") for event in events),
        seconds=None if result is None else _finite(result.get("seconds")),
        record=record,
    )


def _whole(value: object) -> int | None:
    """A number of steps; None for what is none."""
    return value if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 2**63 else None


def _finite(value: object) -> float | None:
    return float(value) if isinstance(value, int | float) and abs(value) < 1e300 else None


def _goes_on(state: Mapping[str, Any], sizes: Mapping[str, int], resumes: Sequence[Mapping[str, Any]]) -> bool:
    """Whether what was noted is a beginning of what is there."""
    if not state:
        return True
    seen = state.get("resumes", 0)
    if state.get("format") != _FORMAT or seen > len(resumes):
        return False
    for name, size in sizes.items():
        offset = state.get(name, 0)
        if offset > size or any(event.get(f"{name}_offset", 0) < offset for event in resumes[seen:]):
            return False
    return True


def _whole_lines(path: Path, start: int, size: int) -> bytes:
    """What stands in a file from `start` on, up to the last line end: of `size` bytes, and of so many at once."""
    if size <= start:
        return b""
    with path.open("rb") as file:
        file.seek(start)
        content = file.read(min(size - start, _BYTES_AT_ONCE))
    return content[: content.rfind(b"\n") + 1]


def _objects(content: bytes, at: int) -> Iterator[tuple[int, dict[str, Any]]]:
    """The JSON objects of whole lines, each with its offset in the file; the first line lies at `at`."""
    for line in content.splitlines(keepends=True):
        try:
            value = orjson.loads(line)
        except ValueError:
            value = None  # half a line from before a crash
        if isinstance(value, dict):
            yield at, value
        at += len(line)


def _effective(
    lines: Iterable[tuple[int, dict[str, Any]]], resumes: Sequence[Mapping[str, Any]], offset: str
) -> Iterator[tuple[int, dict[str, Any]]]:
    cuts = [(int(event.get(offset, 0)), int(event["from_step"])) for event in resumes]
    for at, line in lines:
        if "step" in line and (not cuts or all(at >= cut or line["step"] <= step for cut, step in cuts)):
            yield at, line


def _points(lines: Iterable[Mapping[str, Any]]) -> dict[str, Columns]:
    found: dict[str, Columns] = {}
    for line in lines:
        name, value = str(line["name"]), line["value"]
        columns = found.get(name)
        if columns is None:
            columns = found[name] = Columns()
        # null stands for a value that was not finite
        columns.add(int(line["step"]), float(line["time"]), math.nan if value is None else float(value))
    return found


def _sample(line: Mapping[str, Any]) -> Sample:
    reference = line.get("reference")
    return Sample(
        step=int(line["step"]),
        source=str(line.get("source") or ""),
        output=str(line["output"]),
        reference=None if reference is None else str(reference),
        decoding=dict(line.get("decoding") or {}),
    )


def _measurements(directory: RunDirectory, result: Mapping[str, Any] | None) -> list[Measurement]:
    if result is None:
        return []
    run = directory.run
    return [
        measurement(
            entry,
            run_id=directory.id,
            recipe=str(run["recipe"]),
            tier=str(run["tier"]),
            seed=int(run["seed"]),
            fingerprint=str(run["fingerprint"]),
            overrides=dict(run.get("overrides") or {}),
        )
        for entry in result["measurements"]
    ]


def measurement(entry: Mapping[str, Any], *, fingerprint: str, **run: Any) -> Measurement:
    """One entry of result.json, or of a structural check, as a Measurement.  Raises KeyError and the like.

    A structural check measures a model and no data, so it may leave out task, dataset and split.
    """
    value = float(entry["value"])
    if not math.isfinite(value):
        raise ValueError(f"the measurement {entry.get('metric')} is not finite")
    n = entry.get("n")
    return Measurement(
        claim_id=entry.get("claim"),
        run_id=run.get("run_id"),
        recipe=run.get("recipe"),
        tier=run.get("tier"),
        seed=run.get("seed"),
        fingerprint=fingerprint,
        task=str(entry.get("task") or ""),
        dataset=str(entry.get("dataset") or ""),
        split=str(entry.get("split") or ""),
        metric=str(entry["metric"]),
        value=value,
        unit=str(entry.get("unit") or ""),
        n=None if n is None else int(n),
        protocol=dict(entry.get("protocol") or {}),
        signature=entry.get("signature"),
        overrides=run.get("overrides") or {},
    )


def _stamps(directory: RunDirectory) -> dict[str, list[int]]:
    folder = os.fspath(directory.path)
    return {name: _stamp(f"{folder}/{name}") for name in _WATCHED}


def _stamp(file: str) -> list[int]:
    """[size, time of change in nanoseconds]; [0, 0] where there is no such file."""
    try:
        stat = os.stat(file)  # noqa: PTH116 - a Path made for each of 50,000 files costs more than asking for them
    except FileNotFoundError:
        return [0, 0]
    return [stat.st_size, stat.st_mtime_ns]
