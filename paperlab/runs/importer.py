"""Runs from elsewhere, a bundle or a directory, into the folder of ours: as often as one likes, while they go on.

What comes is put beside first, checked there (admission.py), and only then moved to its place.  A run that is here
already takes what is new of a further state of it, never loses anything, and refuses one that tells another story.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

from paperlab.errors import InvalidInput, NotReady, TryAgain
from paperlab.runs import admission, bundle, changes, snapshot
from reproductions.run_directory import ReproductionError, RunDirectory, sync_folder
from reproductions.run_files import is_locked, only_one

_STAGING = ".import-"
_SPARE_BYTES = 64 * 2**20
_LINES = ("events.jsonl", "metrics.jsonl", "samples.jsonl")
_CHUNK = 2**20


class Outcome(StrEnum):
    """What bringing in a run came to."""

    NEW = "new"
    GROWN = "grown"
    UNCHANGED = "unchanged"
    OLDER = "older"
    """More of it is here than came."""


@dataclass(frozen=True)
class Brought:
    """One run of a source.  `outcome` is None where it was refused, and `why` says why."""

    source: Path
    run: str | None
    outcome: Outcome | None
    why: str = ""
    is_busy: bool = False
    """A process here writes the run: later it can come in."""


def bring(source: Path, runs_dir: Path) -> list[Brought]:
    """Bring in the bundle, the run directory, or the run directories in the folder `source`.

    Refused runs are among what comes back.  Raises InvalidInput where there is nothing that could be a run, NotReady
    where the disk has no room.
    """
    if not source.is_dir():
        return [_told(source, _bundle, runs_dir)]
    if (source / "run.json").exists() or (source / "run.json").is_symlink():
        return [_told(source.resolve(), _directory, runs_dir)]
    found = sorted(path for path in source.iterdir() if path.is_dir() and not path.name.startswith("."))
    runs = [path for path in found if not path.is_symlink() and (path / "run.json").is_file()]
    if not runs:
        raise InvalidInput(f"there is no run in {source}", "name a bundle, a run directory, or a folder of them")
    return [_told(path.resolve(), _directory, runs_dir) for path in runs]


def _told(source: Path, work: Callable[[Path, Path], tuple[str, Outcome]], runs_dir: Path) -> Brought:
    try:
        run, outcome = work(source, runs_dir)
    except (InvalidInput, TryAgain) as error:
        return Brought(source, None, None, error.message, isinstance(error, TryAgain))
    return Brought(source, run, outcome)


def _bundle(path: Path, runs_dir: Path) -> tuple[str, Outcome]:
    with bundle.open_file(path) as file:
        manifest = bundle.read_manifest(file)
        with _staging(runs_dir, sum(entry.bytes for entry in manifest.files)) as folder:
            staged = folder / manifest.run
            hashes = {}
            for entry, chunks in bundle.contents(file, manifest):
                hashes[entry.name] = _put(staged / entry.name, chunks)
                if hashes[entry.name] != entry.sha256:
                    raise InvalidInput(f"{entry.name} has not the hash that the manifest promises")
            admission.check(staged, manifest.run, hashes)
            return manifest.run, _settle(staged, runs_dir, hashes)


def _directory(path: Path, runs_dir: Path) -> tuple[str, Outcome]:
    run_id = path.name
    admission.check_id(run_id)
    target = runs_dir / run_id
    if target.exists() and target.samefile(path):
        return run_id, Outcome.UNCHANGED  # it lies where it belongs
    with snapshot.taken(path, snapshot.Checkpoints.ALL) as parts:
        held = _same_checkpoints(parts, target)
        wanted = [part for part in parts if part.name.rpartition("/")[0] not in held]
        for part in wanted:
            limit = admission.largest(part.name)
            if limit is None or part.size > limit:
                raise InvalidInput(f"{part.name} has {part.size} bytes: at most {limit}")
        with _staging(runs_dir, sum(part.size for part in wanted)) as folder:
            hashes = {part.name: _put(folder / run_id / part.name, part.chunks()) for part in wanted}
            admission.check(folder / run_id, run_id, hashes)
            return run_id, _settle(folder / run_id, runs_dir, hashes)


def _same_checkpoints(parts: Iterable[snapshot.Part], target: Path) -> set[str]:
    """The folders of checkpoints that are here already, so that gigabytes are not copied again for nothing."""
    states = [part for part in parts if part.name.startswith("checkpoints/") and part.name.endswith("/state.json")]
    return {
        part.name.rpartition("/")[0]
        for part in states
        if (target / part.name).is_file() and b"".join(part.chunks()) == (target / part.name).read_bytes()
    }


@contextmanager
def _staging(runs_dir: Path, size: int) -> Iterator[Path]:
    """A folder beside the runs for what is not checked yet.  Nothing of it stays; the next removes what a kill left."""
    with _disk_told(runs_dir), ExitStack() as leaving:
        runs_dir.mkdir(parents=True, exist_ok=True)
        free = shutil.disk_usage(runs_dir).free
        if size + _SPARE_BYTES > free:
            raise NotReady(f"{size} bytes are to come and {runs_dir} has room for {free}", "make room")
        with only_one(runs_dir):
            for left in runs_dir.glob(f"{_STAGING}*"):
                if not is_locked(left / ".lock"):
                    shutil.rmtree(left, ignore_errors=True)
            folder = Path(tempfile.mkdtemp(prefix=_STAGING, dir=runs_dir))
            leaving.callback(shutil.rmtree, folder, ignore_errors=True)
            leaving.enter_context(only_one(folder))
        yield folder


@contextmanager
def _disk_told(runs_dir: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        why = f"{error.filename or runs_dir} can't be read or written: {error.strerror}"
        raise NotReady(why, "make room, or change its permissions") from error


def _put(path: Path, chunks: Iterable[bytes]) -> str:
    """Writes a file that is not there yet and returns its SHA-256."""
    path.parent.mkdir(parents=True, exist_ok=True)
    digest = hashlib.sha256()
    with path.open("xb") as file:
        for chunk in chunks:
            digest.update(chunk)
            file.write(chunk)
        file.flush()
        os.fsync(file.fileno())
    return digest.hexdigest()


def _settle(staged: Path, runs_dir: Path, hashes: Mapping[str, str]) -> Outcome:
    """Moves a checked run to its place, or what is new of it to the one that is there."""
    try:
        changes.read(RunDirectory(staged), {})
    except (*changes.UNREADABLE, ReproductionError) as error:
        why = f"it can't be indexed: {type(error).__name__} {admission.shown(str(error))}"
        raise InvalidInput(why, "nothing of it was taken") from error
    target = runs_dir / staged.name
    with only_one(runs_dir):  # no process here begins to train it meanwhile
        if not target.exists():
            staged.rename(target)
            sync_folder(runs_dir)
            return Outcome.NEW
        if target.is_symlink() or not target.is_dir():
            raise InvalidInput(f"{target} is no folder")
        moves, outcome = _compared(_Pair(staged, target, hashes))
        if moves and is_locked(target / "heartbeat"):
            raise TryAgain(f"{target} is written by a process here", "try again when it has ended", reason="busy")
        for name in moves:
            _replace(staged / name, target / name)
        sync_folder(target)
        return outcome


@dataclass(frozen=True)
class _Pair:
    """A staged run, and the one of the same name that is here.  `hashes`: of the staged one's files, by name."""

    staged: Path
    target: Path
    hashes: Mapping[str, str]

    def sizes(self, name: str) -> tuple[int, int]:
        """What comes, what is here."""
        return _size(self.staged / name), _size(self.target / name)


