"""Judging all claims at once: measurements from the tables and the structural checks, verdicts to the log."""

from __future__ import annotations

import contextlib
from collections import defaultdict
from collections.abc import Iterable, Mapping
from datetime import datetime

from paperlab.entities import Claim, ClaimKind, Measurement, Verdict
from paperlab.runs import verdict
from paperlab.runs.structure import Check
from paperlab.store import runs as store
from paperlab.store import verdicts as log
from paperlab.store.database import Session
from reproductions import registry
from reproductions.registry import UnknownName


def judgements(
    session: Session, claims: Iterable[Claim], checks: Mapping[str, Check], *, among: Iterable[Claim] | None = None
) -> dict[str, verdict.Judgement]:
    """The judgement of each claim, by id, from what is indexed and checked now.

    `among` are all claims that an ordering or a trend may name (default: `claims`).
    """
    wanted = list(claims)
    everything = {claim.id: claim for claim in (wanted if among is None else among)}
    by_claim: dict[str, list[Measurement]] = defaultdict(list)
    measured = [*store.measurements(session), *(item for check in checks.values() for item in check.measurements)]
    for item in measured:
        if item.claim_id is not None:
            by_claim[item.claim_id].append(item)
    fingerprints = _fingerprints(everything.values(), checks)
    return {
        claim.id: verdict.judge(
            claim,
            [item for name in _measured_through(claim) for item in by_claim[name]],
            fingerprints=fingerprints,
            claims=everything,
            unmeasured=_why_unmeasured(claim, checks),
        )
        for claim in wanted
    }


def verdicts(session: Session, claims: Iterable[Claim], checks: Mapping[str, Check]) -> list[Verdict]:
    """What holds now, claim by claim; writes nothing."""
    return [judgement.verdict for judgement in judgements(session, claims, checks).values()]


def record(
    session: Session, claims: Iterable[Claim], judged: Mapping[str, verdict.Judgement], *, now: datetime
) -> list[Verdict]:
    """Append to the log each verdict that has changed, or is computed from something else.  Returns those.

    Does not commit.
    """
    return [
        judged[claim.id].verdict
        for claim in claims
        if log.append_if_changed(session, judged[claim.id].verdict, verdict.computed_from(claim, judged[claim.id]), now)
    ]


def _fingerprints(claims: Iterable[Claim], checks: Mapping[str, Check]) -> dict[str, str]:
    """Of the code now, by reproduction, and with the numbers of each recipe that a claim names, by "recipe/tier"."""
    found = {name: check.fingerprint for name, check in checks.items()}
    for claim in claims:
        key = f"{claim.recipe}/{claim.tier}"
        if claim.recipe and claim.reproduction in checks and key not in found:
            with contextlib.suppress(UnknownName):  # the recipe is gone: no run has the fingerprint of what is left
                found[key] = registry.fingerprint(claim.recipe, claim.tier, code=found[claim.reproduction])
    return found


def _measured_through(claim: Claim) -> list[str]:
    return [name for name in (claim.id, claim.better, claim.worse, *claim.series) if name is not None]


def _why_unmeasured(claim: Claim, checks: Mapping[str, Check]) -> str:
    check = checks.get(claim.reproduction)
    return check.failure if claim.kind is ClaimKind.STRUCTURAL and check is not None else ""
