"""The papers we hold: the newest version of each, and every version that we have seen.

Two descriptions are the same when their texts agree but for white space: arXiv's servers wrap abstracts now one way,
now another.  The landmark papers that ship with paperlab ("seed") give way to whatever arXiv says, and are no version.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, cast

import sqlalchemy as sa
from sqlalchemy.orm import Session

from paperlab.arxiv_id import ArxivId
from paperlab.entities import Paper
from paperlab.store import full_text
from paperlab.store.postgresql import storable
from paperlab.store.schema import PaperCategoryRow, PaperRow, PaperVersionRow, ProfileMatchRow

SEED = "seed"

_PAPERS = cast(sa.Table, PaperRow.__table__)
_CATEGORIES = cast(sa.Table, PaperCategoryRow.__table__)
_MATCHES = cast(sa.Table, ProfileMatchRow.__table__)
_VERSIONS = cast(sa.Table, PaperVersionRow.__table__)
_FEW = 20_000
_IDS_PER_QUERY = 500  # below SQLite's limit of 999 parameters in old builds


@dataclass(frozen=True)
class UpsertCounts:
    """What became of each paper handed in."""

    new: int
    revised: int
    unchanged: int
    changed: frozenset[str] = frozenset()
    """The ids whose record here is another now, new ones included."""
    arrived: frozenset[str] = frozenset()
    """The ids that were not held before."""
    before: Mapping[str, Paper] = field(default_factory=dict)
    """Of every record that was replaced, what it was."""


@dataclass(frozen=True)
class PaperFilter:
    """Which papers are meant; what is None or empty does not narrow.  `categories` are alternatives."""

    categories: tuple[str, ...] = ()
    profile: str | None = None
    since: datetime | None = None
    """Version 1 submitted at this time or later."""
    held_since: datetime | None = None
    """In the store since this time or later."""
    revised_since: datetime | None = None
    """In the store before this time, and its record here changed at this time or later."""
    text: str | None = None
    """A query (paperlab.query), which library.papers.list_papers asks of the full-text index."""


# --- writing --------------------------------------------------------------------------------------------------


def upsert(session: Session, papers: Iterable[Paper], now: datetime) -> UpsertCounts:
    """Insert new papers, replace those whose record differs, keep every version.  Does not commit.

    An older version than the one held goes into the history and changes nothing else.  Of several versions of one paper
    in `papers` each is kept.
    """
    arriving: dict[str, dict[int, Paper]] = defaultdict(dict)
    for paper in papers:
        arriving[paper.arxiv_id][paper.version] = paper
    held = {paper.arxiv_id: paper for paper in get_many(session, arriving)}

    inserts: list[Paper] = []
    updates: list[Paper] = []
    for arxiv_id, by_version in arriving.items():
        newest = by_version[max(by_version)]
        before = held.get(arxiv_id)
        if before is None:
            inserts.append(newest)
        elif _replaces(known := _still_withdrawn(newest, before), before):
            updates.append(known)

    if inserts:
        session.execute(
            sa.insert(_PAPERS), [{**_record(p), "first_held_at": now, "last_changed_at": now} for p in inserts]
        )
    if updates:
        statement = sa.update(_PAPERS).where(_PAPERS.c.arxiv_id == sa.bindparam("key"))
        session.connection().execute(
            statement, [{**_record(p), "key": p.arxiv_id, "last_changed_at": now} for p in updates]
        )
    moved = [paper for paper in updates if _moves(paper, held[paper.arxiv_id])]
    for ids in _batches(paper.arxiv_id for paper in moved):
        session.execute(sa.delete(_CATEGORIES).where(_CATEGORIES.c.arxiv_id.in_(ids)))
    _insert_categories(session, [*inserts, *moved])
    _upsert_versions(session, arriving, now)
    full_text.insert(session, inserts)
    full_text.replace(session, [(held[paper.arxiv_id], paper) for paper in updates])
    return UpsertCounts(
        new=len(inserts),
        revised=len(updates),
        unchanged=len(arriving) - len(inserts) - len(updates),
        changed=frozenset(paper.arxiv_id for paper in (*inserts, *updates)),
        arrived=frozenset(paper.arxiv_id for paper in inserts),
        before={paper.arxiv_id: held[paper.arxiv_id] for paper in updates},
    )


def normalised(text: str | None) -> str:
    """`text` with every run of white space as one blank: how texts are compared, matched and searched.

    What not every database can hold is U+FFFD.
    """
    if not text:
        return ""
    if text.isprintable() and "  " not in text and not text.startswith(" ") and not text.endswith(" "):
        return text  # the only white space that is printable is the blank
    return storable(" ".join(text.split()))


def _replaces(arriving: Paper, held: Paper) -> bool:
    if SEED in {arriving.source, held.source}:
        return arriving.source != SEED or (held.source == SEED and _content(arriving) != _content(held))
    if arriving.version != held.version:
        return arriving.version > held.version
    return _content(arriving) != _content(held)


def _still_withdrawn(arriving: Paper, held: Paper) -> Paper:
    """A version that was withdrawn stays so, though not every source says it: OAI-PMH knows without a comment.

    Other words of the same version count for themselves: a remark that was mended takes the withdrawal back.
    """
    same_words = all(
        normalised(getattr(arriving, name)) == normalised(getattr(held, name))
        for name in ("title", "abstract", "comment")
    )
    if held.withdrawn and arriving.version == held.version and same_words:
        return replace(arriving, withdrawn=True)
    return arriving


def _moves(arriving: Paper, held: Paper) -> bool:
    """Whether the rows by which its categories list it change."""
    return (arriving.categories, arriving.submitted_at) != (held.categories, held.submitted_at)


def _content(paper: Paper) -> tuple[Any, ...]:
    texts = (paper.title, paper.abstract, paper.comment, paper.journal_ref, paper.doi)
    return (
        *(normalised(text) for text in texts),
        tuple(normalised(author) for author in paper.authors),
        paper.categories,
        paper.primary_category,
        paper.submitted_at,
        paper.updated_at,
        paper.withdrawn,
    )


def _record(paper: Paper) -> dict[str, Any]:
    return {
        "arxiv_id": paper.arxiv_id,
        "version": paper.version,
        "title": paper.title,
        "abstract": paper.abstract,
        "authors": list(paper.authors),
        "primary_category": paper.primary_category,
        "comment": paper.comment,
        "journal_ref": paper.journal_ref,
        "doi": paper.doi,
        "submitted_at": paper.submitted_at,
        "updated_at": paper.updated_at,
        "source": paper.source,
        "ordinal": ArxivId(paper.arxiv_id).ordinal,
        "withdrawn": paper.withdrawn,
    }


def _insert_categories(session: Session, papers: Iterable[Paper]) -> None:
    rows = [
        {
            "arxiv_id": paper.arxiv_id,
            "category": category,
            "position": position,
            "submitted_at": paper.submitted_at,
        }
        for paper in papers
        for position, category in enumerate(dict.fromkeys(paper.categories))
    ]
    if rows:
        session.execute(sa.insert(_CATEGORIES), rows)


def _upsert_versions(session: Session, arriving: Mapping[str, Mapping[int, Paper]], now: datetime) -> None:
    seen = [p for by_version in arriving.values() for p in by_version.values() if p.source != SEED]
    held = {
        (row.arxiv_id, row.version): row
        for ids in _batches([paper.arxiv_id for paper in seen])
        for row in session.execute(sa.select(_VERSIONS).where(_VERSIONS.c.arxiv_id.in_(ids)))
    }
    inserts, updates = [], []
    for paper in seen:
        record = {
            "arxiv_id": paper.arxiv_id,
            "version": paper.version,
            "title": paper.title,
            "abstract": paper.abstract,
            "authors": list(paper.authors),
            "categories": list(paper.categories),
            "comment": paper.comment,
            "journal_ref": paper.journal_ref,
            "doi": paper.doi,
            "updated_at": paper.updated_at,
            "source": paper.source,
            "held_at": now,
        }
        before = held.get((paper.arxiv_id, paper.version))
        if before is None:
            inserts.append(record)
        elif _differs(record, before):
            updates.append({**record, "key_id": paper.arxiv_id, "key_version": paper.version})
    if inserts:
        session.execute(sa.insert(_VERSIONS), inserts)
    if updates:
        key = (_VERSIONS.c.arxiv_id == sa.bindparam("key_id")) & (_VERSIONS.c.version == sa.bindparam("key_version"))
        session.connection().execute(sa.update(_VERSIONS).where(key), updates)


def _differs(record: Mapping[str, Any], row: sa.Row[Any]) -> bool:
    texts = ("title", "abstract", "comment", "journal_ref", "doi")
    return (
        any(normalised(record[name]) != normalised(getattr(row, name)) for name in texts)
        or [normalised(a) for a in record["authors"]] != [normalised(a) for a in row.authors]
        or record["categories"] != row.categories
        or record["updated_at"] != row.updated_at
    )


# --- reading --------------------------------------------------------------------------------------------------


def get(session: Session, arxiv_id: str) -> Paper | None:
    """The newest version held, or None."""
    return next(iter(get_many(session, [arxiv_id])), None)


def get_many(session: Session, arxiv_ids: Iterable[str]) -> list[Paper]:
    """Those of the papers that are held, in no particular order."""
    return [
        paper
        for ids in _batches(arxiv_ids)
        for paper in _as_papers(session, session.execute(sa.select(_PAPERS).where(_PAPERS.c.arxiv_id.in_(ids))).all())
    ]


def get_many_by_ordinal(session: Session, ordinals: Sequence[int]) -> list[Paper]:
    """Those of the papers that are held, in the order of `ordinals`."""
    ids = [ArxivId.from_ordinal(ordinal).base for ordinal in ordinals]
    held = {paper.arxiv_id: paper for paper in get_many(session, ids)}
    return [held[arxiv_id] for arxiv_id in ids if arxiv_id in held]


def find(session: Session, wanted: PaperFilter, limit: int | None = 50, offset: int = 0) -> list[Paper]:
    """Papers that pass the filter, newest submission first."""
    order = _newest_first(_PAPERS)
    if wanted.held_since is not None or wanted.revised_since is not None:
        if count(session, replace(wanted, profile=None, categories=()), at_most=_FEW) <= _FEW:
            # Beside an index on when they came, SQLite would rather go through all papers in the order asked for.
            order = (sa.func.coalesce(_PAPERS.c.submitted_at, _PAPERS.c.submitted_at).desc(), _PAPERS.c.arxiv_id.desc())
        source = _narrow(sa.select(_PAPERS.c.arxiv_id), _PAPERS, wanted)
    else:
        table = _leading(wanted)
        source = _narrow(sa.select(table.c.arxiv_id), table, wanted)
        order = _newest_first(table)
        if table is _CATEGORIES and len(wanted.categories) > 1:
            source, order = _of_categories(wanted, None if limit is None else limit + offset)
    ids = session.execute(source.order_by(*order).limit(limit).offset(offset)).scalars().all()
    found = {paper.arxiv_id: paper for paper in get_many(session, ids)}
    return [found[arxiv_id] for arxiv_id in ids]


def count(session: Session, wanted: PaperFilter | None = None, *, at_most: int | None = None) -> int:
    """How many papers pass the filter; no more than one above `at_most` are counted."""
    wanted = wanted or PaperFilter()
    table = _PAPERS if wanted.held_since is not None or wanted.revised_since is not None else _leading(wanted)
    if table is _CATEGORIES and len(wanted.categories) > 1:
        for category in wanted.categories:
            if (
                at_most is not None
                and count(session, replace(wanted, categories=(category,)), at_most=at_most) > at_most
            ):
                return at_most + 1
        passing = _narrow(sa.select(table.c.arxiv_id), table, wanted).distinct()
    else:
        passing = _narrow(sa.select(sa.literal(1)).select_from(table), table, wanted)
    if at_most is not None:
        passing = passing.limit(at_most + 1)
    return int(session.execute(sa.select(sa.func.count()).select_from(passing.subquery())).scalar_one())


def category_counts(session: Session) -> dict[str, int]:
    """How many papers each category has, cross-lists included, the largest first."""
    n = sa.func.count()
    largest_first = (n.desc(), _CATEGORIES.c.category)
    statement = sa.select(_CATEGORIES.c.category, n).group_by(_CATEGORIES.c.category).order_by(*largest_first)
    return {row.category: int(row[1]) for row in session.execute(statement)}


def versions(session: Session, arxiv_id: str) -> list[Paper]:
    """Every version seen, oldest first, each as it was described when we saw it."""
    newest = get(session, arxiv_id)
    if newest is None:
        return []
    rows = session.execute(sa.select(_VERSIONS).where(_VERSIONS.c.arxiv_id == arxiv_id).order_by(_VERSIONS.c.version))
    return [
        Paper(
            arxiv_id=row.arxiv_id,
            version=row.version,
            title=row.title,
            abstract=row.abstract,
            authors=tuple(row.authors),
            categories=tuple(row.categories),
            primary_category=newest.primary_category,
            submitted_at=newest.submitted_at,
            updated_at=row.updated_at,
            comment=row.comment,
            journal_ref=row.journal_ref,
            doi=row.doi,
            source=row.source,
        )
        for row in rows
    ]


def export(session: Session, batch: int = 1000) -> Iterator[Paper]:
    """Every paper held, ordered by id, `batch` at a time in memory."""
    last = ""
    while True:
        statement = sa.select(_PAPERS).where(_PAPERS.c.arxiv_id > last).order_by(_PAPERS.c.arxiv_id).limit(batch)
        page = _as_papers(session, session.execute(statement).all())
        yield from page
        if len(page) < batch:
            return
        last = page[-1].arxiv_id


def newest_update(
    session: Session, categories: Sequence[str], *, since: datetime, until: datetime, not_after: datetime
) -> datetime | None:
    """The latest `updated_at` up to `not_after` among the categories' papers submitted from `since` to `until`."""
    statement = sa.select(sa.func.max(_PAPERS.c.updated_at)).where(
        _in_categories(categories),
        _PAPERS.c.submitted_at.between(since, until),
        _PAPERS.c.updated_at <= not_after,
        _PAPERS.c.source != SEED,
    )
    return session.execute(statement).scalar()


