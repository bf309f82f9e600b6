"""Searching the papers held, and showing where the words stand."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from paperlab import query as language
from paperlab.entities import Paper, VerdictKind
from paperlab.library import claims
from paperlab.query import Field, Query
from paperlab.store import months as stored_months
from paperlab.store import papers, verdicts
from paperlab.store import search as stored
from paperlab.store.database import Session
from paperlab.store.papers import PaperFilter

_WINDOW = 240
"""Characters of an abstract or comment that a snippet shows."""

Piece = tuple[str, bool]
"""Some text, and whether it is a word that was looked for."""


class Sort(StrEnum):
    RELEVANCE = "relevance"
    NEWEST = "newest"


@dataclass(frozen=True)
class Snippet:
    """Where in a paper the words stand."""

    field: Field
    pieces: tuple[Piece, ...]
    """In order; the title as a whole, of other fields the part with the most words that were looked for."""


@dataclass(frozen=True)
class SearchResult:
    papers: tuple[Paper, ...]
    snippets: tuple[tuple[Snippet, ...], ...]
    """Of each of the papers; only fields that hold a word that was looked for."""
    total: int
    """How many match; no more than COUNTED are counted."""
    is_more: bool
    """Whether there are more than `total`."""
    how: str
    """In which order, and what was left out of it."""


def search(
    session: Session,
    query: str | Query,
    *,
    sort: Sort = Sort.RELEVANCE,
    limit: int | None = 20,
    offset: int = 0,
    within: PaperFilter | None = None,
) -> SearchResult:
    """Papers that the query means, `limit` from `offset` on.  Without a limit the order is by time.

    Raises InvalidInput for a text that is no query, NotReady where the database has no full-text index.
    """
    wanted = language.parse(query) if isinstance(query, str) else query
    if sort is Sort.NEWEST or limit is None:
        found = stored.newest(session, wanted, limit, offset, within=within, reproduced=lambda: reproduced(session))
    else:
        found = stored.ranked(session, wanted, limit, offset, within=within, reproduced=lambda: reproduced(session))
    shown = papers.get_many_by_ordinal(session, found.ordinals)
    return SearchResult(
        papers=tuple(shown),
        snippets=tuple(snippets(wanted, paper) for paper in shown),
        total=found.total,
        is_more=found.is_more,
        how=_how(found),
    )


def months(session: Session, query: str) -> dict[str, int]:
    """How many papers a search means, by the month ("2026-11") of their identifiers.  Raises InvalidInput."""
    wanted = language.parse(query)
    return stored_months.of_ordinals(stored.ordinals(session, wanted, reproduced=lambda: reproduced(session)))


def reproduced(session: Session) -> frozenset[str]:
    """Papers with a claim whose last verdict is that it holds."""
    last = {entry.claim_id: entry.kind for entry in verdicts.history(session)}
    if VerdictKind.REPRODUCED not in last.values():
        return frozenset()
    return frozenset(claim.source for claim in claims.load() if last.get(claim.id) is VerdictKind.REPRODUCED)


def snippets(query: Query, paper: Paper) -> tuple[Snippet, ...]:
    """The fields of the paper that hold words of the query, each with the words marked."""
    texts = (
        (Field.TITLE, paper.title),
        (Field.AUTHOR, ", ".join(paper.authors)),
        (Field.ABSTRACT, " ".join(paper.abstract.split())),
        (Field.COMMENT, paper.comment or ""),
    )
    found = []
    for field, text in texts:
        pieces = language.hits(query, field, text)
        if any(is_hit for _, is_hit in pieces):
            found.append(Snippet(field, tuple(pieces if field is Field.TITLE else _densest(pieces))))
    return tuple(found)


def _densest(pieces: list[Piece]) -> list[Piece]:
    """The part of at most _WINDOW characters with the most different hits, whole words, with what was cut marked."""
    text = "".join(piece for piece, _ in pieces)
    if len(text) <= _WINDOW:
        return pieces
    starts, at = [], 0
    for piece, is_hit in pieces:
        if is_hit:
            starts.append((at, piece.casefold()))
        at += len(piece)
    lead = _WINDOW // 6
    first = max(
        (start for start, _ in starts),
        key=lambda begin: (len({word for at, word in starts if begin <= at < begin + _WINDOW - lead}), -begin),
    )
    low = max(min(first - lead, len(text) - _WINDOW), 0)
    high = min(low + _WINDOW, len(text))
    low = text.find(" ", low, first) + 1 or first if low else 0
    high = text.rfind(" ", low, high) if high < len(text) and text.rfind(" ", low, high) > first else high
    cut: list[Piece] = [("… ", False)] if low else []
    at = 0
    for piece, is_hit in pieces:
        part = piece[max(low - at, 0) : max(high - at, 0)]
        at += len(piece)
        if part:
            cut.append((part, is_hit))
    return [*cut, (" …", False)] if high < len(text) else cut


def _how(found: stored.Found) -> str:
    if found.scored is None:
        return "newest first"
    if found.scored < found.total or found.is_more:
        return f"best first among {found.scored:,}: the newest, and the newest with the words in the title"
    return "best first"