def _compared(pair: _Pair) -> tuple[list[str], Outcome]:
    """What of the staged run is new, in the order to move it.  Raises InvalidInput where the two tell other stories."""
    for name in _LINES:
        if not _agree(pair.staged / name, pair.target / name):
            raise _other_story(pair, f"{name} differs from the one that is here")
    sizes = {name: pair.sizes(name) for name in _LINES}
    grown = [name for name, (comes, here) in sizes.items() if comes > here]
    is_behind = any(comes < here for comes, here in sizes.values())
    result = _new_result(pair)
    moves = _new_checkpoints(pair, is_ahead=bool(grown), is_behind=is_behind)
    moves += [name for name in pair.hashes if name.startswith("artifacts/") and not (pair.target / name).exists()]
    moves += [*_new_description(pair), *grown]
    outcome = Outcome.UNCHANGED
    if moves or result:
        outcome = Outcome.GROWN
    elif is_behind or ((pair.target / "result.json").exists() and "result.json" not in pair.hashes):
        outcome = Outcome.OLDER
    # the result comes last: where it is, all else has to be
    return [*moves, *_newer_heartbeat(pair), *result], outcome


def _new_result(pair: _Pair) -> list[str]:
    here, comes = (pair.target / "result.json").exists(), "result.json" in pair.hashes
    if here and comes and (pair.target / "result.json").read_bytes() != (pair.staged / "result.json").read_bytes():
        raise _other_story(pair, "it has another result than the one that is here")
    for name in ("metrics.jsonl", "samples.jsonl"):
        new, old = pair.sizes(name)
        if (here and new > old) or (comes and new < old):
            raise _other_story(pair, f"{name} goes on after the run was finished")
    return ["result.json"] if comes and not here else []


