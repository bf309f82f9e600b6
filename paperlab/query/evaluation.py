"""Asking a single paper: for watchlists, and to mark what was found."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import date

from paperlab.entities import Paper
from paperlab.query import words
from paperlab.query.tree import And, Field, Flag, Is, Not, Or, Query, Submitted, Text

_BOUNDARY = " · "
"""Between two authors or two notes: a phrase does not run over it, and no word is one."""
_EVERYWHERE = (Field.TITLE, Field.ABSTRACT, Field.AUTHOR, Field.COMMENT, Field.NOTE)


@dataclass(frozen=True)
class Facts:
    """What a query can ask of a paper.  `texts` are folded words, one blank before and after each."""

    arxiv_id: str
    texts: dict[Field, str]
    categories: frozenset[str]
    """Lower case; of "cs.CL" both "cs.cl" and "cs"."""
    submitted: date
    """Day of version 1 in UTC."""
    flags: frozenset[Flag] = frozenset()
    tags: frozenset[str] = frozenset()
    """Folded."""


def facts(
    paper: Paper, *, flags: Collection[Flag] = (), tags: Collection[str] = (), notes: Sequence[str] = ()
) -> Facts:
    """`paper` ready for `holds`.  Of the flags, withdrawn, has:tag and has:note follow from the rest."""
    known = {
        *flags,
        *([Flag.WITHDRAWN] if paper.withdrawn else []),
        *([Flag.TAG] if tags else []),
        *([Flag.NOTE] if notes else []),
    }
    return Facts(
        arxiv_id=paper.arxiv_id,
        texts={
            Field.TITLE: _padded([paper.title]),
            Field.ABSTRACT: _padded([paper.abstract]),
            Field.AUTHOR: _padded(paper.authors),
            Field.COMMENT: _padded([paper.comment or ""]),
            Field.NOTE: _padded(notes),
        },
        categories=frozenset(part for name in paper.categories for part in (name.lower(), archive_of(name.lower()))),
        submitted=paper.submitted_at.date(),
        flags=frozenset(known),
        tags=frozenset(words.tag(tag) for tag in tags),
    )


def archive_of(category: str) -> str:
    """ "cs" of "cs.CL"; "hep-th" of itself."""
    return category.partition(".")[0]


def holds(query: Query, paper: Facts) -> bool:
    """Whether the paper is what the query asks for."""
    match query:
        case Text():
            return _stands(query, paper)
        case Submitted(since, until):
            return (since is None or paper.submitted >= since) and (until is None or paper.submitted <= until)
        case Is(flag):
            return flag in paper.flags
        case Not(part):
            return not holds(part, paper)
        case And(parts):
            return all(holds(part, paper) for part in parts)
        case Or(parts):
            return any(holds(part, paper) for part in parts)


def looked_for(query: Query) -> list[Text]:
    """What a paper is found by: the words, phrases and names that are not negated, each once."""
    match query:
        case Text():
            return [query]
        case And(parts) | Or(parts):
            return list(dict.fromkeys(term for part in parts for term in looked_for(part)))
    return []


def hits(query: Query, field: Field, text: str) -> list[tuple[str, bool]]:
    """`text` cut into pieces, each with whether it is a word that the query looks for in `field`."""
    terms = [term for term in looked_for(query) if term.field in (Field.ANY, field)]
    if not any(term.words[0] in words.spaced(text) for term in terms):
        return [(text, False)] if text else []
    found = list(words.spans(text))
    by_first: dict[str, list[Text]] = {}
    for term in terms:
        by_first.setdefault(term.words[0], []).append(term)
    beginnings = tuple(term.words[0] for term in terms if term.prefix and len(term.words) == 1)
    marked = [bool(beginnings) and word.startswith(beginnings) for _, _, word in found]
    for at, (_, _, word) in enumerate(found):
        for term in by_first.get(word, ()):
            end = at + len(term.words)
            if _begins(term, [word for _, _, word in found[at:end]]):
                marked[at:end] = [True] * len(term.words)
    pieces: list[tuple[str, bool]] = []
    at = 0
    for (start, end, _), is_hit in zip(found, marked, strict=True):
        if is_hit:
            pieces += [(text[at:start], False), (text[start:end], True)]
            at = end
    return [piece for piece in [*pieces, (text[at:], False)] if piece[0]]


def _stands(term: Text, paper: Facts) -> bool:
    match term.field:
        case Field.CATEGORY:
            return any(_equals(term, category) for category in paper.categories)
        case Field.TAG:
            return any(_equals(term, tag) for tag in paper.tags)
        case Field.ID:
            return _equals(term, paper.arxiv_id.lower())
    found_as = " " + " ".join(term.words) + ("" if term.prefix else " ")
    return any(found_as in paper.texts[field] for field in (_EVERYWHERE if term.field is Field.ANY else [term.field]))


def _equals(term: Text, name: str) -> bool:
    return name.startswith(term.words[0]) if term.prefix else name == term.words[0]


def _begins(phrase: Text, found: Sequence[str]) -> bool:
    if len(found) < len(phrase.words):
        return False
    *first, last = phrase.words
    return list(found[:-1]) == first and (found[-1].startswith(last) if phrase.prefix else found[-1] == last)


def _padded(texts: Iterable[str]) -> str:
    return f" {_BOUNDARY.join(' '.join(words.tokens(text)) for text in texts)} "
