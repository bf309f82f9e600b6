"""From a query tree to what the database is asked: one expression for the full-text index, the rest as conditions.

Words, categories, days and withdrawal are in the index.  Stars, marks, tags, code and results are in tables; where a
query combines both, the index answers its part and each paper found is looked up.
"""

from __future__ import annotations

import calendar
from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import date, timedelta

from paperlab.arxiv_id import ArxivId
from paperlab.query import And, Field, Flag, Is, Not, Or, Query, Submitted, Text, words
from paperlab.store import full_text
from paperlab.store.index_language import IndexLanguage

NOTHING = Or(())
EVERYTHING = And(())

_FIRST_YEAR, _LAST_YEAR = 1986, 2099
"""No paper is older than arXiv; years that no paper has cost nothing to ask."""
ROW = "{row}"
"""Stands in conditions for the paper's ordinal, by whatever name the statement has it."""
_IN_INDEX = "{{row}} IN (SELECT {ordinal} FROM full_text WHERE {matches})"
_BEGINNING = "{{row}} IN (SELECT ordinal FROM papers WHERE arxiv_id >= {low} AND arxiv_id < {high})"
_OF_PAPERS = "{{row}} IN (SELECT p.ordinal FROM {table} AS x JOIN papers AS p ON p.arxiv_id = x.arxiv_id{where})"
_OF_PAPER = (
    "EXISTS (SELECT 1 FROM papers AS p JOIN {table} AS x ON x.arxiv_id = p.arxiv_id WHERE p.ordinal = {{row}}{where})"
)
_NEVER = "false"
_FLAGS = {
    Flag.STARRED: ("reading", "x.starred_at IS NOT NULL"),
    Flag.READ: ("reading", "x.read_at IS NOT NULL"),
    Flag.SKIPPED: ("reading", "x.skipped_at IS NOT NULL"),
    Flag.NOTE: ("notes", ""),
    Flag.TAG: ("paper_tags", ""),
    Flag.CODE: ("code_links", "x.role = 'own'"),
    Flag.RESULT: ("reported_results", ""),
}
"""Table, and which of its rows count."""


@dataclass(frozen=True)
class Lookups:
    """What is known outside the index; called where a query needs it."""

    reproduced: Callable[[], Collection[str]]
    """Ids of papers with a reproduction that holds."""
    tags: Callable[[], Iterable[str]]
    """All tags in use."""
    is_small: Callable[[str], bool]
    """Whether a table has so few rows that all of them can be gone through."""


@dataclass
class Question:
    """What the index is asked (`match`), what is looked up beside it (`where`), and the values of both."""

    match: str
    language: IndexLanguage
    where: list[str] = field(default_factory=list)
    narrow: list[str] = field(default_factory=list)
    """Those of `where` that few papers meet, in all likelihood: whoever asks may begin with them."""
    values: dict[str, str | int] = field(default_factory=dict)

    def bind(self, value: str | int) -> str:
        name = f"v{len(self.values)}"
        self.values[name] = value
        return f":{name}"

    @property
    def is_all(self) -> bool:
        """Whether the index has nothing to say."""
        return self.match == self.language.all_of((self.language.everything,))


def question(query: Query, lookups: Lookups, language: IndexLanguage) -> Question:
    """What to ask for `query`."""
    parts = query.parts if isinstance(query, And) else (query,)
    asked = Question(expression(And(tuple(part for part in parts if is_indexed(part))), language), language)
    outside = _Outside(asked, lookups)
    for part in parts:
        if not is_indexed(part):
            condition = outside.condition(part)
            asked.where.append(condition)
            if isinstance(part, Text | Is) and not condition.startswith("EXISTS"):
                asked.narrow.append(condition)
    return asked


def is_indexed(query: Query) -> bool:
    """Whether the index alone can answer."""
    match query:
        case Text(place):
            return place not in {Field.TAG, Field.ID, Field.NOTE}
        case Is(flag):
            return flag is Flag.WITHDRAWN
        case Not(part):
            return is_indexed(part)
        case And(parts) | Or(parts):
            return all(is_indexed(part) for part in parts)
    return True


def expression(query: Query, language: IndexLanguage) -> str:
    """The query in the index's own language.  Only for what `is_indexed`."""
    match query:
        case Text():
            return _phrase(query, language)
        case Submitted(since, until):
            return _days(since, until, language)
        case Is():
            return language.every_facet((full_text.WITHDRAWN,))
        case Not(part):
            return language.without(language.everything, expression(part, language))
        case Or(parts):
            return language.any_of([expression(part, language) for part in parts]) if parts else language.nothing
        case And(parts):
            wanted = [expression(part, language) for part in parts if not isinstance(part, Not)]
            unwanted = [expression(part.part, language) for part in parts if isinstance(part, Not)]
            together = language.all_of(wanted or [language.everything])
            return language.without(together, language.any_of(unwanted)) if unwanted else together
    raise AssertionError(query)


def in_titles(query: Query) -> Query | None:
    """The query with the words that may stand anywhere looked for in titles; None where it would be the same."""
    parts = query.parts if isinstance(query, And) else (query,)
    narrowed = [
        Text(Field.TITLE, part.words)
        if isinstance(part, Text) and part.field is Field.ANY and not part.prefix
        else part
        for part in parts
    ]
    return None if tuple(narrowed) == parts else _group(And, narrowed)


