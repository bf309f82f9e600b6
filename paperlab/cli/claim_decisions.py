"""`paperlab claims confirm` and `retract`: what somebody decides about claims."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated

import typer

from paperlab import settings
from paperlab.cli import output, verdict_table
from paperlab.cli.run_names import Json, refreshed
from paperlab.entities import DecisionKind
from paperlab.library import claims as library
from paperlab.runs import decisions, judging, structure
from paperlab.store.database import session

Ids = Annotated[list[str], typer.Argument(metavar="ID...", help="Claims, as `paperlab claims list` names them.")]
Why = Annotated[str, typer.Option("--reason", help="Where it was looked up and what stands there; kept for good.")]
Quiet = Annotated[bool, typer.Option("--quiet", help="Nothing but errors.")]


def confirm(ids: Ids, *, reason: Why, json_: Json = False, quiet: Quiet = False) -> None:
    """Say that a claim stands in its source as it is written here, so that runs may judge it.

    Needed for claims that were not read in a text, and again where the claim changes or a newer version of its paper
    is out.

    Example: paperlab claims confirm 1706.03762:section-5.1:batch --reason "read in section 5.1 of v7"
    """
    _decide(ids, DecisionKind.CONFIRMED, reason, json_, quiet)


def retract(ids: Ids, *, reason: Why, json_: Json = False, quiet: Quiet = False) -> None:
    """Say that the source does not hold a claim up: it is judged no more, whatever was measured.

    Example: paperlab claims retract 1706.03762:section-5.1:batch --reason "not said there"
    """
    _decide(ids, DecisionKind.RETRACTED, reason, json_, quiet)


def _decide(ids: list[str], kind: DecisionKind, reason: str, json_: bool, quiet: bool) -> None:
    place = settings.load()
    everything = library.load()
    chosen = library.select(everything, ids=ids)
    engine = refreshed(place)
    related = [
        claim
        for claim in everything
        if claim in chosen or {claim.better, claim.worse, *claim.series} & {each.id for each in chosen}
    ]
    checks = structure.known({claim.reproduction for claim in related}, place.home)
    now = datetime.now(UTC)
    with session(engine) as writing:
        made = decisions.decide(writing, chosen, kind, reason, now=now)
        judged = judging.judgements(writing, related, checks, among=everything, afresh=True)
        judging.record(writing, related, judged, now=now)
    found = [(claim, judged[claim.id].verdict) for claim in related]
    verdict_table.show(found, json_, decided=[decision.claim_id for decision in made])
    already = "" if len(made) == len(chosen) else f", {len(chosen) - len(made)} were already"
    output.talk(f"{len(made)} {kind.value}{already}", quiet=quiet or json_)
