"""`paperlab watch`: questions that are asked of every paper as it arrives."""

from __future__ import annotations

import shlex
import sys
from datetime import UTC, datetime
from typing import Annotated, Any

import typer

from paperlab import settings
from paperlab.cli import arguments, output
from paperlab.cli.pile import title_of
from paperlab.entities import Paper
from paperlab.library import database, papers, watchlists
from paperlab.library.watchlists import Matches, Watched
from paperlab.store.database import read_only, session

app = typer.Typer(help="Questions that are asked of every paper as it arrives.", no_args_is_help=True)

AsJson = Annotated[bool, typer.Option("--json", help="One JSON object on stdout.")]
Quiet = Annotated[bool, typer.Option("--quiet", help="Nothing but errors.")]
Name = Annotated[str, typer.Argument(help="The watchlist.")]
Query = Annotated[str, typer.Argument(help="A query, as `paperlab search` takes it.")]
FromNow = Annotated[bool, typer.Option("--from-now", help="Papers held already are matched, but are not new.")]


@app.command()
def add(
    name: Annotated[str, typer.Argument(help="What it is to be called.")],
    query: Query,
    from_now: FromNow = False,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Watch for papers: those held are matched now, all others as they arrive.

    Title, abstract, authors, comment, categories and days can be asked for, with AND, OR, NOT and parentheses.

    Example: paperlab watch add moe 'abs:"mixture of experts" AND cat:cs.CL'
    """
    _add(name, query, from_now, as_json, quiet)


@app.command()
def author(
    person: Annotated[str, typer.Argument(metavar="NAME", help='"Ada Lovelace" or "Lovelace, Ada".')],
    name: Annotated[
        str | None, typer.Option(help="What the watchlist is to be called [default: ada-lovelace].")
    ] = None,
    from_now: FromNow = False,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Follow an author: a watchlist that also finds initials, as in A. Lovelace.

    Example: paperlab watch author "Ada Lovelace"
    """
    known_as = arguments.text(person, "the name")
    query = watchlists.author_query(known_as)
    _add(name or watchlists.author_list_name(known_as), query, from_now, as_json, quiet)


@app.command("list")
def list_(as_json: AsJson = False) -> None:
    """List the watchlists, with how many papers match and how many of them are new.

    Example: paperlab watch list
    """
    with read_only(database.open_or_create(settings.load())) as opened:
        found = watchlists.list_all(opened)
    if as_json:
        output.write_json({"watchlists": [_as_record(each) for each in found]})
        return
    rows = [(each.watchlist.name, each.counts.new, each.counts.all, each.watchlist.query) for each in found]
    output.write_table(("name", "new", "all", "query"), rows)


@app.command()
def show(
    name: Name,
    *,
    new: Annotated[bool, typer.Option("--new", help="Only those never shown so; they are new no more then.")] = False,
    keep: Annotated[bool, typer.Option("--keep", help="With --new: leave them new.")] = False,
    limit: Annotated[
        int, typer.Option(min=0, help=f"At most so many, and never more than {arguments.MOST_LISTED}.")
    ] = 50,
    offset: Annotated[int, typer.Option(min=0, help="Leave out so many.")] = 0,
    as_json: AsJson = False,
) -> None:
    """Show the papers that match, newest submission first. With --new each is shown once.

    A paper that matched and was revised since so that it does not any more stays listed, and is marked.

    Example: paperlab watch show moe --new
    """
    arguments.limit(limit, "the rest: --offset")
    arguments.number(offset, "--offset")
    engine = database.open_or_create(settings.load())
    with read_only(engine) as opened:
        found = watchlists.matches(opened, arguments.text(name, "the name"), new_only=new, limit=limit, offset=offset)
    if as_json:
        listed = [{**papers.as_record(p), "matches_now": p.arxiv_id not in found.no_longer} for p in found.papers]
        output.write_json({"watchlist": name, "papers": listed, "new": found.counts.new, "all": found.counts.all})
    else:
        rows = [
            (*(p.arxiv_id, p.submitted_at.date().isoformat(), p.primary_category), title_of(p), _note(p, found))
            for p in found.papers
        ]
        output.write_table(("id", "submitted", "category", "title", "note"), rows)
        total = found.counts.new if new else found.counts.all
        output.talk(f"{len(rows)} of {total} {'new ' if new else ''}papers")
    if new and not keep and found.papers:
        sys.stdout.flush()  # what nobody could read is still new
        with session(engine) as opened:
            watchlists.mark_shown(opened, name, [paper.arxiv_id for paper in found.papers], _now())


@app.command()
def edit(name: Name, query: Query, as_json: AsJson = False, quiet: Quiet = False) -> None:
    """Ask another question: matches that vanish go, those that stay are not new again.

    Example: paperlab watch edit moe 'abs:"mixture of experts" AND (cat:cs.CL OR cat:cs.LG)'
    """
    words = arguments.text(query, "the query")
    with session(database.open_or_create(settings.load())) as opened:
        watched = watchlists.edit(opened, arguments.text(name, "the name"), words, _now())
    _tell(watched, as_json, quiet)


@app.command()
def remove(name: Name, as_json: AsJson = False, quiet: Quiet = False) -> None:
    """Remove a watchlist; the papers stay.

    Example: paperlab watch remove moe
    """
    with session(database.open_or_create(settings.load())) as opened:
        held = watchlists.remove(opened, arguments.text(name, "the name"))
    if as_json:
        output.write_json({"removed": held})
        return
    again = shlex.join(["paperlab", "watch", "add", held.name, held.query])
    output.talk(f"{held.name} is removed; it was: {output.cell(again)}", quiet=quiet)


def _add(name: str, query: str, from_now: bool, as_json: bool, quiet: bool) -> None:
    words = arguments.text(query, "the query")
    with session(database.open_or_create(settings.load())) as opened:
        watched = watchlists.add(opened, arguments.text(name, "the name"), words, _now(), from_now=from_now)
    _tell(watched, as_json, quiet)


def _note(paper: Paper, found: Matches) -> str | None:
    return "matches no longer" if paper.arxiv_id in found.no_longer else None


def _tell(watched: Watched, as_json: bool, quiet: bool) -> None:
    if as_json:
        output.write_json(_as_record(watched))
        return
    counts = watched.counts
    output.talk(f"{watched.watchlist.name}: {counts.all} papers match, {counts.new} of them new", quiet=quiet)


def _as_record(watched: Watched) -> dict[str, Any]:
    held = watched.watchlist
    return {
        "name": held.name,
        "query": held.query,
        "created_at": held.created_at,
        "new": watched.counts.new,
        "all": watched.counts.all,
    }


def _now() -> datetime:
    return datetime.now(UTC)
