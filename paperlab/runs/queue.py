"""Working through the queue: one worker takes one entry at a time, and what a dead worker held waits again.

Nothing is lost by any death.  Killing a worker kills its training (launch.py); its entry is put back by the next
worker that looks, and the run goes on from its last checkpoint, because the same command line means the same run.
Whether a worker lives is known on its own host: there, by process and the moment it began, so that another process
with its number is not taken for it.  Of one on another host only the heartbeat of its run tells.
"""

from __future__ import annotations

import contextlib
import os
import socket
import time
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from paperlab import errors
from paperlab.errors import InvalidInput
from paperlab.runs import launch, overrides, predict
from paperlab.store import queue as store
from paperlab.store.database import Engine, Session, read_only, session
from paperlab.store.queue import Entry
from reproductions.run_directory import find_runs


@dataclass(frozen=True)
class Outcome:
    """What became of one entry that was taken.  `exit_code` is the training's."""

    entry: Entry
    exit_code: int
    ended: launch.Ended
    stops: bool = False
    """The worker was asked to stop, or its time is up: it takes no more."""


@dataclass(frozen=True)
class Put:
    """A run that was put into the queue, or waited or ran there already."""

    entry: Entry
    is_new: bool


def put(
    engine: Engine,
    requests: Iterable[launch.Request],
    why: Mapping[str, Any],
    *,
    home: Path,
    now: datetime,
) -> list[Put]:
    """Put these runs into the queue, each with what is known of its time; all of them or none.

    The names and changes are taken as they are: see overrides.check.
    """
    codes: dict[str, str] = {}
    predicted: dict[tuple[str, str, tuple[str, ...]], Mapping[str, Any]] = {}
    found = []
    with session(engine) as writing:
        for request in requests:
            key = (request.recipe, request.tier, tuple(request.overrides))
            if key not in predicted:
                of = predict.fingerprint_now(request.recipe, request.tier, codes)
                alike = predict.same_recipe(writing, request, fingerprint=of)
                predicted[key] = cost(predict.known(alike, request, home=home, fingerprint=of))
            wanted = store.Wanted(
                request.recipe,
                request.tier,
                request.seed,
                overrides.parse(request.overrides),
                request.gpus,
                why,
                predicted[key],
            )
            found.append(Put(*store.add(writing, wanted, now)))
    return found


def cost(resources: predict.Resources) -> dict[str, Any]:
    """What the queue keeps of a prediction."""
    return {
        "kind": resources.kind,
        "basis": resources.basis,
        "seconds": resources.seconds,
        "at_least": resources.at_least,
        "device_hours": resources.device_hours,
        "unit": resources.unit,
        "memory_bytes": resources.memory_bytes,
    }


def this_process() -> dict[str, Any]:
    """What a worker writes beside the entry it takes."""
    return {"host": socket.gethostname(), "pid": os.getpid(), "began": _began(os.getpid())}


def work(
    engine: Engine,
    request: launch.Request,
    run: Callable[[launch.Request], launch.Ended],
    *,
    home: Path,
    now: Callable[[], datetime],
    most: int | None = None,
    seconds: float | None = None,
    clock: Callable[[], float] = time.monotonic,
) -> Generator[Outcome, None, None]:
    """Takes waiting entries one by one until none is left, `most` were taken or `seconds` are over.

    `request` has device, threads and quiet; `run` is launch.run for one home.  A training that is not done when the
    `seconds` are over stops with a checkpoint.  An entry ends as finished or failed; it waits again where the run was
    stopped early (exit 75), is trained by another process, or asks for what this machine lacks (exit 4).  No entry is
    taken twice by one worker.
    """
    began, seen = clock(), set[int]()
    with serving(home):
        while most is None or len(seen) < most:
            left = None if seconds is None else seconds - (clock() - began)
            if left is not None and left <= 0.0:
                return
            release_dead(engine, home)
            with session(engine) as writing:
                entry = store.take(writing, this_process(), now(), leaving=seen)
            if entry is None:
                return
            seen.add(entry.id)
            outcome = _run(engine, entry, replace(request, max_seconds=left), run, now)
            yield outcome
            if outcome.stops:
                return


