"""A run directory at one moment, as a list of files: consistent while its writer goes on.

The `.jsonl` files only grow, so a beginning of each that ends with a line is a state the run was in; events are looked
at last, so that every resume that points come after is among them.  What is replaced whole is read at once.  A link, a
pipe or a device in the place of a file is refused; files that no run has are left aside.
"""

from __future__ import annotations

import io
import os
import stat
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import BinaryIO

import orjson

from paperlab.errors import InvalidInput, NotReady
from paperlab.runs import admission

_CHUNK = 2**20
_MOST_CHECKPOINTS = 64
_TRIES = 5


class Checkpoints(StrEnum):
    """Which of them go along: none, the newest and the averaged one, or all."""

    NONE = "none"
    LAST = "last"
    ALL = "all"


@dataclass(frozen=True)
class Part:
    """A file: its first `size` bytes.  `held` is open; None is one that is opened when it is read."""

    name: str
    size: int
    folder: Path
    held: BinaryIO | None = None

    def chunks(self) -> Iterator[bytes]:
        """The content.  Raises InvalidInput where it has become shorter."""
        with ExitStack() as leaving:
            file = self.held or leaving.enter_context(opened(self.folder, self.name))
            file.seek(0)
            left = self.size
            while left:
                chunk = file.read(min(left, _CHUNK))
                if not chunk:
                    raise InvalidInput(f"{self.folder / self.name} became shorter while it was read", "try again")
                left -= len(chunk)
                yield chunk


@contextmanager
def taken(folder: Path, checkpoints: Checkpoints) -> Iterator[list[Part]]:
    """The files of the run in `folder`, in the order of their names.  Raises InvalidInput where it is no run."""
    for _ in range(_TRIES):
        with ExitStack() as leaving:
            parts = _records(folder, leaving)
            was_finished = any(part.name == "result.json" for part in parts)
            parts += _checkpoints(folder, checkpoints, leaving)
            parts += _artifacts(folder)
            if was_finished or not (folder / "result.json").exists():
                if len(parts) > admission.MOST_FILES:
                    raise InvalidInput(f"{folder} has {len(parts)} files: at most {admission.MOST_FILES}")
                yield sorted(parts, key=lambda part: part.name)
                return
    raise InvalidInput(f"{folder} is written anew all the time", "try again")  # no run ends more than once


def left_aside(folder: Path) -> list[str]:
    """The files of the run that no bundle carries, by their names; hidden ones are leftovers and don't count."""
    there = {name for name in _listed(folder, ".") if (folder / name).is_file()}
    there |= {f"artifacts/{name}" for name in _listed(folder, "artifacts")}
    hidden = {name for name in there if name.rpartition("/")[2].startswith(".")}
    return sorted(name for name in there - hidden if admission.largest(name) is None)


def opened(folder: Path, name: str) -> BinaryIO:
    """The ordinary file `name` below `folder`.  Raises FileNotFoundError; InvalidInput for a link, pipe or device."""
    try:
        descriptor = _descriptor(folder, name.split("/"))
    except FileNotFoundError:
        raise
    except OSError as error:
        if isinstance(error, PermissionError):
            raise NotReady(f"{folder / name} can't be read: {error.strerror}", "change its permissions") from error
        raise InvalidInput(f"{folder / name} is not an ordinary file: {error.strerror}") from error
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise InvalidInput(f"{folder / name} is not an ordinary file")
    return os.fdopen(descriptor, "rb")


def _descriptor(folder: Path, parts: list[str]) -> int:
    flags = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
    if os.open not in os.supports_dir_fd:
        path = folder.joinpath(*parts)
        if any(place.is_symlink() for place in [path, *path.parents[: len(parts) - 1]]):
            raise InvalidInput(f"{path} is a link")
        return os.open(path, flags)
    at = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        for part in parts[:-1]:  # step by step, so that no folder on the way is a link
            deeper = os.open(part, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW, dir_fd=at)
            os.close(at)
            at = deeper
        return os.open(parts[-1], flags, dir_fd=at)
    finally:
        os.close(at)


def _records(folder: Path, leaving: ExitStack) -> list[Part]:
    """What describes the run, first the result: where it is there, all else is as it will stay."""
    parts = []
    for name in ("result.json", "run.json", "heartbeat"):
        content = _whole(folder, name)
        if content is not None and (name != "heartbeat" or _is_json(content)):
            parts.append(Part(name, len(content), folder, io.BytesIO(content)))
    if all(part.name != "run.json" for part in parts):
        raise InvalidInput(f"{folder} is not a run directory: it has no run.json", "paperlab runs list")
    sizes = {}
    for name in ("metrics.jsonl", "samples.jsonl", "events.jsonl"):
        try:
            file = leaving.enter_context(opened(folder, name))
        except FileNotFoundError:
            continue
        sizes[name] = Part(name, _whole_lines(file), folder, file)
    return [*parts, *sizes.values()]


def _whole(folder: Path, name: str) -> bytes | None:
    limit = admission.largest(name) or 0
    try:
        with opened(folder, name) as file:
            content = file.read(limit + 1)
    except FileNotFoundError:
        return None
    if len(content) > limit:
        raise InvalidInput(f"{folder / name} is larger than such a file can be")
    return content


def _is_json(content: bytes) -> bool:
    """Whether a heartbeat was read whole: it is rewritten in its place."""
    try:
        return isinstance(orjson.loads(content), dict)
    except ValueError:
        return False


def _whole_lines(file: BinaryIO) -> int:
    """How many bytes of the file are whole lines."""
    end = file.seek(0, os.SEEK_END)
    while end:
        begin = max(0, end - _CHUNK)
        file.seek(begin)
        found = file.read(end - begin).rfind(b"\n")
        if found >= 0:
            return begin + found + 1
        end = begin
    return 0


def _checkpoints(folder: Path, wanted: Checkpoints, leaving: ExitStack) -> list[Part]:
    """Held open: a run that goes on removes old ones."""
    if wanted is Checkpoints.NONE:
        return []
    there = _listed(folder, "checkpoints")
    names = sorted((name for name in there if name.startswith("step-")), key=lambda name: (len(name), name))
    if wanted is Checkpoints.LAST:
        names = names[-1:]
    names += [name for name in there if name == "averaged"]
    if len(names) > _MOST_CHECKPOINTS:
        raise InvalidInput(f"{folder} has {len(names)} checkpoints: at most {_MOST_CHECKPOINTS}", "--checkpoints last")
    parts: list[Part] = []
    for name in names:
        inside = [f"checkpoints/{name}/{file}" for file in sorted(_listed(folder, f"checkpoints/{name}"))]
        known = [path for path in inside if admission.largest(path) is not None]
        try:
            files = [(path, leaving.enter_context(opened(folder, path))) for path in known]
        except FileNotFoundError:
            continue  # removed meanwhile
        if any(path.endswith("/state.json") for path, _ in files):
            parts += [Part(path, file.seek(0, os.SEEK_END), folder, file) for path, file in files]
    return parts


def _artifacts(folder: Path) -> list[Part]:
    parts = []
    for file in _listed(folder, "artifacts"):
        name = f"artifacts/{file}"
        if admission.largest(name) is not None:
            with opened(folder, name) as content:
                parts.append(Part(name, content.seek(0, os.SEEK_END), folder))
    return parts


def _listed(folder: Path, name: str) -> list[str]:
    place = folder / name
    if place.is_symlink() or (place.exists() and not place.is_dir()):
        raise InvalidInput(f"{place} is not a folder")
    try:
        return [path.name for path in place.iterdir()]
    except (FileNotFoundError, NotADirectoryError):
        return []
