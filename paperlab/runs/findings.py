"""What finished runs show: the verdicts of the claims they touch, and each quantity over their seeds."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from statistics import fmean, stdev
from typing import Any

from paperlab.entities import Claim, Measurement, Run, RunStatus, Verdict
from paperlab.runs import compare, judging, seed_groups, structure
from paperlab.store import runs as store
from paperlab.store.database import Session

_RECORDED = ("train/loss", "val/")
"""Of what training records, these are results; the others say how it went."""


@dataclass(frozen=True)
class Summary:
    """One quantity over the seeds that have it.  `sd` is that of a sample (n - 1); None for one seed."""

    quantity: str
    unit: str
    mean: float | None
    """None where a seed has no finite value: a loss that ran away."""
    sd: float | None
    n: int
    values: Mapping[int, float | None]
    """By seed."""
    claim: str | None = None
    protocol: Mapping[str, Any] | None = None
    """How it was measured; None for what training recorded, of which the last value counts."""


@dataclass(frozen=True)
class Overview:
    """Runs that differ in their seed alone."""

    label: str
    newest: Run
    seeds: tuple[int, ...]
    """Those that have finished."""
    unfinished: int
    validation: Summary | None
    """val/loss over the finished seeds, where they recorded it."""


def touched(everything: Sequence[Claim], measurements: Sequence[Measurement]) -> list[Claim]:
    """The claims that were measured, and those that relate them to others."""
    measured = {item.claim_id for item in measurements} - {None}
    return [claim for claim in everything if measured & {claim.id, claim.better, claim.worse, *claim.series}]


def judge(
    session: Session, everything: Sequence[Claim], measurements: Sequence[Measurement], *, home: Path, now: datetime
) -> list[tuple[Claim, Verdict]]:
    """The verdicts of the claims that `measurements` touch, by all runs; what changed goes to the log.

    Does not commit.
    """
    claims = touched(everything, measurements)
    checks = structure.known({claim.reproduction for claim in claims}, home)
    judged = judging.judgements(session, claims, checks, among=everything, afresh=True)
    judging.record(session, claims, judged, now=now)
    return [(claim, judged[claim.id].verdict) for claim in claims]


def summaries(session: Session, runs: Sequence[Run]) -> list[Summary]:
    """Each quantity over these runs, one run a seed: the results of training, then what was measured at the end."""
    recorded: dict[str, dict[int, float]] = {}
    measured: dict[str, dict[int, Measurement]] = {}
    for run in runs:
        names = [name for name in store.metric_names(session, run.id) if name.startswith(_RECORDED)]
        # With its gaps: where the loss ran away the last value is none, and not the last finite one.
        for series in store.series(session, [run.id], names, gaps=True):
            recorded.setdefault(series.name, {})[run.seed] = series.values[-1]
        for item in store.measurements(session, run_id=run.id):
            key = json.dumps([compare.quantity(item), compare.conditions(item)], sort_keys=True, default=str)
            measured.setdefault(key, {})[run.seed] = item
    found = [_summary(name, "", values) for name, values in recorded.items()]
    for by_seed in measured.values():
        one = next(iter(by_seed.values()))
        where = "/".join(part for part in (one.task, one.dataset, one.split) if part)
        values = {seed: item.value for seed, item in by_seed.items()}
        name = f"{one.metric} on {where}" if where else one.metric
        found.append(_summary(name, one.unit, values, one.claim_id, compare.conditions(one)))
    return found


def overviews(session: Session, runs: Sequence[Run], limit: int | None = None) -> tuple[list[Overview], int]:
    """The runs by group, the group with the newest run first, at most `limit` of them; and how many there are."""
    groups: dict[seed_groups.Key, list[Run]] = {}
    for run in sorted(runs, key=lambda run: (run.created_at, run.id), reverse=True):
        groups.setdefault(seed_groups.key(run), []).append(run)
    found = []
    for members in list(groups.values())[:limit]:
        finished = next((group.runs for group in seed_groups.group(members)), ())
        seed_of = {run.id: run.seed for run in finished}
        read = store.series(session, list(seed_of), (compare.VALIDATION_LOSS,), gaps=True)
        values = {seed_of[series.run_id]: series.values[-1] for series in read}
        found.append(
            Overview(
                label=seed_groups.SeedGroup(tuple(members)).label,
                newest=members[0],
                seeds=tuple(seed_of.values()),
                unfinished=sum(run.status is not RunStatus.FINISHED for run in members),
                validation=_summary(compare.VALIDATION_LOSS, "", values) if values else None,
            )
        )
    return found, len(groups)


def _summary(
    quantity: str,
    unit: str,
    values: Mapping[int, float],
    claim: str | None = None,
    protocol: Mapping[str, Any] | None = None,
) -> Summary:
    numbers = [value for value in values.values() if math.isfinite(value)]
    is_whole = len(numbers) == len(values)
    mean = fmean(numbers) if is_whole else None
    sd = stdev(numbers) if is_whole and len(numbers) > 1 else None
    shown = {seed: value if math.isfinite(value) else None for seed, value in values.items()}
    return Summary(quantity, unit, mean, sd, len(values), shown, claim, protocol)
