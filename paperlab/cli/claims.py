"""`paperlab claims`: what papers report, what our runs measured, and what holds."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime
from typing import Annotated

import typer

from paperlab import settings
from paperlab.cli import claim_decisions, forecast, output, renewal, verdict_table
from paperlab.cli.run_names import Json, refreshed
from paperlab.entities import ClaimKind, VerdictKind
from paperlab.errors import CLAIM_DIFFERS, CLAIM_INCONCLUSIVE
from paperlab.library import claims as library
from paperlab.runs import calibration as calibrating
from paperlab.runs import judging, structure
from paperlab.store import decisions, verdicts
from paperlab.store.database import read_only, session

app = typer.Typer(help="What papers report, what our runs measured, and what holds.", no_args_is_help=True)

app.command()(claim_decisions.confirm)
app.command()(claim_decisions.retract)
app.command()(renewal.renew)

Source = Annotated[str | None, typer.Option(help="Only claims of this source, such as 1706.03762.")]
Kind = Annotated[ClaimKind | None, typer.Option(help="Only claims of this kind.")]


@app.command("list")
def list_(
    source: Source = None,
    kind: Kind = None,
    verdict: Annotated[VerdictKind | None, typer.Option(help="Only claims with this verdict now.")] = None,
    json_: Json = False,
) -> None:
    """Show the claims with the verdicts that the runs on this machine give.

    Example: paperlab claims list --source 1706.03762 --verdict reproduced
    """
    place = settings.load()
    everything = library.load()
    selected = library.select(everything, source=source, kind=kind)
    engine = refreshed(place)
    checks = structure.known({claim.reproduction for claim in selected}, place.home)
    with read_only(engine) as reading:
        judged = judging.judgements(reading, selected, checks, among=everything)
    found = [(claim, judged[claim.id].verdict) for claim in selected]
    verdict_table.show([(claim, held) for claim, held in found if verdict is None or held.kind is verdict], json_)


@app.command()
def check(
    ids: Annotated[list[str] | None, typer.Argument(help="Claims to judge (default: all).")] = None,
    *,
    source: Source = None,
    kind: Kind = None,
    gate: Annotated[
        bool, typer.Option("--gate", help="Exit 6 if one differs, 7 if one is inconclusive or stale.")
    ] = False,
    json_: Json = False,
    quiet: Annotated[bool, typer.Option("--quiet", help="Nothing but errors.")] = False,
) -> None:
    """Judge the claims now: structural ones are measured here, the others by the runs; changes go to the log.

    Example: paperlab claims check --gate --kind structural
    """
    place = settings.load()
    everything = library.load()
    selected = library.select(everything, source=source, kind=kind, ids=ids or ())
    engine = refreshed(place)
    structural = {claim.reproduction for claim in selected if claim.kind is ClaimKind.STRUCTURAL}
    checks = structure.known({claim.reproduction for claim in selected}, place.home)
    checks |= structure.check(structural, place.home)
    with session(engine) as writing:
        judged = judging.judgements(writing, selected, checks, among=everything, afresh=True)
        changed = judging.record(writing, selected, judged, now=datetime.now(UTC))
    found = [(claim, judged[claim.id].verdict) for claim in selected]
    verdict_table.show(found, json_, changed=[verdict.claim_id for verdict in changed])
    counts = Counter(verdict.kind for _, verdict in found)
    summary = ", ".join(f"{counts[verdict]} {verdict.value}" for verdict in VerdictKind if counts[verdict])
    noun = "claim" if len(found) == 1 else "claims"
    output.talk(f"{len(found)} {noun}: {summary}; {len(changed)} changed", quiet=quiet or json_)
    if gate and counts[VerdictKind.DIFFERS]:
        raise typer.Exit(CLAIM_DIFFERS)
    if gate and (counts[VerdictKind.INCONCLUSIVE] or counts[VerdictKind.STALE]):
        raise typer.Exit(CLAIM_INCONCLUSIVE)


@app.command()
def show(claim: Annotated[str, typer.Argument(help="A claim's id.")], json_: Json = False) -> None:
    """Show one claim: what its source says and where, what holds of it, who decided about it, and what held before.

    Example: paperlab claims show 1706.03762:table-2:base:wmt14-en-de:bleu
    """
    place = settings.load()
    everything = library.load()
    found = library.get(everything, claim)
    engine = refreshed(place)
    checks = structure.known([found.reproduction], place.home)
    with read_only(engine) as reading:
        held = judging.judgements(reading, [found], checks, among=everything)[found.id].verdict
        decided = decisions.history(reading, {found.id})
        before = verdicts.history(reading, found.id)
    if json_:
        output.write_json({**verdict_table.as_json(found, held), "decisions": decided, "log": before})
        return
    verdict_table.write_claim(found, held)
    if decided:
        output.write_line("")
        columns = ("decided", "decision", "by", "reason")
        output.write_table(columns, [(each.decided_at, each.kind, each.decided_by, each.reason) for each in decided])
    if before:
        output.write_line("")
        output.write_table(
            ("judged", "verdict", "measured", "reason"),
            [(each.judged_at, each.kind, each.measured, each.reason) for each in before],
        )


@app.command()
def calibration(json_: Json = False) -> None:
    """Lay what was predicted of runs before they began beside what they took and measured.

    Example: paperlab claims calibration
    """
    engine = refreshed(settings.load())
    with read_only(engine) as reading:
        found = calibrating.calibration(reading)
    if json_:
        output.write_json({**output.plain(found), "says": found.says})
        return
    forecast.write_calibration(found)