def _leading(wanted: PaperFilter) -> sa.Table:
    """The table that has the papers asked for in the order of their submission."""
    if wanted.profile is not None:
        return _MATCHES
    return _CATEGORIES if wanted.categories else _PAPERS


def _newest_first(table: sa.Table | sa.Subquery) -> tuple[sa.UnaryExpression[Any], ...]:
    return table.c.submitted_at.desc(), table.c.arxiv_id.desc()


def _of_categories(wanted: PaperFilter, limit: int | None) -> tuple[sa.Select[Any], tuple[Any, ...]]:
    """The newest `limit` of each category together: each is read in the order of its index."""
    columns = (_CATEGORIES.c.arxiv_id, _CATEGORIES.c.submitted_at)
    parts = [
        _narrow(sa.select(*columns), _CATEGORIES, replace(wanted, categories=(category,)))
        .order_by(*_newest_first(_CATEGORIES))
        .limit(limit)
        .subquery()
        for category in wanted.categories
    ]
    together = sa.union(*(sa.select(part) for part in parts)).subquery()
    return sa.select(together.c.arxiv_id), _newest_first(together)


def _narrow(statement: sa.Select[Any], table: sa.Table, wanted: PaperFilter) -> sa.Select[Any]:
    """The filter as conditions on `table`, which has an `arxiv_id` and its `submitted_at`."""
    if wanted.text is not None:
        raise ValueError("words are looked for by store.search")
    if table is _CATEGORIES:
        statement = statement.where(_CATEGORIES.c.category.in_(wanted.categories))
    elif wanted.categories:
        of_paper = (_CATEGORIES.c.arxiv_id == table.c.arxiv_id) & _CATEGORIES.c.category.in_(wanted.categories)
        statement = statement.where(sa.exists().where(of_paper))
    if table is _MATCHES:
        statement = statement.where(_MATCHES.c.profile == wanted.profile)
    elif wanted.profile is not None:
        of_profile = (_MATCHES.c.arxiv_id == table.c.arxiv_id) & (_MATCHES.c.profile == wanted.profile)
        statement = statement.where(sa.exists().where(of_profile))
    if wanted.since is not None:
        statement = statement.where(table.c.submitted_at >= wanted.since)
    if wanted.held_since is not None:
        statement = statement.where(_PAPERS.c.first_held_at >= wanted.held_since)
    if wanted.revised_since is not None:
        statement = statement.where(
            _PAPERS.c.first_held_at < wanted.revised_since, _PAPERS.c.last_changed_at >= wanted.revised_since
        )
    return statement


