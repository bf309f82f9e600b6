"""Finding papers through the full-text index, in time at a million of them.

FTS5's own ranking scores every paper that holds the words: 343 ms for a word in a sixth of a million papers.  Here the
index only says which papers match, newest first, which it can stop doing at any number; those `CANDIDATES`, and the
newest of those that have the words in the title, are scored from their texts with BM25 over weighted fields (Robertson,
Zaragoza & Taylor, "Simple BM25 extension to multiple weighted fields", 2004, equation 3).  What was left out is said.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, cast

import sqlalchemy as sa
from sqlalchemy.orm import Session

from paperlab.arxiv_id import ArxivId
from paperlab.entities import Paper, Reading
from paperlab.query import Facts, Field, Flag, Or, Query, Submitted, Text, facts, holds, leaves, looked_for, words
from paperlab.store import full_text, index_language, matching, papers, reading
from paperlab.store.matching import Lookups
from paperlab.store.papers import PaperFilter
from paperlab.store.schema import CodeLinkRow, NoteRow, ReportedResultRow

COUNTED = 5000
"""More matches than this are not counted."""
CANDIDATES = 600
TITLE_CANDIDATES = 200
SAMPLE = 5000
"""How common a word is, is seen in so many of the newest papers."""

_WEIGHTS = {Field.TITLE: 5.0, Field.AUTHOR: 3.0, Field.ABSTRACT: 1.0, Field.COMMENT: 0.5}
"""Ours: a title has a fifteenth of the words of an abstract, and is chosen."""
_K1, _B = 1.2, 0.75  # as usual: Robertson & Zaragoza 2009, section 3.5; B applies to abstracts only
_TEXTS = """
SELECT p.ordinal, p.title, p.abstract, CAST(p.authors AS text) AS authors, coalesce(p.comment, '') AS comment
FROM {wanted} JOIN papers AS p ON p.ordinal = wanted.value
"""


_WITHIN = "EXISTS (SELECT 1 FROM papers AS p WHERE p.ordinal = {row} AND {conditions})"
_OF_PROFILE = "EXISTS (SELECT 1 FROM profile_matches AS m WHERE m.arxiv_id = p.arxiv_id AND m.profile = {profile})"
_SCORED = frozenset({Field.ANY, *_WEIGHTS})
_SMALL_TABLE = 20_000
_FEW = 2000
"""So many papers are looked up in the index one by one; for more all matches are gone through."""
_ANY_PREFIX_IS_COMMON = math.log(10)
_MOMENT = "%Y-%m-%d %H:%M:%S.%f"
_IDS_PER_QUERY = 500

Reproduced = Callable[[], Collection[str]]
"""Gives the ids of papers with a reproduction that holds."""


@dataclass(frozen=True)
class Found:
    """Ordinals of papers, in the order asked for."""

    ordinals: tuple[int, ...]
    total: int
    """How many match; COUNTED where there are more."""
    is_more: bool
    scored: int | None
    """How many were ranked; None where the order is by time."""


def newest(
    session: Session,
    query: Query,
    limit: int | None,
    offset: int = 0,
    *,
    within: PaperFilter | None = None,
    reproduced: Reproduced = frozenset,
) -> Found:
    """Papers that the query means, newest identifier first."""
    wanted = None if limit is None else offset + limit
    source = _Source(session, within or PaperFilter(), reproduced)
    found, is_more = source.find(query, None if wanted is None else max(wanted, COUNTED))
    return Found(tuple(found[offset:wanted]), *_counted(found, is_more), None)


def ranked(
    session: Session,
    query: Query,
    limit: int,
    offset: int = 0,
    *,
    within: PaperFilter | None = None,
    reproduced: Reproduced = frozenset,
) -> Found:
    """Papers that the query means, best first; of equal ones the newer."""
    source = _Source(session, within or PaperFilter(), reproduced)
    found, is_more = source.find(query, max(offset + limit, COUNTED))
    terms = [term for term in looked_for(query) if term.field in _SCORED]
    if not terms:
        return Found(tuple(found[offset : offset + limit]), *_counted(found, is_more), None)
    candidates = found[:CANDIDATES]
    in_titles = matching.in_titles(query)
    if len(found) > CANDIDATES and in_titles is not None:
        candidates += source.find(in_titles, TITLE_CANDIDATES)[0]
    best = _by_score(session, terms, list(dict.fromkeys(candidates)))
    scored = len(best)
    if offset + limit > scored:  # behind the ranked ones the others follow by time
        known = set(best)
        best += [ordinal for ordinal in found if ordinal not in known]
    return Found(tuple(best[offset : offset + limit]), *_counted(found, is_more), scored)


def ids(session: Session, query: Query, *, reproduced: Reproduced = frozenset) -> list[str]:
    """Every paper that the query means, newest identifier first: for matching a watchlist backwards."""
    return [ArxivId.from_ordinal(ordinal).base for ordinal in ordinals(session, query, reproduced=reproduced)]


def ordinals(session: Session, query: Query, *, reproduced: Reproduced = frozenset) -> list[int]:
    """The same as ordinals."""
    return _Source(session, PaperFilter(), reproduced).find(query, None)[0]


def facts_of(session: Session, held: Iterable[Paper], *, reproduced: Reproduced = frozenset) -> list[Facts]:
    """What `query.holds` can be asked of each of these papers, in their order."""
    known = list(held)
    arxiv_ids = [paper.arxiv_id for paper in known]
    readings = reading.get_many(session, arxiv_ids)
    flags: dict[str, set[Flag]] = defaultdict(set)
    for arxiv_id, did in readings.items():
        marks = {Flag.STARRED: did.starred_at, Flag.READ: did.read_at, Flag.SKIPPED: did.skipped_at}
        flags[arxiv_id] |= {flag for flag, at in marks.items() if at is not None}
    for arxiv_id in _listed(session, cast(sa.Table, CodeLinkRow.__table__), arxiv_ids, CodeLinkRow.role == "own"):
        flags[arxiv_id].add(Flag.CODE)
    for arxiv_id in _listed(session, cast(sa.Table, ReportedResultRow.__table__), arxiv_ids):
        flags[arxiv_id].add(Flag.RESULT)
    for arxiv_id in set(reproduced()):
        flags[arxiv_id].add(Flag.REPRODUCED)
    found = []
    for paper in known:
        did = readings.get(paper.arxiv_id) or Reading(paper.arxiv_id)
        tags, notes = did.tags, [note.text for note in did.notes]
        found.append(facts(paper, flags=flags[paper.arxiv_id], tags=tags, notes=notes))
    return found


# --- which papers match ---------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Source:
    """The papers of a database that pass a filter."""

    session: Session
    within: PaperFilter
    reproduced: Reproduced

    def find(self, query: Query, limit: int | None) -> tuple[list[int], bool]:
        """Ordinals of the newest `limit` papers that the query means, newest first, and whether there are more.

        The index has no notes.  The few papers whose notes hold a word that is looked for are asked one by one; of all
        others it is known that no note decides.
        """
        full_text.require(self.session)
        noted, wanted = self._decided_by_notes(query)
        without_notes = matching.replaced(query, _no_note)
        found = self._newest(without_notes, None if limit is None else limit + 1 + len(noted))
        if noted:
            found = sorted({*(ordinal for ordinal in found if ordinal not in noted), *wanted}, reverse=True)
        return found[:limit], limit is not None and len(found) > limit

    def _newest(self, query: Query, limit: int | None) -> list[int]:
        """The newest that the query means, from the index and the tables beside it."""
        if isinstance(query, Or) and not matching.is_indexed(query):
            # Each alternative for itself: together, all papers of each would have to be listed first.
            together = {ordinal for part in query.parts for ordinal in self._newest(part, limit)}
            return sorted(together, reverse=True)[:limit]
        return self._ask(self._question(query), limit)

    def _ask(self, asked: matching.Question, limit: int | None) -> list[int]:
        language = asked.language
        conditions = [*asked.where, *self._filter(asked)]
        values: dict[str, Any] = {**asked.values, "limit": language.unlimited if limit is None else limit}
        few = self._few(asked)
        listed = language.listed.format(name="few")
        if few is not None:
            values["few"] = language.bound(few)
        if asked.is_all:
            row, source = "f.ordinal", "papers AS f"
            if few is not None:
                row, source = "few.value", listed
            compared = row
        else:
            row, source = language.ordinal, "full_text"
            compared = row if few is None else language.compared
            values["match"] = asked.match
            conditions.insert(0, language.matches.format(match=":match"))
            if few is not None:
                source = language.from_few.format(few=listed)
        where = " AND ".join(conditions).replace(matching.ROW, compared)
        statement = f"SELECT {row} FROM {source} WHERE {where or 'true'} ORDER BY {row} DESC LIMIT :limit"  # noqa: S608
        return list(self.session.execute(sa.text(statement), values).scalars().all())

    def _few(self, asked: matching.Question) -> list[int] | None:
        """The papers that meet the conditions that few papers meet, where they are few."""
        if not asked.narrow:
            return None
        where = " AND ".join(asked.narrow).replace(matching.ROW, "f.ordinal")
        statement = f"SELECT f.ordinal FROM papers AS f WHERE {where} LIMIT {_FEW + 1}"  # noqa: S608
        few = list(self.session.execute(sa.text(statement), asked.values).scalars())
        return few if len(few) <= _FEW else None

    def _narrowed(self, query: Query) -> Query:
        """The query with as much of the filter as the index knows."""
        if self.within.since is None:
            return query
        return matching.both(query, Submitted(self.within.since.date(), None))

    def _filter(self, asked: matching.Question) -> list[str]:
        """The rest of the filter, as conditions."""
        wanted = self.within
        if wanted.categories:
            listed = asked.language.some_facet([full_text.category_facet(n.lower()) for n in wanted.categories], False)
            asked.match = asked.language.all_of((asked.match, listed))
        of_paper = [
            f"p.{column} {relation} {asked.bind(moment.strftime(_MOMENT))}"
            for column, relation, moment in (
                ("submitted_at", ">=", wanted.since),
                ("first_held_at", ">=", wanted.held_since),
                ("first_held_at", "<", wanted.revised_since),
                ("last_changed_at", ">=", wanted.revised_since),
            )
            if moment is not None
        ]
        if wanted.profile is not None:
            of_paper.append(_OF_PROFILE.format(profile=asked.bind(wanted.profile)))
        if not of_paper:
            return []
        return [_WITHIN.format(row=matching.ROW, conditions=" AND ".join(of_paper))]

    def _decided_by_notes(self, query: Query) -> tuple[set[int], set[int]]:
        """Papers with a note that holds something that is looked for in notes, and those of them that are meant."""
        terms = [leaf for leaf in leaves(query) if isinstance(leaf, Text) and leaf.field in {Field.ANY, Field.NOTE}]
        if not terms:
            return set(), set()
        notes: dict[str, list[str]] = defaultdict(list)
        for row in self.session.execute(sa.select(NoteRow.arxiv_id, NoteRow.text)):
            notes[row.arxiv_id].append(row.text)
        speaking = [key for key, texts in notes.items() if any(_is_in(term, texts) for term in terms)]
        if not speaking:
            return set(), set()
        held = papers.get_many(self.session, speaking)
        meant = [
            each.arxiv_id
            for each in facts_of(self.session, held, reproduced=self.reproduced)
            if holds(query, each) and self._passes(each.arxiv_id)
        ]
        return {_ordinal(paper.arxiv_id) for paper in held}, {_ordinal(arxiv_id) for arxiv_id in meant}

    def _passes(self, arxiv_id: str) -> bool:
        """Whether one paper passes the filter."""
        return bool(self._ask(self._question(Text(Field.ID, (arxiv_id,))), 1))

    def _question(self, query: Query) -> matching.Question:
        return matching.question(self._narrowed(query), self._lookups(), index_language.of(self.session))

    def _lookups(self) -> Lookups:
        return Lookups(
            reproduced=self.reproduced,
            tags=lambda: reading.tags_in_use(self.session),
            is_small=self._is_small,
        )

    def _is_small(self, table: str) -> bool:
        statement = sa.select(sa.func.count()).select_from(
            sa.select(sa.literal(1)).select_from(sa.table(table)).limit(_SMALL_TABLE + 1).subquery()
        )
        return int(self.session.execute(statement).scalar_one()) <= _SMALL_TABLE


def _no_note(leaf: Query) -> Query:
    return matching.NOTHING if isinstance(leaf, Text) and leaf.field is Field.NOTE else leaf


def _is_in(term: Text, texts: Sequence[str]) -> bool:
    ending = "" if term.prefix else " "
    wanted = f" {' '.join(term.words)}{ending}"
    return any(wanted in f" {' '.join(words.tokens(text))} " for text in texts)


def _counted(found: Sequence[int], is_more: bool) -> tuple[int, bool]:
    return (COUNTED, True) if is_more or len(found) > COUNTED else (len(found), False)


def _ordinal(arxiv_id: str) -> int:
    return ArxivId(arxiv_id).ordinal


def _listed(
    session: Session, table: sa.Table, arxiv_ids: Sequence[str], *conditions: sa.ColumnElement[bool]
) -> set[str]:
    found: set[str] = set()
    for start in range(0, len(arxiv_ids), _IDS_PER_QUERY):
        chunk = arxiv_ids[start : start + _IDS_PER_QUERY]
        statement = sa.select(table.c.arxiv_id).where(table.c.arxiv_id.in_(chunk), *conditions)
        found.update(session.execute(statement).scalars())
    return found


# --- which are best -------------------------------------------------------------------------------------------


def _by_score(session: Session, terms: Sequence[Text], candidates: Sequence[int]) -> list[int]:
    """The candidates, best first; of equal ones the newer."""
    rarity = _rarity(session, terms)
    wanted = [(term, f" {' '.join(term.words)}{'' if term.prefix else ' '}", rarity[term]) for term in terms]
    has_phrase = any(len(term.words) > 1 for term in terms)
    language = index_language.of(session)
    texts_of = sa.text(_TEXTS.format(wanted=language.listed.format(name="wanted")))
    rows = session.execute(texts_of, {"wanted": language.bound(candidates)}).all()
    mean = sum(len(abstract) for _, _, abstract, _, _ in rows) / max(len(rows), 1) or 1
    scores = {}
    for ordinal, title, abstract, authors, comment in rows:
        length = 1 - _B + _B * len(abstract) / mean
        texts = [
            (field, _padded(text, has_phrase), _WEIGHTS[field] / (length if field is Field.ABSTRACT else 1))
            for field, text in zip(_WEIGHTS, (title, authors, abstract, comment), strict=True)
            if text
        ]
        scores[ordinal] = sum(_score(term, found_as, texts) * rarity for term, found_as, rarity in wanted)
    return sorted(scores, key=lambda ordinal: (-scores[ordinal], -ordinal))


def _padded(text: str, has_phrase: bool) -> str:
    """A blank before and after each word; for phrases exactly one."""
    return f" {' '.join(words.tokens(text)) if has_phrase else words.spaced(text)} "


def _score(term: Text, found_as: str, texts: Iterable[tuple[Field, str, float]]) -> float:
    """The saturated, weighted frequency of a term: between 0 and 1."""
    times = sum(weight * text.count(found_as) for field, text, weight in texts if term.field in (Field.ANY, field))
    return times / (_K1 + times)


def _rarity(session: Session, terms: Sequence[Text]) -> dict[Text, float]:
    """Inverse document frequency of each term among the newest SAMPLE papers."""
    if len(terms) == 1:
        return {terms[0]: 1.0}
    newest_first = sa.text("SELECT ordinal FROM papers ORDER BY ordinal DESC LIMIT 1 OFFSET :n")
    since = session.execute(newest_first, {"n": SAMPLE}).scalar() or 0
    sampled = session.execute(sa.text("SELECT count(*) FROM papers WHERE ordinal > :n"), {"n": since}).scalar_one()
    language = index_language.of(session)
    matches = language.matches.format(match=":match")
    within = sa.text(f"SELECT count(*) FROM full_text WHERE {matches} AND {language.ordinal} > :since")  # noqa: S608
    rarity = {}
    for term in terms:
        if term.prefix:
            rarity[term] = _ANY_PREFIX_IS_COMMON
            continue
        among = session.execute(within, {"match": matching.expression(term, language), "since": since}).scalar_one()
        rarity[term] = math.log(1 + (max(sampled - among, 0) + 0.5) / (among + 0.5))
    return rarity
