"""Thousands of papers at once into SQLite: the rows that `papers.upsert` would write, many times as fast.

What arrives is sorted first.  Papers that are not held at all are inserted here with one prepared statement a table;
papers that are held word for word need nothing; whatever takes judgement (another version, a changed text, a landmark
paper, one identifier twice) is left to `papers.upsert`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from json.encoder import encode_basestring
from typing import Any

from sqlalchemy.engine import Connection, Engine
from sqlalchemy.orm import Session

from paperlab.arxiv_id import ArxivId
from paperlab.entities import Paper, ProfileMatch
from paperlab.store import full_text
from paperlab.store.database import storage_errors

_CACHE_KIB = 96 * 1024
"""Enough for the inner pages of every index at a few million papers."""
_CHECKPOINT_PAGES = 16_384
"""64 MiB of log between checkpoints: pages of the indexes change in every batch and are carried over once."""

_INDEX = {"hashsize": 8 * 2**20, "automerge": 8}
"""What FTS5 gathers in memory before it writes a segment of the index, and how many segments of a level it joins: with
fewer and larger joins a paper is written less often."""
_SET_INDEX = "INSERT INTO full_text (full_text, rank) VALUES (?, ?)"

# CROSS JOIN: the identifiers asked for come first, whatever the planner thinks of json_each.
_HELD = """
SELECT p.arxiv_id, p.version, p.title, p.abstract, p.authors, p.primary_category, p.comment, p.journal_ref, p.doi,
       p.submitted_at, p.updated_at, p.withdrawn, v.categories
FROM json_each(?) AS wanted CROSS JOIN papers AS p ON p.arxiv_id = wanted.value
LEFT JOIN paper_versions AS v ON v.arxiv_id = p.arxiv_id AND v.version = p.version AND p.source <> 'seed'
"""
_INSERT_PAPER = """
INSERT INTO papers (arxiv_id, version, title, abstract, authors, primary_category, comment, journal_ref, doi,
                    submitted_at, updated_at, withdrawn, source, first_held_at, last_changed_at, ordinal)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
"""
_INSERT_CATEGORY = "INSERT INTO paper_categories (arxiv_id, category, position, submitted_at) VALUES (?, ?, ?, ?)"
_INSERT_VERSION = """
INSERT INTO paper_versions (arxiv_id, version, title, abstract, authors, categories, comment, journal_ref, doi,
                            updated_at, source, held_at)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
