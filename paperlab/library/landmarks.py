"""The papers that paperlab reproduces are always there, with or without a network.

Facts and one line in our own words come with the reproduction; arXiv's own record replaces them when it arrives.
"""

from __future__ import annotations

from datetime import UTC, datetime

from paperlab.arxiv_id import ArxivId
from paperlab.entities import Paper
from paperlab.errors import InvalidInput
from paperlab.library import arrivals
from paperlab.settings import Settings
from paperlab.store import database, papers
from reproductions import registry


def seed(engine: database.Engine, settings: Settings, now: datetime) -> int:
    """Bring in the landmark papers that are not held.  Returns how many records were written."""
    landmarks = shipped()
    with database.read_only(engine) as session:
        held = {paper.arxiv_id: paper for paper in papers.get_many(session, [p.arxiv_id for p in landmarks])}
    missing = [paper for paper in landmarks if _outdated(held.get(paper.arxiv_id), paper)]
    if not missing:
        return 0
    with database.session(engine) as session:
        written = arrivals.take(session, settings, missing, now).changed
    return len(written)


def _outdated(held: Paper | None, landmark: Paper) -> bool:
    return held is None or (held.source == papers.SEED and held != landmark)


def shipped() -> list[Paper]:
    """The landmark papers as they come with the reproductions."""
    try:
        reproductions = registry.all()
    except registry.ReproductionError as error:
        raise InvalidInput(error.message, error.hint) from error
    return [_paper(source) for each in reproductions for source in each.sources if source.kind == "arxiv"]


def _paper(source: registry.Source) -> Paper:
    arxiv_id = ArxivId.parse(source.id)
    submitted = datetime.fromisoformat(source.submitted).replace(tzinfo=UTC)
    # An identifier without version stands for the first: the date of a later one would be that of another version.
    updated = source.updated if arxiv_id.version and source.updated else source.submitted
    return Paper(
        arxiv_id=arxiv_id.base,
        version=arxiv_id.version or 1,
        title=source.title,
        abstract=source.summary,
        authors=source.authors,
        categories=source.categories,
        primary_category=source.categories[0],
        submitted_at=submitted,
        updated_at=datetime.fromisoformat(updated).replace(tzinfo=UTC),
        source=papers.SEED,
    )
