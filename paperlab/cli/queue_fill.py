"""`paperlab queue fill`: the runs that should settle most for the least device time."""

from __future__ import annotations

from collections import defaultdict
from typing import Annotated, Any

import typer

from paperlab import settings
from paperlab.cli import output
from paperlab.cli.run_names import refreshed
from paperlab.errors import InvalidInput
from paperlab.library import claims as library
from paperlab.library import database as library_database
from paperlab.runs import proposal, queue
from paperlab.runs import seeds as naming
from paperlab.runs.fill import Budget, Filling, Group
from paperlab.runs.worth import LeftOut
from paperlab.store.database import read_only
from reproductions import registry

_NAMED = 3
"""Claims of one reason that are named; the rest are counted."""


def fill(
    budget: Annotated[str, typer.Option("--budget", metavar="HOURS", help="6gpuh, or 2cpuh: hours times devices.")],
    *,
    tiers: Annotated[
        list[str] | None, typer.Option("--tier", help="Only claims whose recipes are of this tier; may be repeated.")
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show what would be queued, and queue nothing.")] = False,
    json_: Annotated[bool, typer.Option("--json", help="One JSON object on stdout.")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", help="Nothing but errors.")] = False,
) -> None:
    """Queue the runs whose verdicts would change most for the least device time, until the budget is spent.

    A claim's worth is its doubt (1: nothing is known, 0: decided) times the chance that the seeds it needs decide it;
    runs that settle several claims count for all of them.  Groups of seeds are queued whole: one seed proves nothing.

    Example: paperlab queue fill --budget 6gpuh --dry-run
    """
    spend = Budget.parse(budget)
    for tier in tiers or ():
        if tier not in registry.TIERS:
            raise InvalidInput(f'"{tier}" is no tier', f"one of: {', '.join(registry.TIERS)}")
    place = settings.load()
    engine = refreshed(place)
    everything = library.load()
    with read_only(engine) as reading:
        found = proposal.propose(reading, everything, spend, home=place.home, tiers=tiers)
    put = [] if dry_run else proposal.put(engine, found, home=place.home, now=library_database.utc_now())
    served = queue.is_served(engine, place.home)
    if json_:
        entries = [{"id": each.entry.id, "run": each.entry.words, "is_new": each.is_new} for each in put]
        output.write_json({**_object(found), "dry_run": dry_run, "entries": entries, "served": served})
        return
    _write(found)
    verb = "would be" if dry_run else "are"
    runs = sum(len(group.runs) for group in found.groups)
    output.talk(f"{runs} runs {verb} queued: {found.hours:.3g} of {found.budget}", quiet=quiet)
    if put and not served:
        output.talk("nothing is taking work from the queue: paperlab queue run", quiet=quiet)


def _object(found: Filling) -> dict[str, Any]:
    return {
        "budget": {"hours": found.budget.hours, "unit": found.budget.unit},
        "hours": found.hours,
        "value": sum(group.value for group in found.groups),
        "groups": [
            {
                "runs": group.runs,
                "hours": group.hours,
                "value": group.value,
                "reason": proposal.reason(group, found.budget),
                "claims": [
                    {
                        "claim": need.claim_id,
                        "verdict": need.verdict,
                        "doubt": need.doubt,
                        "chance": need.chance,
                        "seeds": need.seeds,
                        "why": need.why,
                    }
                    for need in group.settled
                ],
            }
            for group in found.groups
        ],
        "left_out": found.left_out,
    }


def _write(found: Filling) -> None:
    if found.groups:
        output.write_table(
            ("runs", found.budget.unit, "worth", "claims", "why"),
            [
                (
                    _runs(group),
                    group.hours,
                    f"{group.value:.3g}",
                    len(group.settled),
                    proposal.reason(group, found.budget),
                )
                for group in found.groups
            ],
        )
        output.write_line("")
    by_why: dict[str, list[LeftOut]] = defaultdict(list)
    for each in found.left_out:
        by_why[each.why.partition(": paperlab claims confirm")[0]].append(each)
    if by_why:
        rows = []
        for why, left in sorted(by_why.items(), key=lambda pair: -len(pair[1])):
            named = ", ".join(each.claim_id for each in left[:_NAMED])
            more = f" and {len(left) - _NAMED} more" if len(left) > _NAMED else ""
            hours = [each.hours for each in left if each.hours is not None]
            rows.append((len(left), why, f"{min(hours):.3g} or more" if hours else None, named + more))
        output.write_table(("left out", "because", found.budget.unit, "claims"), rows)


def _runs(group: Group) -> str:
    """ "transformer-base --tier mini, seeds 1 to 3; ..."."""
    by_recipe: dict[tuple[str, str], list[int]] = defaultdict(list)
    for run in group.runs:
        by_recipe[run.recipe, run.tier].append(run.seed)
    return "; ".join(
        f"{recipe} --tier {tier}, {naming.shown(tuple(seeds))}" for (recipe, tier), seeds in by_recipe.items()
    )
