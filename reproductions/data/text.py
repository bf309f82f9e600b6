"""Reads text out of plain, gzip, xz, zip and tar files and SGML test sets: lines or documents, one at a time."""

from __future__ import annotations

import fnmatch
import gzip
import html
import lzma
import re
import tarfile
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import IO, cast

from reproductions.registry import NotReady

_EMPTY_LINES = re.compile(r"\n{3,}")
_SEGMENT = re.compile(r"<seg[^>]*>(.*?)</seg>", re.IGNORECASE)


def read_lines(path: Path, name: str, member: str | None = None) -> Iterator[str]:
    """The lines of a file, without line ends.  ``name`` is its name upstream, whose ending says how it is packed.

    ``member`` names a file in a tar archive; one called ``*.sgm`` yields its segments.  Only "\\n" ends a line: corpora
    hold characters that ``str.splitlines`` would cut at, and both languages must stay in step.
    """
    if member is None:
        with _opened(path, name) as file:
            yield from _lines(file, name)
        return
    if name.endswith(".zip"):
        with zipfile.ZipFile(path) as packed:
            if member not in packed.namelist():
                raise _without(name, member)
            with packed.open(member) as file_in_zip:
                yield from _lines(file_in_zip, member)
        return
    # A stream is read front to back: opening by name would first walk the whole archive.
    with tarfile.open(path, "r|*") as archive:
        for entry in archive:
            file_in_archive = archive.extractfile(entry) if entry.name.removeprefix("./") == member else None
            if file_in_archive is not None:
                with file_in_archive:
                    yield from _lines(file_in_archive, member)
                return
    raise _without(name, member)


def read_text(path: Path, name: str) -> str:
    """The whole of a file, line ends as they are."""
    with _opened(path, name) as file:
        return file.read().decode("utf-8")


def read_archived_documents(path: Path) -> Iterator[str]:
    """The texts of a tar archive whose members are tar archives of text files: how OpenWebText is packed.

    Runs of empty lines become one, and white space at the ends is dropped, as its usual loader does.
    """
    with tarfile.open(path, "r|*") as outer:
        for entry in outer:
            inner = outer.extractfile(entry) if entry.name.endswith((".xz", ".tar")) else None
            if inner is None:
                continue
            with inner, tarfile.open(fileobj=inner, mode="r|*") as archive:
                for document in archive:
                    file = archive.extractfile(document) if document.name.endswith(".txt") else None
                    if file is not None:
                        text = file.read().decode("utf-8", errors="replace")
                        yield _EMPTY_LINES.sub("\n\n", text).strip()


def members(path: Path, pattern: str) -> list[str]:
    """The names in a zip archive that a pattern ("data/*.jsonl") fits, sorted; without the hidden ones."""
    with zipfile.ZipFile(path) as packed:
        names = [name for name in packed.namelist() if fnmatch.fnmatchcase(name, pattern)]
    return sorted(name for name in names if not PurePosixPath(name).name.startswith("."))


@contextmanager
def _opened(path: Path, name: str) -> Iterator[IO[bytes]]:
    open_packed = gzip.open if name.endswith(".gz") else lzma.open if name.endswith(".xz") else open
    with open_packed(path, "rb") as file:
        yield cast("IO[bytes]", file)


def _without(name: str, member: str) -> NotReady:
    return NotReady(f"{name} has no member {member}", "the archive is not the one the manifest describes")


def _lines(file: IO[bytes], name: str) -> Iterator[str]:
    for raw in file:
        line = raw.decode("utf-8")
        if not name.endswith(".sgm"):
            yield line.rstrip("\r\n")
        elif segment := _SEGMENT.search(line):
            yield html.unescape(segment[1]).strip()
