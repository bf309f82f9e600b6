"""The run directory: its names, its one writer (Recorder) and its reader (RunDirectory).  Standard library only.

docs/run-directory.md describes the format.  Files are append-only or replaced whole, so a directory can be copied
at any moment: readers skip lines that a crash left half written.  A run has one writer because the writer holds a
lock on `heartbeat`; that lock, not a process id, is what "running" means.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import json
import os
import re
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, BinaryIO

from reproductions import run_files
from reproductions.registry import InvalidInput, ReproductionError, TryAgain
from reproductions.run_files import home, sync_folder, write_whole

if sys.platform != "win32":
    import fcntl

__all__ = [
    "Busy",
    "Recorder",
    "ReproductionError",
    "RunDirectory",
    "find_runs",
    "folder_names",
    "home",
    "new_run_id",
    "run_folders",
    "sync_folder",
    "write_whole",
]

FORMAT = 1
HEARTBEAT_SECONDS = 5.0
STALE_AFTER_SECONDS = 30.0  # a copied directory whose heartbeat is older was not running when it was copied
_FLUSH_SECONDS = 1.0
_CHECKPOINT = re.compile(r"step-\d+")


class Busy(TryAgain):
    """Another process is writing this run (exit 75)."""


def new_run_id(now: datetime, recipe: str, tier: str, token: str) -> str:
    """`20261124-093012-transformer-base-smoke-7f3a`: sorts by time, says what it is, unique by its token."""
    return f"{now:%Y%m%d-%H%M%S}-{recipe}-{tier}-{token}"


class Recorder:
    """The only writer of a run directory.  Raises Busy where another process holds it.

    Metric and sample lines are buffered; they reach the disk about once a second, before every event and at
    `flush`.  Methods may be called from any thread.
    """

    def __init__(self, path: Path, clock: Callable[[], float] = time.time) -> None:
        self.path = path
        self.attempt = 1
        self.step = 0
        self.meter: Callable[[], Mapping[str, Any] | None] = lambda: None  # this attempt's energy: engine/energy.py
        self._closing: dict[str, Any] = {}
        self._clock = clock
        self._guard = threading.RLock()
        self._heartbeat = _lock(path / "heartbeat")
        self._appenders = {name: _Appender(path / f"{name}.jsonl") for name in ("metrics", "samples", "events")}
        self._flushed_at = clock()
        self._beating = threading.Event()
        self._thread: threading.Thread | None = None
        self.beat()

    def __enter__(self) -> Recorder:
        return self

    def __exit__(self, kind: object, *exception: object) -> None:
        with contextlib.suppress(OSError) if kind else contextlib.nullcontext():
            self.close()  # after a failed write another one must not hide the first

    def describe(self, run: Mapping[str, Any]) -> None:
        """Writes run.json."""
        write_whole(self.path / "run.json", _document({"format": FORMAT, **run}))

    def metric(self, name: str, value: float, step: int) -> None:
        self.metrics({name: value}, step)

    def metrics(self, values: Mapping[str, float], step: int) -> None:
        """One line a value in metrics.jsonl.  A value that is not finite is written as null."""
        now = round(self._clock(), 3)
        for name, value in values.items():
            finite = value if abs(value) < float("inf") else None
            self._line("metrics", {"step": step, "time": now, "name": name, "value": finite})

    def sample(
        self,
        *,
        step: int,
        source: str | None,
        output: str,
        reference: str | None,
        decoding: Mapping[str, Any],
        artifacts: Mapping[str, bytes] | None = None,
        **extra: Any,
    ) -> None:
        """A line in samples.jsonl; `artifacts`: files that belong to it, by name, which are kept first."""
        if artifacts:
            extra["artifacts"] = {name: self.artifact(name, content) for name, content in artifacts.items()}
        line = {
            "step": step,
            "time": round(self._clock(), 3),
            "source": source,
            "output": output,
            "reference": reference,
        }
        self._line("samples", {**line, "decoding": dict(decoding), **extra})

    def event(self, kind: str, **fields: Any) -> None:
        """A line in events.jsonl, on the disk when this returns, after all that was recorded before it."""
        energy = self.meter()
        if energy is not None:
            fields["energy_joules"] = round(energy["joules"], 3)
        if kind == "finished":
            fields |= self._closing
        with self._guard:
            self.flush()
            line = {
                "time": round(self._clock(), 3),
                "event": kind,
                "step": self.step,
                "attempt": self.attempt,
                **fields,
            }
            self._line("events", line)
            self.flush()
            self._appenders["events"].sync()

    def resumed(self, from_step: int, **fields: Any) -> None:
        """Starts a further attempt: lines in the files that lie after `from_step` are superseded."""
        with self._guard:
            self.flush()
            offsets = {f"{name}_offset": self._appenders[name].size() for name in ("metrics", "samples")}
            self.step = from_step
            self.event("resumed", from_step=from_step, **offsets, **fields)

    def artifact(self, name: str, content: bytes) -> str:
        """Keeps a file under artifacts/, named by its content, and tells `name` and hash in an event.

        Returns its path inside the run directory.  The same content is kept once, under however many names.
        """
        with self._guard:
            file = self.keep(content, Path(name).suffix)
            digest = hashlib.sha256(content).hexdigest()
            self.event("artifact", name=name, file=file, sha256=digest, bytes=len(content))
        return file

    def keep(self, content: bytes, suffix: str) -> str:
        """Keeps `content` under artifacts/ without a word in the events.  Returns its path inside the directory."""
        file = f"artifacts/{hashlib.sha256(content).hexdigest()[:16]}{suffix}"
        (self.path / "artifacts").mkdir(exist_ok=True)
        write_whole(self.path / file, content)
        return file

    def result(self, measurements: Sequence[Mapping[str, Any]], **fields: Any) -> None:
        """Writes result.json, after which the run is finished.

        It has the hashes of the files written before it; the event `finished`, which comes after, has its own.
        """
        self.flush()
        finished = _iso(self._clock())
        content = {
            "format": FORMAT,
            "finished_at": finished,
            "step": self.step,
            **fields,
            "energy": run_files.energy(RunDirectory(self.path).events(), self.attempt, self.meter()),
            "measurements": list(measurements),
            "files": run_files.table(self.path),
        }
        document = _document(content)
        write_whole(self.path / "result.json", document)
        self._closing = {"result_sha256": hashlib.sha256(document).hexdigest()}

    def beat(self) -> None:
        """Says "still alive" in place.  By the inode a reader tells this file from a copy of it."""
        inode = os.fstat(self._heartbeat.fileno()).st_ino
        state = {
            "time": round(self._clock(), 3),
            "pid": os.getpid(),
            "attempt": self.attempt,
            "step": self.step,
            "inode": inode,
        }
        with self._guard:
            self._heartbeat.seek(0)
            self._heartbeat.write(json.dumps(state).ljust(160).encode() + b"\n")
            self._heartbeat.flush()

    def keep_beating(self, seconds: float = HEARTBEAT_SECONDS) -> None:
        """Beats from a thread until `close`, and flushes while the main thread is busy with one thing."""

        def run() -> None:
            while not self._beating.wait(seconds):
                self.beat()
                try:
                    self.flush()
                except OSError:
                    return  # the lines stay buffered: the main thread's next flush meets the error and reports it

        self._thread = threading.Thread(target=run, name="heartbeat", daemon=True)
        self._thread.start()

    def flush(self) -> None:
        with self._guard:
            for appender in self._appenders.values():
                appender.flush()
            self._flushed_at = self._clock()

    def sync(self) -> None:
        """Flushes, and waits for the disk: what a checkpoint builds on must not be lost after it."""
        with self._guard:
            self.flush()
            for appender in self._appenders.values():
                appender.sync()

    def close(self) -> None:
        """Flushes and lets go of the lock."""
        self._beating.set()
        if self._thread is not None:
            self._thread.join()
            self._thread = None
        try:
            self.flush()
        finally:
            for appender in self._appenders.values():
                appender.close()
            self._heartbeat.close()

    def _line(self, file: str, content: Mapping[str, Any]) -> None:
        with self._guard:
            self._appenders[file].add(json.dumps(content, ensure_ascii=False, allow_nan=False).encode() + b"\n")
            if self._clock() - self._flushed_at >= _FLUSH_SECONDS:
                self.flush()


class RunDirectory:
    """Reads a run.  Cheap to make; everything is read when it is asked for."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __repr__(self) -> str:
        return f"RunDirectory({str(self.path)!r})"

    @property
    def id(self) -> str:
        return self.path.name

    @property
    def run(self) -> dict[str, Any]:
        """run.json.  Raises ReproductionError (exit 3) where it is missing, damaged or of a newer format."""
        content = _read_json(self.path / "run.json")
        if content is None:
            raise InvalidInput(f"{self.path} is not a run directory: it has no readable run.json")
        if not isinstance(content.get("format", 0), int):
            raise InvalidInput(f"{self.path} has the format {content['format']!r}, which is no number")
        if content.get("format", 0) > FORMAT:
            raise InvalidInput(f"{self.path} has format {content['format']}, newer than {FORMAT}", "update paperlab")
        return content

    @property
    def result(self) -> dict[str, Any] | None:
        """result.json, or None while the run is not finished."""
        return _read_json(self.path / "result.json")

    def events(self) -> list[dict[str, Any]]:
        return [line for line, _ in _read_lines(self.path / "events.jsonl")[0]]

    def metrics(self) -> list[dict[str, Any]]:
        """The points that count, in order of writing: without those that a resume superseded."""
        return self._effective("metrics")

    def samples(self) -> list[dict[str, Any]]:
        """The samples that count; see `metrics`."""
        return self._effective("samples")

    def artifacts(self) -> list[dict[str, Any]]:
        """{"name", "file", "sha256", "bytes", "step"} of every artifact, in order of writing, each file once."""
        told = {(event["name"], event["file"]): event for event in self.events() if event["event"] == "artifact"}
        keys = ("name", "file", "sha256", "bytes", "step")
        return [{key: event.get(key) for key in keys} for event in told.values()]

    def read_metrics(self, after_offset: int = 0) -> tuple[list[dict[str, Any]], int]:
        """Raw points after a byte offset and the offset to go on from, for a page that follows a run.

        Points that a resume superseded are among them: read all with `metrics` when `events` has another
        "resumed".
        """
        lines, offset = _read_lines(self.path / "metrics.jsonl", after_offset)
        return [line for line, _ in lines], offset

    def checkpoints(self) -> list[Path]:
        """Complete checkpoints, oldest first; see checkpoint_is_complete."""
        folder = self.path / "checkpoints"
        found = [path for path in folder.glob("step-*") if _CHECKPOINT.fullmatch(path.name)]
        return sorted(filter(checkpoint_is_complete, found), key=lambda path: int(path.name[5:]))

    def latest_checkpoint(self) -> Path | None:
        return next(reversed(self.checkpoints()), None)

    def heartbeat(self) -> dict[str, Any] | None:
        """{"time", "pid", "attempt", "step"} of the last beat."""
        return _read_json(self.path / "heartbeat")

    def status(self, now: float | None = None) -> str:
        """One of finished (there is a result), running (a process holds it), failed (it said so), interrupted.

        In a copy the lock cannot be seen: there a run counts as running while its last beat is under 30 s old.
        """
        if self.result is not None:
            return "finished"
        beat = self.heartbeat()
        held = _is_held(self.path / "heartbeat")
        if held is None and beat is not None:
            held = (time.time() if now is None else now) - beat["time"] < STALE_AFTER_SECONDS
        if held:
            return "running"
        last = next((event["event"] for event in reversed(self.events())), None)
        return "failed" if last in ("failed", "out-of-memory") else "interrupted"

    def _effective(self, name: str) -> list[dict[str, Any]]:
        lines, _ = _read_lines(self.path / f"{name}.jsonl")
        kept = [(line, offset) for line, offset in lines if "step" in line]
        for event in self.events():
            if event["event"] == "resumed":
                cut, step = event.get(f"{name}_offset", 0), event["from_step"]
                kept = [(line, offset) for line, offset in kept if offset >= cut or line["step"] <= step]
        return [line for line, _ in kept]