"""
_INSERT_MATCH = "INSERT INTO profile_matches (profile, arxiv_id, terms, submitted_at) VALUES (?, ?, ?, ?)"

_MATCHING = """
SELECT count(*), coalesce(sum(m.terms <> '[]'), 0)
FROM json_each(?) AS wanted CROSS JOIN profile_matches AS m ON m.arxiv_id = wanted.value AND m.profile = ?
"""


@dataclass(frozen=True)
class Sorted:
    """What is to be done with each paper of a batch."""

    new: tuple[Paper, ...]
    """Not held; in the order of the full-text index, which is written much faster that way."""
    unchanged: tuple[Paper, ...]
    """Held word for word."""
    others: tuple[Paper, ...]
    """For `papers.upsert`."""


def is_supported(engine: Engine | Connection) -> bool:
    return engine.dialect.name == "sqlite"


@contextmanager
def connection(engine: Engine) -> Iterator[Connection]:
    """One connection set up for mass writing; what it was set to before is set again at the end."""
    wanted = {"cache_size": -_CACHE_KIB, "wal_autocheckpoint": _CHECKPOINT_PAGES}  # of this connection only
    with storage_errors(engine), engine.connect() as opened:
        if not is_supported(engine):
            yield opened
            return
        cursor = opened.connection.cursor()  # the driver's own: through SQLAlchemy this would begin a transaction
        before: dict[str, Any] = {}
        for name in wanted:
            row = cursor.execute(f"PRAGMA {name}").fetchone()
            before[name] = row[0]
        try:
            for name, value in wanted.items():
                cursor.execute(f"PRAGMA {name} = {value}")
            yield opened
        finally:
            for name, value in before.items():
                cursor.execute(f"PRAGMA {name} = {value}")
            cursor.close()


@contextmanager
def session(opened: Connection) -> Iterator[Session]:
    """A writing session on this connection: commits when the block ends, rolls back when it raises.

    How the index is written is kept in the database itself.  It is set and set back within the transaction, so that
    nothing of it is left by a process that dies.
    """
    with storage_errors(opened.engine), Session(opened, expire_on_commit=False) as writing, writing.begin():
        if not is_supported(opened):
            yield writing
            return
        writing.connection().exec_driver_sql(_SET_INDEX, list(_INDEX.items()))
        yield writing
        writing.flush()
        full_text.write_out(writing)
        full_text.set_defaults(writing)


def sort(session: Session, papers: Sequence[Paper]) -> Sorted:
    """Look up what is held of these papers, and how."""
    times = Counter(paper.arxiv_id for paper in papers)
    ids = _as_json(times)
    held = {row[0]: tuple(row)[1:] for row in session.connection().exec_driver_sql(_HELD, (ids,))}
    new: list[Paper] = []
    others: list[Paper] = []
    unchanged: list[Paper] = []
    for paper in papers:
        if times[paper.arxiv_id] > 1:
            others.append(paper)
        elif paper.arxiv_id not in held:
            new.append(paper)
        elif held[paper.arxiv_id] == (*_description(paper), _as_json(paper.categories)):
            unchanged.append(paper)
        else:
            others.append(paper)
    new.sort(key=_ordinal)
    return Sorted(tuple(new), tuple(unchanged), tuple(others))


def insert(session: Session, papers: Sequence[Paper], now: datetime) -> None:
    """Papers that are not held, each identifier once, in order: all the rows of `papers.upsert`.  Does not commit."""
    held_at = _as_text(now)
    rows: list[tuple[Any, ...]] = []
    categories: list[tuple[Any, ...]] = []
    versions: list[tuple[Any, ...]] = []
    for paper in papers:
        description = _description(paper)
        version, title, abstract, authors, _, comment, journal_ref, doi, submitted_at, updated_at, _ = description
        key = paper.arxiv_id
        rows.append((key, *description, paper.source, held_at, held_at, _ordinal(paper)))
        distinct = dict.fromkeys(paper.categories)
        categories.extend((key, category, position, submitted_at) for position, category in enumerate(distinct))
        described = (title, abstract, authors, _as_json(paper.categories), comment, journal_ref, doi)
        versions.append((key, version, *described, updated_at, paper.source, held_at))
    _write(session, _INSERT_PAPER, rows)
    _write(session, _INSERT_CATEGORY, categories)
    _write(session, _INSERT_VERSION, versions)
    full_text.insert(session, papers)


def insert_matches(session: Session, matches: Iterable[ProfileMatch], papers: Sequence[Paper]) -> None:
    """Matches of papers that were inserted just now, and have none yet.  Does not commit."""
    submitted = {paper.arxiv_id: _as_text(paper.submitted_at) for paper in papers}
    _write(
        session,
        _INSERT_MATCH,
        [(each.profile, each.arxiv_id, _as_json(each.terms), submitted[each.arxiv_id]) for each in matches],
    )


def matching(session: Session, profile: str, papers: Sequence[Paper]) -> tuple[int, int]:
    """How many of these papers match the profile, and how many of those by a term."""
    ids = _as_json([paper.arxiv_id for paper in papers])
    row = session.connection().exec_driver_sql(_MATCHING, (ids, profile)).one()
    return int(row[0]), int(row[1])


# --- rows -----------------------------------------------------------------------------------------------------


def _write(session: Session, statement: str, rows: list[tuple[Any, ...]]) -> None:
    if rows:
        session.connection().exec_driver_sql(statement, rows)


def _description(paper: Paper) -> tuple[Any, ...]:
    """The columns of _HELD from `version` to `withdrawn`, as they are stored."""
    return (
        paper.version,
        paper.title,
        paper.abstract,
        _as_json(paper.authors),
        paper.primary_category,
        paper.comment,
        paper.journal_ref,
        paper.doi,
        _as_text(paper.submitted_at),
        _as_text(paper.updated_at),
        int(paper.withdrawn),
    )


def _as_json(texts: Iterable[str]) -> str:
    """A list as the engine's serializer writes it: it must be equal byte for byte, whoever wrote it."""
    return f"[{', '.join(map(encode_basestring, texts))}]"


def _as_text(moment: datetime) -> str:
    """A time as schema.UtcDateTime stores it in SQLite."""
    exact = moment if moment.tzinfo is UTC else moment.astimezone(UTC)
    return exact.isoformat(" ", "microseconds").removesuffix("+00:00")


def _ordinal(paper: Paper) -> int:
    return ArxivId(paper.arxiv_id).ordinal
