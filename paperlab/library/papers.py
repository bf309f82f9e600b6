"""Papers as readers want them: listed, shown with their history, exported.  Commands and pages call these."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from datetime import UTC
from typing import Any

from paperlab.arxiv_id import ArxivId
from paperlab.entities import CodeLink, Paper, ProfileMatch, Reading
from paperlab.errors import InvalidInput
from paperlab.library import search, versions
from paperlab.store import code_links, matches, papers, reading, watchlists
from paperlab.store.database import Session
from paperlab.store.papers import PaperFilter
from paperlab.store.search import COUNTED


@dataclass(frozen=True)
class PaperDetails:
    """A paper with its history and why it is relevant."""

    paper: Paper
    versions: tuple[Paper, ...]
    """Oldest first; empty for a landmark paper that arXiv has not described yet."""
    matches: tuple[ProfileMatch, ...]
    reading: Reading
    code: tuple[CodeLink, ...] = ()
    watchlists: tuple[str, ...] = ()
    """Those that it matches."""


@dataclass(frozen=True)
class PaperList:
    papers: tuple[Paper, ...]
    total: int
    """How many pass the filter, shown or not; no more than COUNTED are counted."""
    is_more: bool = False
    """Whether there are more than `total`."""


def list_papers(session: Session, wanted: PaperFilter, limit: int | None = 50, offset: int = 0) -> PaperList:
    """Papers that pass the filter, newest first, and how many there are.

    `wanted.text` is a query: raises InvalidInput where it can't be read, NotReady where the database has no index.
    """
    if wanted.text:
        asked = replace(wanted, text=None)
        found = search.search(session, wanted.text, sort=search.Sort.NEWEST, limit=limit, offset=offset, within=asked)
        return PaperList(found.papers, found.total, found.is_more)
    total = papers.count(session, wanted, at_most=COUNTED)
    shown = papers.find(session, wanted, limit, offset)
    return PaperList(tuple(shown), min(total, COUNTED), total > COUNTED)


def show(session: Session, arxiv_id: ArxivId) -> PaperDetails:
    """A held paper.  Raises InvalidInput where it is not held, or not in the version named."""
    paper = papers.get(session, arxiv_id.base)
    if paper is None:
        raise InvalidInput(f"{arxiv_id.base} is not held", f"paperlab papers add {arxiv_id}")
    held_versions = versions.history(session, arxiv_id.base)
    if arxiv_id.version is not None:
        of_version = [version for version in [*held_versions, paper] if version.version == arxiv_id.version]
        if not of_version:
            held = ", ".join(f"v{version.version}" for version in held_versions) or "none"
            raise InvalidInput(
                f"version {arxiv_id.version} of {arxiv_id.base} is not held (held: {held})",
                f"paperlab papers add {arxiv_id}",
            )
        paper = of_version[0]
    return PaperDetails(
        paper,
        tuple(held_versions),
        tuple(matches.of_paper(session, arxiv_id.base)),
        reading.get(session, arxiv_id.base),
        tuple(code_links.of_paper(session, arxiv_id.base)),
        tuple(watchlists.of_paper(session, arxiv_id.base)),
    )


def as_record(paper: Paper) -> dict[str, Any]:
    """A paper as plain JSON values; `arxiv_id` has no version."""
    record = asdict(paper)
    for name in ("submitted_at", "updated_at"):
        record[name] = record[name].astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
    return {**record, "abstract_url": paper.abstract_url}
