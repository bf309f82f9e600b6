"""`paperlab queue`: what is to be trained, and the worker that trains it."""

from __future__ import annotations

import time
from collections.abc import Sequence
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime
from typing import Annotated, Any

import typer

from paperlab import settings
from paperlab.cli import arguments, forecast, output, queue_fill
from paperlab.cli.stopping import stoppable
from paperlab.entities import Claim, Verdict
from paperlab.errors import TRY_AGAIN, PaperlabError, TryAgain
from paperlab.library import claims as library
from paperlab.library import database as library_database
from paperlab.runs import findings, indexer, launch, overrides, queue
from paperlab.runs import seeds as naming
from paperlab.settings import Settings
from paperlab.store import queue as store
from paperlab.store import runs as run_store
from paperlab.store.database import Engine, read_only, session
from paperlab.store.queue import Entry

WORKER = "paperlab queue run"

app = typer.Typer(help="What is to be trained, and the worker that trains it.", no_args_is_help=True)

app.command()(queue_fill.fill)

Json = Annotated[bool, typer.Option("--json", help="One JSON object on stdout.")]
Quiet = Annotated[bool, typer.Option("--quiet", help="Nothing but errors.")]


@app.command()
def add(
    recipe: Annotated[str, typer.Argument(help="A recipe, as `paperlab reproduce --list` shows them.")],
    *,
    tier: Annotated[str, typer.Option(help="full, mini or smoke.")] = "full",
    seeds: Annotated[
        str, typer.Option("--seeds", "--seed", metavar="N|LIST", help="3 means seeds 1 to 3; 1,2,5 and 4-6 name them.")
    ] = "1",
    changes: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="KEY=VALUE", help="Change a field of the recipe; may be given more than once."),
    ] = None,
    gpus: Annotated[int, typer.Option(min=1, help="Train on so many GPUs; with --device cpu: so many processes.")] = 1,
    reason: Annotated[str, typer.Option(help="Why, for whoever reads the queue.")] = "",
    json_: Json = False,
    quiet: Quiet = False,
) -> None:
    """Put runs into the queue; a run that waits there already is not put there twice.

    Example: paperlab queue add transformer-base --tier mini --seeds 3 --reason "the table of the talk"
    """
    place = settings.load()
    chosen = naming.parse(seeds)
    request = launch.Request(recipe, tier, 1, tuple(changes or ()), gpus=gpus)
    overrides.check(request)
    engine = library_database.open_or_create(place)
    why = {"claims": [], "reason": arguments.text(reason, "--reason"), "by": "add"}
    requests = [replace(request, seed=seed) for seed in chosen]
    found = queue.put(engine, requests, why, home=place.home, now=datetime.now(UTC))
    tell_put(place, engine, found, json_=json_, quiet=quiet)


def tell_put(
    place: Settings, engine: Engine, found: Sequence[queue.Put], *, json_: bool, quiet: bool, **more: Any
) -> None:
    """What was put into the queue, and whether anything takes it from there."""
    served = queue.is_served(engine, place.home)
    if json_:
        entries = [{**output.plain(each.entry), "is_new": each.is_new} for each in found]
        output.write_json({**more, "entries": entries, "new": sum(each.is_new for each in found), "served": served})
        return
    for each in found:
        output.write_line(
            f"{each.entry.id}  {each.entry.words}{'' if each.is_new else f'  ({each.entry.state} already)'}"
        )
    tell_unserved(served, quiet=quiet)


def tell_unserved(served: bool, *, quiet: bool = False) -> None:
    if not served:
        output.talk(f"nothing is taking work from the queue: {WORKER}", quiet=quiet)


@app.command()
def ls(
    everything: Annotated[bool, typer.Option("--all", help="Also what has finished, failed or was cancelled.")] = False,
    json_: Json = False,
) -> None:
    """Show what waits and what is being trained, in the order in which it is taken.

    Example: paperlab queue ls --all
    """
    place = settings.load()
    engine = library_database.open_or_create(place)
    with read_only(engine) as reading:
        found = store.find(reading, store.STATES if everything else (store.WAITING, store.RUNNING))
    served = queue.is_served(engine, place.home)
    at_work = {entry.id: queue.is_at_work(entry, place.home) for entry in found if entry.state == store.RUNNING}
    if json_:
        entries = [{**output.plain(entry), "at_work": at_work.get(entry.id)} for entry in found]
        output.write_json({"entries": entries, "total": len(found), "served": served})
        return
    if found:
        output.write_table(
            ("id", "state", "run", "expected", "why", "worker", "added", "says"),
            [
                (
                    entry.id,
                    entry.state,
                    entry.words,
                    expected(entry.predicted),
                    shown_why(entry),
                    _worker(entry, at_work.get(entry.id)),
                    entry.added_at,
                    entry.message or entry.run_id,
                )
                for entry in found
            ],
        )
    else:
        output.talk("nothing is queued: paperlab queue add RECIPE, or paperlab queue fill --budget 2gpuh")
    if any(entry.state == store.WAITING for entry in found):
        tell_unserved(served)


def expected(predicted: Any) -> str | None:
    """ "12 min, 0.2 GPU-hours"; None where nothing is known."""
    if predicted.get("seconds") is None:
        return None
    least = "at least " if predicted.get("at_least") else ""
    hours = predicted.get("device_hours")
    spent = "" if hours is None else f", {hours:.3g} {predicted.get('unit')}"
    return f"{least}{forecast.duration(predicted['seconds'])}{spent}"


def shown_why(entry: Entry) -> str | None:
    return str(entry.why.get("reason") or ", ".join(entry.why.get("claims") or ())) or None


