"""Some of the papers held, or all, one after the other by identifier: what an export writes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice

from paperlab import query as language
from paperlab.arxiv_id import ArxivId
from paperlab.entities import Paper
from paperlab.errors import InvalidInput
from paperlab.library import search
from paperlab.store import papers, reading
from paperlab.store import search as stored
from paperlab.store.database import Session
from paperlab.store.reading import Mark

_BATCH = 500


def every(session: Session) -> Iterator[Paper]:
    """Every paper held; memory does not grow with the store."""
    return papers.export(session)


def found(session: Session, query: str) -> Iterator[Paper]:
    """What a query means, as `paperlab search` finds it.  Raises InvalidInput for what is no query."""
    wanted = language.parse(query)
    return _held(session, stored.ids(session, wanted, reproduced=lambda: search.reproduced(session)))


def starred(session: Session) -> Iterator[Paper]:
    return _held(session, reading.marked(session, Mark.STARRED))


def named(session: Session, ids: Iterable[ArxivId]) -> Iterator[Paper]:
    """The newest version held of each of these.  Raises InvalidInput, before the first, where one is not held."""
    wanted = {arxiv_id.base for arxiv_id in ids}
    missing = wanted - {paper.arxiv_id for paper in papers.get_many(session, wanted)}
    if missing:
        names = " ".join(sorted(missing))
        raise InvalidInput(f"not held: {names.replace(' ', ', ')}", f"paperlab papers add {names}")
    return _held(session, wanted)


def _held(session: Session, ids: Iterable[str]) -> Iterator[Paper]:
    ordered = iter(sorted(ids))
    while batch := list(islice(ordered, _BATCH)):
        yield from sorted(papers.get_many(session, batch), key=lambda paper: paper.arxiv_id)
