"""A query as a tree of plain values.  `parser.parse` makes them in one form: no group of one, no Not of a Not."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from enum import StrEnum


class Field(StrEnum):
    """Where a term is looked for.  ANY is title, abstract, authors, comment and the reader's notes."""

    ANY = "any"
    TITLE = "title"
    ABSTRACT = "abstract"
    AUTHOR = "author"
    COMMENT = "comment"
    NOTE = "note"
    CATEGORY = "cat"
    TAG = "tag"
    ID = "id"


class Flag(StrEnum):
    """What a paper is or has: `is:starred`, `has:code`."""

    STARRED = "is:starred"
    READ = "is:read"
    SKIPPED = "is:skipped"
    WITHDRAWN = "is:withdrawn"
    REPRODUCED = "is:reproduced"
    CODE = "has:code"
    NOTE = "has:note"
    TAG = "has:tag"
    RESULT = "has:result"


@dataclass(frozen=True)
class Text:
    """A word, a "phrase" or a prefix*; `words` are its words in order.

    For CATEGORY, TAG and ID the one word is the folded category, tag or identifier as a whole; a category stands for
    its parts too: "cs" for "cs.CL".
    """

    field: Field
    words: tuple[str, ...]
    prefix: bool = False
    """The last word may be any that begins so."""


@dataclass(frozen=True)
class Submitted:
    """Version 1 submitted from `since` (a UTC day, included) to `until` (included); None is open."""

    since: date | None
    until: date | None


@dataclass(frozen=True)
class Is:
    flag: Flag


@dataclass(frozen=True)
class Not:
    part: Query


@dataclass(frozen=True)
class And:
    parts: tuple[Query, ...]


@dataclass(frozen=True)
class Or:
    parts: tuple[Query, ...]


Query = Text | Submitted | Is | Not | And | Or


def leaves(query: Query) -> Iterator[Text | Submitted | Is]:
    """What the query asks, without how it is combined."""
    if isinstance(query, Not):
        yield from leaves(query.part)
    elif isinstance(query, And | Or):
        for part in query.parts:
            yield from leaves(part)
    else:
        yield query
