"""`paperlab runs`: what was trained, how far it is, and what it measured."""

from __future__ import annotations

from dataclasses import fields
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import typer

from paperlab import settings
from paperlab.cli import comparison, output, run_export, run_groups, run_transfer
from paperlab.cli.run_names import Json, match, refreshed
from paperlab.entities import Measurement, MetricPoint, Run, RunStatus, Sample
from paperlab.errors import InvalidInput, TryAgain
from paperlab.library import database as library_database
from paperlab.runs import compare as comparisons
from paperlab.runs import findings, indexer, interleaved, launch
from paperlab.store import runs as store
from paperlab.store.database import read_only
from reproductions.run_directory import RunDirectory

SAMPLES_SHOWN = 5

app = typer.Typer(help="What was trained, how far it is, and what it measured.", no_args_is_help=True)

app.command()(run_transfer.bundle)
app.command("import")(run_transfer.import_)
app.command()(run_transfer.verify)


@app.command("list")
def list_(
    *,
    recipe: Annotated[str | None, typer.Option(help="Only runs of this recipe.")] = None,
    tier: Annotated[str | None, typer.Option(help="Only runs of this tier.")] = None,
    status: Annotated[RunStatus | None, typer.Option(help="Only runs with this status.")] = None,
    group: Annotated[
        bool, typer.Option("--group", help="Put runs together that differ in their seed alone: a sweep, cell by cell.")
    ] = False,
    limit: Annotated[int, typer.Option(min=1, help="At most this many, newest first.")] = 50,
    json_: Json = False,
) -> None:
    """Show the runs, newest first.

    Example: paperlab runs list --recipe transformer-base --group
    """
    engine = refreshed(settings.load())
    wanted = store.RunFilter(recipe=recipe, tier=tier, status=status)
    if group:
        with read_only(engine) as reading:
            groups, total = findings.overviews(reading, store.find(reading, wanted), limit)
        run_groups.show(groups, total, json_=json_)
        _say_more(len(groups), total)
        return
    with read_only(engine) as reading:
        found, total = store.find(reading, wanted, limit), store.count(reading, wanted)
    if json_:
        output.write_json({"runs": [as_json(run) for run in found], "total": total})
        return
    columns = ("run", "status", "step", "of", "seed", "device", "updated")
    output.write_table(
        columns,
        [(run.id, run.status, run.step, run.max_steps, run.seed, run.device, run.updated_at) for run in found],
    )
    _say_more(len(found), total)


def _say_more(shown: int, total: int) -> None:
    if total > shown:
        output.talk(f"shown: {shown} of {total}; --limit shows more")
    if not total:
        output.talk("no runs yet: paperlab reproduce transformer-base --tier smoke")


@app.command()
def show(
    run: Annotated[str, typer.Argument(help="A run's id, or how it begins, or what only it contains.")],
    json_: Json = False,
) -> None:
    """Show one run: where it lies, how it went, what it measured, and its newest samples.

    Example: paperlab runs show 20261124-0930
    """
    engine = refreshed(settings.load())
    with read_only(engine) as reading:
        run_id = match(run, store.ids(reading))
        found = store.get(reading, run_id)
        points = store.last_points(reading, run_id)
        measurements = store.measurements(reading, run_id=run_id)
        samples = store.samples(reading, run_id)[-SAMPLES_SHOWN:]
    assert found is not None
    events = RunDirectory(found.path).events()
    if json_:
        output.write_json(
            {
                **as_json(found),
                "record": found.record,
                "metrics": {point.name: {"value": point.value, "step": point.step} for point in points},
                "measurements": measurements,
                "samples": samples,
                "events": events,
            }
        )
        return
    _write(found, points, measurements, samples, events)


