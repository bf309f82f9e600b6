"""What the reader does with papers: the part of `paperlab papers` about stars, marks, tags and notes."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime
from typing import Annotated

import typer

from paperlab import settings
from paperlab.arxiv_id import ArxivId
from paperlab.cli import arguments, output
from paperlab.entities import Note, Paper, Reading
from paperlab.errors import InvalidInput
from paperlab.library import database, papers, reading
from paperlab.store.database import Session, read_only, session

app = typer.Typer()

AsJson = Annotated[bool, typer.Option("--json", help="One JSON object on stdout.")]
Papers = Annotated[list[str], typer.Argument(metavar="PAPER...", help="arXiv identifiers or addresses.")]
Quiet = Annotated[bool, typer.Option("--quiet", help="Nothing but errors.")]
Undo = Annotated[bool, typer.Option("--undo", help="Take it back.")]


@app.command()
def star(paper: Papers, as_json: AsJson = False, quiet: Quiet = False) -> None:
    """Put papers on the pile.

    Example: paperlab papers star 1706.03762 1810.04805
    """
    _mark(paper, lambda opened, ids: reading.star(opened, ids, _now()), "starred", as_json, quiet)


@app.command()
def unstar(paper: Papers, as_json: AsJson = False, quiet: Quiet = False) -> None:
    """Take papers off the pile; tags and notes stay.

    Example: paperlab papers unstar 1706.03762
    """
    _mark(paper, reading.unstar, "unstarred", as_json, quiet)


@app.command()
def read(paper: Papers, undo: Undo = False, as_json: AsJson = False, quiet: Quiet = False) -> None:
    """Mark papers as read, or with --undo as unread.

    Example: paperlab papers read 1706.03762
    """

    def change(opened: Session, ids: Sequence[ArxivId]) -> reading.Outcome:
        return reading.set_read(opened, ids, _now(), undo=undo)

    _mark(paper, change, "marked as unread" if undo else "marked as read", as_json, quiet)


@app.command()
def skip(paper: Papers, undo: Undo = False, as_json: AsJson = False, quiet: Quiet = False) -> None:
    """Mark papers as not worth reading: the pile and recommendations leave them out.

    Example: paperlab papers skip 1706.03762
    """

    def change(opened: Session, ids: Sequence[ArxivId]) -> reading.Outcome:
        return reading.set_skipped(opened, ids, _now(), undo=undo)

    _mark(paper, change, "no longer skipped" if undo else "skipped", as_json, quiet)


@app.command()
def tag(
    words: Annotated[list[str], typer.Argument(metavar="PAPER... TAG...", help="Papers and tags, in any order.")],
    remove: Annotated[bool, typer.Option("--remove", help="Take the tags off.")] = False,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Put every tag on every paper: what reads as an arXiv identifier or address is a paper, the rest are tags.

    Example: paperlab papers tag 1706.03762 1810.04805 transformers "to cite"
    """
    ids, names = reading.ids_and_tags(arguments.text(word, "the word") for word in words)
    if not ids or not names:
        missing = "paper" if not ids else "tag"
        raise InvalidInput(f"no {missing} is named", "example: paperlab papers tag 1706.03762 transformers")

    def change(opened: Session, ids: Sequence[ArxivId]) -> reading.Outcome:
        return reading.untag(opened, ids, names) if remove else reading.tag(opened, ids, names, _now())

    listed = ", ".join(names)
    _mark(map(str, ids), change, f"no longer tagged {listed}" if remove else f"tagged {listed}", as_json, quiet)


@app.command()
def tags(as_json: AsJson = False) -> None:
    """List the tags in use, and on how many papers each is.

    Example: paperlab papers tags
    """
    with read_only(database.open_or_create(settings.load())) as opened:
        found = reading.tags_in_use(opened)
    if as_json:
        output.write_json({"tags": [{"tag": name, "papers": number} for name, number in found.items()]})
        return
    output.write_table(("tag", "papers"), found.items())


