"""What the seeds would cost that an inconclusive verdict asks for, by what the runs behind it took.

A further seed of an ordering is a run of either side, one of a trend a run of every claim in the series.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from statistics import median

from paperlab.entities import Measurement, Run, Verdict, VerdictKind
from paperlab.runs import seed_groups
from paperlab.runs.inference import MOST_SEEDS
from paperlab.store import runs as store
from paperlab.store.database import Session


def priced(session: Session, verdict: Verdict, used: Iterable[Measurement]) -> Verdict:
    """The verdict with what the seeds it asks for would take, in its reason too; as it is where that is not known."""
    if verdict.kind is not VerdictKind.INCONCLUSIVE or not verdict.seeds_needed:
        return verdict
    measured = list(used)
    held = store.get_many(session, [item.run_id for item in measured if item.run_id is not None])
    by_claim: dict[str | None, dict[str, Run]] = {}
    for item in measured:
        if (run := held.get(item.run_id or "")) is not None:
            by_claim.setdefault(item.claim_id, {})[run.id] = run
    found = [_typical(list(runs.values())) for runs in by_claim.values()]
    units = {cost[1] for cost in found if cost is not None}
    if not found or None in found or len(units) != 1:
        return verdict
    (unit,) = units
    hours = verdict.seeds_needed * sum(cost[0] for cost in found if cost is not None)
    many = verdict.seeds_needed >= MOST_SEEDS
    said = f"{'more than' if many else 'about'} {_short(hours)} {unit}"
    where = "; that many would take " if many else ", at "
    return replace(
        verdict, reason=_beside_the_advice(verdict.reason, where + said), hours_needed=hours, hours_unit=unit
    )


def _typical(runs: list[Run]) -> tuple[float, str] | None:
    """Device-hours of one run, with their unit: the median of those on the newest run's kind of hardware."""
    costs = [(run, seed_groups.cost(run)) for run in sorted(runs, key=lambda run: run.created_at)]
    known = [cost for _, cost in costs if cost.device_hours is not None]
    if known:
        alike = [cost.device_hours for cost in known if cost.hardware == known[-1].hardware]
        return median(hours for hours in alike if hours is not None), known[-1].unit
    said = runs[-1].record.get("prediction") or {}
    hours = said.get("device_hours")
    return (float(hours), str(said.get("unit"))) if isinstance(hours, int | float) else None


def _beside_the_advice(reason: str, cost: str) -> str:
    """The cost stands right after the number of seeds; further remarks follow."""
    for advice in ("should decide", "would be needed to decide", "is needed"):
        before, found, after = reason.partition(advice)
        if found:
            return before + found + cost + after
    return reason + cost


def _short(hours: float) -> str:
    return f"{hours:.2g}" if hours < 10 else f"{hours:.0f}"
