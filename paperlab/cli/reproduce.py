"""`paperlab reproduce`: train a recipe of a paper, index its run, and say what it shows of the paper's claims."""

from __future__ import annotations

from dataclasses import asdict
from datetime import UTC, datetime
from typing import Annotated, Any

import typer

from paperlab import settings
from paperlab.cli import arguments, cluster, forecast, output, verdict_table
from paperlab.cli import seeds as seed_runs
from paperlab.cli.runs import as_json, last_values
from paperlab.entities import Measurement, MetricPoint, Run
from paperlab.errors import PaperlabError, TryAgain
from paperlab.library import claims as library
from paperlab.library import database as library_database
from paperlab.runs import findings, indexer, launch
from paperlab.settings import Settings
from paperlab.store import runs as store
from paperlab.store.database import Engine, session
from reproductions import registry


def reproduce(
    name: Annotated[str | None, typer.Argument(help="A recipe, as --list shows them.", show_default=False)] = None,
    *,
    tier: Annotated[
        str, typer.Option(help="full (the paper's own setting), mini (an hour of one GPU) or smoke (a CPU, minutes).")
    ] = "full",
    seed: Annotated[
        int | None,
        typer.Option(min=0, max=2**32 - 1, help="Seed of weights, order and dropout (default: 1).", show_default=False),
    ] = None,
    seeds: Annotated[
        str | None,
        typer.Option(metavar="N|LIST", help="A run a seed: 3 means seeds 1 to 3; 1,2,5 and 4-6 name them."),
    ] = None,
    overrides: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="KEY=VALUE", help="Change a field of the recipe; may be given more than once."),
    ] = None,
    again: Annotated[bool, typer.Option("--again", help="Another run, although this one is there already.")] = False,
    device: Annotated[str, typer.Option(help="auto, cpu or cuda.")] = "auto",
    threads: Annotated[int | None, typer.Option(min=1, help="CPU threads.  1 repeats to the last bit.")] = None,
    gpus: Annotated[
        int, typer.Option(min=1, help="Train on so many GPUs of this machine; with --device cpu: so many processes.")
    ] = 1,
    max_wall: Annotated[
        str | None, typer.Option(metavar="2h", help="Before so long, write a checkpoint and exit 75.")
    ] = None,
    slurm: Annotated[
        str | None,
        typer.Option(
            metavar="PARTITION",
            help="Submit it to SLURM instead; --max-wall is then one turn's limit (4h), after which it queues again.",
        ),
    ] = None,
    predict: Annotated[
        bool,
        typer.Option("--predict", help="Say what it would take and measure here, and stop; looks for some seconds."),
    ] = False,
    self_test_resume: Annotated[
        bool,
        typer.Option("--self-test-resume", help="Train a short stretch twice, once with a kill, compare, and stop."),
    ] = False,
    listing: Annotated[bool, typer.Option("--list", help="What can be run, and stop.")] = False,
    json_: Annotated[bool, typer.Option("--json", help="One JSON object on stdout.")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", help="Nothing but errors.")] = False,
) -> None:
    """Train a recipe of a paper, and judge the claims that it measures.

    The same command goes on with an unfinished run, and is done at once with a finished one.  SIGTERM and SIGUSR1
    write a checkpoint and exit 75.

    Example: paperlab reproduce transformer-base --tier smoke --seeds 3
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
    chosen = seed_runs.parsed(seeds, seed=seed, again=again and not predict)
    first = chosen[0] if chosen else 1 if seed is None else seed
    allowed = arguments.duration(max_wall, "--max-wall")
    changes = tuple(overrides or ())
    request = launch.Request(name, tier, first, changes, again, device, threads, quiet, gpus=gpus, max_seconds=allowed)
    if predict:
        if gpus > 1:
            raise typer.BadParameter("looks with one process; leave out --gpus", param_hint="--predict")
        forecast.show(place, request, afresh=again, json_=json_, seeds=chosen)
        return
    if self_test_resume:
        _test_resume(place, request, json_)
        return
    if slurm is not None:
        cluster.submit(place, request, chosen or (first,), slurm, json_=json_)
        return
    if chosen:
        seed_runs.train(place, request, chosen, json_=json_)
        return
    ended = launch.run(forecast.kept_with(place, request), home=place.home)
    _tell(place, ended, json_, quiet)
    if ended.stopped_by is not None:
        message = f"the training process was ended by {ended.stopped_by}"
        raise TryAgain(message, "the same command goes on with the run", reason="killed")
    if ended.exit_code != 0:
        raise typer.Exit(ended.exit_code)


def _test_resume(place: Settings, request: launch.Request, json_: bool) -> None:
    found = launch.self_test(request, home=place.home)
    if json_:
        output.write_json(found)
    else:
        compared = found["compared"]
        output.write_line(
            f"killed    after the checkpoint of step {found['killed_after_checkpoint']} of {found['steps']}"
        )
        output.write_line(
            f"compared  {compared['values']} recorded values, {compared['tensors']} tensors: {found['rule']}"
        )
        output.write_line(f"same      {'yes' if found['same'] else 'no'}")
    if not found["same"]:
        first = ", ".join(f"{key} {value}" for key, value in found["first_difference"].items())
        output.talk(f"error: the resumed training differs from the undisturbed one.\n  first: {first}")
        raise typer.Exit(found["exit"])


def _tell(place: Settings, ended: launch.Ended, json_: bool, quiet: bool) -> None:
    """Index the run and show it.  Where that fails the run is safe, and its own exit code counts if it has one."""
    if ended.path is None or ended.run_id is None:
        if json_ and ended.stopped_by is None:
            refusal = ended.refusal or {"error": "nothing was run; the reason is on stderr"}
            output.write_json({"run": None, **refusal, "exit": ended.exit_code})
        return
    try:
        engine = library_database.open_or_create(place)
        skipped = indexer.index(engine, ended.path).skipped
        if skipped:
            raise PaperlabError("; ".join(reason for _, reason in skipped))
        _show(place, engine, ended.run_id, ended.exit_code, json_=json_, quiet=quiet)
    except PaperlabError as error:
        error.message = f"the run is safe in {ended.path}, but could not be indexed and judged: {error.message}"
        error.hint = f"{error.hint}     then: paperlab runs index" if error.hint else "paperlab runs index"
        if ended.exit_code == 0:
            raise
        output.talk(f"error: {error}")


def _show(place: Settings, engine: Engine, run_id: str, exit_code: int, *, json_: bool, quiet: bool) -> None:
    everything = library.load()
    with session(engine) as writing:
        run = store.get(writing, run_id)
        points = store.last_points(writing, run_id)
        measurements = store.measurements(writing, run_id=run_id)
        found = findings.judge(writing, everything, measurements, home=place.home, now=datetime.now(UTC))
    assert run is not None
    if json_:
        verdicts = [verdict_table.as_json(claim, verdict) for claim, verdict in found]
        output.write_json(_object(run, points, measurements) | {"verdicts": verdicts, "exit": exit_code})
        return
    output.write_line(f"run     {run.id}")
    output.write_line(f"path    {run.path}")
    output.write_line(f"status  {run.status.value}")
    if points:
        output.write_line("")
        output.write_table(("metric", "last value", "step"), last_values(points))
    if found:
        output.write_line("")
        verdict_table.write_verdicts(found)
    elif measurements:
        output.talk("this tier judges no claim: see `paperlab runs show` for what it measured", quiet=quiet)


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
