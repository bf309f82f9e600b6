"""`paperlab papers`: what is held."""

from __future__ import annotations

import os
import re
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from paperlab import settings
from paperlab.arxiv import categories
from paperlab.arxiv_id import ArxivId
from paperlab.cli import arguments, output, pile
from paperlab.cli.receipt import summary
from paperlab.entities import LinkRole
from paperlab.errors import InvalidInput, NotReady
from paperlab.export import bibtex, csv, jsonl
from paperlab.library import database, papers, selection, versions
from paperlab.store.database import read_only
from paperlab.store.papers import PaperFilter

app = typer.Typer(help="The papers held: add, list, show, compare, mark, export.", no_args_is_help=True)
app.add_typer(pile.app)

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

    ids = lookup.parse_ids(arguments.text(each, "the paper") for each in paper)
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
    query: Annotated[str | None, typer.Option(help="A query, as of `paperlab search`.")] = None,
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
        since=arguments.day(since, "--since") if since else None,
        text=arguments.text(query, "--query") if query else None,
    )
    arguments.limit(limit, "the rest: --offset     all of them: paperlab papers export")
    arguments.number(offset, "--offset")
    with read_only(database.open_or_create(config)) as session:
        found = papers.list_papers(session, wanted, limit, offset)
    if as_json:
        listed = [papers.as_record(each) for each in found.papers]
        output.write_json({"papers": listed, "total": found.total, "is_more": found.is_more})
        return
    rows = [(p.arxiv_id, p.submitted_at.date().isoformat(), p.primary_category, pile.title_of(p)) for p in found.papers]
    output.write_table(("id", "submitted", "category", "title"), rows)
    output.talk(f"{len(rows)} of {found.total}{'+' if found.is_more else ''} papers")


@app.command()
def show(
    paper: Annotated[str, typer.Argument(help="An arXiv identifier or address.")], as_json: AsJson = False
) -> None:
    """Show one paper: its record, the versions seen, and the profiles it is relevant to.

    Example: paperlab papers show 1706.03762
    """
    config = settings.load()
    arxiv_id = ArxivId.parse(arguments.text(paper, "the paper"))
    with read_only(database.open_or_create(config)) as session:
        details = papers.show(session, arxiv_id)
    if as_json:
        versions = [papers.as_record(version) for version in details.versions]
        record: dict[str, Any] = {"paper": papers.as_record(details.paper), "versions": versions}
        record["matches"] = details.matches
        record |= {"reading": details.reading, "code": details.code, "watchlists": details.watchlists}
        output.write_json(record)
        return
    held = details.paper
    lines = {
        "title": pile.title_of(held),
        "authors": ", ".join(held.authors),
        "submitted": output.format_time(held.submitted_at),
        "version": f"{held.version} of {output.format_time(held.updated_at)}",
        "versions held": ", ".join(f"v{version.version}" for version in details.versions) or "none yet",
        "categories": ", ".join(held.categories),
        "comment": held.comment,
        "journal": held.journal_ref,
        "doi": held.doi,
        "code": "  ".join(link.url for link in details.code if link.role is LinkRole.OWN),
        "other code": "  ".join(link.url for link in details.code if link.role is not LinkRole.OWN),
        "relevant to": "; ".join(f"{m.profile} ({', '.join(m.terms) or 'by category'})" for m in details.matches),
        "watchlists": ", ".join(details.watchlists),
        "address": held.abstract_url,
        **pile.reading_lines(details.reading),
    }
    for name, value in lines.items():
        if value:
            output.write_line(f"{name:<14}{output.cell(value)}")
    output.write_line("")
    output.write_line(output.cell(" ".join(held.abstract.split())))