def _worker(entry: Entry, at_work: bool | None) -> str | None:
    if not entry.worker:
        return None
    named = f"{entry.worker.get('pid')} on {entry.worker.get('host')}"
    return f"{named} (died)" if entry.state == store.RUNNING and at_work is False else named


@app.command()
def cancel(
    entry: Annotated[int, typer.Argument(help="The id that `paperlab queue ls` shows.")],
    json_: Json = False,
) -> None:
    """Take a waiting entry out of the queue; a run that was begun for it stays, and can be gone on with.

    Example: paperlab queue cancel 3
    """
    engine = library_database.open_or_create(settings.load())
    with session(engine) as writing:
        cancelled = queue.cancel(writing, arguments.number(entry, "entry"), datetime.now(UTC))
    if json_:
        output.write_json(cancelled)
        return
    output.write_line(f"{cancelled.id}  {cancelled.words}  {cancelled.state}")


# --- the worker ---------------------------------------------------------------------------------------------------


@app.command("run")
def run_(
    *,
    most: Annotated[int | None, typer.Option(min=1, help="Take so many entries, and stop.")] = None,
    max_wall: Annotated[
        str | None,
        typer.Option(metavar="TIME", help="Stop after so long (90s, 30m, 2h): a training writes a checkpoint first."),
    ] = None,
    device: Annotated[str, typer.Option(help="auto, cpu or cuda.")] = "auto",
    threads: Annotated[int | None, typer.Option(min=1, help="CPU threads.  1 repeats to the last bit.")] = None,
    json_: Json = False,
    quiet: Quiet = False,
) -> None:
    """Train what waits in the queue, one entry at a time, until none is left; runs are indexed and judged.

    SIGTERM writes a checkpoint, puts the entry back and ends with exit code 75; the next worker goes on with its run.
    Otherwise the exit code is that of the first entry that did not finish, and 0 where all did.

    Example: paperlab queue run --max-wall 8h
    """
    if device not in ("auto", "cpu", "cuda"):
        raise typer.BadParameter(f'"{device}" is not auto, cpu or cuda', param_hint="--device")
    seconds = arguments.duration(max_wall, "--max-wall")
    place = settings.load()
    launch.require_packages()
    engine = library_database.open_or_create(place)
    request = launch.Request("", device=device, threads=threads, quiet=quiet or json_)
    done: list[dict[str, Any]] = []
    began, stopped = time.monotonic(), None

    def train(asked: launch.Request) -> launch.Ended:
        words = " ".join([asked.recipe, "--tier", asked.tier, "--seed", str(asked.seed), *asked.overrides])
        output.talk(f"taken: {words}", quiet=request.quiet)
        return launch.run(forecast.kept_with(place, asked), home=place.home)

    try:
        with stoppable("what was being trained waits again; the same command goes on"):
            working = queue.work(
                engine, request, train, home=place.home, now=library_database.utc_now, most=most, seconds=seconds
            )
            with closing(working):
                for outcome in working:
                    done.append(_told(place, engine, outcome, json_=json_, quiet=quiet))
                    if outcome.stops:
                        stopped = _why_stopped(outcome)
    except TryAgain as error:
        stopped = error
    with read_only(engine) as reading:
        waiting = len(store.find(reading, (store.WAITING,)))
    if stopped is None and waiting and seconds is not None and time.monotonic() - began >= seconds:
        stopped = TryAgain(f"the time is over; {waiting} wait", "the same command goes on", reason="budget")
    code = TRY_AGAIN if stopped else next((each["exit"] for each in done if each["exit"]), 0)
    if json_:
        why = {"reason": stopped.reason, "retry_after_s": None, "error": stopped.message} if stopped else {}
        output.write_json({"taken": done, "waiting": waiting, "exit": code, **why})
    elif stopped is not None:
        output.talk(f"error: {stopped}")
    else:
        output.talk(f"{len(done)} taken; {waiting} wait", quiet=quiet)
    if code:
        raise typer.Exit(code)


def _why_stopped(outcome: queue.Outcome) -> TryAgain:
    reason = "interrupted" if outcome.ended.asked_to_stop else "budget"
    if outcome.entry.state != store.WAITING:
        return TryAgain("asked to stop, after the last entry had ended", "the same command goes on", reason=reason)
    return TryAgain(outcome.entry.message or "stopped", "the next worker goes on with it", reason=reason)


def _told(place: Settings, engine: Engine, outcome: queue.Outcome, *, json_: bool, quiet: bool) -> dict[str, Any]:
    """Index and judge the run of an entry that ended, and show a line of it.  A run is safe where that fails."""
    entry = outcome.entry
    verdicts: list[tuple[Claim, Verdict]] = []
    if outcome.ended.path is not None and outcome.ended.run_id is not None:
        try:
            indexer.index(engine, outcome.ended.path)
            with session(engine) as writing:
                measured = run_store.measurements(writing, run_id=outcome.ended.run_id)
                verdicts = findings.judge(
                    writing, library.load(), measured, home=place.home, now=library_database.utc_now()
                )
        except PaperlabError as error:
            output.talk(f"the run is safe in {outcome.ended.path}, but was not judged: {error.message}")
    if not json_ and not quiet:
        judged = ", ".join(f"{claim.id} {verdict.kind.value}" for claim, verdict in verdicts)
        shown = [entry.id, entry.words, entry.state, entry.message or entry.run_id or "", judged]
        output.write_line("  ".join(str(each) for each in shown if each))
    elif quiet and entry.state == store.FAILED:
        output.talk(f"entry {entry.id} ({entry.words}) failed: {entry.message}")
    said = [{"claim": claim.id, "verdict": verdict.kind} for claim, verdict in verdicts]
    return {**output.plain(entry), "exit": outcome.exit_code, "verdicts": said}
