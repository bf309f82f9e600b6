"""`paperlab reproduce --seeds`: one run a seed, then what they show together."""

from __future__ import annotations

import shlex
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

import typer

from paperlab import settings
from paperlab.cli import forecast, output, verdict_table
from paperlab.cli.stopping import stoppable
from paperlab.entities import Claim, Run, Verdict
from paperlab.errors import TRY_AGAIN, PaperlabError
from paperlab.library import claims as library
from paperlab.library import database as library_database
from paperlab.runs import findings, indexer, launch, overrides
from paperlab.runs import seeds as naming
from paperlab.runs.findings import Summary
from paperlab.store import runs as store
from paperlab.store.database import session


@dataclass(frozen=True)
class _Shown:
    """What is known once the last run has ended."""

    runs: Sequence[Run]
    summaries: Sequence[Summary]
    verdicts: Sequence[tuple[Claim, Verdict]]


def train(place: settings.Settings, request: launch.Request, chosen: tuple[int, ...], *, json_: bool) -> None:
    """Trains the recipe once a seed and shows what all of them show; ends with the code of the first that did not.

    What is finished is done at once, so the same command goes on where it was stopped.
    """
    overrides.check(request)
    done: list[launch.Ended] = []
    began, left = time.monotonic(), request.max_seconds  # the time is for all of them together
    with stoppable("the same command goes on"):
        for at, seed in enumerate(chosen, start=1):
            output.talk(f"seed {seed}, {at} of {len(chosen)}", quiet=request.quiet or json_)
            asked = replace(request, seed=seed, max_seconds=left)
            ended = launch.run(forecast.kept_with(place, asked), home=place.home)
            done.append(ended)
            if ended.exit_code != 0 or (ended.asked_to_stop and at < len(chosen)):
                break
            if request.max_seconds is not None:
                left = request.max_seconds - (time.monotonic() - began)
                if left <= 0:
                    break
    code = done[-1].exit_code or (TRY_AGAIN if len(done) < len(chosen) else 0)
    stopped = None if code == 0 else _stopped(done, chosen)
    try:
        shown = _shown(place, done)
    except PaperlabError as error:
        error.message = f"the runs are safe in {place.runs_dir}, but could not be indexed: {error.message}"
        error.hint = f"{error.hint}     then: paperlab runs index" if error.hint else "paperlab runs index"
        raise
    if json_:
        again = {"reason": "stopped", "retry_after_s": None} if code == TRY_AGAIN else {}
        output.write_json({**_object(request, chosen, done, shown), **(stopped or {}), **again, "exit": code})
    else:
        _write(request, chosen, done, shown)
    if stopped is not None:
        output.talk(f"error: {stopped['error']}.\n  {stopped['hint']}")
        raise typer.Exit(code)


def _stopped(done: Sequence[launch.Ended], chosen: tuple[int, ...]) -> dict[str, Any]:
    """Which seed came to no end, why, and what goes on with it."""
    last = done[-1]
    seed = chosen[len(done) - 1]
    if last.exit_code == 0:
        return {"seed": seed, "error": f"stopped after seed {seed}", "hint": _goes_on(chosen, len(done))}
    why = last.refusal.get("error") or f"ended with exit code {last.exit_code}"
    if last.stopped_by is not None:
        why = f"the training process was ended by {last.stopped_by}"
    goes_on = last.exit_code == TRY_AGAIN
    hint = _goes_on(chosen, len(done) - 1) if goes_on else last.refusal.get("hint", "the reason is above")
    return {"seed": seed, "error": f"seed {seed}: {why}", "hint": hint}


def _goes_on(chosen: tuple[int, ...], finished: int) -> str:
    return f"{finished} of {len(chosen)} seeds are finished; the same command goes on"


def _shown(place: settings.Settings, done: Sequence[launch.Ended]) -> _Shown:
    paths = [ended.path for ended in done if ended.path is not None]
    if not paths:
        return _Shown((), (), ())
    everything = library.load()
    engine = library_database.open_or_create(place)
    skipped = [skip for path in paths for skip in indexer.index(engine, path).skipped]
    if skipped:
        raise PaperlabError("; ".join(reason for _, reason in skipped))
    with session(engine) as writing:
        runs = [run for ended in done if ended.run_id and (run := store.get(writing, ended.run_id)) is not None]
        finished = [run for run, ended in zip(runs, done, strict=False) if ended.exit_code == 0]
        measured = [item for run in finished for item in store.measurements(writing, run_id=run.id)]
        verdicts = findings.judge(writing, everything, measured, home=place.home, now=datetime.now(UTC))
        return _Shown(runs, findings.summaries(writing, finished), verdicts)


def _object(
    request: launch.Request, chosen: tuple[int, ...], done: Sequence[launch.Ended], shown: _Shown
) -> dict[str, Any]:
    return {
        "recipe": request.recipe,
        "tier": request.tier,
        "overrides": overrides.parse(request.overrides),
        "seeds": chosen,
        "runs": [
            {"seed": seed, "run": ended.run_id, "path": ended.path, "status": ended.status, "exit": ended.exit_code}
            for seed, ended in zip(chosen, done, strict=False)
        ],
        "summary": shown.summaries,
        "verdicts": [verdict_table.as_json(claim, verdict) for claim, verdict in shown.verdicts],
    }


def _write(request: launch.Request, chosen: tuple[int, ...], done: Sequence[launch.Ended], shown: _Shown) -> None:
    status = {run.id: run.status for run in shown.runs}
    output.write_table(
        ("seed", "status", "run"),
        [
            (seed, status.get(ended.run_id or "", ended.status), ended.run_id)
            for seed, ended in zip(chosen, done, strict=False)
        ],
    )
    if shown.summaries:
        output.write_line("")
        write_summaries(shown.summaries)
    if shown.verdicts:
        output.write_line("")
        verdict_table.write_verdicts(shown.verdicts)
    elif shown.summaries:
        output.talk("this tier judges no claim", quiet=request.quiet)


def write_summaries(found: Sequence[Summary]) -> None:
    """Mean, standard deviation and number of seeds, a line a quantity."""
    output.write_table(
        ("quantity", "unit", "mean", "sd", "n", "claim"),
        [(each.quantity, each.unit, each.mean, each.sd, each.n, each.claim) for each in found],
    )


def parsed(text: str | None, *, seed: int | None, again: bool) -> tuple[int, ...] | None:
    """The seeds of --seeds; None without it.  Refuses what contradicts it."""
    if text is None:
        return None
    if seed is not None:
        raise typer.BadParameter("--seed and --seeds exclude each other", param_hint="--seeds")
    if again:
        words = shlex.join(["paperlab", "reproduce", "NAME", "--again", "--seed", "2"])
        raise typer.BadParameter(f"--again makes one run at a time: {words}", param_hint="--seeds")
    return naming.parse(text)
