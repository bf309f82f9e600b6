"""`paperlab sweep`: one recipe over a grid of its fields."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Annotated, Any

import typer

from paperlab import settings
from paperlab.cli import forecast, output, sweep_table
from paperlab.cli import queue as queue_command
from paperlab.cli.run_names import refreshed
from paperlab.cli.stopping import stoppable
from paperlab.errors import (
    INVALID_INPUT,
    NOT_READY,
    OUR_FAULT,
    TRY_AGAIN,
    InvalidInput,
    NotReady,
    PaperlabError,
    TryAgain,
)
from paperlab.library import database as library_database
from paperlab.runs import compare as comparisons
from paperlab.runs import interleaved, launch, overrides, queue
from paperlab.runs import seeds as naming
from paperlab.runs import sweep as sweeps
from paperlab.runs.sweep import Axis, Cell, Outcome, Planned
from paperlab.settings import Settings
from paperlab.store.database import read_only


def sweep(
    recipe: Annotated[str, typer.Argument(help="A recipe, as `paperlab reproduce --list` shows them.")],
    *,
    changes: Annotated[
        list[str],
        typer.Option("--set", metavar="KEY=A,B,...", help="A field and its values; each --set is an axis of the grid."),
    ],
    tier: Annotated[str, typer.Option(help="smoke, mini or full.")] = "smoke",
    seeds: Annotated[
        str, typer.Option(metavar="N|LIST", help="Of each cell: 3 means seeds 1 to 3; 1,2,5 and 4-6 name them.")
    ] = "1",
    metric: Annotated[
        str, typer.Option(help="What to rank by, as recorded in training; never of a test split.")
    ] = comparisons.VALIDATION_LOSS,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Show the grid, what is finished of it and what the rest would take.")
    ] = False,
    queued: Annotated[bool, typer.Option("--queue", help="Put what is not finished into the queue instead.")] = False,
    gpus: Annotated[int, typer.Option(min=1, help="Train on so many GPUs; with --device cpu: so many processes.")] = 1,
    device: Annotated[str, typer.Option(help="auto, cpu or cuda.")] = "auto",
    threads: Annotated[int | None, typer.Option(min=1, help="CPU threads.  1 repeats to the last bit.")] = None,
    json_: Annotated[bool, typer.Option("--json", help="One JSON object on stdout.")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", help="Nothing but errors.")] = False,
) -> None:
    """Train a recipe over a grid of its fields, and rank the cells by a validation metric.

    The same command goes on where it was stopped, and shows the table again where all is finished.  A cell whose
    training fails is passed over and named; the command then ends with exit code 1.

    Example: paperlab sweep transformer-base --set optim.lr=0.5,1,2 --set model.dropout=0,0.1 --seeds 3
    """
    if device not in ("auto", "cpu", "cuda"):
        raise typer.BadParameter(f'"{device}" is not auto, cpu or cuda', param_hint="--device")
    if dry_run and queued:
        raise typer.BadParameter("--dry-run and --queue exclude each other", param_hint="--queue")
    interleaved.check_metric(metric)
    chosen = naming.parse(seeds)
    axes = tuple(Axis.parse(word) for word in changes)
    cells = sweeps.grid(recipe, tier, axes)
    if len(cells) * len(chosen) > sweeps.MOST_RUNS:
        many = f"{len(cells)} cells with {len(chosen)} seeds are {len(cells) * len(chosen)} runs"
        raise InvalidInput(f"{many}, more than {sweeps.MOST_RUNS}", "fewer values, or fewer seeds")
    place = settings.load()
    request = launch.Request(recipe, tier, device=device, threads=threads, quiet=quiet or json_, gpus=gpus)
    about = {"recipe": recipe, "tier": tier, "axes": axes, "seeds": chosen}
    if dry_run:
        sweep_table.show_plan(_plan(place, cells, request), chosen, about, json_=json_)
    elif queued:
        _queue(place, cells, request, chosen, about, json_=json_, quiet=quiet)
    else:
        _train(place, cells, request, chosen, {**about, "metric": metric}, json_=json_)


# --- before ---------------------------------------------------------------------------------------------------------


def _plan(place: Settings, cells: Sequence[Cell], request: launch.Request) -> list[Planned]:
    """Makes no database where there is none."""
    if library_database.is_missing(place):
        return sweeps.plan(None, cells, request, home=place.home)
    with read_only(refreshed(place)) as reading:
        return sweeps.plan(reading, cells, request, home=place.home)


def _queue(
    place: Settings,
    cells: Sequence[Cell],
    request: launch.Request,
    seeds: tuple[int, ...],
    about: Mapping[str, Any],
    *,
    json_: bool,
    quiet: bool,
) -> None:
    planned = _plan(place, cells, request)
    requests = [
        replace(request, seed=seed, overrides=overrides.words(each.cell.changes))
        for seed in seeds
        for each in planned
        if seed not in each.finished
    ]
    fields = " and ".join(axis.field for axis in about["axes"])
    why = {"claims": [], "reason": f"sweep over {fields}", "by": "sweep"}
    engine = library_database.open_or_create(place)
    found = queue.put(engine, requests, why, home=place.home, now=library_database.utc_now())
    queue_command.tell_put(place, engine, found, json_=json_, quiet=quiet, **about)
    if not json_:
        output.talk("when all are finished, the same command without --queue shows the table", quiet=quiet)


# --- training -------------------------------------------------------------------------------------------------------


@dataclass
class _Trained:
    """How far a sweep came."""

    finished: dict[str, dict[int, str]]
    """Run ids by seed, by the label of the cell."""
    failed: list[dict[str, Any]] = field(default_factory=list)
    stopped: PaperlabError | None = None

    @property
    def ended(self) -> int:
        return sum(map(len, self.finished.values())) + len(self.failed)

    @property
    def exit_code(self) -> int:
        return self.stopped.exit_code if self.stopped is not None else OUR_FAULT if self.failed else 0

    def add(self, cell: Cell, seed: int, ended: launch.Ended) -> None:
        if ended.exit_code == 0 and ended.run_id is not None:
            self.finished[cell.label][seed] = ended.run_id
        elif ended.exit_code in {TRY_AGAIN, NOT_READY, INVALID_INPUT}:
            self.stopped = _why(ended)
        else:
            why = ended.refusal.get("error") or f"exit code {ended.exit_code}"
            self.failed.append({"cell": cell.label, "seed": seed, "run": ended.run_id, "error": why})


def _train(
    place: Settings,
    cells: Sequence[Cell],
    request: launch.Request,
    seeds: tuple[int, ...],
    about: Mapping[str, Any],
    *,
    json_: bool,
) -> None:
    library_database.open_or_create(place)  # a database that can't be read is to be known before hours of training
    planned = _plan(place, cells, request)
    done = {each.cell.label: {seed: each.finished[seed] for seed in seeds if seed in each.finished} for each in planned}
    trained = _Trained(done)
    labels = {overrides.words(cell.changes): cell.label for cell in cells}
    total = len(cells) * len(seeds)

    def run(asked: launch.Request) -> launch.Ended:
        label = labels[tuple(asked.overrides)]
        output.talk(f"{trained.ended + 1} of {total}: {label}, seed {asked.seed}", quiet=request.quiet)
        return launch.run(forecast.kept_with(place, asked), home=place.home)

    try:
        with stoppable("the same command goes on"):
            for cell, seed, ended in sweeps.train(planned, seeds, request, run):
                trained.add(cell, seed, ended)
                if ended.asked_to_stop and trained.stopped is None and trained.ended < total:
                    trained.stopped = TryAgain("stopped", "the same command goes on", reason="interrupted")
                if trained.stopped is not None:
                    break
    except TryAgain as error:
        trained.stopped = error
    found: Outcome | None = None
    if any(trained.finished.values()):
        with read_only(refreshed(place)) as reading:
            runs = [(cell, trained.finished[cell.label]) for cell in cells]
            found = sweeps.outcome(reading, runs, about["metric"])
    if json_:
        output.write_json({**about, **_object(trained, found), "exit": trained.exit_code})
    elif found is not None:
        sweep_table.write(found)
        sweep_table.advise(found, about, quiet=request.quiet or trained.exit_code != 0)
    for each in trained.failed:
        output.talk(f'error: "{each["cell"]}", seed {each["seed"]}: {each["error"]}')
    if trained.stopped is not None:
        output.talk(f"error: {trained.stopped}")
    if trained.exit_code:
        raise typer.Exit(trained.exit_code)


def _why(ended: launch.Ended) -> PaperlabError:
    """A training that ended early, or that nothing here can be trained like, as what it is to the user."""
    said = ended.refusal.get("error") or f"a training ended with exit code {ended.exit_code}"
    if ended.exit_code == TRY_AGAIN:
        said = f"a training process was ended by {ended.stopped_by}" if ended.stopped_by else said
        return TryAgain(said, "the same command goes on", reason="killed" if ended.stopped_by else "interrupted")
    kind = NotReady if ended.exit_code == NOT_READY else InvalidInput
    return kind(said, ended.refusal.get("hint", "the reason is above"))


def _object(trained: _Trained, found: Outcome | None) -> dict[str, Any]:
    said: dict[str, Any] = {"cells": [], "says": "nothing is finished", "failed": trained.failed}
    if found is not None:
        said |= {
            "lower_is_better": found.lower_is_better,
            "cells": [sweep_table.as_json(each) for each in found.results],
            "protocol_differs": found.protocol_differs,
            "says": found.says,
        }
    if trained.stopped is not None:
        said |= {"error": trained.stopped.message, "hint": trained.stopped.hint}
    if isinstance(trained.stopped, TryAgain):
        said |= {"reason": trained.stopped.reason, "retry_after_s": trained.stopped.retry_after_s}
    return said
