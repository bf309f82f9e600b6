"""The public metadata dump: one JSON object a line, millions of lines, plain or .gz, read at a constant size in memory.

Fields as in the arXiv dataset on Kaggle: id, authors, title, comments, journal-ref, doi, categories ("cs.CL cs.LG"),
abstract, versions [{version: "v1", created: "Mon, 2 Apr 2007 19:18:42 GMT"}], authors_parsed [[last, first, suffix]].
Lists of categories, authors as {"name": ...}, `journal_ref` and ISO dates are read as well.

A line that can't be read is named and never stops the reading; the texts become what the query API says of the paper.
"""

from __future__ import annotations

import gzip
import hashlib
import io
import re
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, BinaryIO

import orjson

from paperlab.arxiv import author_names
from paperlab.arxiv.withdrawal import is_withdrawn
from paperlab.arxiv_id import ArxivId
from paperlab.entities import Paper
from paperlab.errors import InvalidInput, NotReady

SOURCE = "snapshot"
MAX_LINE_BYTES = 8 * 2**20
"""The longest real records, of collaborations with thousands of authors, have a few hundred kilobytes."""
_BATCH_BYTES = 32 * 2**20
_EARLIEST = datetime(1980, 1, 1, tzinfo=UTC)
"""arXiv began in 1991; a few submissions carry earlier dates."""
_ENDS_BYTES = 64 * 2**10
_GZIP = b"\x1f\x8b"
_ZIP = b"PK\x03\x04"
_MONTHS = {
    name: number
    for number, name in enumerate("Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec".split(), start=1)  # noqa: SIM905
}
_VERSION = re.compile(r"v([1-9]\d{0,3})", re.ASCII)


@dataclass(frozen=True)
class Position:
    """How far a file has been read: bytes of the unpacked text, and lines."""

    offset: int = 0
    line: int = 0


@dataclass(frozen=True)
class Identity:
    """Which file it was: one that has changed is not gone on with from the middle."""

    size: int
    modified_ns: int
    ends: str
    """Hash of its first and last bytes."""


@dataclass(frozen=True)
class Unreadable:
    """A line that holds no paper, and why."""

    line: int
    reason: str


@dataclass(frozen=True)
class Batch:
    """Consecutive lines of the file.  `outside` counts papers of other categories than those asked for."""

    papers: tuple[Paper, ...]
    outside: int
    unreadable: tuple[Unreadable, ...]
    end: Position


class TornFile(NotReady):
    """The file ends, or stops making sense, in the middle; every line before that was given."""


class _Flaw(Exception):
    """Why a line can't be read."""


# --- the file -------------------------------------------------------------------------------------------------


def identify(path: Path) -> Identity:
    """What tells this file from a changed one.  Raises InvalidInput where it can't be read as a dump at all."""
    try:
        with path.open("rb") as file:
            head = file.read(_ENDS_BYTES)
            size = file.seek(0, io.SEEK_END)
            file.seek(max(0, size - _ENDS_BYTES))
            tail = file.read()
        modified_ns = path.stat().st_mtime_ns
    except OSError as error:
        raise InvalidInput(f"{path} can't be read: {error.strerror}", "name a .jsonl or .jsonl.gz file") from error
    if head.startswith(_ZIP):
        raise InvalidInput(f"{path} is a zip archive", f"unpack it first: unzip {path.name}")
    return Identity(size, modified_ns, hashlib.sha256(head + tail).hexdigest())


