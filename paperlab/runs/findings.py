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

from paperlab.entities import Claim, Measurement, MetricPoint, Run, Verdict
from paperlab.runs import compare, judging, structure
from paperlab.store import runs as store
from paperlab.store.database import Session

_RECORDED = ("train/loss", "val/")
"""Of what training records, these are results; the others say how it went."""


@dataclass(frozen=True)
class Summary:
    """One quantity over the seeds that have it.  `sd` is that of a sample (n - 1); None for one seed."""

    quantity: str
    unit: str
    mean: float
    sd: float | None
    n: int
    values: Mapping[int, float]
    """By seed."""
    claim: str | None = None
    protocol: Mapping[str, Any] | None = None
    """How it was measured; None for what training recorded, of which the last value counts."""


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
    recorded: dict[str, dict[int, MetricPoint]] = {}
    measured: dict[str, dict[int, Measurement]] = {}
    for run in runs:
        for point in store.last_points(session, run.id):
            if point.name.startswith(_RECORDED):
                recorded.setdefault(point.name, {})[run.seed] = point
        for item in store.measurements(session, run_id=run.id):
            key = json.dumps([compare.quantity(item), compare.conditions(item)], sort_keys=True, default=str)
            measured.setdefault(key, {})[run.seed] = item
    found = [_summary(name, "", {seed: point.value for seed, point in by.items()}) for name, by in recorded.items()]
    for by_seed in measured.values():
        one = next(iter(by_seed.values()))
        where = "/".join(part for part in (one.task, one.dataset, one.split) if part)
        values = {seed: item.value for seed, item in by_seed.items()}
        name = f"{one.metric} on {where}" if where else one.metric
        found.append(_summary(name, one.unit, values, one.claim_id, compare.conditions(one)))
    return found


def _summary(
    quantity: str,
    unit: str,
    values: Mapping[int, float],
    claim: str | None = None,
    protocol: Mapping[str, Any] | None = None,
) -> Summary:
    numbers = list(values.values())
    # The spread of what is not a number (a loss that ran away) is none, and `stdev` would refuse it.
    sd = stdev(numbers) if len(numbers) > 1 and all(map(math.isfinite, numbers)) else None
    return Summary(quantity, unit, fmean(numbers), sd, len(numbers), dict(values), claim, protocol)