@app.command()
def diff(
    paper: Annotated[str, typer.Argument(help="An arXiv identifier or address.")],
    first: Annotated[str | None, typer.Argument(metavar="[V1]", help="A version: v1 or 1.")] = None,
    second: Annotated[str | None, typer.Argument(metavar="[V2]", help="A later one; default: the newest held.")] = None,
    as_json: AsJson = False,
) -> None:
    """Show what changed between two versions, word by word: by default the two newest held.

    White space is no change. Away from a terminal, words are marked [-so-] where they went and {+so+} where they came.

    Example: paperlab papers diff 1706.03762 v1 v5
    """
    arxiv_id = ArxivId.parse(arguments.text(paper, "the paper"))
    named = [None if word is None else _version(word) for word in (first, second)]
    with read_only(database.open_or_create(settings.load())) as session:
        found = versions.diff(session, arxiv_id, *named)
    if as_json:
        sides = {"before": papers.as_record(found.before), "after": papers.as_record(found.after)}
        output.write_json({"arxiv_id": arxiv_id.base, **sides, "changes": found.changes})
        return
    for change in found.changes:
        output.write_line(f"{change.field}: {_marked(change)}")
    ends = f"{arxiv_id.base} v{found.before.version} to v{found.after.version}"
    what = ", ".join(change.field for change in found.changes) or "nothing in its record; the files may be others"
    output.talk(f"{ends}: changed {what}" if found.changes else f"{ends}: {what}")
    if found.was_withdrawn:
        output.talk(f"v{found.after.version} is a withdrawal")


def _version(word: str) -> int:
    if not re.fullmatch(r"v?[1-9][0-9]{0,5}", word, re.ASCII):
        raise InvalidInput(
            f'"{arguments.shown(word)}" is not a version', "example: paperlab papers diff 1706.03762 v1 v2"
        )
    return int(word.removeprefix("v"))


def _marked(change: versions.FieldChange) -> str:
    """The field's text with what went and what came: in colour on a terminal, in brackets elsewhere."""
    colours = sys.stdout.isatty() and "NO_COLOR" not in os.environ
    went, came = ("\x1b[31;9m{}\x1b[0m", "\x1b[32m{}\x1b[0m") if colours else ("[-{}-]", "{{+{}+}}")
    forms = {versions.Op.SAME: "{}", versions.Op.REMOVED: went, versions.Op.ADDED: came}
    return change.joint.join(forms[piece.op].format(output.cell(piece.text)) for piece in change.pieces)


@app.command()
def export(
    paper: Annotated[list[str] | None, typer.Argument(help="Only these; default: every paper held.")] = None,
    format_: Annotated[str, typer.Option("--format", help="jsonl, bibtex or csv.")] = "jsonl",
    query: Annotated[str | None, typer.Option(help="Only what this query finds, as in `paperlab search`.")] = None,
    starred: Annotated[bool, typer.Option("--starred", help="Only papers that are starred.")] = False,
    out: Annotated[Path | None, typer.Option(help="Write to this file instead of stdout.")] = None,
) -> None:
    """Write papers, ordered by identifier, which has no version.

    jsonl is one JSON object a line. csv is for spreadsheets: a cell that would be taken for a formula begins with an
    apostrophe. bibtex is UTF-8, its keys are unique within the export, and what is LaTeX in a title stays LaTeX.

    Examples:

      paperlab papers export --format bibtex --starred --out starred.bib

      paperlab papers export --format csv --query 'abs:"mixture of experts" cat:cs.CL' --out moe.csv

      paperlab papers export 1706.03762 1810.04805 --format bibtex
    """
    formats = {"jsonl": lambda held: jsonl.lines(map(papers.as_record, held)), "bibtex": bibtex.lines, "csv": csv.lines}
    if format_ not in formats:
        known = ", ".join(formats)
        raise InvalidInput(f'papers can\'t be exported as "{arguments.shown(format_)}"', f"known: {known}")
    if sum(map(bool, (paper, query, starred))) > 1:
        raise InvalidInput("papers by name, --query and --starred choose three different sets", "give one of them")
    ids = [ArxivId.parse(arguments.text(each, "the paper")) for each in paper or ()]
    with read_only(database.open_or_create(settings.load())) as session:
        if ids:
            chosen = selection.named(session, ids)
        elif query is not None:
            chosen = selection.found(session, arguments.text(query, "--query"))
        else:
            chosen = selection.starred(session) if starred else selection.every(session)
        lines = formats[format_](chosen)
        if out is None:
            sys.stdout.writelines(lines)
            return
        partial = out.with_name(out.name + ".partial")
        try:
            with partial.open("w", encoding="utf-8", newline="") as file:
                file.writelines(lines)
            partial.replace(out)
        except OSError as error:
            raise NotReady(f"{out} can't be written: {error.strerror}", "name a file on a disk with room") from error
