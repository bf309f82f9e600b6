"""Papers as comma-separated values (RFC 4180): a header, CRLF, quotes doubled, UTF-8 without a byte order mark.

A spreadsheet takes a cell that begins with = + - @ (or with a tab or carriage return before one) for a formula, and
these texts come from strangers.  Such a cell gets an apostrophe in front, which spreadsheets hide; a program that reads
the file back takes it off: `unguarded`.  Where nothing may be changed, JSON lines are the format.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime

from paperlab.entities import Paper

COLUMNS = (
    *("arxiv_id", "version", "title", "authors", "primary_category", "categories", "submitted_at", "updated_at"),
    *("comment", "journal_ref", "doi", "withdrawn", "source", "abstract_url", "abstract"),
)
_FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r")
_GUARD = "'"


def lines(papers: Iterable[Paper]) -> Iterator[str]:
    """The header, then one record for each paper, line ends included.  Authors are joined by "; "."""
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\r\n")
    writer.writerow(COLUMNS)
    yield _taken(buffer)
    for paper in papers:
        writer.writerow([guarded(cell) for cell in _cells(paper)])
        yield _taken(buffer)


def guarded(cell: str) -> str:
    """The cell as no spreadsheet takes for a formula.  One that begins with the guard gets a second."""
    return _GUARD + cell if cell.startswith((*_FORMULA_STARTS, _GUARD)) else cell


def unguarded(cell: str) -> str:
    """What `guarded` was given."""
    return cell.removeprefix(_GUARD)


def _cells(paper: Paper) -> tuple[str, ...]:
    return (
        paper.arxiv_id,
        str(paper.version),
        paper.title,
        "; ".join(paper.authors),
        paper.primary_category,
        " ".join(paper.categories),
        _time(paper.submitted_at),
        _time(paper.updated_at),
        paper.comment or "",
        paper.journal_ref or "",
        paper.doi or "",
        "true" if paper.withdrawn else "false",
        paper.source,
        paper.abstract_url,
        paper.abstract,
    )


def _time(moment: datetime) -> str:
    return f"{moment.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"


def _taken(buffer: io.StringIO) -> str:
    text = buffer.getvalue()
    buffer.seek(0)
    buffer.truncate()
    return text
