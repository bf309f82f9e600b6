"""A run as one file: a manifest with sizes and hashes, then the files, as a tar that has one form only (archive.py).

The same content gives the same bytes, wherever and whenever it is written.
"""

from __future__ import annotations

import hashlib
import json
import os
import secrets
import stat
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import orjson

from paperlab.errors import InvalidInput, NotReady
from paperlab.runs import admission, archive, snapshot

FORMAT = 1


@dataclass(frozen=True)
class Entry:
    """A file as the manifest promises it."""

    name: str
    bytes: int
    sha256: str


@dataclass(frozen=True)
class Manifest:
    """What a bundle says of itself.  Every promise is held against what follows."""

    run: str
    files: tuple[Entry, ...]

    def document(self) -> bytes:
        files = [{"name": file.name, "bytes": file.bytes, "sha256": file.sha256} for file in self.files]
        content = {"format": FORMAT, "run": self.run, "files": files}
        return json.dumps(content, indent=1).encode() + b"\n"

    def size(self) -> int:
        """Of the whole bundle, in bytes."""
        return archive.size_of([len(self.document()), *(file.bytes for file in self.files)])


def write(folder: Path, out: Path, checkpoints: snapshot.Checkpoints) -> Manifest:
    """Bundles the run in `folder`, beside `out` first.  Raises InvalidInput where it is none, NotReady for the disk."""
    run_id = folder.resolve().name
    admission.check_id(run_id)
    if out.is_dir():
        raise InvalidInput(f"{out} is a folder", "--out takes the name of a file")
    beside = out.with_name(f".{out.name}.{secrets.token_hex(4)}.part")
    try:
        with snapshot.taken(folder, checkpoints) as parts:
            manifest = Manifest(run_id, tuple(Entry(part.name, part.size, _sha256(part)) for part in parts))
            try:
                with beside.open("xb") as file:
                    _write(file, manifest, parts)
                beside.replace(out)
            finally:
                beside.unlink(missing_ok=True)
    except OSError as error:
        raise NotReady(
            f"{error.filename or out} can't be written: {error.strerror}", "name another file: --out"
        ) from error
    return manifest


def open_file(path: Path) -> BinaryIO:
    """A bundle's file.  Raises InvalidInput where there is none, or something that is no ordinary file."""
    try:
        descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0))
    except OSError as error:
        raise InvalidInput(f"{path} can't be opened: {error.strerror}") from error
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise InvalidInput(f"{path} is not an ordinary file")
    return os.fdopen(descriptor, "rb")


def read_manifest(source: BinaryIO) -> Manifest:
    """What the bundle promises.  Raises InvalidInput where that is no run, or is more or less than the file's size."""
    folder, content = archive.read_manifest(source)
    admission.check_id(folder)
    try:
        value = orjson.loads(content)
        if value["format"] > FORMAT:
            raise InvalidInput(f"it is of format {admission.shown(str(value['format']))}", "update paperlab")
        files = tuple(
            Entry(_text(file["name"]), _size(file["bytes"]), _text(file["sha256"])) for file in value["files"]
        )
        manifest = Manifest(_text(value["run"]), files)
    except (ValueError, KeyError, TypeError) as error:
        raise InvalidInput("its manifest can't be read") from error
    if manifest.run != folder or manifest.document() != content:
        raise InvalidInput("its manifest is not as we write one")
    _check_promises(manifest)
    size = os.fstat(source.fileno()).st_size
    if size != manifest.size():
        raise InvalidInput(f"it has {size} bytes and its manifest promises {manifest.size()}", "copy it again")
    return manifest


def contents(source: BinaryIO, manifest: Manifest) -> Iterator[tuple[Entry, Iterator[bytes]]]:
    """Each file with its content, to be read to its end before the next.  Whoever reads holds it against its hash."""
    for file in manifest.files:
        yield file, archive.read_member(source, manifest.run, file.name, file.bytes)
    archive.read_end(source)


def _check_promises(manifest: Manifest) -> None:
    names = [file.name for file in manifest.files]
    if names != sorted(set(names)) or len(names) > admission.MOST_FILES:
        raise InvalidInput("its manifest has a name twice, names out of order, or too many")
    for file in manifest.files:
        limit = admission.largest(file.name)
        if limit is None:
            raise InvalidInput(f'"{admission.shown(file.name)}" is no file of a run')
        if file.bytes > limit:
            raise InvalidInput(f"{file.name} has {file.bytes} bytes: at most {limit}")
    if sum(file.bytes for file in manifest.files) > admission.LARGEST_RUN:
        raise InvalidInput(f"it is larger than a run may be ({admission.LARGEST_RUN} bytes)")


def _write(file: BinaryIO, manifest: Manifest, parts: list[snapshot.Part]) -> None:
    document = manifest.document()
    archive.write_member(file, manifest.run, archive.MANIFEST, len(document), [document])
    for part, promised in zip(parts, manifest.files, strict=True):
        written = archive.write_member(file, manifest.run, part.name, part.size, part.chunks())
        if written != promised.sha256:
            raise InvalidInput(f"{part.name} changed while it was read", "the same command again")
    archive.write_end(file)
    file.flush()
    os.fsync(file.fileno())


def _sha256(part: snapshot.Part) -> str:
    digest = hashlib.sha256()
    for chunk in part.chunks():
        digest.update(chunk)
    return digest.hexdigest()


def _text(value: Any) -> str:
    if not isinstance(value, str) or len(value) > 200:
        raise TypeError
    return value


def _size(value: Any) -> int:
    if type(value) is not int or value < 0:
        raise TypeError
    return value


def as_json(manifest: Manifest) -> Mapping[str, Any]:
    return {"run": manifest.run, "files": len(manifest.files), "bytes": manifest.size()}
