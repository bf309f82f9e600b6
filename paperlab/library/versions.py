"""What changed between two versions of a paper, word by word, on normalised text.

arXiv's servers wrap abstracts now one way, now another (all of them changed in November 2025): white space is no
difference.  A version whose record is the same was replaced all the same: its files are others.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

from paperlab.arxiv.withdrawal import is_withdrawn
from paperlab.arxiv_id import ArxivId
from paperlab.entities import Paper
from paperlab.errors import InvalidInput
from paperlab.store import papers
from paperlab.store.database import Session
from paperlab.store.papers import normalised


class Op(StrEnum):
    SAME = "same"
    REMOVED = "removed"
    ADDED = "added"


@dataclass(frozen=True)
class Piece:
    op: Op
    text: str


@dataclass(frozen=True)
class FieldChange:
    """One field that differs.  `pieces` joined by `joint` give the old text without ADDED, the new without REMOVED."""

    field: str
    pieces: tuple[Piece, ...]
    joint: str
    """A blank between words, ", " between authors or categories."""


@dataclass(frozen=True)
class VersionDiff:
    before: Paper
    after: Paper
    changes: tuple[FieldChange, ...]
    """In the order of a record: title, authors, abstract, comment, categories, journal_ref, doi."""

    @property
    def was_withdrawn(self) -> bool:
        """Whether the later version takes back what the earlier one still held."""
        return self.after.withdrawn and not self.before.withdrawn


_FIELDS: dict[str, Callable[[Paper], Sequence[str]]] = {
    "title": lambda paper: normalised(paper.title).split(),
    "authors": lambda paper: [normalised(name) for name in paper.authors],
    "abstract": lambda paper: normalised(paper.abstract).split(),
    "comment": lambda paper: normalised(paper.comment).split(),
    "categories": lambda paper: paper.categories,
    "journal_ref": lambda paper: normalised(paper.journal_ref).split(),
    "doi": lambda paper: normalised(paper.doi).split(),
}
"""Each field as the units that are compared: words, whole authors, whole categories."""
_LISTS = ("authors", "categories")
_LONG = 4000
"""Words of two texts together from which on they are compared roughly; an abstract has some two hundred."""


def changed_fields(before: Paper, after: Paper) -> tuple[str, ...]:
    """The names of the fields whose normalised texts differ."""
    return tuple(name for name, units in _FIELDS.items() if list(units(before)) != list(units(after)))


def compare(before: Paper, after: Paper) -> VersionDiff:
    """The difference of two records."""
    changes = []
    for name in changed_fields(before, after):
        joint = ", " if name in _LISTS else " "
        changes.append(FieldChange(name, _pieces(_FIELDS[name](before), _FIELDS[name](after), joint), joint))
    return VersionDiff(before, after, tuple(changes))


def diff(session: Session, arxiv_id: ArxivId, first: int | None = None, second: int | None = None) -> VersionDiff:
    """Two versions of a held paper; where none is named the two newest, where one is named that one and the newest.

    Raises InvalidInput, with the command that fetches it, for a version that is not held.
    """
    held = {version.version: version for version in history(session, arxiv_id.base)}
    newest = max(held, default=0)
    if first is None and arxiv_id.version is not None:
        first = arxiv_id.version
    if first is None:
        if len(held) < 2:
            raise _nothing_to_compare(arxiv_id.base, newest)
        first, second = sorted(held)[-2:]
    elif second is None:
        second = newest
    for version in (first, second):
        if version not in held:
            names = ", ".join(f"v{number}" for number in sorted(held)) or "none"
            raise InvalidInput(
                f"version {version} of {arxiv_id.base} is not held (held: {names})",
                f"paperlab papers add {arxiv_id.base}v{version}",
            )
    return compare(held[first], held[second])


def history(session: Session, arxiv_id: str) -> list[Paper]:
    """Every version seen, oldest first, each with whether it is a withdrawal.  Raises InvalidInput if not held."""
    newest = papers.get(session, arxiv_id)
    if newest is None:
        raise InvalidInput(f"{arxiv_id} is not held", f"paperlab papers add {arxiv_id}")
    return [
        newest
        if (version.version, version.source) == (newest.version, newest.source)
        else replace(version, withdrawn=is_withdrawn(version.comment, version.abstract, version.title))
        for version in papers.versions(session, arxiv_id)
    ]


def _nothing_to_compare(arxiv_id: str, newest: int) -> InvalidInput:
    if newest > 1:
        return InvalidInput(
            f"of {arxiv_id} only v{newest} is held", f"paperlab papers add {arxiv_id}v{newest - 1}   then again"
        )
    held = "only v1 is held, and no revision of it" if newest else "no version of arXiv's is held"
    return InvalidInput(f"of {arxiv_id} {held}", f"paperlab papers add {arxiv_id}   fetches the newest")


def _pieces(before: Sequence[str], after: Sequence[str], joint: str) -> tuple[Piece, ...]:
    pieces: list[Piece] = []

    def put(op: Op, units: Sequence[str]) -> None:
        if units:
            pieces.append(Piece(op, joint.join(units)))

    # A word that stands everywhere costs the square of how often: in a very long text it is not looked for.
    long = len(before) + len(after) > _LONG
    for kind, a, b, c, d in difflib.SequenceMatcher(None, before, after, autojunk=long).get_opcodes():
        if kind == "equal":
            put(Op.SAME, before[a:b])
        else:
            put(Op.REMOVED, before[a:b])
            put(Op.ADDED, after[c:d])
    return tuple(pieces)