def both(one: Query, other: Query) -> Query:
    """What both queries mean."""
    parts = [part for query in (one, other) for part in (query.parts if isinstance(query, And) else (query,))]
    return _group(And, parts)


def replaced(query: Query, leaf: Callable[[Query], Query]) -> Query:
    """The query with `leaf` applied to its leaves, and what became certain taken out."""
    match query:
        case Not(part):
            inner = replaced(part, leaf)
            return EVERYTHING if inner == NOTHING else NOTHING if inner == EVERYTHING else Not(inner)
        case And(parts):
            found = [new for part in parts if (new := replaced(part, leaf)) != EVERYTHING]
            return NOTHING if NOTHING in found else _group(And, found)
        case Or(parts):
            found = [new for part in parts if (new := replaced(part, leaf)) != NOTHING]
            return EVERYTHING if EVERYTHING in found else _group(Or, found)
    return leaf(query)


def _group(kind: type[And] | type[Or], parts: list[Query]) -> Query:
    return parts[0] if len(parts) == 1 else kind(tuple(parts))


def _phrase(term: Text, language: IndexLanguage) -> str:
    if term.field is Field.CATEGORY:
        name = term.words[0]
        return language.some_facet((full_text.category_facet(name), full_text.archive_facet(name)), term.prefix)
    phrase = language.phrase(term.field, term.words, term.prefix)
    if term.field is not Field.TITLE:
        return phrase
    # Few papers have the words in the title of all that have them: they are found by facets, without the others.
    facets = [full_text.title_facet(word) for word in (term.words[:-1] if term.prefix else term.words)]
    if not facets:
        return phrase
    found = language.every_facet(facets)
    return language.all_of((found, phrase)) if len(term.words) > 1 else found


def _days(since: date | None, until: date | None, language: IndexLanguage) -> str:
    """Whole years, then whole months, then days: as few words as the span can be put together from."""
    first = max(since or date.min, date(_FIRST_YEAR, 1, 1))
    last = min(until or date.max, date(_LAST_YEAR, 12, 31))
    facets = list(_facets(first, last))
    return language.some_facet(facets, False) if facets else language.nothing


def _facets(first: date, last: date) -> Iterator[str]:
    at = first
    while at <= last:
        year_end = date(at.year, 12, 31)
        month_end = date(at.year, at.month, calendar.monthrange(at.year, at.month)[1])
        if at.month == at.day == 1 and year_end <= last:
            yield full_text.year_facet(at)
            at = year_end
        elif at.day == 1 and month_end <= last:
            yield full_text.month_facet(at)
            at = month_end
        else:
            yield full_text.day_facet(at)
        at += timedelta(days=1)


@dataclass(frozen=True)
class _Outside:
    """Conditions on a paper's ordinal for what the index does not know."""

    asked: Question
    lookups: Lookups

    def condition(self, query: Query) -> str:
        if is_indexed(query):
            language = self.asked.language
            match = self.asked.bind(expression(query, language))
            return _IN_INDEX.format(ordinal=language.ordinal, matches=language.matches.format(match=match))
        match query:
            case Text():
                return self._text(query)
            case Is(Flag.REPRODUCED):
                return self._ordinals(_ordinals(sorted(self.lookups.reproduced())))
            case Is(flag):
                return self._flag(flag)
            case Not(part):
                return f"NOT {self.condition(part)}"
        assert isinstance(query, And | Or)  # days are in the index
        joiner = " AND " if isinstance(query, And) else " OR "
        return f"({joiner.join(map(self.condition, query.parts))})"

    def _flag(self, flag: Flag) -> str:
        table, which = _FLAGS[flag]
        if self.lookups.is_small(table):
            return _OF_PAPERS.format(table=table, where=f" WHERE {which}" if which else "")
        return _OF_PAPER.format(table=table, where=f" AND {which}" if which else "")

    def _text(self, term: Text) -> str:
        wanted = term.words[0]
        if term.field is Field.TAG:
            named = [self.asked.bind(tag) for tag in self.lookups.tags() if _is_called(term, tag)]
            if not named:
                return _NEVER
            return _OF_PAPERS.format(table="paper_tags", where=f" WHERE x.tag IN ({', '.join(named)})")
        if term.prefix:
            low, high = self.asked.bind(wanted), self.asked.bind(wanted[:-1] + chr(ord(wanted[-1]) + 1))
            return _BEGINNING.format(low=low, high=high)
        return self._ordinals(_ordinals([wanted]))

    def _ordinals(self, ordinals: list[int]) -> str:
        if not ordinals:
            return _NEVER
        return f"{ROW} IN ({', '.join(self.asked.bind(ordinal) for ordinal in ordinals)})"


def _is_called(term: Text, tag: str) -> bool:
    folded = words.tag(tag)
    return folded.startswith(term.words[0]) if term.prefix else folded == term.words[0]


def _ordinals(arxiv_ids: Iterable[str]) -> list[int]:
    return [ArxivId.parse(arxiv_id).ordinal for arxiv_id in arxiv_ids]