@app.command()
def index(
    directory: Annotated[
        Path | None, typer.Argument(help="A folder of runs, or one run (default: the runs of PAPERLAB_HOME).")
    ] = None,
    rebuild: Annotated[bool, typer.Option("--rebuild", help="Forget what was read before, and read it all.")] = False,
    json_: Json = False,
) -> None:
    """Read run directories into the database; what was read before is not read again.

    Example: paperlab runs index ~/from-the-cluster/runs
    """
    place = settings.load()
    if directory is not None and not directory.exists():
        raise InvalidInput(f"{directory} does not exist", "paperlab runs index takes a folder of run directories")
    counts = indexer.index(library_database.open_or_create(place), directory or place.runs_dir, rebuild=rebuild)
    if json_:
        skipped = [{"path": path, "reason": reason} for path, reason in counts.skipped]
        output.write_json({**output.plain(counts), "skipped": skipped})
        return
    for path, reason in counts.skipped:
        output.talk(f"left aside: {path} ({reason})")
    output.write_line(
        f"{counts.runs} runs, {counts.changed} changed, {counts.removed} gone; "
        f"read {counts.points} points and {counts.samples} samples"
    )


@app.command()
def compare(
    names: Annotated[
        list[str], typer.Argument(help="Two or more runs; with --ab two recipes, each with KEY=VALUE behind it.")
    ],
    *,
    ab: Annotated[
        bool, typer.Option("--ab", help="Train two recipes in turns, seed by seed, and test the difference.")
    ] = False,
    seeds: Annotated[int, typer.Option(min=1, help="With --ab: so many seeds, from 1.")] = 3,
    tier: Annotated[str, typer.Option(help="With --ab: full, mini or smoke.")] = "smoke",
    metric: Annotated[
        str, typer.Option(help="With --ab: what to compare by, as recorded in training.")
    ] = comparisons.VALIDATION_LOSS,
    device: Annotated[str, typer.Option(help="With --ab: auto, cpu or cuda.")] = "auto",
    threads: Annotated[int | None, typer.Option(min=1, help="With --ab: CPU threads.")] = None,
    json_: Json = False,
) -> None:
    """Lay runs side by side: the keys that differ, what was measured, and whether it is more than luck of the seed.

    With --ab the same command goes on where it was stopped, and is done at once where all is finished.

    Example: paperlab runs compare "transformer-base" "transformer-base optim.lr=0.5" --ab --seeds 3 --tier smoke
    """
    place = settings.load()
    if ab:
        request = launch.Request("", tier, 1, (), device=device, threads=threads, quiet=json_)
        _compare_recipes(place, names, range(1, seeds + 1), request, metric=metric, json_=json_)
        return
    if len(names) < 2:
        raise typer.BadParameter("two or more are needed", param_hint="NAMES")
    with read_only(refreshed(place)) as reading:
        known = store.ids(reading)
        chosen = [match(name, known) for name in names]
        if len(set(chosen)) < len(chosen):
            raise InvalidInput("a run is compared with itself", "name different runs: paperlab runs list")
        found = comparisons.compare(comparisons.load(reading, chosen))
    if json_:
        output.write_json(found)
    else:
        comparison.write(found)


def _compare_recipes(
    place: settings.Settings, names: list[str], seeds: range, request: launch.Request, *, metric: str, json_: bool
) -> None:
    if len(names) != 2:
        raise typer.BadParameter("--ab takes two recipes", param_hint="NAMES")
    arms = (interleaved.Arm.parse(names[0]), interleaved.Arm.parse(names[1]))
    if arms[0] == arms[1]:
        raise InvalidInput(f'"{arms[0].label}" is compared with itself', "change a field of one: KEY=VALUE behind it")
    interleaved.check_metric(metric)
    for arm in arms:
        launch.check_name(arm.recipe, request.tier)
    ids: list[str] = []
    for ended in interleaved.train(arms, seeds, request, partial(launch.run, home=place.home)):
        if ended.stopped_by is not None:
            stopped = f"a training process was ended by {ended.stopped_by}"
            raise TryAgain(stopped, "the same command goes on with its run", reason="killed")
        if ended.exit_code != 0 or ended.run_id is None:
            raise typer.Exit(ended.exit_code or 1)
        ids.append(ended.run_id)
    pairs = list(zip(ids[::2], ids[1::2], strict=True))
    with read_only(refreshed(place)) as reading:
        found = interleaved.outcome(reading, arms, pairs, metric)
    if json_:
        output.write_json(comparison.as_json(found))
    else:
        comparison.write_outcome(found)


