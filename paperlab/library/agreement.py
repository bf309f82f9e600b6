"""When two sources describe the same version of a paper: what is a difference, and what only another way to write it.

The query API's way stands.  OAI-PMH keeps authors in one line with TeX and affiliations, and is read back into names as
well as that goes; the query API knows them apart.  Without a rule each sync would undo the other's.  So where a version
is held that the query API described, a harvest changes what the words say, never how they are written:

- authors stay as held if they are the same letters, accents, signs and case aside;
- categories stay as held if they are the same ones under the same primary category;
- texts stay as held if they are the same but for white space.

The query API's own answers overwrite without this rule, so that the store ends at its way whichever came first.

A dump may be older than what is held.  Of a version that arXiv itself described to us it fills in only what is missing.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TypeVar

from paperlab.arxiv import author_names
from paperlab.entities import Paper
from paperlab.store.papers import SEED, normalised

_Text = TypeVar("_Text", str, str | None)


def as_held(arriving: Paper, held: Paper | None) -> Paper:
    """`arriving` with everything as it is held that says the same."""
    if held is None or held.source == SEED or held.version != arriving.version:
        return arriving
    same_people = author_names.letters(arriving.authors) == author_names.letters(held.authors)
    same_categories = (arriving.primary_category, frozenset(arriving.categories)) == (
        held.primary_category,
        frozenset(held.categories),
    )
    return replace(
        arriving,
        title=_same(arriving.title, held.title),
        abstract=_same(arriving.abstract, held.abstract),
        comment=_same(arriving.comment, held.comment),
        journal_ref=_same(arriving.journal_ref, held.journal_ref),
        doi=_same(arriving.doi, held.doi),
        authors=held.authors if same_people else arriving.authors,
        categories=held.categories if same_categories else arriving.categories,
    )


def beneath(arriving: Paper, held: Paper | None) -> Paper:
    """`arriving` from a dump, under what is held: the same version, told by arXiv itself, keeps what it says."""
    if held is None or held.source in {SEED, arriving.source} or held.version != arriving.version:
        return as_held(arriving, held)
    return replace(
        held,
        comment=held.comment or arriving.comment,
        journal_ref=held.journal_ref or arriving.journal_ref,
        doi=held.doi or arriving.doi,
        withdrawn=held.withdrawn or (arriving.withdrawn and not held.comment),
    )


def _same(arriving: _Text, held: _Text) -> _Text:
    return held if normalised(arriving) == normalised(held) else arriving
