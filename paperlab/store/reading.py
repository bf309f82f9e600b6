"""What the reader did with papers: stars, read and skipped marks, tags and notes.  Nothing here can be fetched again.

Every function is idempotent and commits nothing.  Callers see to it that the papers are held.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from datetime import datetime
from enum import StrEnum
from typing import Any, cast

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from paperlab.entities import Note, Reading
from paperlab.store.schema import NoteRow, PaperTagRow, ReadingRow

_READING = cast(sa.Table, ReadingRow.__table__)
_TAGS = cast(sa.Table, PaperTagRow.__table__)
_NOTES = cast(sa.Table, NoteRow.__table__)
_IDS_PER_QUERY = 500
_IN_PILE = (_READING.c.starred_at.is_not(None), _READING.c.skipped_at.is_(None))


class Mark(StrEnum):
    """What a paper can be marked as, each with the time of the first marking."""

    STARRED = "starred_at"
    READ = "read_at"
    SKIPPED = "skipped_at"


# --- marks ----------------------------------------------------------------------------------------------------


def mark(session: Session, arxiv_ids: Sequence[str], kind: Mark, now: datetime) -> int:
    """Mark these papers; one that is marked already keeps its time.  Returns how many were not."""
    rows = [{"arxiv_id": arxiv_id, kind.value: now} for arxiv_id in dict.fromkeys(arxiv_ids)]
    if not rows:
        return 0
    inserting = _insert(session, _READING)
    column = _READING.c[kind.value]
    statement = inserting.on_conflict_do_update(
        index_elements=["arxiv_id"], set_={kind.value: inserting.excluded[kind.value]}, where=column.is_(None)
    )
    before = _count(session, column.is_not(None))
    session.execute(statement, rows)
    return _count(session, column.is_not(None)) - before


def unmark(session: Session, arxiv_ids: Sequence[str], kind: Mark) -> int:
    """Take the mark away.  Returns how many had it."""
    column = _READING.c[kind.value]
    changed = 0
    for ids in _batches(arxiv_ids):
        had = sa.update(_READING).where(_READING.c.arxiv_id.in_(ids), column.is_not(None)).values({kind.value: None})
        changed += session.connection().execute(had).rowcount
    return changed


def pile(session: Session, limit: int | None = None, offset: int = 0) -> list[str]:
    """Ids of the starred papers that were not skipped: unread ones first, of each the one starred last first."""
    statement = (
        sa.select(_READING.c.arxiv_id)
        .where(*_IN_PILE)
        .order_by(_READING.c.read_at.is_not(None), _READING.c.starred_at.desc(), _READING.c.arxiv_id.desc())
    )
    return list(session.execute(statement.limit(limit).offset(offset)).scalars())


def pile_size(session: Session) -> tuple[int, int]:
    """How many papers are in the pile, and how many of them are unread."""
    total = _count(session, *_IN_PILE)
    return total, _count(session, *_IN_PILE, _READING.c.read_at.is_(None))


# --- tags -----------------------------------------------------------------------------------------------------


def tag(session: Session, arxiv_ids: Sequence[str], tags: Sequence[str], now: datetime) -> int:
    """Put each tag on each paper.  Returns how many were not there."""
    pairs = _pairs(arxiv_ids, tags)
    if not pairs:
        return 0
    before = _tags_held(session)
    rows = [{"tag": name, "arxiv_id": arxiv_id, "tagged_at": now} for arxiv_id, name in pairs]
    session.execute(_insert(session, _TAGS).on_conflict_do_nothing(), rows)
    return _tags_held(session) - before


def untag(session: Session, arxiv_ids: Sequence[str], tags: Sequence[str]) -> int:
    """Take each tag off each paper.  Returns how many were there."""
    changed = 0
    for ids in _batches(arxiv_ids):
        statement = sa.delete(_TAGS).where(_TAGS.c.arxiv_id.in_(ids), _TAGS.c.tag.in_(list(tags)))
        changed += session.connection().execute(statement).rowcount
    return changed


def tags_in_use(session: Session) -> dict[str, int]:
    """How many papers each tag is on, by name."""
    statement = sa.select(_TAGS.c.tag, sa.func.count()).group_by(_TAGS.c.tag).order_by(_TAGS.c.tag)
    return {name: int(number) for name, number in session.execute(statement)}


# --- notes ----------------------------------------------------------------------------------------------------


def add_note(session: Session, arxiv_id: str, text: str, now: datetime) -> Note:
    """A new note, or the one with the same text that the paper has already."""
    same = sa.select(_NOTES).where(_NOTES.c.arxiv_id == arxiv_id, _NOTES.c.text == text).order_by(_NOTES.c.id)
    held = session.execute(same).first()
    if held is not None:
        return _as_note(held)
    writing = sa.insert(_NOTES).values(arxiv_id=arxiv_id, text=text, written_at=now, changed_at=now)
    number = session.execute(writing.returning(_NOTES.c.id)).scalar_one()
    return Note(number, arxiv_id, text, written_at=now, changed_at=now)


def change_note(session: Session, number: int, text: str, now: datetime) -> None:
    """The note says `text` now; the same text again changes nothing."""
    wanted = sa.update(_NOTES).where(_NOTES.c.id == number, _NOTES.c.text != text)
    session.connection().execute(wanted.values(text=text, changed_at=now))


def delete_note(session: Session, number: int) -> None:
    session.execute(sa.delete(_NOTES).where(_NOTES.c.id == number))


# --- reading --------------------------------------------------------------------------------------------------


def get(session: Session, arxiv_id: str) -> Reading:
    """What the reader did with this paper; empty where that is nothing."""
    return get_many(session, [arxiv_id]).get(arxiv_id) or Reading(arxiv_id)


def get_many(session: Session, arxiv_ids: Iterable[str]) -> dict[str, Reading]:
    """By id, for those papers with which the reader did something."""
    found: dict[str, Reading] = {}
    for ids in _batches(arxiv_ids):
        of_these: dict[str, Reading] = {}
        for row in session.execute(sa.select(_READING).where(_READING.c.arxiv_id.in_(ids))):
            if row.starred_at or row.read_at or row.skipped_at:
                of_these[row.arxiv_id] = Reading(row.arxiv_id, row.starred_at, row.read_at, row.skipped_at)
        tags: dict[str, list[str]] = defaultdict(list)
        for row in session.execute(sa.select(_TAGS).where(_TAGS.c.arxiv_id.in_(ids)).order_by(_TAGS.c.tag)):
            tags[row.arxiv_id].append(row.tag)
        notes: dict[str, list[Note]] = defaultdict(list)
        for row in session.execute(sa.select(_NOTES).where(_NOTES.c.arxiv_id.in_(ids)).order_by(_NOTES.c.id)):
            notes[row.arxiv_id].append(_as_note(row))
        for arxiv_id in {*of_these, *tags, *notes}:
            marked = of_these.get(arxiv_id) or Reading(arxiv_id)
            found[arxiv_id] = replace(marked, tags=tuple(tags[arxiv_id]), notes=tuple(notes[arxiv_id]))
    return found


def marked(session: Session, kind: Mark) -> frozenset[str]:
    """Ids of the papers that have this mark."""
    return frozenset(
        session.execute(sa.select(_READING.c.arxiv_id).where(_READING.c[kind.value].is_not(None))).scalars()
    )


def tagged(session: Session, name: str | None = None) -> frozenset[str]:
    """Ids of the papers with this tag, or with any."""
    statement = sa.select(_TAGS.c.arxiv_id)
    return frozenset(session.execute(statement if name is None else statement.where(_TAGS.c.tag == name)).scalars())


# --- rows -----------------------------------------------------------------------------------------------------


def _as_note(row: sa.Row[Any]) -> Note:
    return Note(row.id, row.arxiv_id, row.text, row.written_at, row.changed_at)


def _insert(session: Session, table: sa.Table) -> sqlite.Insert | postgresql.Insert:
    return postgresql.insert(table) if session.get_bind().dialect.name == "postgresql" else sqlite.insert(table)


def _count(session: Session, *conditions: sa.ColumnElement[bool]) -> int:
    return int(session.execute(sa.select(sa.func.count()).select_from(_READING).where(*conditions)).scalar_one())


def _tags_held(session: Session) -> int:
    return int(session.execute(sa.select(sa.func.count()).select_from(_TAGS)).scalar_one())


def _pairs(arxiv_ids: Iterable[str], tags: Iterable[str]) -> list[tuple[str, str]]:
    names = list(dict.fromkeys(tags))
    return [(arxiv_id, name) for arxiv_id in dict.fromkeys(arxiv_ids) for name in names]


def _batches(ids: Iterable[str]) -> Iterator[list[str]]:
    distinct = list(dict.fromkeys(ids))
    for start in range(0, len(distinct), _IDS_PER_QUERY):
        yield distinct[start : start + _IDS_PER_QUERY]
