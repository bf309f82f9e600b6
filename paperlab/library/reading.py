"""My pile: the papers that the reader starred, read, skipped, tagged or wrote notes on.

Everything is idempotent: a star twice is one star with its first time, the same note twice is one note.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from paperlab.arxiv_id import ArxivId
from paperlab.entities import Note, Paper, Reading
from paperlab.errors import InvalidInput
from paperlab.store import papers, reading
from paperlab.store.database import Session
from paperlab.store.reading import Mark

MAX_TAG = 60
MAX_NOTE = 100_000

_LIKE_AN_ID = re.compile(r"\d+\.\d+(v\d+)?|[a-z-]+/\d+(v\d+)?")


@dataclass(frozen=True)
class Outcome:
    """`papers` are those that were meant, `changed` how many marks, tags or notes are others now."""

    papers: tuple[str, ...]
    changed: int


@dataclass(frozen=True)
class Pile:
    papers: tuple[Paper, ...]
    readings: dict[str, Reading]
    total: int
    unread: int


# --- marks ----------------------------------------------------------------------------------------------------


def star(session: Session, ids: Iterable[ArxivId], now: datetime) -> Outcome:
    """Put papers on the pile; one that was skipped is skipped no more."""
    held = require_held(session, ids)
    reading.unmark(session, held, Mark.SKIPPED)
    return Outcome(held, reading.mark(session, held, Mark.STARRED, now))


def unstar(session: Session, ids: Iterable[ArxivId]) -> Outcome:
    held = require_held(session, ids)
    return Outcome(held, reading.unmark(session, held, Mark.STARRED))


def set_read(session: Session, ids: Iterable[ArxivId], now: datetime, *, undo: bool = False) -> Outcome:
    """Mark papers as read, or with `undo` as unread."""
    return _set(session, ids, Mark.READ, now, undo)


def set_skipped(session: Session, ids: Iterable[ArxivId], now: datetime, *, undo: bool = False) -> Outcome:
    """Mark papers as not worth reading; a star stays, but the pile leaves them out."""
    return _set(session, ids, Mark.SKIPPED, now, undo)


def _set(session: Session, ids: Iterable[ArxivId], kind: Mark, now: datetime, undo: bool) -> Outcome:
    held = require_held(session, ids)
    changed = reading.unmark(session, held, kind) if undo else reading.mark(session, held, kind, now)
    return Outcome(held, changed)


def pile(session: Session, limit: int | None = 50, offset: int = 0) -> Pile:
    """The starred papers, unread ones first, of each the one starred last first; skipped ones are left out."""
    ids = reading.pile(session, limit, offset)
    found = {paper.arxiv_id: paper for paper in papers.get_many(session, ids)}
    total, unread = reading.pile_size(session)
    return Pile(tuple(found[arxiv_id] for arxiv_id in ids), reading.get_many(session, ids), total, unread)


# --- tags -----------------------------------------------------------------------------------------------------


def tag(session: Session, ids: Iterable[ArxivId], tags: Sequence[str], now: datetime) -> Outcome:
    """Put every tag on every paper.  Raises InvalidInput for a name that can't be a tag."""
    names = [tag_name(name) for name in tags]
    held = require_held(session, ids)
    return Outcome(held, reading.tag(session, held, names, now))


def tags_in_use(session: Session) -> dict[str, int]:
    """How many papers each tag is on, by name."""
    return reading.tags_in_use(session)


def untag(session: Session, ids: Iterable[ArxivId], tags: Sequence[str]) -> Outcome:
    names = [tag_name(name) for name in tags]
    held = require_held(session, ids)
    return Outcome(held, reading.untag(session, held, names))


def ids_and_tags(words: Iterable[str]) -> tuple[list[ArxivId], list[str]]:
    """What is an arXiv identifier or address, and what is a tag, in any order.

    Raises InvalidInput for a word that looks like an identifier and is none: it would become a tag unnoticed.
    """
    ids: list[ArxivId] = []
    names: list[str] = []
    for word in words:
        try:
            ids.append(ArxivId.parse(word))
        except InvalidInput:
            names.append(tag_name(word))
    return ids, names