def read(
    path: Path,
    start: Position = Position(),
    *,
    categories: Sequence[str] = (),
    not_after: datetime,
    batch: int = 4000,
) -> Iterator[Batch]:
    """The file from `start`, `batch` lines at a time.  Dates later than `not_after` are taken for mistakes.

    `categories` are alternatives; none is all.  Raises InvalidInput where the file can't be read, and TornFile where a
    packed one is cut or damaged, both after the last batch that could be read.
    """
    wanted = frozenset(categories)
    position = start
    try:
        with _open(path) as file:
            file.seek(start.offset)
            while True:
                lines, position, torn = _next_lines(file, position, batch)
                if lines:
                    yield _parse_all(lines, position, wanted, not_after)
                if torn is not None:
                    raise torn
                if not lines:
                    return
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise TornFile(
            f"{path} is cut or damaged after line {position.line}: {error}",
            "what came before is stored; get the file again and run the same command",
        ) from error
    except OSError as error:
        raise InvalidInput(f"{path} can't be read: {error.strerror or error}", "name another file") from error


def _open(path: Path) -> BinaryIO | gzip.GzipFile:
    file = path.open("rb")
    packed = file.read(2) == _GZIP
    file.seek(0)
    if not packed:
        return file
    file.close()
    return gzip.GzipFile(path, "rb")


_Numbered = tuple[int, bytes | None]
"""A line's number and its bytes; None for one that is longer than any record."""


def _next_lines(
    file: BinaryIO | gzip.GzipFile, position: Position, count: int
) -> tuple[list[_Numbered], Position, Exception | None]:
    """Up to `count` lines, where they end, and what broke the reading, if anything did."""
    lines: list[_Numbered] = []
    offset, number, end = position.offset, position.line, position.offset + _BATCH_BYTES
    try:
        while len(lines) < count and offset < end:
            line: bytes | None = file.readline(MAX_LINE_BYTES)
            if not line:
                break
            size = len(line)
            if size == MAX_LINE_BYTES and not line.endswith(b"\n"):
                size += _skip_line(file)
                line = None
            offset += size
            number += 1
            lines.append((number, line))
    except (EOFError, zlib.error, OSError) as error:
        return lines, Position(offset, number), error
    return lines, Position(offset, number), None


def _skip_line(file: BinaryIO | gzip.GzipFile) -> int:
    skipped = 0
    while part := file.readline(2**20):
        skipped += len(part)
        if part.endswith(b"\n"):
            break
    return skipped


def _parse_all(lines: list[_Numbered], end: Position, wanted: frozenset[str], not_after: datetime) -> Batch:
    papers: list[Paper] = []
    unreadable: list[Unreadable] = []
    outside = 0
    for number, line in lines:
        try:
            if line is None:
                raise _Flaw(f"longer than {MAX_LINE_BYTES // 2**20} MiB")
            if number == 1:
                line = line.removeprefix(b"\xef\xbb\xbf")  # noqa: PLW2901
            if line.isspace() or not line:
                continue
            paper = parse(line, wanted, not_after)
        except _Flaw as flaw:
            unreadable.append(Unreadable(number, str(flaw)))
            continue
        if paper is None:
            outside += 1
        else:
            papers.append(paper)
    return Batch(tuple(papers), outside, tuple(unreadable), end)


# --- one record -----------------------------------------------------------------------------------------------


def parse(line: bytes, wanted: frozenset[str], not_after: datetime) -> Paper | None:
    """The paper in one line, or None where it is in none of the `wanted` categories.  Raises an internal flaw."""
    try:
        record = orjson.loads(line)
    except orjson.JSONDecodeError as error:
        raise _Flaw(f"broken JSON: {error.msg}") from error
    if not isinstance(record, dict):
        raise _Flaw("no JSON object")
    categories = _categories(record.get("categories"))
    if wanted and wanted.isdisjoint(categories):
        return None
    versions = record.get("versions")
    if not isinstance(versions, list) or not versions:
        raise _Flaw("no versions")
    dates = dict(_version(entry, not_after) for entry in versions)
    newest = max(dates)
    title = _required(record.get("title"), "title")
    abstract = _line(record.get("abstract"), "abstract") or ""
    comment = _line(record.get("comments"), "comments")
    paper = Paper(
        arxiv_id=_identifier(record.get("id")),
        version=newest,
        title=title,
        abstract=abstract,
        authors=_authors(record),
        categories=categories,
        primary_category=_line(record.get("primary_category"), "primary_category") or categories[0],
        submitted_at=dates[min(dates)],
        updated_at=dates[newest],
        comment=comment,
        journal_ref=_line(record.get("journal-ref") or record.get("journal_ref"), "journal-ref"),
        doi=_line(record.get("doi"), "doi"),
        source=SOURCE,
        withdrawn=is_withdrawn(comment, abstract, title),
    )
    if b"\\u0000" in line:
        _refuse_nul(paper)
    return paper