def _run(
    engine: Engine,
    entry: Entry,
    request: launch.Request,
    run: Callable[[launch.Request], launch.Ended],
    now: Callable[[], datetime],
) -> Outcome:
    changes = overrides.words(entry.overrides)
    gpus = max(1, entry.gpus)  # entries from before there was a choice have 0
    asked = replace(request, recipe=entry.recipe, tier=entry.tier, seed=entry.seed, overrides=changes, gpus=gpus)
    try:
        ended = run(asked)
    except BaseException as error:  # a Ctrl-C too: whatever ends this worker, the entry must not look taken
        reason = f"the worker ended with {type(error).__name__}: {error}".rstrip(": ")
        with session(engine) as writing:
            store.put_back(writing, entry.id, reason)
        raise
    said = ended.refusal.get("error", "")
    stops = ended.asked_to_stop  # also where the run was at its end just then
    with session(engine) as writing:
        if ended.exit_code == 0:
            store.end(writing, entry.id, store.FINISHED, now(), run_id=ended.run_id)
        elif ended.exit_code == errors.TRY_AGAIN:
            # Without a run of its own it was refused: another process trains it, and the next entry may be free.
            stops |= ended.run_id is not None and ended.stopped_by is None
            why = f"its training was ended by {ended.stopped_by}" if ended.stopped_by else said or "stopped early"
            store.put_back(writing, entry.id, why, ended.run_id)
        elif ended.exit_code == errors.NOT_READY:
            store.put_back(writing, entry.id, f"{socket.gethostname()}: {said or 'this machine lacks something'}")
        else:
            why = said or f"exit code {ended.exit_code}"
            store.end(writing, entry.id, store.FAILED, now(), run_id=ended.run_id, why=why)
        after = store.get(writing, entry.id)
    assert after is not None
    return Outcome(after, ended.exit_code, ended, stops)


# --- who is at work ---------------------------------------------------------------------------------------------


@contextlib.contextmanager
def serving(home: Path) -> Iterator[None]:
    """Says, while it lasts, that this process takes work from the queue."""
    folder = home / "workers"
    folder.mkdir(parents=True, exist_ok=True)
    mark = folder / f"{socket.gethostname()}-{os.getpid()}.lock"
    with FileLock(mark, timeout=5.0):  # who looks whether it is held holds it for an instant
        try:
            yield
        finally:
            mark.unlink(missing_ok=True)


def is_served(engine: Engine, home: Path) -> bool:
    """Whether something is taking work from the queue, or is busy with an entry of it."""
    if any(_is_held(mark) for mark in sorted((home / "workers").glob("*.lock"))):
        return True
    with read_only(engine) as reading:
        running = store.find(reading, (store.RUNNING,))
    return any(is_at_work(entry, home) is not False for entry in running)


def is_at_work(entry: Entry, home: Path) -> bool | None:
    """Whether the worker that holds this entry lives; None where that can't be seen from here."""
    if entry.worker.get("host") == socket.gethostname():
        return _began(int(entry.worker["pid"])) == entry.worker.get("began")
    runs = [run for run in find_runs(home / "runs") if _is_of(run.run, entry)]
    return runs[-1].status() == "running" if runs else None


def release_dead(engine: Engine, home: Path) -> list[Entry]:
    """Puts back what dead workers hold.  Returns those entries."""
    with read_only(engine) as reading:
        suspects = [entry for entry in store.find(reading, (store.RUNNING,)) if is_at_work(entry, home) is False]
    if not suspects:
        return []
    released = []
    with session(engine) as writing:
        for entry in suspects:
            held = store.get(writing, entry.id)
            if held != entry:
                continue  # ended, or taken anew, since it was looked at
            store.put_back(writing, entry.id, f"its worker on {entry.worker.get('host')} died")
            released.append(entry)
    return released


def cancel(writing: Session, entry_id: int, now: datetime) -> Entry:
    """Takes a waiting entry out of the queue.  Raises InvalidInput for any other; does not commit."""
    entry = store.get(writing, entry_id)
    if entry is None:
        raise InvalidInput(f"the queue has no entry {entry_id}", "paperlab queue ls --all")
    if entry.state == store.RUNNING:
        worker = f"process {entry.worker.get('pid')} on {entry.worker.get('host')}"
        hint = f"stop that first (kill {entry.worker.get('pid')}): it writes a checkpoint and puts the entry back"
        raise InvalidInput(f"entry {entry_id} is being trained by {worker}", hint)
    if entry.state != store.WAITING:
        raise InvalidInput(f"entry {entry_id} is {entry.state} already", "paperlab queue ls --all")
    store.end(writing, entry_id, store.CANCELLED, now)
    cancelled = store.get(writing, entry_id)
    assert cancelled is not None
    return cancelled


def _is_of(record: Mapping[str, Any], entry: Entry) -> bool:
    made = (record["recipe"], record["tier"], record["seed"], dict(record["overrides"]))
    return made == (entry.recipe, entry.tier, entry.seed, dict(entry.overrides))


def _began(pid: int) -> str | None:
    """Something that tells this process from a later one of the same number; None for one that is gone."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8")
    except FileNotFoundError:
        stat = ""
    if stat:
        fields = stat.rpartition(")")[2].split()  # the name before it may hold anything
        return None if fields[0] in "ZX" else fields[19]  # starttime, in clock ticks since the machine started
    if Path("/proc/self/stat").exists():
        return None
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return None
    except PermissionError:
        return "alive"  # somebody else's process, and a system without /proc
    return "alive"


def _is_held(mark: Path) -> bool:
    try:
        with FileLock(mark, timeout=0):
            return False
    except Timeout:
        return True
    except OSError:
        return False  # a home that can't be written: nobody serves from there
