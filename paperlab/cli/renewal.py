"""`paperlab claims renew`: does the code that has changed still compute the same?"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Any

import typer

from paperlab import settings
from paperlab.cli import forecast, output, verdict_table
from paperlab.cli.run_names import Json, refreshed
from paperlab.entities import Claim, Replay, VerdictKind
from paperlab.errors import TryAgain
from paperlab.library import claims as library
from paperlab.runs import indexer, judging, launch, replay, structure
from paperlab.settings import Settings
from paperlab.store import replays
from paperlab.store.database import Engine, session
from reproductions.run_directory import RunDirectory


def renew(
    ids: Annotated[list[str] | None, typer.Argument(metavar="[ID...]", help="Claims to renew (default: all).")] = None,
    *,
    json_: Json = False,
    quiet: Annotated[bool, typer.Option("--quiet", help="Nothing but errors.")] = False,
) -> None:
    """Make smoke runs of changed code again; where nothing parts, stale verdicts hold once more.

    Each is laid beside the run that the old code made with the same seed and threads: every logged value, the final
    weights and every measurement, bit for bit.  What comes out is kept for good; one that parts says where.

    Example: paperlab claims renew
    """
    place = settings.load()
    everything = library.load()
    chosen = library.select(everything, ids=ids or ())
    engine = refreshed(place)
    checks = structure.known({claim.reproduction for claim in chosen}, place.home)
    with session(engine) as writing:
        before = judging.judgements(writing, chosen, checks, among=everything, afresh=True)
        stale = {name: found.used for name, found in before.items() if found.verdict.kind is VerdictKind.STALE}
        plans = replay.plans(writing, stale, judging.today(writing, everything, checks))
    made = [_replay(place, engine, plan, quiet=quiet or json_) for plan in plans if plan.run is not None]
    touched = [claim for claim in chosen if claim.id in {name for plan in plans for name in plan.claims}]
    now = datetime.now(UTC)
    with session(engine) as writing:
        judged = judging.judgements(writing, touched, checks, among=everything, afresh=True)
        judging.record(writing, touched, judged, now=now)
    found = [(claim, judged[claim.id].verdict) for claim in touched]
    obstacles = [{"recipe": plan.recipe, "claims": plan.claims, "why": plan.obstacle} for plan in plans if not plan.run]
    if json_:
        verdict_table.show(found, json_, replays=made, not_replayed=obstacles)
        return
    if found:
        verdict_table.show(found, json_)
    for plan in plans:
        if plan.run is None:
            output.talk(f"not replayed: {plan.obstacle}; new runs renew {', '.join(plan.claims)}", quiet=quiet)
    output.talk(_summary(chosen, stale, made), quiet=quiet)
    if others := len(stale) - len(touched):
        output.talk(f"{others} for another reason than code: paperlab claims list --verdict stale", quiet=quiet)


def _replay(place: Settings, engine: Engine, plan: replay.Plan, *, quiet: bool) -> Replay:
    assert plan.run is not None
    output.talk(f"{plan.run.id} once more, with the code of now", quiet=quiet)

    def train(request: launch.Request) -> launch.Ended:
        return launch.run(forecast.kept_with(place, request), home=place.home)

    ended, directory = replay.repeat(plan.run, train, quiet=quiet)
    if directory is None:
        if ended.stopped_by is not None:
            message = f"the training process was ended by {ended.stopped_by}"
            raise TryAgain(message, "the same command goes on with it", reason="killed")
        raise typer.Exit(ended.exit_code)  # the child has said why
    indexer.index(engine, directory.path)
    shown = replay.compare(RunDirectory(plan.run.path), directory, now=datetime.now(UTC))
    with session(engine) as writing:
        replays.append(writing, shown)
    said = "the same to the last bit" if shown.equal else f"parts at {shown.details['parts_at']}"
    output.talk(f"{shown.run_after}: {said}", quiet=quiet)
    return shown


def _summary(chosen: list[Claim], stale: dict[str, Any], made: list[Replay]) -> str:
    if not stale:
        noun = "claim" if len(chosen) == 1 else "claims"
        return f"none of {len(chosen)} {noun} is stale"
    equal = sum(each.equal for each in made)
    return f"{len(stale)} stale; {len(made)} replayed, {equal} the same, {len(made) - equal} parted"