def folder_names(runs_dir: Path) -> list[str]:
    """The names of the folders in `runs_dir` that may be runs, oldest first: nothing of them has been read."""
    if not runs_dir.is_dir():
        return []
    with os.scandir(runs_dir) as entries:
        return sorted(entry.name for entry in entries if entry.name[0] != "." and entry.is_dir())


def run_folders(runs_dir: Path) -> list[Path]:
    """The same as paths."""
    return [runs_dir / name for name in folder_names(runs_dir)]


def find_runs(runs_dir: Path, on_skip: Callable[[Path, str], None] | None = None) -> list[RunDirectory]:
    """Every run in `runs_dir`, oldest first.  Folders that are none, or died at birth, go to `on_skip`."""
    runs: list[RunDirectory] = []
    for path in run_folders(runs_dir):
        run = RunDirectory(path)
        try:
            run.run  # noqa: B018 - reading it is the test
        except (ReproductionError, OSError, RecursionError) as error:
            if on_skip is not None:
                on_skip(path, error.message if isinstance(error, ReproductionError) else str(error))
            continue
        runs.append(run)
    return runs


def checkpoint_is_complete(path: Path) -> bool:
    """Whether state.json (written last) is there and every file it lists has its size.  Hashes: on loading."""
    state = _read_json(path / "state.json")
    if state is None:
        return False
    sizes = {path / name: file["bytes"] for name, file in state.get("files", {}).items()}
    return all(file.is_file() and file.stat().st_size == size for file, size in sizes.items())


