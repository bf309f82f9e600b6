"""From run directories to tables: what a run wrote is read on from where the last reading stopped.

The directories are the truth; the tables can be dropped and rebuilt.  Reading is idempotent and cheap: a run that has
ended, and whose files have not changed, costs a few calls of stat, a live one the lines that are new.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from paperlab.entities import Run
from paperlab.errors import InvalidInput
from paperlab.runs import changes
from paperlab.store import runs as store
from paperlab.store.database import Engine, Session, StatementError, read_only, session
from reproductions.run_directory import ReproductionError, RunDirectory, folder_names


@dataclass(frozen=True)
class IndexCounts:
    """What one `index` did.  `skipped` names folders that are not readable runs, with the reason."""

    runs: int = 0
    changed: int = 0
    removed: int = 0
    points: int = 0
    samples: int = 0
    skipped: tuple[tuple[Path, str], ...] = ()


def index(engine: Engine, runs_dir: Path, *, rebuild: bool = False) -> IndexCounts:
    """Bring the tables to what the run directories in `runs_dir` (or the one run that it is) hold now.

    Runs whose directory has gone from `runs_dir` are removed; those that lie elsewhere are read where an upgrade of the
    schema has emptied their tables.  `rebuild` reads everything again.  A missing `runs_dir` holds no runs, and removes
    none; raises InvalidInput where it is not a folder.
    """
    runs_dir = _resolved(runs_dir)  # one home under two names is one home
    if runs_dir.exists() and not runs_dir.is_dir():
        raise InvalidInput(f"{runs_dir} is not a folder", "paperlab runs index DIR takes a folder of run directories")
    skipped: list[tuple[Path, str]] = []
    is_run = (runs_dir / "run.json").is_file()
    with read_only(engine) as reading:
        known = store.indexed(reading)
    folder = os.fspath(runs_dir.parent if is_run else runs_dir)
    found = {name: f"{folder}/{name}" for name in ([runs_dir.name] if is_run else folder_names(runs_dir))}
    emptied = {
        run_id: held.place
        for run_id, held in known.items()
        if run_id not in found and not held.state and not is_run and (held.path / "run.json").is_file()
    }
    everything = found | emptied
    settled = set() if rebuild else {run_id for run_id, held in known.items() if _is_settled(everything, run_id, held)}
    counts = IndexCounts(runs=len(settled))
    for run_id, place in everything.items():
        if run_id in settled:
            continue
        path, before = Path(place), known.get(run_id)
        directory = RunDirectory(path)
        try:
            directory.run  # noqa: B018 - reading it is the test
            counts = replace(counts, runs=counts.runs + 1)
            if before is not None and _is_elsewhere(before.path, path):
                skipped.append((path, f"a copy of {before.path}, which is indexed"))
                continue
            counts = _index_one(engine, directory, before, rebuild, counts)
        except ReproductionError as error:
            skipped.append((path, error.message))
        except (*changes.UNREADABLE, StatementError) as error:
            skipped.append((path, f"it can't be read: {type(error).__name__} {error}"))
    missed = {run_id: held for run_id, held in known.items() if run_id not in found}
    gone = _gone(missed, runs_dir) if runs_dir.is_dir() and not is_run else []
    if gone:
        with session(engine) as writing:
            for run_id in gone:
                store.remove(writing, run_id)
    return replace(counts, removed=len(gone), skipped=tuple(skipped))


def _index_one(
    engine: Engine, directory: RunDirectory, before: store.Indexed | None, rebuild: bool, counts: IndexCounts
) -> IndexCounts:
    held: Run | None = None
    if before is not None:
        with read_only(engine) as reading:
            held = store.get(reading, directory.id)
    stored: Mapping[str, Any] | None = None if before is None else before.state
    state: Mapping[str, Any] = {} if stored is None or rebuild else stored
    changed = False
    while True:
        new = changes.read(directory, state)
        if held == new.run and state == new.state:
            break
        with session(engine) as writing:
            if store.state(writing, directory.id) != stored:
                break  # another process has indexed this run meanwhile
            if stored is not None and (new.afresh or not state):
                store.remove(writing, directory.id)
            _apply(writing, new)
        held, state, stored, changed = new.run, new.state, new.state, True
        counts = replace(counts, points=counts.points + new.number_of_points, samples=counts.samples + len(new.samples))
        if not new.more:
            break
    return replace(counts, changed=counts.changed + changed)


def _resolved(path: Path) -> Path:
    try:
        return path.resolve()
    except (OSError, RuntimeError) as error:  # a ring of links
        raise InvalidInput(f"{path} can't be followed: {error}", "name a folder of run directories") from error


def _is_elsewhere(held: Path, found: Path) -> bool:
    """Whether the run that is indexed lies, still, in another folder than this one."""
    return held != found and held.is_dir() and not held.samefile(found)


def _is_settled(found: Mapping[str, str], run_id: str, held: store.Indexed) -> bool:
    """Whether the run lies where it lay when it was read, and nothing has changed since."""
    return found.get(run_id) == held.place and changes.is_settled(held.place, held.status, held.state)


def _apply(writing: Session, new: changes.Changes) -> None:
    run_id = new.run.id
    store.put(writing, new.run, new.state)
    if new.drop_points_after is not None:
        store.drop_points_after(writing, run_id, new.drop_points_after)
    if new.drop_samples_after is not None:
        store.drop_samples_after(writing, run_id, new.drop_samples_after)
    store.add_columns(writing, run_id, new.points)
    store.add_samples(writing, run_id, new.samples)
    store.set_measurements(writing, run_id, new.measurements)


def _gone(missed: Mapping[str, store.Indexed], runs_dir: Path) -> list[str]:
    """Runs that were indexed from this folder and are no longer there."""
    return [run_id for run_id, held in missed.items() if _is_in(held.path, runs_dir) and not held.path.is_dir()]


def _is_in(run: Path, runs_dir: Path) -> bool:
    return runs_dir in {run.parent, run.parent.resolve()}