def tag_name(text: str) -> str:
    """A tag as it is kept: lower case, single blanks.  Raises InvalidInput for what can't be one."""
    name = " ".join(text.split()).lower()
    if _LIKE_AN_ID.fullmatch(name) or "://" in name or name.startswith("arxiv:"):
        raise InvalidInput(f'"{name}" is neither an arXiv identifier nor a tag', "example: 2401.00001")
    if not re.search(r"\w", name) or not name.isprintable() or '"' in name or len(name) > MAX_TAG:
        raise InvalidInput(
            f'"{_short(name)}" can\'t be a tag', f"a tag has letters or digits, no quotes, at most {MAX_TAG} characters"
        )
    return name


# --- notes ----------------------------------------------------------------------------------------------------


def add_note(session: Session, arxiv_id: ArxivId, text: str, now: datetime) -> Note:
    """Write a note on a paper; one with the same text is not written twice."""
    (held,) = require_held(session, [arxiv_id])
    return reading.add_note(session, held, _note_text(text), now)


def edit_note(session: Session, arxiv_id: ArxivId, number: int, text: str, now: datetime) -> Note:
    """Replace the text of note `number` of this paper.  Raises InvalidInput where the paper has no such note."""
    _require_note(session, arxiv_id, number)
    reading.change_note(session, number, _note_text(text), now)
    return _require_note(session, arxiv_id, number)


def delete_note(session: Session, arxiv_id: ArxivId, number: int) -> Note:
    """Delete note `number` of this paper and return what it was."""
    note = _require_note(session, arxiv_id, number)
    reading.delete_note(session, number)
    return note


def notes(session: Session, arxiv_id: ArxivId) -> tuple[Note, ...]:
    """The notes on a paper, oldest first."""
    (held,) = require_held(session, [arxiv_id])
    return reading.get(session, held).notes


def _require_note(session: Session, arxiv_id: ArxivId, number: int) -> Note:
    held = notes(session, arxiv_id)
    for note in held:
        if note.id == number:
            return note
    known = f" (its notes: {', '.join(str(note.id) for note in held)})" if held else ""
    raise InvalidInput(f"{arxiv_id.base} has no note {number}{known}", f"paperlab papers note {arxiv_id.base}")


def _note_text(text: str) -> str:
    bare = text.strip()
    if not bare:
        raise InvalidInput("an empty note says nothing", "to delete one: paperlab papers note ID --delete N")
    if len(bare) > MAX_NOTE:
        raise InvalidInput(f"a note of {len(bare)} characters is too long", f"at most {MAX_NOTE} characters")
    return bare


# --- papers ---------------------------------------------------------------------------------------------------


def of_papers(session: Session, arxiv_ids: Iterable[str]) -> list[Reading]:
    """What the reader did with each of these papers, in their order."""
    wanted = list(arxiv_ids)
    found = reading.get_many(session, wanted)
    return [found.get(arxiv_id) or Reading(arxiv_id) for arxiv_id in wanted]


def require_held(session: Session, ids: Iterable[ArxivId]) -> tuple[str, ...]:
    """The ids without version, each once.  Raises InvalidInput naming every paper that is not held."""
    wanted = list(dict.fromkeys(arxiv_id.base for arxiv_id in ids))
    held = {paper.arxiv_id for paper in papers.get_many(session, wanted)}
    missing = [arxiv_id for arxiv_id in wanted if arxiv_id not in held]
    if missing:
        verb = "is" if len(missing) == 1 else "are"
        raise InvalidInput(f"{', '.join(missing)} {verb} not held", f"paperlab papers add {' '.join(missing)}")
    return tuple(wanted)


def _short(text: str) -> str:
    plain = "".join(character if character.isprintable() else " " for character in text)
    return plain if len(plain) <= MAX_TAG else plain[: MAX_TAG - 3] + "..."
