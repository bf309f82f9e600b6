"""`paperlab sync`: papers in from arXiv, every night from cron."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta
from typing import Annotated

import typer

from paperlab import settings
from paperlab.cli import output
from paperlab.cli.receipt import summary
from paperlab.entities import Receipt
from paperlab.errors import InvalidInput
from paperlab.library import database, plan
from paperlab.library import sync as library

_TIME = "UTC: 2026-11-01 or 2026-11-01T14:00"


def sync(
    *,
    profile: Annotated[
        str, typer.Option(help="Whose categories are asked for ([profiles.NAME] in paperlab.toml).")
    ] = "llm",
    category: Annotated[
        list[str] | None, typer.Option(help="Ask for this category instead of the profile's; repeatable.")
    ] = None,
    since: Annotated[str | None, typer.Option(help=f"Papers submitted since then. {_TIME}.")] = None,
    until: Annotated[
        str | None, typer.Option(help="Papers submitted until then; a bare day is included. Default: now.")
    ] = None,
    max_requests: Annotated[int | None, typer.Option(min=1, help="Stop after so many requests (exit 75).")] = None,
    max_seconds: Annotated[float | None, typer.Option(min=0.1, help="Stop after so many seconds (exit 75).")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would be asked; ask and write nothing.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="The receipt as one JSON object on stdout.")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", help="Nothing but errors.")] = False,
) -> None:
    """Bring in new and revised papers, and leave a receipt of what was announced, what is held, what is open.

    The first sync takes the last 7 days; later ones everything updated since the one before. A window goes by the
    day of submission. Nothing is lost when it stops early (exit 75): the same command goes on.

    Examples:

      paperlab sync

      paperlab sync --since 2024-01-01 --until 2024-01-31

      paperlab sync --category cs.CL --category cs.LG --max-requests 20
    """
    config = settings.load()
    options = plan.SyncOptions(
        profile=profile,
        categories=tuple(category or ()),
        since=_moment(since, "--since", end_of_day=False),
        until=_moment(until, "--until", end_of_day=True),
        max_requests=max_requests,
        max_seconds=max_seconds,
    )
    planned = plan.preview(config, options)
    if dry_run:
        _show_plan(planned, as_json)
        return
    output.talk(f"asking arXiv for {planned.query}", quiet=quiet)
    engine = database.open_or_create(config)
    try:
        with _progress(quiet) as progress:
            receipt = library.run(engine, config, options, progress=progress)
    except library.Stopped as stopped:
        output.talk(summary(stopped.receipt), quiet=quiet)
        if not as_json:
            raise
        output.talk(f"error: {stopped}")
        outcome = {"error": stopped.message, "hint": stopped.hint, "exit": stopped.exit_code, "reason": stopped.reason}
        output.write_json({**outcome, "retry_after_s": stopped.retry_after_s, "receipt": stopped.receipt})
        raise typer.Exit(stopped.exit_code) from stopped
    if as_json:
        output.write_json({"receipt": receipt})
    else:
        output.talk(summary(receipt), quiet=quiet)


def _show_plan(planned: plan.Plan, as_json: bool) -> None:
    if as_json:
        record = {
            "kind": planned.kind,
            "query": planned.question.text,
            "since": planned.question.since,
            "until": planned.question.until,
            "updated_since": planned.question.floor,
            "cursor": planned.cursor,
            "page_size": planned.page_size,
        }
        output.write_json({"plan": record})
        return
    cursor = output.format_time(planned.cursor) if planned.cursor else "none: this would be the first sync"
    output.write_line(f"{planned.kind}: {planned.query}, {planned.page_size} a page; cursor {cursor}")


def _moment(text: str | None, option: str, *, end_of_day: bool) -> datetime | None:
    if text is None:
        return None
    try:
        if len(text) == len("2026-11-01"):
            day = datetime.combine(date.fromisoformat(text), datetime.min.time(), UTC)
            return day + timedelta(days=1) if end_of_day else day
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        raise InvalidInput(f'{option} "{text}" is not a day or time', f"{_TIME}") from error
    return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)


@contextmanager
def _progress(quiet: bool) -> Iterator[Callable[[Receipt], None]]:
    """A bar on a terminal; under cron nothing."""
    if quiet or not output.is_interactive():
        yield lambda _: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("papers", total=None)

        def show(receipt: Receipt) -> None:
            known = receipt.announced if receipt.kind == plan.WINDOW else None
            bar.update(task, completed=receipt.held, total=known, description=f"papers ({receipt.new} new)")

        yield show
