"""`paperlab sync`: papers in from arXiv, every night from cron."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta
from enum import StrEnum
from pathlib import Path
from typing import Annotated, cast

import typer

from paperlab import settings
from paperlab.cli import output
from paperlab.cli.receipt import feed_summary, relevance, summary
from paperlab.entities import Receipt
from paperlab.errors import InvalidInput
from paperlab.library import database, night, plan
from paperlab.library import sync as library

_TIME = "UTC: 2026-11-01 or 2026-11-01T14:00"


class Source(StrEnum):
    """Where papers come from."""

    NIGHTLY = "nightly"
    QUERY = "query"
    RSS = "rss"
    OAI = "oai"
    SNAPSHOT = "snapshot"


_FITS: Mapping[Source, frozenset[str]] = {
    Source.NIGHTLY: frozenset({"--profile", "--category", "--since", "--until", "--max-requests", "--dry-run"}),
    Source.QUERY: frozenset({"--profile", "--category", "--since", "--until", "--max-requests", "--dry-run"}),
    Source.RSS: frozenset({"--profile", "--category", "--max-requests"}),
    Source.OAI: frozenset({"--set", "--from", "--until", "--max-requests"}),
    Source.SNAPSHOT: frozenset({"FILE", "--category"}),
}
"""What can be said with each source; --max-seconds, --json and --quiet with all of them."""


def sync(
    file: Annotated[Path | None, typer.Argument(help="With --source snapshot: the dump, .json or .gz.")] = None,
    *,
    source: Annotated[
        Source, typer.Option(help="nightly is the daily feed (RSS) and the query API together; the others one alone.")
    ] = Source.NIGHTLY,
    profile: Annotated[
        str | None,
        typer.Option(help="Whose categories are asked for ([profiles.NAME] in paperlab.toml).", show_default="llm"),
    ] = None,
    category: Annotated[
        list[str] | None, typer.Option(help="Ask for this category instead of the profile's; repeatable.")
    ] = None,
    since: Annotated[str | None, typer.Option(help=f"Papers submitted since then. {_TIME}.")] = None,
    sets: Annotated[
        list[str] | None, typer.Option("--set", help="With --source oai: a set such as cs:cs:CL; repeatable.")
    ] = None,
    changed_from: Annotated[
        str | None, typer.Option("--from", help="With --source oai: records changed since that day.")
    ] = None,
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

    The first sync takes the last 7 days; later ones what the daily feed announced and everything updated since the
    sync before. A window goes by the day of submission. Nothing is lost when it stops early (exit 75): the same
    command goes on.

    Examples:

      paperlab sync

      paperlab sync --since 2024-01-01 --until 2024-01-31

      paperlab sync --category cs.CL --category cs.LG --max-requests 20

      paperlab sync --source oai --set cs:cs:CL --from 2017-01-01

      paperlab sync --source snapshot arxiv-metadata-oai-snapshot.json.gz --category cs.CL
    """
    given: dict[str, object] = {
        "FILE": file,
        "--profile": profile,
        "--category": category,
        "--since": since,
        "--set": sets,
    }
    given |= {"--from": changed_from, "--until": until, "--max-requests": max_requests, "--dry-run": dry_run}
    _check_fit(source, {name for name, value in given.items() if value})
    config = settings.load()
    if source is Source.OAI:
        days = (_day(changed_from, "--from"), _day(until, "--until"))
        ask = _harvest(config, tuple(sets or ()), days, max_requests, max_seconds)
    elif source is Source.SNAPSHOT:
        ask = _snapshot(config, cast(Path, file), tuple(category or ()), max_seconds)
    else:
        options = plan.SyncOptions(
            profile=profile or "llm",
            categories=tuple(category or ()),
            since=_moment(since, "--since", end_of_day=False),
            until=_moment(until, "--until", end_of_day=True),
            max_requests=max_requests,
            max_seconds=max_seconds,
        )
        preview = plan.preview(config, options)
        if dry_run:
            _show_plan(preview, as_json, is_night=_is_night(source, options))
            return
        output.talk(_intent(source, options, preview.plan), quiet=quiet)
        ask = _arxiv(source, config, options)
    _run(ask, as_json=as_json, quiet=quiet)


Progress = Callable[[Receipt], None]
Ask = Callable[[Progress], Mapping[str, Receipt]]
"""(progress) -> the receipts by name, that of the papers as "receipt"."""


def _arxiv(source: Source, config: settings.Settings, options: plan.SyncOptions) -> Ask:
    def ask(progress: Progress) -> Mapping[str, Receipt]:
        engine = database.open_or_create(config)
        if source is Source.RSS:
            return {"receipt": night.run_feed(engine, config, options)}
        if not _is_night(source, options):
            return {"receipt": library.run(engine, config, options, progress=progress)}
        both = night.run(engine, config, options, progress=progress)
        return {"receipt": both.receipt, "feed": both.feed}

    return ask


def _harvest(
    config: settings.Settings,
    sets: tuple[str, ...],
    days: tuple[date | None, date | None],
    max_requests: int | None,
    max_seconds: float | None,
) -> Ask:
    from paperlab.library import harvest

    options = harvest.HarvestOptions(
        sets=sets, since=days[0], until=days[1], max_requests=max_requests, max_seconds=max_seconds
    )
    return lambda progress: {
        "receipt": harvest.run(database.open_or_create(config), config, options, progress=progress)
    }