def _new_description(pair: _Pair) -> list[str]:
    """run.json is filled in once, when data and tokenizer are known; it never says anything else."""
    old, new = admission.document(pair.target / "run.json"), admission.document(pair.staged / "run.json")
    if _fills(new, old):
        return []
    if _fills(old, new):
        return ["run.json"]
    raise _other_story(pair, "its run.json differs from the one that is here")


def _new_checkpoints(pair: _Pair, *, is_ahead: bool, is_behind: bool) -> list[str]:
    folders = []
    for state in sorted(name for name in pair.hashes if name.endswith("/state.json")):
        here, folder = pair.target / state, state.rpartition("/")[0]
        if not here.exists():
            folders.append(folder)
        elif here.read_bytes() != (pair.staged / state).read_bytes() and not is_behind:
            if not is_ahead:  # a resume takes steps again, and writes a checkpoint of the same name; nothing else does
                raise _other_story(pair, f"{state} differs from the one that is here")
            folders.append(folder)
    return folders


def _newer_heartbeat(pair: _Pair) -> list[str]:
    if "heartbeat" not in pair.hashes:
        return []
    try:
        old = admission.document(pair.target / "heartbeat")["time"]
    except (InvalidInput, KeyError, OSError):
        return ["heartbeat"]
    return ["heartbeat"] if admission.document(pair.staged / "heartbeat")["time"] > old else []


def _other_story(pair: _Pair, why: str) -> InvalidInput:
    return InvalidInput(f"{pair.target.name} is here with another history: {why}", "nothing was changed")


def _fills(old: Any, new: Any) -> bool:
    """Whether `new` says all that `old` says, and more only where `old` says nothing."""
    if isinstance(old, dict) and isinstance(new, dict) and old:
        return set(old) <= set(new) and all(_fills(value, new[key]) for key, value in old.items())
    return bool(old == new or old in ({}, None))


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


def _agree(one: Path, other: Path) -> bool:
    """Whether one file is a beginning of the other."""
    left = min(_size(one), _size(other))
    if not left:
        return True
    with one.open("rb") as first, other.open("rb") as second:
        while left:
            size = min(left, _CHUNK)
            if first.read(size) != second.read(size):
                return False
            left -= size
    return True


def _replace(new: Path, old: Path) -> None:
    old.parent.mkdir(exist_ok=True)
    if old.is_dir():
        old.rename(new.with_name(f"{new.name}.before"))  # it goes with the staging folder
    new.replace(old)