@app.command()
def note(
    paper: Annotated[str, typer.Argument(help="An arXiv identifier or address.")],
    text: Annotated[str | None, typer.Argument(help="What to write; without it the notes are shown.")] = None,
    *,
    edit: Annotated[int | None, typer.Option(metavar="N", help="Replace note N with the text.")] = None,
    delete: Annotated[int | None, typer.Option(metavar="N", help="Delete note N.")] = None,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Write a note on a paper, or show its notes. Notes are found by search.

    Example: paperlab papers note 1706.03762 "section 3.2.1 says why the scores are scaled"
    """
    if edit is not None and text is None:
        raise InvalidInput(f"nothing to replace note {edit} with", f'paperlab papers note {paper} --edit {edit} "TEXT"')
    if delete is not None and (text is not None or edit is not None):
        raise InvalidInput("--delete takes no text and no --edit", f"paperlab papers note {paper} --delete {delete}")
    arxiv_id = ArxivId.parse(arguments.text(paper, "the paper"))
    words = None if text is None else arguments.text(text, "the note")
    for number in (edit, delete):
        arguments.number(number or 0, "the note's number")
    engine = database.open_or_create(settings.load())
    if words is None and delete is None:
        with read_only(engine) as opened:
            _show_notes(reading.notes(opened, arxiv_id), as_json)
        return
    with session(engine) as opened:
        if delete is not None:
            written, done = reading.delete_note(opened, arxiv_id, delete), "deleted"
        elif edit is not None:
            written, done = reading.edit_note(opened, arxiv_id, edit, words or "", _now()), "changed"
        else:
            written, done = reading.add_note(opened, arxiv_id, words or "", _now()), "written"
    if as_json:
        output.write_json({"note": written, "done": done})
        return
    output.talk(f"note {written.id} on {written.arxiv_id} {done}", quiet=quiet)


@app.command()
def pile(
    *,
    limit: Annotated[int, typer.Option(min=0, help="At most so many.")] = 50,
    offset: Annotated[int, typer.Option(min=0, help="Leave out so many.")] = 0,
    as_json: AsJson = False,
) -> None:
    """Show the starred papers: unread ones first, of each the one starred last first.

    Example: paperlab papers pile --limit 10
    """
    arguments.limit(limit, "the rest: --offset")
    arguments.number(offset, "--offset")
    with read_only(database.open_or_create(settings.load())) as opened:
        found = reading.pile(opened, limit, offset)
    if as_json:
        listed = [{**papers.as_record(each), "reading": found.readings[each.arxiv_id]} for each in found.papers]
        output.write_json({"papers": listed, "total": found.total, "unread": found.unread})
        return
    rows = [
        (each.arxiv_id, held.starred_at, "read" if held.read_at else "", ", ".join(held.tags), title_of(each))
        for each in found.papers
        for held in [found.readings[each.arxiv_id]]
    ]
    output.write_table(("id", "starred", "read", "tags", "title"), rows)
    output.talk(f"{len(rows)} of {found.total} papers, {found.unread} unread")


def title_of(paper: Paper) -> str:
    """The title, with a word before it where the paper was withdrawn."""
    return f"[withdrawn] {paper.title}" if paper.withdrawn else paper.title


def reading_lines(held: Reading) -> dict[str, str]:
    """What the reader did with a paper, as lines of `papers show`."""
    marks = {"starred": held.starred_at, "read": held.read_at, "skipped": held.skipped_at}
    lines = {name: output.format_time(moment) for name, moment in marks.items() if moment is not None}
    if held.tags:
        lines["tags"] = ", ".join(held.tags)
    return lines | {f"note {each.id}": " ".join(each.text.split()) for each in held.notes}


def _mark(
    words: Iterable[str],
    change: Callable[[Session, Sequence[ArxivId]], reading.Outcome],
    done: str,
    as_json: bool,
    quiet: bool,
) -> None:
    ids = [ArxivId.parse(arguments.text(word, "the paper")) for word in words]
    with session(database.open_or_create(settings.load())) as opened:
        outcome = change(opened, ids)
        held = reading.of_papers(opened, outcome.papers)
    if as_json:
        output.write_json({"papers": held, "changed": outcome.changed})
        return
    noun = "paper" if len(outcome.papers) == 1 else "papers"
    already = "" if outcome.changed else " (they were already)" if len(outcome.papers) > 1 else " (it was already)"
    output.talk(f"{len(outcome.papers)} {noun} {done}{already}", quiet=quiet)


def _show_notes(notes: Sequence[Note], as_json: bool) -> None:
    if as_json:
        output.write_json({"notes": notes})
        return
    for each in notes:
        output.write_line(f"{each.id}  {output.format_time(each.changed_at)}")
        for line in each.text.splitlines():
            output.write_line(f"   {output.cell(line)}")
    if not notes:
        output.talk("no notes")


def _now() -> datetime:
    return datetime.now(UTC)
