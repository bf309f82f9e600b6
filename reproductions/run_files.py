"""Files of a run: where they lie, written whole, hashed, added up at its end; and the lock on the folder of runs.

Standard library only.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

if sys.platform != "win32":
    import fcntl

_RECORDS = ("run.json", "metrics.jsonl", "samples.jsonl", "events.jsonl")


def home(environ: Mapping[str, str] = os.environ, platform: str = sys.platform) -> Path:
    """Where paperlab keeps its state: PAPERLAB_HOME, or `paperlab` in the platform's folder for user data."""
    if explicit := environ.get("PAPERLAB_HOME"):
        return Path(explicit).expanduser()
    user = Path.home()
    if platform == "win32":
        return Path(environ.get("LOCALAPPDATA") or user / "AppData" / "Local") / "paperlab"
    if platform == "darwin":
        return user / "Library" / "Application Support" / "paperlab"
    return Path(environ.get("XDG_DATA_HOME") or user / ".local" / "share") / "paperlab"


def write_whole(path: Path, content: bytes) -> None:
    """Replaces a file in one step: after a crash it holds the old content or the new, never a part."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        with temporary.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
    sync_folder(path.parent)


def sync_folder(folder: Path) -> None:
    """Makes renames inside `folder` survive a power cut."""
    if sys.platform == "win32":
        return  # folders cannot be opened there
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def sha256(path: Path, size: int | None = None) -> str:
    """Of a file's content, or of its first `size` bytes.  Raises EOFError where it is shorter than that."""
    with path.open("rb") as file:
        if size is None:
            return hashlib.file_digest(file, "sha256").hexdigest()
        digest, left = hashlib.sha256(), size
        while left and (chunk := file.read(min(left, 2**20))):
            digest.update(chunk)
            left -= len(chunk)
    if left:
        raise EOFError(f"{path.name} ends {left} bytes too early")
    return digest.hexdigest()


def table(run: Path) -> dict[str, dict[str, Any]]:
    """Size and SHA-256 of what the run has written so far: records, artifacts, and state.json of each checkpoint.

    state.json has the hashes of its checkpoint's own files.
    """
    files = [run / name for name in _RECORDS]
    files += sorted((run / "artifacts").glob("[!.]*"))
    files += sorted((run / "checkpoints").glob("[!.]*/state.json"))
    return {
        path.relative_to(run).as_posix(): {"bytes": size, "sha256": sha256(path, size)}
        for path in files
        if path.is_file() and (size := path.stat().st_size) >= 0
    }


def energy(
    events: Sequence[Mapping[str, Any]], attempt: int, reading: Mapping[str, Any] | None
) -> dict[str, Any] | None:
    """What result.json keeps: the energy of all attempts, those steps included that were taken twice.

    An earlier attempt counts up to its last event that tells its energy; `complete` is False where one was cut off
    after that, or tells none.
    """
    if reading is None:
        return None
    told: dict[int, float] = {}
    ended: dict[int, bool] = {}
    for event in events:
        number = int(event.get("attempt", 1))
        if number < attempt:
            told[number] = float(event.get("energy_joules", told.get(number, 0.0)))
            ended[number] = event["event"] in ("pre-empted", "failed", "out-of-memory") and "energy_joules" in event
    joules = sum(told.values()) + reading["joules"]
    return {**reading, "joules": round(joules, 3), "complete": all(ended.values())}


def is_locked(path: Path) -> bool:
    """Whether a process holds a lock on the file; False where there is no such file, or the system has no locks."""
    if sys.platform == "win32" or not path.exists():
        return False
    with path.open("rb") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        except OSError:
            return False  # a file system without locks
    return False


@contextlib.contextmanager
def only_one(runs_dir: Path) -> Iterator[None]:
    """Looking for a run and beginning one, or bringing one in, happen one process at a time."""
    with (runs_dir / ".lock").open("ab") as file:
        if sys.platform != "win32":
            fcntl.flock(file, fcntl.LOCK_EX)  # let go when the file is closed
        yield
