"""Reads lines of text out of plain, gzip and tar files and SGML test sets, one at a time."""

from __future__ import annotations

import gzip
import html
import re
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO, cast

from reproductions.registry import NotReady

_SEGMENT = re.compile(r"<seg[^>]*>(.*?)</seg>", re.IGNORECASE)


def read_lines(path: Path, name: str, member: str | None = None) -> Iterator[str]:
    """The lines of a file, without line ends.  ``name`` is its name upstream, whose ending says how it is packed.

    ``member`` names a file in a tar archive; one called ``*.sgm`` yields its segments.  Only "\\n" ends a line: corpora
    hold characters that ``str.splitlines`` would cut at, and both languages must stay in step.
    """
    if member is None:
        with gzip.open(path) if name.endswith(".gz") else path.open("rb") as file:
            yield from _lines(cast("IO[bytes]", file), name)
        return
    # A stream is read front to back: opening by name would first walk the whole archive.
    with tarfile.open(path, "r|*") as archive:
        for entry in archive:
            file_in_archive = archive.extractfile(entry) if entry.name.removeprefix("./") == member else None
            if file_in_archive is not None:
                with file_in_archive:
                    yield from _lines(file_in_archive, member)
                return
    raise NotReady(f"{name} has no member {member}", "the archive is not the one the manifest describes")


def _lines(file: IO[bytes], name: str) -> Iterator[str]:
    for raw in file:
        line = raw.decode("utf-8")
        if not name.endswith(".sgm"):
            yield line.rstrip("\r\n")
        elif segment := _SEGMENT.search(line):
            yield html.unescape(segment[1]).strip()
