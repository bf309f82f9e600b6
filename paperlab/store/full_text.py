"""The full-text index: one FTS5 row a paper, kept in step by whoever writes papers (`papers.upsert`, `bulk`).

The index keeps no text of its own (content=''): at a million papers a second copy would take 1.3 GB, and the words are
found again in `papers`.  The price is that a paper leaves the index only with exactly the words it came in with, so
every change hands over the paper as it was.  Triggers can't do that: categories stand in another table.

Words are those of paperlab.query.words.  Plain ASCII goes in as it is; anything else as its folded words, with letters
outside ASCII spelled as code points, so that no two Unicode tables can disagree.  The column `facets` holds what is no
word: categories, archives and the year, month and day of submission, so that `cat:cs.CL year:2024` costs an
intersection in the index and no look at the papers.  A PostgreSQL server has an index of the same words and facets
(store/tsvector.py), and nothing of what is said here of FTS5 concerns it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from functools import lru_cache
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection
from sqlalchemy.exc import DatabaseError
from sqlalchemy.orm import Session

from paperlab.arxiv_id import ArxivId
from paperlab.entities import Paper
from paperlab.errors import NotReady
from paperlab.query import words
from paperlab.store import tsvector

CREATE = (
    "CREATE VIRTUAL TABLE full_text USING fts5(title, abstract, authors, comment, facets, content='', tokenize='ascii')"
)
DROP = "DROP TABLE full_text"
EVERY = "every"
"""The facet that all papers have: what a negation is taken from."""
WITHDRAWN = "withdrawn"

_INSERT = "INSERT INTO full_text (rowid, title, abstract, authors, comment, facets) VALUES (?, ?, ?, ?, ?, ?)"
_DELETE = (
    "INSERT INTO full_text (full_text, rowid, title, abstract, authors, comment, facets) "
    "VALUES ('delete', ?, ?, ?, ?, ?, ?)"
)
_BOUNDARY = " · "
"""Between two authors.  The index takes it for a word, which no query can ask for: a phrase ends there."""
_HELD = """
SELECT p.ordinal, p.title, p.abstract, coalesce(p.comment, '') AS comment, p.authors,
       (SELECT json_group_array(c.category) FROM paper_categories AS c WHERE c.arxiv_id = p.arxiv_id) AS categories,
       substr(p.submitted_at, 1, 10) AS day, p.withdrawn
FROM papers AS p WHERE p.ordinal > ? ORDER BY p.ordinal LIMIT ?
"""
_LIKE_SPELLED = re.compile(r"u(?=[0-9a-f]{6})", re.IGNORECASE)
_BATCH = 1000
_DEFAULTS = {"hashsize": 2**20, "automerge": 4}
"""FTS5's own: https://sqlite.org/fts5.html#the_automerge_configuration_option, fts5_config.c."""

Row = tuple[int, str, str, str, str, str]
"""Ordinal, title, abstract, authors, comment, facets."""


@dataclass(frozen=True)
class Health:
    """Whether the index covers the papers."""

    papers: int
    indexed: int
    missing: int
    """Papers held and not indexed."""
    stray: int
    """Indexed and not held."""
    damage: str = ""
    """What SQLite found wrong with the index itself."""

    @property
    def is_good(self) -> bool:
        return not self.missing and not self.stray and not self.damage


# --- writing --------------------------------------------------------------------------------------------------


def create(connection: Connection) -> None:
    """The index, empty.  Does not commit."""
    if is_supported(connection):
        for statement in tsvector.CREATE if _is_server(connection) else (CREATE,):
            connection.exec_driver_sql(statement)


def insert(session: Session, papers: Iterable[Paper]) -> None:
    """Papers that are not indexed yet; fastest in the order of their ordinals.  Does not commit."""
    if _is_server(session):
        tsvector.write(session.connection(), map(_document, papers))
        return
    _write(session, _INSERT, [_row(paper) for paper in papers])


def replace(session: Session, changes: Iterable[tuple[Paper, Paper]]) -> None:
    """Papers before and after a change.  `before` must be what was indexed, word for word.  Does not commit."""
    if _is_server(session):
        tsvector.write(session.connection(), [_document(after) for _, after in changes])
        return
    pairs = [(old, new) for before, after in changes if (old := _row(before)) != (new := _row(after))]
    _write(session, _DELETE, [old for old, _ in pairs])
    _write(session, _INSERT, [new for _, new in pairs])


def rebuild(session: Session | Connection) -> int:
    """Index every paper held anew.  Returns how many.  Does not commit."""
    require(session)
    connection = _connection(session)
    if _is_server(connection):
        return _rebuild_vectors(connection)
    connection.exec_driver_sql("INSERT INTO full_text (full_text) VALUES ('delete-all')")
    set_defaults(connection)
    total, last = 0, 0
    while rows := connection.exec_driver_sql(_HELD, (last, _BATCH)).all():
        _write(connection, _INSERT, [_held_row(row) for row in rows])
        total, last = total + len(rows), rows[-1].ordinal
    return total


def _rebuild_vectors(connection: Connection) -> int:
    tsvector.clear(connection)
    total, last = 0, 0
    while rows := tsvector.held(connection, last, _BATCH):
        tsvector.write(connection, [_held_document(row, row.authors, row.categories, row.day) for row in rows])
        total, last = total + len(rows), rows[-1].ordinal
    return total


def write_out(session: Session) -> None:
    """Write what FTS5 has gathered in memory.  Does not commit."""
    with session.begin_nested():  # at a savepoint it does
        pass


def set_defaults(session: Session | Connection) -> None:
    """How the index is written, as FTS5 has it without further ado.  Does not commit."""
    statement = "INSERT INTO full_text (full_text, rank) VALUES (?, ?)"
    _connection(session).exec_driver_sql(statement, list(_DEFAULTS.items()))


