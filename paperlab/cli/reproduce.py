"""`paperlab reproduce`: train a recipe of a paper, index its run, and say what it shows of the paper's claims."""

from __future__ import annotations

from dataclasses import asdict
from datetime import UTC, datetime
from typing import Annotated, Any

import typer

from paperlab import settings
from paperlab.cli import claims as claims_command
from paperlab.cli import output
from paperlab.cli.runs import as_json, last_values
from paperlab.entities import Measurement, MetricPoint, Run
from paperlab.errors import PaperlabError, TryAgain
from paperlab.library import claims as library
from paperlab.runs import indexer, judging, launch, structure
from paperlab.runs.verdict import Judgement
from paperlab.settings import Settings
from paperlab.store import runs as store
from paperlab.store.database import Session, open_database, read_only, session
from reproductions import registry


def reproduce(
    name: Annotated[str | None, typer.Argument(help="A recipe, as --list shows them.", show_default=False)] = None,
    tier: Annotated[
        str, typer.Option(help="full (the paper's own setting), mini (an hour of one GPU) or smoke (a CPU, minutes).")
    ] = "full",
    seed: Annotated[int, typer.Option(min=0, help="Seed of weights, order and dropout.")] = 1,
    overrides: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="KEY=VALUE", help="Change a field of the recipe; may be given more than once."),
    ] = None,
    again: Annotated[bool, typer.Option("--again", help="Another run, although this one is there already.")] = False,
    device: Annotated[str, typer.Option(help="auto, cpu or cuda.")] = "auto",
    threads: Annotated[int | None, typer.Option(min=1, help="CPU threads.  1 repeats to the last bit.")] = None,
    listing: Annotated[bool, typer.Option("--list", help="What can be run, and stop.")] = False,
    json_: Annotated[bool, typer.Option("--json", help="One JSON object on stdout.")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", help="Errors only on stderr.")] = False,
) -> None:
    """Train a recipe of a paper, and judge the claims that it measures.

    The same command goes on with an unfinished run, and is done at once with a finished one.

    Example: paperlab reproduce transformer-base --tier smoke
    """
    if listing:
        _list(json_)
        return
    if name is None:
        raise typer.BadParameter("missing; `paperlab reproduce --list` shows them", param_hint="NAME")
    if device not in ("auto", "cpu", "cuda"):
        raise typer.BadParameter(f'"{device}" is not auto, cpu or cuda', param_hint="--device")
    place = settings.load()
    launch.check_name(name, tier)
    request = launch.Request(name, tier, seed, tuple(overrides or ()), again, device, threads, quiet)
    ended = launch.run(request, home=place.home)
    _tell(place, ended, json_, quiet)
    if ended.stopped_by is not None:
        message = f"the training process was ended by {ended.stopped_by}"
        raise TryAgain(message, "the same command goes on with the run", reason="killed")
    if ended.exit_code != 0:
        raise typer.Exit(ended.exit_code)


def _tell(place: Settings, ended: launch.Ended, json_: bool, quiet: bool) -> None:
    """Index the run and show it.  Where that fails the run is safe, and its own exit code counts if it has one."""
    if ended.path is None or ended.run_id is None:
        if json_ and ended.stopped_by is None:
            output.write_json(
                {"run": None, "error": "nothing was run; the reason is on stderr", "exit": ended.exit_code}
            )
        return
    try:
        _show(place, ended, json_, quiet)
    except PaperlabError as error:
        error.message = f"the run is safe in {ended.path}, but could not be indexed: {error.message}"
        error.hint = f"{error.hint}     then: paperlab runs index" if error.hint else "paperlab runs index"
        if ended.exit_code == 0:
            raise
        output.talk(f"error: {error}")


def _show(place: Settings, ended: launch.Ended, json_: bool, quiet: bool) -> None:
    assert ended.path is not None
    assert ended.run_id is not None
    engine = open_database(place, create=True)
    skipped = indexer.index(engine, ended.path).skipped
    with read_only(engine) as reading:
        run = store.get(reading, ended.run_id)
        points = store.last_points(reading, ended.run_id)
        measurements = store.measurements(reading, run_id=ended.run_id)
        judged = _judge(reading, place, measurements)
    if run is None:
        raise PaperlabError(f"{ended.path} can't be read: {'; '.join(reason for _, reason in skipped)}")
    claims = [claim for claim in library.load() if claim.id in judged]
    with session(engine) as writing:
        judging.record(writing, claims, judged, now=datetime.now(UTC))
    if json_:
        verdicts = [claims_command.as_json(claim, judged[claim.id].verdict) for claim in claims]
        output.write_json(_object(run, points, measurements) | {"verdicts": verdicts, "exit": ended.exit_code})
        return
    output.write_line(f"run     {run.id}")
    output.write_line(f"path    {run.path}")
    output.write_line(f"status  {run.status.value}")
    if points:
        output.write_line("")
        output.write_table(("metric", "last value", "step"), last_values(points))
    if claims:
        output.write_line("")
        claims_command.write_verdicts([(claim, judged[claim.id].verdict) for claim in claims])
    if ended.exit_code == 0 and measurements and not claims:
        output.talk("this tier judges no claim of the paper: compare it with its own kind", quiet=quiet)


def _judge(reading: Session, place: Settings, measurements: list[Measurement]) -> dict[str, Judgement]:
    """The claims that this run measured, and those that relate them to others."""
    everything = library.load()
    measured = {item.claim_id for item in measurements}
    touched = [
        claim for claim in everything if measured & {claim.id, claim.better, claim.worse, *claim.series} - {None}
    ]
    checks = structure.known({claim.reproduction for claim in touched}, place.home)
    return judging.judgements(reading, touched, checks, among=everything)


def _object(run: Run, points: list[MetricPoint], measurements: list[Measurement]) -> dict[str, Any]:
    metrics = {point.name: {"value": point.value, "step": point.step} for point in points}
    return {
        "run": run.id,
        "path": run.path,
        "status": run.status,
        "details": as_json(run),
        "metrics": metrics,
        "measurements": measurements,
    }


def _list(json_: bool) -> None:
    with launch.explained():
        rows: list[dict[str, Any]] = [
            {
                "recipe": recipe,
                "tier": tier,
                "reproduction": reproduction.name,
                "needs": asdict(registry.recipe(recipe, tier).needs),
                "about": about,
            }
            for reproduction in registry.all()
            for recipe, about in reproduction.recipes.items()
            for tier in registry.tiers(recipe)
        ]
    if json_:
        output.write_json({"recipes": rows, "total": len(rows)})
        return
    output.write_table(
        ("recipe", "tier", "time", "on", "disk", "about"),
        [
            (
                row["recipe"],
                row["tier"],
                _duration(row["needs"]["hours"]),
                row["needs"]["hardware"],
                f"{row['needs']['disk_gb']:g} GB",
                row["about"],
            )
            for row in rows
        ],
    )


def _duration(hours: float) -> str:
    if not hours:
        return "-"
    return f"{hours:.3g} h" if hours >= 1 else f"{max(1, round(60 * hours))} min"
