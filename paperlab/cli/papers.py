"""`paperlab papers`: what is held."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, TextIO

import typer

from paperlab import settings
from paperlab.arxiv import categories
from paperlab.arxiv_id import ArxivId
from paperlab.cli import output
from paperlab.cli.receipt import summary
from paperlab.errors import InvalidInput, NotReady
from paperlab.library import database, papers
from paperlab.store.database import read_only
from paperlab.store.papers import PaperFilter

app = typer.Typer(help="The papers held: add, list, show, export.", no_args_is_help=True)

AsJson = Annotated[bool, typer.Option("--json", help="One JSON object on stdout.")]


@app.command()
def add(
    paper: Annotated[list[str], typer.Argument(help="arXiv identifiers or addresses, with or without version.")],
    as_json: AsJson = False,
    quiet: Annotated[bool, typer.Option("--quiet", help="Nothing but errors.")] = False,
) -> None:
    """Fetch single papers from arXiv. Identifiers that it does not know end in exit 3; the others are kept.

    Example: paperlab papers add 1706.03762 https://arxiv.org/abs/1810.04805v2
    """
    from paperlab.library import lookup  # here, because a list needs no HTTP client and starts twice as fast

    ids = lookup.parse_ids(paper)
    config = settings.load()
    added = lookup.add(database.open_or_create(config), config, ids)
    if as_json:
        output.write_json({"papers": [papers.as_record(each) for each in added.papers], "receipt": added.receipt})
        return
    for each in added.papers:
        output.write_line(f"{each.arxiv_id}v{each.version}  {output.cell(each.title)}")
    output.talk(summary(added.receipt), quiet=quiet)


@app.command("list")
def list_(
    *,
    category: Annotated[list[str] | None, typer.Option(help="In this category; repeatable (either).")] = None,
    profile: Annotated[str | None, typer.Option(help="Relevant to this profile.")] = None,
    since: Annotated[str | None, typer.Option(help="Submitted on this day or later: 2026-11-01.")] = None,
    query: Annotated[str | None, typer.Option(help="A text found in title, abstract or authors.")] = None,
    limit: Annotated[int, typer.Option(min=0, help="At most so many.")] = 50,
    offset: Annotated[int, typer.Option(min=0, help="Leave out so many.")] = 0,
    as_json: AsJson = False,
) -> None:
    """List papers, newest submission first.

    Example: paperlab papers list --profile llm --since 2026-11-01 --query "mixture of experts"
    """
    config = settings.load()
    wanted = PaperFilter(
        categories=categories.validate(category or ()),
        profile=config.profile(profile).name if profile else None,
        since=_day(since) if since else None,
        text=query,
    )
    with read_only(database.open_or_create(config)) as session:
        found = papers.list_papers(session, wanted, limit, offset)
    if as_json:
        output.write_json({"papers": [papers.as_record(each) for each in found.papers], "total": found.total})
        return
    rows = [(p.arxiv_id, p.submitted_at.date().isoformat(), p.primary_category, p.title) for p in found.papers]
    output.write_table(("id", "submitted", "category", "title"), rows)
    output.talk(f"{len(rows)} of {found.total} papers")


@app.command()
def show(
    paper: Annotated[str, typer.Argument(help="An arXiv identifier or address.")], as_json: AsJson = False
) -> None:
    """Show one paper: its record, the versions seen, and the profiles it is relevant to.

    Example: paperlab papers show 1706.03762
    """
    config = settings.load()
    arxiv_id = ArxivId.parse(paper)
    with read_only(database.open_or_create(config)) as session:
        details = papers.show(session, arxiv_id)
    if as_json:
        versions = [papers.as_record(version) for version in details.versions]
        record = {"paper": papers.as_record(details.paper), "versions": versions, "matches": details.matches}
        output.write_json(record)
        return
    held = details.paper
    lines = {
        "title": held.title,
        "authors": ", ".join(held.authors),
        "submitted": output.format_time(held.submitted_at),
        "version": f"{held.version} of {output.format_time(held.updated_at)}",
        "versions held": ", ".join(f"v{version.version}" for version in details.versions) or "none yet",
        "categories": ", ".join(held.categories),
        "comment": held.comment,
        "journal": held.journal_ref,
        "doi": held.doi,
        "relevant to": "; ".join(f"{m.profile} ({', '.join(m.terms) or 'by category'})" for m in details.matches),
        "address": held.abstract_url,
    }
    for name, value in lines.items():
        if value:
            output.write_line(f"{name:<14}{output.cell(value)}")
    output.write_line("")
    output.write_line(output.cell(" ".join(held.abstract.split())))


@app.command()
def export(
    format_: Annotated[str, typer.Option("--format", help="jsonl: one JSON object a line.")] = "jsonl",
    out: Annotated[Path | None, typer.Option(help="Write to this file instead of stdout.")] = None,
) -> None:
    """Write every held paper, ordered by identifier; `arxiv_id` has no version.

    Example: paperlab papers export --format jsonl --out papers.jsonl
    """
    if format_ != "jsonl":
        raise InvalidInput(f'papers can\'t be exported as "{format_}"', "known: jsonl")
    engine = database.open_or_create(settings.load())
    with read_only(engine) as session:
        lines = papers.export_lines(session)
        if out is None:
            _write(lines, sys.stdout)
            return
        partial = out.with_name(out.name + ".partial")
        try:
            with partial.open("w", encoding="utf-8") as file:
                _write(lines, file)
            partial.replace(out)
        except OSError as error:
            raise NotReady(f"{out} can't be written: {error.strerror}", "name a file on a disk with room") from error


def _write(lines: Iterable[str], file: TextIO) -> None:
    for line in lines:
        file.write(line + "\n")


def _day(text: str) -> datetime:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        raise InvalidInput(f'--since "{text}" is not a day', "example: --since 2026-11-01") from error
    return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)
