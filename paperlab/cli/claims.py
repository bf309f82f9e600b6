"""`paperlab claims`: what papers report, what our runs measured, and what holds."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Annotated, Any

import typer

from paperlab import settings
from paperlab.cli import output
from paperlab.cli.runs import Json, refreshed
from paperlab.entities import Claim, ClaimKind, Verdict, VerdictKind
from paperlab.errors import CLAIM_DIFFERS, CLAIM_INCONCLUSIVE
from paperlab.library import claims as library
from paperlab.runs import judging, structure
from paperlab.store.database import read_only, session

app = typer.Typer(help="What papers report, what our runs measured, and what holds.", no_args_is_help=True)

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
    _show([(claim, held) for claim, held in found if verdict is None or held.kind is verdict], json_)


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
        judged = judging.judgements(writing, selected, checks, among=everything)
        changed = judging.record(writing, selected, judged, now=datetime.now(UTC))
    found = [(claim, judged[claim.id].verdict) for claim in selected]
    _show(found, json_, changed=[verdict.claim_id for verdict in changed])
    counts = Counter(verdict.kind for _, verdict in found)
    summary = ", ".join(f"{counts[verdict]} {verdict.value}" for verdict in VerdictKind if counts[verdict])
    noun = "claim" if len(found) == 1 else "claims"
    output.talk(f"{len(found)} {noun}: {summary}; {len(changed)} changed", quiet=quiet or json_)
    if gate and counts[VerdictKind.DIFFERS]:
        raise typer.Exit(CLAIM_DIFFERS)
    if gate and (counts[VerdictKind.INCONCLUSIVE] or counts[VerdictKind.STALE]):
        raise typer.Exit(CLAIM_INCONCLUSIVE)


def write_verdicts(found: Sequence[tuple[Claim, Verdict]]) -> None:
    """The table of claims, their numbers and what holds."""
    columns = ("claim", "verdict", "reported", "measured", "seeds", "place", "statement", "reason")
    output.write_table(
        columns,
        [
            (
                claim.id,
                verdict.kind,
                reported(claim),
                measured(verdict),
                verdict.seeds or None,
                claim.place_text,
                claim.statement,
                verdict.reason,
            )
            for claim, verdict in found
        ],
    )


def as_json(claim: Claim, verdict: Verdict) -> dict[str, Any]:
    """A claim with its verdict as one object; `id` is the claim's."""
    held = output.plain(verdict)
    del held["claim_id"]
    return {**output.plain(claim), "verdict": held.pop("kind"), **held}


def reported(claim: Claim) -> str:
    """What the source says, in short: "27.3 BLEU", "at least 0.99", "better > worse"."""
    if claim.value is None:
        return "better > worse" if claim.kind is ClaimKind.ORDERING else str(claim.relation)
    number = f"{claim.value:.6g} {claim.unit}".rstrip()
    if claim.kind is ClaimKind.BOUND:
        return f"{(claim.relation or '').replace('-', ' ')} {number}"
    return number


def measured(verdict: Verdict) -> str | None:
    """What the runs say: the mean, with its confidence interval where there is one."""
    if verdict.measured is None:
        return None
    if verdict.interval is None:
        return f"{verdict.measured:.6g}"
    return f"{verdict.measured:.6g} [{verdict.interval[0]:.6g}, {verdict.interval[1]:.6g}]"


def _show(found: Sequence[tuple[Claim, Verdict]], json_: bool, **more: Any) -> None:
    if json_:
        output.write_json(
            {"claims": [as_json(claim, verdict) for claim, verdict in found], "total": len(found), **more}
        )
        return
    write_verdicts(found)