def _in_categories(categories: Sequence[str]) -> sa.ColumnElement[bool]:
    return _PAPERS.c.arxiv_id.in_(sa.select(_CATEGORIES.c.arxiv_id).where(_CATEGORIES.c.category.in_(categories)))


def _as_papers(session: Session, rows: Sequence[sa.Row[Any]]) -> list[Paper]:
    categories: dict[str, list[str]] = defaultdict(list)
    for ids in _batches([row.arxiv_id for row in rows]):
        statement = sa.select(_CATEGORIES.c.arxiv_id, _CATEGORIES.c.category).where(_CATEGORIES.c.arxiv_id.in_(ids))
        for arxiv_id, category in session.execute(statement.order_by(_CATEGORIES.c.arxiv_id, _CATEGORIES.c.position)):
            categories[arxiv_id].append(category)
    return [
        Paper(
            arxiv_id=row.arxiv_id,
            version=row.version,
            title=row.title,
            abstract=row.abstract,
            authors=tuple(row.authors),
            categories=tuple(categories[row.arxiv_id]),
            primary_category=row.primary_category,
            submitted_at=row.submitted_at,
            updated_at=row.updated_at,
            comment=row.comment,
            journal_ref=row.journal_ref,
            doi=row.doi,
            source=row.source,
            withdrawn=row.withdrawn,
        )
        for row in rows
    ]


def _batches(ids: Iterable[str]) -> Iterator[list[str]]:
    distinct = list(dict.fromkeys(ids))
    for start in range(0, len(distinct), _IDS_PER_QUERY):
        yield distinct[start : start + _IDS_PER_QUERY]
