"""Watchlists: questions asked of every paper as it arrives, and once of all that are held.

That a paper matched is a fact of the day it arrived: it stays a match when it is revised, and is new only until it has
been shown as new once.  One whose present version no longer answers the question is named as such (`no_longer`).  A
question may ask for anything that is known when a paper arrives: title, abstract, authors, comment, categories, dates,
`is:withdrawn`, and `has:code` for links in its text.  Stars, tags and notes come later and are refused; a word without
a field is looked for in the paper's own text, never in notes.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import lru_cache
from itertools import islice

from paperlab import query as language
from paperlab.entities import Paper, Watchlist
from paperlab.errors import InvalidInput, UnknownName
from paperlab.query import And, Field, Flag, Is, Not, Or, Query, Text
from paperlab.query.words import tokens
from paperlab.store import code_links, full_text, papers, search, watchlists
from paperlab.store.database import Session
from paperlab.store.watchlists import Counts

ON_ARRIVAL = (Flag.WITHDRAWN, Flag.CODE)
_OWN_TEXT = (Field.TITLE, Field.ABSTRACT, Field.AUTHOR, Field.COMMENT)
_NAME = re.compile(r"\w[\w.-]{0,59}")
_NO_NAME = re.compile(r"[^\w.'’-]+|_")
_BATCH = 1000


@dataclass(frozen=True)
class Watched:
    """A watchlist with how many papers match it, and how many of them were never shown as new."""

    watchlist: Watchlist
    counts: Counts


@dataclass(frozen=True)
class Matches:
    papers: tuple[Paper, ...]
    no_longer: frozenset[str]
    """Ids of those that matched once and, as they stand now, do not."""
    counts: Counts


# --- watchlists -----------------------------------------------------------------------------------------------


def add(session: Session, name: str, query: str, now: datetime, *, from_now: bool = False) -> Watched:
    """A new watchlist, matched with every paper held; with `from_now` those count as shown already.

    The same watchlist again changes nothing.  Raises InvalidInput for a name that is taken by another question, and for
    a question that can't be asked.
    """
    if not _NAME.fullmatch(name):
        raise InvalidInput(f'"{name}" can\'t name a watchlist', "letters, digits, - _ and . only, at most 60")
    held = watchlists.get(session, name)
    if held is not None and held.query != query:
        raise InvalidInput(f'"{name}" already watches {held.query}', f"paperlab watch edit {name} QUERY")
    if held is None:
        _match(session, Watchlist(name, query, created_at=now), now)
        if from_now:
            watchlists.mark_all_shown(session, name, now)
    return _watched(session, get(session, name))


def edit(session: Session, name: str, query: str, now: datetime) -> Watched:
    """Ask another question: matches that vanish go, those that stay are not new again."""
    _match(session, replace(get(session, name), query=query), now)
    return _watched(session, get(session, name))


def remove(session: Session, name: str) -> Watchlist:
    """Remove a watchlist with its matches, and return what it was."""
    held = get(session, name)
    watchlists.remove(session, name)
    return held


def get(session: Session, name: str) -> Watchlist:
    """Raises UnknownName."""
    held = watchlists.get(session, name)
    if held is None:
        known = [each.name for each in watchlists.find_all(session)]
        raise UnknownName("watchlist", name, known, "paperlab watch list")
    return held


def list_all(session: Session) -> list[Watched]:
    """Every watchlist with its counts, by name."""
    counts = watchlists.counts(session)
    return [Watched(each, counts.get(each.name, Counts(0, 0))) for each in watchlists.find_all(session)]


def matches(session: Session, name: str, *, new_only: bool = False, limit: int | None = 50, offset: int = 0) -> Matches:
    """The papers that match, newest submission first; with `new_only` those that were never shown as new."""
    held = get(session, name)
    ids = watchlists.matches(session, name, new_only=new_only, limit=limit, offset=offset)
    found = {paper.arxiv_id: paper for paper in papers.get_many(session, ids)}
    listed = tuple(found[arxiv_id] for arxiv_id in ids)
    query = question(held.query)
    facts = _facts(session, listed, [query])
    no_longer = frozenset(each.arxiv_id for each in facts if not language.holds(query, each))
    return Matches(listed, no_longer, _watched(session, held).counts)


def mark_shown(session: Session, name: str, arxiv_ids: Iterable[str], now: datetime) -> int:
    """These papers were shown as new, and are new no more.  Returns how many were."""
    return watchlists.mark_shown(session, name, arxiv_ids, now)


def _watched(session: Session, watchlist: Watchlist) -> Watched:
    return Watched(watchlist, watchlists.counts(session).get(watchlist.name, Counts(0, 0)))


# --- matching -------------------------------------------------------------------------------------------------


def record(session: Session, arrived: Iterable[Paper], now: datetime) -> None:
    """Match papers as they arrive, new ones and revised ones, with every watchlist.  Does not commit."""
    asked = [(watched.name, question(watched.query)) for watched in watchlists.find_all(session)]
    batch = list(arrived) if asked else []
    if not batch:
        return
    known = _facts(session, batch, [query for _, query in asked])
    for name, query in asked:
        found = [each.arxiv_id for each in known if language.holds(query, each)]
        watchlists.add_matches(session, name, found, now)


@lru_cache(maxsize=256)
def question(text: str) -> Query:
    """A watchlist's query as a tree.  Raises InvalidInput for what can't be read or is not known on arrival."""
    query = language.parse(text)
    for leaf in language.leaves(query):
        if isinstance(leaf, Is) and leaf.flag not in ON_ARRIVAL:
            raise _not_on_arrival(leaf.flag.value)
        if isinstance(leaf, Text) and leaf.field in (Field.NOTE, Field.TAG):
            raise _not_on_arrival(f"{leaf.field.value}:")
    return _in_own_text(query)


def author_query(name: str) -> str:
    """A query for a person's papers: "Ada King Lovelace" also as A. K. Lovelace, Ada Lovelace, A. Lovelace.

    "Lovelace, Ada" is read as "Ada Lovelace"; a lower-case particle belongs to the family name ("L. van der Maaten").
    Another middle name than the one given is another person.  Raises InvalidInput for a name without a letter.
    """
    family, comma, given_names = name.partition(",")
    whole = f"{given_names} {family}" if comma else name
    bare = (word.strip("'’-").lstrip(".") for word in _NO_NAME.sub(" ", whole).split())
    words = [word for word in bare if tokens(word)]
    if not any(re.search(r"[^\W\d_]", word) for word in words):
        raise InvalidInput(f'"{name}" is nobody\'s name', 'example: paperlab watch author "Ada Lovelace"')
    split = next((i for i, word in enumerate(words[1:], start=1) if word[0].islower()), len(words) - 1)
    given, last = words[:split], " ".join(words[split:])
    initials = [f"{word[0]}." for word in given]
    forms = [" ".join(words)]
    if given:
        forms += [
            " ".join([*initials, last]),
            f"{given[0]} {last}",
            f"{initials[0]} {last}",
            " ".join([given[0], *initials[1:], last]),
            " ".join([last, *given]),
        ]
    distinct = [f'"{form}"' for form in dict.fromkeys(forms)]
    return f"au:{distinct[0]}" if len(distinct) == 1 else f"au:({' OR '.join(distinct)})"


def author_list_name(name: str) -> str:
    """What a watchlist for this person is called: "ada-lovelace"."""
    family, comma, given = name.partition(",")
    return "-".join(re.findall(r"\w+", f"{given} {family}" if comma else name)).lower()[:60]


def _match(session: Session, watchlist: Watchlist, now: datetime) -> None:
    query = question(watchlist.query)
    watchlists.save(session, replace(watchlist, matched_query=watchlist.query))
    watchlists.replace_matches(session, watchlist.name, _matching(session, query), now)


def _matching(session: Session, query: Query) -> list[str]:
    """Ids of every paper held that the query holds for: from the full-text index where there is one."""
    if full_text.is_supported(session):
        return search.ids(session, query)
    found: list[str] = []
    for batch in _batches(papers.export(session)):
        found += [each.arxiv_id for each in _facts(session, batch, [query]) if language.holds(query, each)]
    return found


def _facts(session: Session, batch: Sequence[Paper], queries: Iterable[Query]) -> list[language.Facts]:
    asks_for_code = any(leaf == Is(Flag.CODE) for query in queries for leaf in language.leaves(query))
    with_code = code_links.has_code(session, [paper.arxiv_id for paper in batch]) if asks_for_code else set()
    return [language.facts(paper, flags=[Flag.CODE] if paper.arxiv_id in with_code else []) for paper in batch]


def _in_own_text(query: Query) -> Query:
    """The same question with "anywhere" written out, notes left out: what is written later must not matter."""
    match query:
        case Text(Field.ANY):
            return Or(tuple(replace(query, field=field) for field in _OWN_TEXT))
        case Not(part):
            return Not(_in_own_text(part))
        case And(parts):
            return And(tuple(_in_own_text(part) for part in parts))
        case Or(parts):
            return Or(tuple(_in_own_text(part) for part in parts))
    return query


def _not_on_arrival(what: str) -> InvalidInput:
    return InvalidInput(
        f"a watchlist can't ask for {what}: nobody knows it when a paper arrives",
        'ask for text, authors, categories, days, is:withdrawn or has:code; for the rest: paperlab search "QUERY"',
    )


def _batches(every: Iterator[Paper]) -> Iterator[list[Paper]]:
    while batch := list(islice(every, _BATCH)):
        yield batch