def _snapshot(config: settings.Settings, file: Path, categories: tuple[str, ...], max_seconds: float | None) -> Ask:
    from paperlab.library import snapshot

    options = snapshot.SnapshotOptions(file=file, categories=categories, max_seconds=max_seconds)
    return lambda progress: {
        "receipt": snapshot.run(database.open_or_create(config), config, options, progress=progress)
    }


def _run(ask: Ask, *, as_json: bool, quiet: bool) -> None:
    try:
        with _progress(quiet) as progress:
            got = ask(progress)
    except library.Stopped as stopped:
        got = {"receipt": stopped.receipt} | ({"feed": stopped.feed} if stopped.feed else {})
        _talk_of(got, quiet)
        if not as_json:
            raise
        output.talk(f"error: {stopped}")
        outcome = {"error": stopped.message, "hint": stopped.hint, "exit": stopped.exit_code, "reason": stopped.reason}
        output.write_json({**outcome, "retry_after_s": stopped.retry_after_s, **got})
        raise typer.Exit(stopped.exit_code) from stopped
    if as_json:
        output.write_json(got)
    else:
        _talk_of(got, quiet)


def _talk_of(got: Mapping[str, Receipt], quiet: bool) -> None:
    if "feed" in got:
        output.talk(feed_summary(got["feed"]), quiet=quiet)
    output.talk(summary(got["receipt"]), quiet=quiet)
    if said := relevance(got["receipt"]):
        output.talk(said, quiet=quiet)


def _intent(source: Source, options: plan.SyncOptions, planned: plan.Plan) -> str:
    categories = "+".join(planned.question.categories)
    if source is Source.RSS:
        return f"asking arXiv for the daily feed of {categories}"
    if _is_night(source, options):
        return f"asking arXiv for the daily feed (RSS) of {categories}, and its query API for {planned.query}"
    return f"asking arXiv's query API for {planned.query}"


def _is_night(source: Source, options: plan.SyncOptions) -> bool:
    """Whether the daily feed is read beside the query API: it says nothing of a window of the past."""
    return source is Source.NIGHTLY and options.since is None and options.until is None


def _check_fit(source: Source, given: set[str]) -> None:
    """Raises a usage error naming the source and what does not go with it."""
    unfit = sorted(given - _FITS[source])
    if unfit:
        raise typer.BadParameter(
            f"{', '.join(unfit)} does not go with --source {source.value}; "
            f"what does: {', '.join(sorted(_FITS[source]))}"
        )
    if source is Source.SNAPSHOT and "FILE" not in given:
        raise typer.BadParameter("--source snapshot needs the FILE of the dump")
    if source is Source.OAI and "--set" not in given:
        raise typer.BadParameter("--source oai needs at least one --set, such as --set cs:cs:CL")


def _show_plan(preview: plan.Preview, as_json: bool, *, is_night: bool) -> None:
    planned = preview.plan
    beside = 1 + preview.lookups if is_night else 0
    expected = None if preview.pages is None else preview.pages + beside
    if as_json:
        record = {
            "kind": planned.kind,
            "query": planned.question.text,
            "since": planned.question.since,
            "until": planned.question.until,
            "updated_since": planned.question.floor,
            "cursor": planned.cursor,
            "page_size": planned.page_size,
            "feed": preview.feed_url if is_night else None,
            "open_gaps": preview.open_gaps if is_night else 0,
            "least_requests": 1 + beside,
            "expected_requests": expected,
        }
        output.write_json({"plan": record})
        return
    cursor = output.format_time(planned.cursor) if planned.cursor else "none: this would be the first sync"
    output.write_line(f"{planned.kind}: {planned.query}, {planned.page_size} a page; cursor {cursor}")
    if is_night:
        output.write_line(f"daily feed: {preview.feed_url}")
        looked_up = f"{preview.open_gaps} papers by identifier" if preview.open_gaps else "nothing"
        output.write_line(f"look-ups of earlier nights' open gaps: {looked_up} ({preview.lookups} requests)")
    if expected is None:
        output.write_line(f"requests: {1 + beside} or more; how many papers a window holds, only arXiv knows")
    else:
        output.write_line(f"requests: about {expected}, for about {preview.papers} papers")


def _moment(text: str | None, option: str, *, end_of_day: bool) -> datetime | None:
    """A time, or a whole day: then its beginning or its end."""
    if text is None:
        return None
    try:
        day = _as_day(text)
        if day is None:
            moment = datetime.fromisoformat(text)
            moment = moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)
        else:
            moment = datetime.combine(day, datetime.min.time(), UTC) + timedelta(days=1 if end_of_day else 0)
    except (ValueError, OverflowError) as error:
        raise InvalidInput(f'{option} "{text}" is not a day or time', f"{_TIME}") from error
    return moment


def _day(text: str | None, option: str) -> date | None:
    if text is None:
        return None
    day = _as_day(text)
    if day is None:
        raise InvalidInput(f'{option} "{text}" is not a day', "with --source oai: a day such as 2017-01-01")
    if day < plan.EARLIEST.date():
        raise InvalidInput(f'{option} "{text}" is before arXiv', "its first papers are of 1991")
    return day


def _as_day(text: str) -> date | None:
    try:
        return date.fromisoformat(text)
    except ValueError:
        return None


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