@app.command()
def export(
    run: Annotated[str, typer.Argument(help="A run's id, or how it begins, or what only it contains.")],
    *,
    form: Annotated[
        run_export.Form,
        typer.Option("--format", help="A Hugging Face model card, or a table of points and measurements."),
    ],
    out: Annotated[Path, typer.Option("--out", help="The file to write; one that is there is replaced.")],
    json_: Json = False,
) -> None:
    """Write a run for others: a model card with a model-index and our verdicts, or its numbers as CSV or Parquet.

    `paperlab export` writes its weights.

    Example: paperlab runs export 20261124-0930 --format model-card --out README.md
    """
    place = settings.load()
    with read_only(refreshed(place)) as reading:
        run_id = match(run, store.ids(reading))
        found = store.get(reading, run_id)
        assert found is not None
        measurements = store.measurements(reading, run_id=run_id)
        is_card = form is run_export.Form.MODEL_CARD
        judged = run_export.judged(reading, place, measurements) if is_card else {}
        points = [] if is_card else store.points(reading, run_id)
    count = run_export.write(out, form, found, points=points, measurements=measurements, judged=judged)
    if json_:
        output.write_json({"run": run_id, "format": form, "out": out, "values": count})
        return
    output.write_line(str(out))
    output.talk(f"{count} values of {run_id}")


def as_json(run: Run) -> dict[str, Any]:
    """The run without its run.json, which `runs show` gives."""
    return {field.name: getattr(run, field.name) for field in fields(run) if field.name != "record"}


def last_values(points: list[MetricPoint]) -> list[tuple[str, float, int]]:
    return [(point.name, point.value, point.step) for point in points]


def _write(
    run: Run,
    points: list[MetricPoint],
    measurements: list[Measurement],
    samples: list[Sample],
    events: list[dict[str, Any]],
) -> None:
    provenance = run.record.get("provenance") or {}
    described = [
        ("run", run.id),
        ("status", run.status),
        ("path", run.path),
        ("recipe", f"{run.recipe}, tier {run.tier}, seed {run.seed}"),
        ("overrides", " ".join(f"{key}={value}" for key, value in run.overrides.items()) or "none"),
        *([("parent", parent.get("run") or parent.get("model"))] if (parent := provenance.get("parent")) else []),
        ("step", run.step if run.max_steps is None else f"{run.step} of {run.max_steps}"),
        ("attempts", run.attempts),
        ("began", run.created_at),
        ("updated", run.updated_at),
        ("seconds", run.seconds),
        ("device", run.device),
        ("commit", provenance.get("commit")),
        ("code", run.fingerprint[:16]),
    ]
    for name, value in described:
        output.write_line(f"{name:<10}{output.cell(value)}")
    tables: list[tuple[str, tuple[str, ...], list[tuple[Any, ...]]]] = [
        ("last values", ("metric", "value", "step"), list(last_values(points))),
        (
            "measured",
            ("metric", "value", "unit", "dataset", "split", "examples", "claim"),
            [(m.metric, m.value, m.unit, m.dataset, m.split, m.n, m.claim_id) for m in measurements],
        ),
        (
            "newest samples",
            ("step", "source", "output", "reference"),
            [(sample.step, sample.source, sample.output, sample.reference) for sample in samples],
        ),
        (
            "events",
            ("event", "step", "attempt"),
            [(e["event"], e.get("step"), e.get("attempt")) for e in events if e["event"] != "checkpointed"],
        ),
    ]
    for title, columns, rows in tables:
        if rows:
            output.write_line(f"\n{title}")
            output.write_table(columns, rows)