class _Appender:
    """Appends whole lines to a file.  What a failed write left is completed by the next one, byte by byte."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._pending = bytearray()
        self._file = path.open("ab", buffering=0)
        if self.size() > 0:
            with path.open("rb") as reader:
                reader.seek(-1, os.SEEK_END)
                if reader.read(1) != b"\n":
                    self._pending += b"\n"  # a crash left half a line: readers skip it once it is closed

    def add(self, line: bytes) -> None:
        self._pending += line

    def flush(self) -> None:
        while self._pending:
            written = self._file.write(self._pending)
            del self._pending[: written or 0]

    def sync(self) -> None:
        os.fsync(self._file.fileno())

    def size(self) -> int:
        return os.fstat(self._file.fileno()).st_size

    def close(self) -> None:
        self._file.close()


def _lock(path: Path, patience_seconds: float = 1.0) -> BinaryIO:
    """Opens the heartbeat and locks it.  Waits a moment, because a reader's probe holds it for an instant."""
    file = path.open("r+b" if path.exists() else "w+b", buffering=0)
    deadline = time.monotonic() + patience_seconds
    while sys.platform != "win32":
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            break
        except BlockingIOError:
            if time.monotonic() > deadline:
                file.close()
                raise Busy(f"{path.parent} is written by another process", "try again when it has ended") from None
            time.sleep(0.05)
        except OSError as error:
            if error.errno not in (errno.ENOLCK, errno.ENOTSUP):
                raise
            break  # a file system without locks: the heartbeat's age is all there is
    return file


