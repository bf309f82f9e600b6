"""`paperlab recommend`: what to read first, and why."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Annotated, Any

import typer

from paperlab import settings
from paperlab.arxiv_id import ArxivId
from paperlab.cli import arguments, output
from paperlab.errors import InvalidInput
from paperlab.library import database, papers, ranking, similar
from paperlab.library.ranking import RankedPaper
from paperlab.store.database import read_only

RECENT = timedelta(days=30)


def recommend(
    *,
    tag: Annotated[str | None, typer.Option(help="Like the papers with this tag, not like all liked ones.")] = None,
    like: Annotated[str | None, typer.Option(help="Like this one paper: an arXiv identifier or address.")] = None,
    since: Annotated[
        str | None, typer.Option(help="Submitted on this day or later: 2026-11-01.  Default: the last 30 days.")
    ] = None,
    every: Annotated[bool, typer.Option("--all", help="Whenever submitted; the default with --like.")] = False,
    limit: Annotated[int, typer.Option(min=1, help="At most so many.")] = 20,
    rebuild: Annotated[bool, typer.Option("--rebuild", help="Choose anew which words are counted, first.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object on stdout.")] = False,
) -> None:
    """Rank recent papers by the ones you starred or tagged, and show the words that lifted each.

    Example: paperlab recommend --tag moe --since 2026-11-01 --limit 10
    """
    if tag is not None and like is not None:
        raise InvalidInput("--tag and --like ask for two different things", "give one of them")
    if since is not None and every:
        raise InvalidInput("--since and --all contradict each other", "give one of them")
    arguments.limit(limit, "the first ones are the best: leave the rest out")
    config = settings.load()
    begin = _day(since) if since else None if every or like else datetime.now(UTC) - RECENT
    with read_only(database.open_or_create(config)) as session:
        if like is not None:
            found = similar.similar(
                session, config, ArxivId.parse(like), since=begin, limit=limit, rebuild=rebuild, tell=output.talk
            )
            _show_similar(found, as_json)
            shown = found.papers
        else:
            ranked = ranking.recommend(
                session, config, tag=tag, since=begin, limit=limit, rebuild=rebuild, tell=output.talk
            )
            _show(ranked, tag, as_json)
            shown = ranked.papers
        if begin is not None and not shown and not as_json:
            output.talk(
                f"no paper held was submitted since {begin:%Y-%m-%d} and waits to be read.\n"
                "  paperlab recommend --all     or bring papers in: paperlab sync"
            )


def _show(found: ranking.Ranking, tag: str | None, as_json: bool) -> None:
    if as_json:
        facts = {"model": found.model, "cold": found.cold, "missing": found.missing, "candidates": found.candidates}
        output.write_json({"papers": [_record(each) for each in found.papers], **facts})
        return
    _write(found.papers)
    liked = f'tagged "{tag}"' if tag else "starred or tagged"
    if found.cold:
        noun = "paper is" if found.model.positives == 1 else "papers are"
        output.talk(
            f"{found.model.positives} {noun} {liked}, {found.missing} more are needed for a ranking: "
            "these are the newest papers, those of the profile first.\n  paperlab papers star ID"
        )
        return
    words = ", ".join(word.text for word in found.model.liked_words[:8])
    output.talk(
        f"{len(found.papers)} of {found.candidates} papers, ranked by {found.model.positives} {liked}, "
        f"{found.model.skipped} skipped and {found.model.sampled} others; words that count most: {words}"
    )


def _show_similar(found: similar.Similar, as_json: bool) -> None:
    if as_json:
        papers_like = [_record(each) for each in found.papers]
        output.write_json({"papers": papers_like, "like": papers.as_record(found.to), "candidates": found.candidates})
        return
    _write(found.papers)
    output.talk(f"{len(found.papers)} of {found.candidates} papers, most like {found.to.arxiv_id}: {found.to.title}")


def _write(ranked: tuple[RankedPaper, ...]) -> None:
    rows = [
        (each.paper.arxiv_id, "-" if each.score is None else f"{each.score:.2f}", each.paper.title, _why(each))
        for each in ranked
    ]
    output.write_table(("id", "score", "title", "why"), rows)


def _why(ranked: RankedPaper) -> str:
    against = ", ".join(word.text for word in ranked.lowered)
    return f"{ranked.why}; against: {against}" if against else ranked.why


def _record(ranked: RankedPaper) -> dict[str, Any]:
    return {
        "paper": papers.as_record(ranked.paper),
        "score": ranked.score,
        "why": ranked.why,
        "lifted": ranked.lifted,
        "lowered": ranked.lowered,
    }


def _day(text: str) -> datetime:
    try:
        return datetime.strptime(text, "%Y-%m-%d").replace(tzinfo=UTC)
    except ValueError as error:
        raise InvalidInput(f'"{text}" is not a day', "write it as 2026-11-01") from error