def check(session: Session) -> Health:
    """Whether every paper is indexed and nothing else.  Reads both sides: seconds at a million papers."""
    require(session)
    connection = session.connection()
    held = set(connection.exec_driver_sql("SELECT ordinal FROM papers").scalars())
    if _is_server(connection):
        known = set(connection.exec_driver_sql("SELECT ordinal FROM full_text").scalars())
        return Health(len(held), len(known), len(held - known), len(known - held))
    every = "SELECT rowid FROM full_text WHERE full_text MATCH 'facets : every'"
    found = set(connection.exec_driver_sql(every).scalars())
    damage = ""
    try:
        with session.begin_nested():
            connection.exec_driver_sql("INSERT INTO full_text (full_text) VALUES ('integrity-check')")
    except DatabaseError as error:
        damage = str(error.orig)
    return Health(len(held), len(found), len(held - found), len(found - held), damage)


def require(session: Session | Connection) -> None:
    """Raises NotReady where the database has no full-text index."""
    if not is_supported(session):
        raise NotReady(
            f"full-text search needs SQLite or PostgreSQL; this database is {_connection(session).dialect.name}",
            "list by category, profile or day: paperlab papers list --category cs.CL",
        )


def is_supported(session: Session | Connection) -> bool:
    return _connection(session).dialect.name in {"sqlite", "postgresql"}


def _is_server(session: Session | Connection) -> bool:
    return _connection(session).dialect.name == "postgresql"


def _connection(session: Session | Connection) -> Connection:
    return session.connection() if isinstance(session, Session) else session


def _write(session: Session | Connection, statement: str, rows: Sequence[tuple[Any, ...]]) -> None:
    if rows and is_supported(session):  # and not on a server, which the callers have seen to
        _connection(session).exec_driver_sql(statement, list(rows))


# --- what is indexed ------------------------------------------------------------------------------------------


def _document(paper: Paper) -> tsvector.Document:
    facets = _facets(paper.title, paper.categories, paper.submitted_at.date(), withdrawn=paper.withdrawn)
    return tsvector.Document(
        ArxivId(paper.arxiv_id).ordinal,
        paper.title,
        paper.abstract,
        paper.comment or "",
        paper.authors,
        " ".join(facets),
    )


def _held_document(
    held: sa.Row[Any], authors: Sequence[str], categories: Sequence[str], day: date
) -> tsvector.Document:
    """As `_document`, from the database's own values."""
    facets = _facets(held.title, categories, day, withdrawn=bool(held.withdrawn))
    return tsvector.Document(held.ordinal, held.title, held.abstract, held.comment, authors, " ".join(facets))


def _row(paper: Paper) -> Row:
    return _as_row(_document(paper))


def _held_row(held: sa.Row[Any]) -> Row:
    """As `_row`, from SQLite's own values."""
    day = date.fromisoformat(held.day)
    return _as_row(_held_document(held, json.loads(held.authors), json.loads(held.categories), day))


def _as_row(document: tsvector.Document) -> Row:
    title, abstract, comment = (indexed(text) for text in (document.title, document.abstract, document.comment))
    authors = _BOUNDARY.join(indexed(name) for name in document.authors)
    return document.ordinal, title, abstract, authors, comment, document.facets


def indexed(text: str) -> str:
    """What the index is given for `text`: its words split and folded as `words.tokens` does."""
    return text if text.isascii() and not _LIKE_SPELLED.search(text) else " ".join(map(spelled, words.tokens(text)))


def spelled(word: str) -> str:
    """A folded word in ASCII: other letters as code points of one length, so that a beginning stays a beginning.

    What only looks like one ("u0003b1" is no alpha) has its u as a code point, so that two words never are one.
    """
    plain = _LIKE_SPELLED.sub(f"u{ord('u'):06x}", word)
    return plain if plain.isascii() else "".join(c if c.isascii() else f"u{ord(c):06x}" for c in plain)


def category_facet(category: str) -> str:
    """One word for a category in lower case: dots and hyphens would split it.

    All begin with "c", and nothing else here does: the beginning of a category finds categories only.
    """
    return f"c{_one_word(category)}"


def archive_facet(archive: str) -> str:
    """One word for the archive of a category: "cs" of "cs.CL"; "hep-th", "astro-ph" of themselves."""
    return f"a{_one_word(archive)}"


def year_facet(day: date) -> str:
    return f"y{day.year:04d}"


def month_facet(day: date) -> str:
    return f"m{day.year:04d}{day.month:02d}"


def day_facet(day: date) -> str:
    return f"d{day.year:04d}{day.month:02d}{day.day:02d}"


def title_facet(word: str) -> str:
    """A folded word that stands in the title."""
    return f"t{spelled(word)}"


def _one_word(name: str) -> str:
    return "".join(c if c.isascii() and c.isalnum() else _PLAIN.get(c) or f"u{ord(c):06x}" for c in name)


@lru_cache(maxsize=20_000)
def _category_facets(categories: tuple[str, ...]) -> str:
    """The facets of a list of categories: a few thousand lists are those of most papers."""
    names = sorted({category.lower() for category in categories})
    archives = sorted({name.partition(".")[0] for name in names})
    return " ".join((*map(category_facet, names), *map(archive_facet, archives)))


_PLAIN = {".": "0", "-": "1"}


def _facets(title: str, categories: Iterable[str], day: date, *, withdrawn: bool) -> Iterator[str]:
    yield EVERY
    if withdrawn:
        yield WITHDRAWN
    yield _category_facets(tuple(categories))
    yield from (year_facet(day), month_facet(day), day_facet(day))
    yield from map(title_facet, sorted(set(words.tokens(title))))
