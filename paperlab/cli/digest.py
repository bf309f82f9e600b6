"""`paperlab digest`: what is new, to be read or mailed or put where a feed reader finds it."""

from __future__ import annotations

import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from paperlab import settings
from paperlab.cli import arguments, output
from paperlab.errors import InvalidInput, NotReady
from paperlab.export import digest as export
from paperlab.library import database
from paperlab.library import digest as library
from paperlab.news import Digest
from paperlab.store.database import read_only, session

FORMATS = {"md": export.markdown, "html": export.html}
FEED = "atom"


def digest(
    *,
    since: Annotated[str | None, typer.Option(help="From this day or time on, UTC. Default: the last digest.")] = None,
    format_: Annotated[str, typer.Option("--format", help="md, html or atom.")] = "md",
    out: Annotated[Path | None, typer.Option(help="Write to this file instead of stdout.")] = None,
    profile: Annotated[
        list[str] | None, typer.Option(help="Relevant to this profile; repeatable. Default: every profile.")
    ] = None,
    limit: Annotated[int, typer.Option(min=1, help="At most so many papers.")] = 50,
    peek: Annotated[bool, typer.Option("--peek", help="Show it, and show the same again next time.")] = False,
    again: Annotated[bool, typer.Option("--again", help="Show the last digest once more.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="The digest as one JSON object on stdout.")] = False,
) -> None:
    """Show what is new and why: alerts, what watchlists match, what is relevant, verdicts that changed.

    Nothing is shown twice. What more there is than --limit comes the next time. A digest that can't be written counts
    as not shown. A feed (atom) holds what was shown in the last two weeks, too.

    Examples:

      paperlab digest

      paperlab digest --since 2026-11-01 --format html --out digest.html

      paperlab digest --format atom --out ~/public_html/papers.xml
    """
    if format_ not in {*FORMATS, FEED}:
        raise InvalidInput(f'a digest can\'t be written as "{format_}"', f"known: {', '.join([*FORMATS, FEED])}")
    arguments.limit(limit, "the rest comes with the next digest")
    if again and since:
        raise InvalidInput("--again is the last digest as it was, and takes no --since", "leave one of them out")
    config = settings.load()
    begin = arguments.day(since, "--since") if since else None
    profiles = [config.profile(name).name for name in profile] if profile else list(config.profiles)
    engine = database.open_or_create(config)
    now = datetime.now(UTC)
    with library.one_at_a_time(config):
        with read_only(engine) as opened:
            found = (
                _last(library.once_more(opened, profiles))
                if again
                else library.collect(opened, config, profiles, since=begin, now=now, limit=limit)
            )
            before = library.lately(opened, profiles, now) if format_ == FEED else None
        text = FORMATS[format_](found) if before is None else export.atom(found, before)
        if out is not None:
            _write(out, text)
        if as_json:
            output.write_json(found)
        elif out is None:
            sys.stdout.write(text)
        else:
            papers = len(found.papers)
            output.talk(
                f"{out}: {papers} papers, {len(found.alerts)} alerts" if found.has_news else f"{out}: nothing new"
            )
        sys.stdout.flush()  # a reader that has gone is noticed here, before anything counts as shown
        if not peek and not again:
            with session(engine) as opened:
                library.mark(opened, config, profiles, found)


def _last(found: Digest | None) -> Digest:
    if found is None:
        raise InvalidInput("there was no digest yet that showed anything", "paperlab digest")
    return found


def _write(file: Path, text: str) -> None:
    """Whole or not at all: a feed reader may look at any moment."""
    partial = file.with_name(file.name + ".partial")
    try:
        partial.write_text(text, encoding="utf-8", newline="\n")
        partial.replace(file)
    except OSError as error:
        raise NotReady(f"{file} can't be written: {error.strerror}", "name a file on a disk with room") from error
