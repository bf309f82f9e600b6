"""The full-text index of a PostgreSQL server: one tsvector a paper under a GIN index, of our own words.

PostgreSQL's own parsers see hosts, signs and hyphens where paperlab.query.words sees words, so they are not asked: each
vector is written as the literal that the type is read from, with the places of the words and the field of each as its
weight (https://www.postgresql.org/docs/current/datatype-textsearch.html).  Facets carry a sign that no word has.

A vector knows places up to 16,383 and 256 places of one word.  Only author lists reach that: they stand last, and where
one is cut off so, whatever stands side by side in a name is a facet of its own, so that names are found all the same.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from paperlab.query import Field, words

CREATE = (
    "CREATE TABLE full_text (ordinal BIGINT CONSTRAINT pk_full_text PRIMARY KEY, words TSVECTOR NOT NULL)",
    "CREATE INDEX ix_full_text_words ON full_text USING gin (words)",
)
WEIGHTS = {Field.TITLE: "A", Field.AUTHOR: "B", Field.ABSTRACT: "C", Field.COMMENT: "D"}
"""Which field a word stands in.  They weigh nothing here: search.py scores papers from their texts."""

_WRITE = """
INSERT INTO full_text (ordinal, words)
SELECT given.ordinal, CAST(given.words AS tsvector)
FROM unnest(CAST(%s AS bigint[]), CAST(%s AS text[])) AS given(ordinal, words)
ON CONFLICT (ordinal) DO UPDATE SET words = excluded.words
"""
_HELD = """
SELECT p.ordinal, p.title, p.abstract, coalesce(p.comment, '') AS comment, p.authors,
       (SELECT json_agg(c.category) FROM paper_categories AS c WHERE c.arxiv_id = p.arxiv_id) AS categories,
       CAST(p.submitted_at AS date) AS day, p.withdrawn
FROM papers AS p WHERE p.ordinal > %s ORDER BY p.ordinal LIMIT %s
"""
_LAST_PLACE = 16_383
_PLACES_OF_A_WORD = 256
_LONGEST_WORD = 500
"""Characters: words that agree in so many are one word here.  A lexeme has 2,046 bytes at most."""
_LONGEST_NAME = 8
"""Words of a name that are found side by side where the list of authors is cut off."""
_LARGEST = 900_000
"""Bytes of a literal; what comes later is not found.  A vector has 1,048,575 at most."""


@dataclass(frozen=True)
class Document:
    """What is indexed of a paper."""

    ordinal: int
    title: str
    abstract: str
    comment: str
    authors: Sequence[str]
    facets: str
    """What it can be found by besides words, with blanks between."""


def write(connection: Connection, documents: Iterable[Document]) -> None:
    """Index these papers, or index them anew.  Does not commit."""
    literals = {document.ordinal: literal(document) for document in documents}
    if literals:
        connection.exec_driver_sql(_WRITE, (list(literals), list(literals.values())))


def clear(connection: Connection) -> None:
    connection.exec_driver_sql("DELETE FROM full_text")


def held(connection: Connection, after: int, limit: int) -> Sequence[sa.Row[Any]]:
    """The next papers as rows: ordinal, title, abstract, comment, authors, categories, day, withdrawn."""
    return connection.exec_driver_sql(_HELD, (after, limit)).all()


def literal(document: Document) -> str:
    """The tsvector as its type is read: 'word':1A,7C 'other':2A '#facet'."""
    places: dict[str, list[str]] = defaultdict(list)
    at = 0
    for text, field in (
        (document.title, Field.TITLE),
        (document.abstract, Field.ABSTRACT),
        (document.comment, Field.COMMENT),
        *((name, Field.AUTHOR) for name in document.authors),
    ):
        for word in words.tokens(text):
            at += 1
            # A place is left between those that are counted and the last one, where all others stand.
            places[_shortened(word)].append(f"{at if at < _LAST_PLACE - 1 else _LAST_PLACE}{WEIGHTS[field]}")
        at += 1  # nothing stands side by side across a boundary
    facets = [facet(name) for name in document.facets.split()]
    if at >= _LAST_PLACE - 1 or any(len(known) > _PLACES_OF_A_WORD for known in places.values()):
        facets += _names(document.authors)
    entries = [lexeme(name) for name in dict.fromkeys(facets)]
    entries += [f"{lexeme(word)}:{','.join(known[:_PLACES_OF_A_WORD])}" for word, known in places.items()]
    return " ".join(_fitting(entries))


def facet(name: str) -> str:
    return f"#{name}"


def name_facet(name: Sequence[str]) -> str:
    """Words that stand side by side in an author's name."""
    return facet("=" + " ".join(map(_shortened, name)))


def lexeme(word: str) -> str:
    """A word as vectors and queries write it."""
    escaped = _shortened(word).replace("\\", "\\\\").replace("'", "''")
    return f"'{escaped}'"


def _shortened(word: str) -> str:
    return word[:_LONGEST_WORD]


def _names(authors: Iterable[str]) -> Iterator[str]:
    for author in authors:
        name = words.tokens(author)[:_LONGEST_NAME]
        for first in range(len(name)):
            for end in range(first + 2, len(name) + 1):
                yield name_facet(name[first:end])


def _fitting(entries: Iterable[str]) -> Iterator[str]:
    size = 0
    for entry in entries:
        size += len(entry.encode()) + 1
        if size > _LARGEST:
            return
        yield entry