def _is_held(path: Path) -> bool | None:
    """Whether a process holds the lock; None where that cannot be known (a copy, or no locks)."""
    if sys.platform == "win32" or not path.exists():
        return None
    with path.open("rb") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        except OSError:
            return None  # a file system without locks
        beat = _read_json(path)
        is_original = beat is None or beat.get("inode") == os.fstat(file.fileno()).st_ino
        return False if is_original else None


def _read_lines(path: Path, after_offset: int = 0) -> tuple[list[tuple[dict[str, Any], int]], int]:
    """Each complete JSON line with its offset, and the offset behind the last complete line."""
    try:
        with path.open("rb") as file:
            file.seek(after_offset)
            content = file.read()
    except FileNotFoundError:
        return [], after_offset
    end = content.rfind(b"\n") + 1
    return list(_parsed(content[:end], after_offset)), after_offset + end


def _parsed(content: bytes, offset: int) -> Iterator[tuple[dict[str, Any], int]]:
    for line in content.splitlines(keepends=True):
        start, offset = offset, offset + len(line)
        try:
            value = json.loads(line)
        except ValueError:
            continue  # half a line from before a crash
        if isinstance(value, dict):
            yield value, start


def _read_json(path: Path) -> dict[str, Any] | None:
    try:
        content = json.loads(path.read_bytes())
    except (FileNotFoundError, NotADirectoryError, ValueError):
        return None
    return content if isinstance(content, dict) else None


def _document(content: Mapping[str, Any]) -> bytes:
    return json.dumps(content, indent=2, ensure_ascii=False, allow_nan=False).encode() + b"\n"


def _iso(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