def _identifier(value: Any) -> str:
    if not isinstance(value, str):
        raise _Flaw("no id")
    try:
        return ArxivId.parse(value).base
    except InvalidInput as error:
        raise _Flaw(f"id {value[:40]!r} is no arXiv identifier") from error


def _required(value: Any, name: str) -> str:
    text = _line(value, name)
    if not text:
        raise _Flaw(f"no {name}")
    return text


def _line(value: Any, name: str) -> str | None:
    """The text with every run of white space as one blank, as the query API gives it."""
    if value is None:
        return None
    if not isinstance(value, str):
        raise _Flaw(f"{name} is no text")
    text = value.strip().replace("\n", " ")
    if "  " not in text and text.isprintable():  # the only white space that is printable is the blank
        return text or None
    return " ".join(text.split()) or None


def _categories(value: Any) -> tuple[str, ...]:
    if isinstance(value, str):
        value = value.split()
    if not isinstance(value, list) or not value or not all(isinstance(each, str) and each for each in value):
        raise _Flaw("no categories")
    return tuple(dict.fromkeys(value))


def _version(entry: Any, not_after: datetime) -> tuple[int, datetime]:
    if not isinstance(entry, dict):
        raise _Flaw("a version that is no object")
    name, created = entry.get("version"), entry.get("created")
    match = _VERSION.fullmatch(name) if isinstance(name, str) else None
    if match is None:
        raise _Flaw(f"version {str(name)[:40]!r}")
    moment = _moment(created) if isinstance(created, str) else None
    if moment is None:
        raise _Flaw(f"{name} created {str(created)[:40]!r} is no time")
    if not _EARLIEST <= moment <= not_after:
        raise _Flaw(f"{name} created {str(created)[:40]!r} is absurd")
    return int(match[1]), moment


def _moment(text: str) -> datetime | None:
    """ "Mon, 2 Apr 2007 19:18:42 GMT", or an ISO date with or without time; read by hand, ten times as fast."""
    parts = text.split()
    try:
        if len(parts) == 6 and parts[5] == "GMT":
            _, day, month, year, time, _ = parts
            hour, minute, second = time.split(":")
            return datetime(int(year), _MONTHS[month], int(day), int(hour), int(minute), int(second), tzinfo=UTC)
        moment = datetime.fromisoformat(text)
        return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)
    except (ValueError, KeyError, OverflowError):
        return None


def _authors(record: dict[str, Any]) -> tuple[str, ...]:
    parsed = record.get("authors_parsed")
    named = record.get("authors")
    try:
        if parsed:
            # [last, first, suffix, affiliation ...]
            full = [_full_name(*each[:3]) for each in parsed]
        elif isinstance(named, list):
            full = [" ".join((each["name"] if isinstance(each, dict) else each).split()) for each in named]
        else:
            full = list(author_names.split(named or ""))
    except (TypeError, IndexError, KeyError, AttributeError) as error:
        raise _Flaw("authors in no known form") from error
    return tuple(name for name in full if name)


def _full_name(last: str, first: str, suffix: str = "") -> str:
    name = f"{first} {last} {suffix}" if suffix else f"{first} {last}"
    return " ".join(name.split())


def _refuse_nul(paper: Paper) -> None:
    texts = (paper.title, paper.abstract, paper.comment, paper.journal_ref, paper.doi, paper.primary_category)
    if any("\0" in text for text in (*texts, *paper.authors, *paper.categories) if text):
        raise _Flaw("holds a NUL character")
