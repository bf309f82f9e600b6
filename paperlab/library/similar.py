"""Papers like one paper: the cosine of their TF-IDF vectors, and the words that they share."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from paperlab.arxiv_id import ArxivId
from paperlab.entities import Paper
from paperlab.errors import InvalidInput, NotReady
from paperlab.library import ranking
from paperlab.library.ranking import RankedPaper
from paperlab.settings import Settings
from paperlab.store import papers, vectors
from paperlab.store.database import Session


@dataclass(frozen=True)
class Similar:
    to: Paper
    papers: tuple[RankedPaper, ...]
    """The most alike first; their score is the cosine, `lifted` the shared words with their share of it."""
    candidates: int


def similar(
    session: Session,
    settings: Settings,
    arxiv_id: ArxivId,
    *,
    since: datetime | None = None,
    limit: int = 20,
    rebuild: bool = False,
    tell: Callable[[str], None] = ranking.silent,
) -> Similar:
    """The papers submitted at `since` or later (None: all) that are most like one that is held, itself left out.

    Raises InvalidInput for a paper that is not held, NotReady without scikit-learn.
    """
    paper = papers.get(session, arxiv_id.base)
    if paper is None:
        raise InvalidInput(f"{arxiv_id.base} is not held", f"paperlab papers add {arxiv_id.base}")
    held = ranking.opened(session, settings, tell=tell, rebuild=rebuild)
    own = vectors.rows_of(held, [arxiv_id.ordinal])
    if not len(own):
        raise NotReady(f"{arxiv_id.base} is not in the vectors yet", "run the same command again")
    weights = vectors.matrix(held, own).toarray()[0]
    rows = ranking.Rows.of(held, positives=(), skipped=(), judged=[arxiv_id.base], since=since)
    scores = vectors.products(held, weights, rows.candidates)
    found = ranking.explained(session, held, weights, rows.candidates, scores, limit=limit)
    return Similar(paper, tuple(found), len(rows.candidates))
