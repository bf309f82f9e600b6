"""`paperlab search`: the papers held that hold these words."""

from __future__ import annotations

import sys
from typing import Annotated, Any

import typer

from paperlab import settings
from paperlab.cli import arguments, output
from paperlab.entities import Paper
from paperlab.library import database, papers
from paperlab.library import search as library
from paperlab.library.search import SearchResult, Snippet, Sort
from paperlab.query import Field
from paperlab.store.database import read_only

_BOLD, _PLAIN = "\x1b[1m", "\x1b[0m"


def search(
    query: Annotated[list[str], typer.Argument(help="Words, and more: see below.")],
    sort: Annotated[Sort, typer.Option(help="relevance, or newest.")] = Sort.RELEVANCE,
    limit: Annotated[
        int, typer.Option(min=0, help=f"At most so many, and never more than {arguments.MOST_LISTED}.")
    ] = 20,
    offset: Annotated[int, typer.Option(min=0, help="Leave out so many.")] = 0,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object on stdout.")] = False,
) -> None:
    """Search the papers held: title, abstract, authors, comment and own notes.

    All words must be there; "a phrase" in order, -word not, begin* any ending, OR and parentheses between. Fields:
    ti: abs: au: co: note: cat: tag: id: year:2019..2021 since: until: has:code|note|tag|result
    is:starred|read|skipped|withdrawn|reproduced. A query that begins with - stands behind --.

    Example: paperlab search 'abs:"mixture of experts" cat:cs.CL -survey' --sort newest
    """
    text = arguments.text(" ".join(query), "the query")
    arguments.limit(limit, "the rest: --offset     all of them: paperlab papers export --query QUERY")
    arguments.number(offset, "--offset")
    with read_only(database.open_or_create(settings.load())) as session:
        found = library.search(session, text, sort=sort, limit=limit, offset=offset)
    if as_json:
        output.write_json(_record(found))
        return
    for paper, snippets in zip(found.papers, found.snippets, strict=True):
        _show(paper, snippets)
    output.talk(f"{len(found.papers)} of {found.total:,}{'+' if found.is_more else ''} papers, {found.how}")


def _record(found: SearchResult) -> dict[str, Any]:
    shown = [
        {**papers.as_record(paper), "snippets": [{"field": each.field, "pieces": each.pieces} for each in snippets]}
        for paper, snippets in zip(found.papers, found.snippets, strict=True)
    ]
    return {"papers": shown, "total": found.total, "is_more": found.is_more, "how": found.how}


def _show(paper: Paper, snippets: tuple[Snippet, ...]) -> None:
    title = next((snippet for snippet in snippets if snippet.field is Field.TITLE), None)
    shown = _marked(title) if title else output.cell(" ".join(paper.title.split()))
    output.write_line(f"{paper.arxiv_id}  {paper.submitted_at.date()}  {paper.primary_category}  {shown}")
    for snippet in snippets:
        if snippet.field is not Field.TITLE:
            output.write_line(f"    {_marked(snippet)}")


def _marked(snippet: Snippet) -> str:
    """Hits are bold on a terminal and stand between asterisks elsewhere."""
    before, after = (_BOLD, _PLAIN) if sys.stdout.isatty() else ("*", "*")
    return "".join(
        f"{before}{output.cell(text)}{after}" if is_hit else output.cell(text) for text, is_hit in snippet.pieces
    )
