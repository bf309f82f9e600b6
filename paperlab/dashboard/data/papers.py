"""Papers as the pages read them."""

from __future__ import annotations

from dataclasses import dataclass, replace

from paperlab.arxiv_id import ArxivId
from paperlab.dashboard.data.cache import cached
from paperlab.dashboard.text import escape
from paperlab.entities import Paper, ProfileMatch, ReportedResult
from paperlab.library import papers as library
from paperlab.library import search, versions
from paperlab.library.papers import PaperDetails
from paperlab.library.search import Snippet, Sort
from paperlab.library.versions import VersionDiff
from paperlab.query import Field
from paperlab.store import database, matches, months, papers, reported_results
from paperlab.store.papers import PaperFilter


@dataclass(frozen=True)
class PaperPage:
    """Some papers, why they are relevant, and how many there are in all; `is_more` where no more were counted."""

    papers: tuple[Paper, ...]
    matches: dict[str, list[ProfileMatch]]
    total: int
    is_more: bool


@cached
def find_papers(session: database.Session, wanted: PaperFilter, limit: int, offset: int = 0) -> PaperPage:
    found = library.list_papers(session, wanted, limit, offset)
    why = matches.of_papers(session, [paper.arxiv_id for paper in found.papers])
    return PaperPage(found.papers, why, found.total, found.is_more)


@cached
def paper(session: database.Session, arxiv_id: ArxivId) -> PaperDetails:
    return library.show(session, arxiv_id)


@cached
def categories(session: database.Session) -> dict[str, int]:
    return papers.category_counts(session)


@cached
def category_months(session: database.Session, names: tuple[str, ...]) -> dict[str, dict[str, int]]:
    """Papers by month of identifier ("2026-11"), for each category."""
    return months.of_categories(session, names)


@cached
def query_months(session: database.Session, query: str) -> dict[str, int]:
    """Papers that a search means, by month of identifier; all for an empty one.  Raises InvalidInput."""
    if not query:
        return months.every(session)
    return search.months(session, query)


@cached
def version_diff(session: database.Session, arxiv_id: ArxivId, before: int, after: int) -> VersionDiff:
    return versions.diff(session, arxiv_id, before, after)


@cached
def reported(session: database.Session, arxiv_id: str) -> list[ReportedResult]:
    """What imported leaderboards say that this paper reports."""
    return reported_results.of_paper(session, arxiv_id)


@dataclass(frozen=True)
class FoundPapers:
    """A page of papers, in which order in words, and of some the words that were looked for, as Markdown."""

    page: PaperPage
    how: str
    snippets: dict[str, str]


@cached
def search_papers(session: database.Session, wanted: PaperFilter, sort: Sort, limit: int, offset: int) -> FoundPapers:
    """A search in the order asked for.  Raises InvalidInput where the text is no query."""
    asked = replace(wanted, text=None)
    found = search.search(session, wanted.text or "", sort=sort, limit=limit, offset=offset, within=asked)
    why = matches.of_papers(session, [paper.arxiv_id for paper in found.papers])
    snippets = {
        paper.arxiv_id: " · ".join(_marked(snippet) for snippet in pieces if snippet.field is not Field.TITLE)
        for paper, pieces in zip(found.papers, found.snippets, strict=True)
    }
    page = PaperPage(found.papers, why, found.total, found.is_more)
    return FoundPapers(page, found.how, {arxiv_id: said for arxiv_id, said in snippets.items() if said})


def _marked(snippet: Snippet) -> str:
    words = "".join(f"**{escape(text)}**" if is_found else _spaced(text) for text, is_found in snippet.pieces)
    return f"{snippet.field.value}: {words}"


def _spaced(text: str) -> str:
    """Escaped, with the blanks at its ends that separate it from what is marked."""
    return (
        f"{' ' if text[:1].isspace() else ''}{escape(text, 1000)}{' ' if text[-1:].isspace() and text.strip() else ''}"
    )
