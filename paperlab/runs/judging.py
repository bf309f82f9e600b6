"""Judging all claims at once: measurements from the tables and the structural checks, verdicts to the log."""

from __future__ import annotations

import contextlib
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import datetime

from paperlab.entities import Claim, ClaimKind, Measurement, Verdict, VerdictKind
from paperlab.runs import decisions, effort, replay, verdict
from paperlab.runs.evidence import Today
from paperlab.runs.structure import Check
from paperlab.store import replays
from paperlab.store import runs as store
from paperlab.store import verdicts as log
from paperlab.store.database import Session
from reproductions import registry
from reproductions.registry import UnknownName

_HELD = (VerdictKind.REPRODUCED, VerdictKind.DIFFERS, VerdictKind.INCONCLUSIVE)


def judgements(
    session: Session,
    claims: Iterable[Claim],
    checks: Mapping[str, Check],
    *,
    among: Iterable[Claim] | None = None,
    afresh: bool = False,
) -> dict[str, verdict.Judgement]:
    """The judgement of each claim, by id, from what is indexed and checked now.

    `among` are all claims that an ordering or a trend may name (default: `claims`).  A claim that has changed since
    its verdict was logged is stale; `afresh` judges it as it stands now, for who is going to log that.
    """
    wanted = list(claims)
    everything = {claim.id: claim for claim in (wanted if among is None else among)}
    by_claim: dict[str, list[Measurement]] = defaultdict(list)
    measured = [*store.measurements(session), *(item for check in checks.values() for item in check.measurements)]
    for item in measured:
        if item.claim_id is not None:
            by_claim[item.claim_id].append(item)
    now = today(session, everything.values(), checks)
    standings = decisions.standings(session, {**everything, **{claim.id: claim for claim in wanted}}.values())
    judged = {
        claim.id: verdict.judge(
            claim,
            [item for name in _measured_through(claim) for item in by_claim[name]],
            today=now,
            claims=everything,
            standings=standings,
            unmeasured=_why_unmeasured(claim, checks),
        )
        for claim in wanted
    }
    priced = {claim.id: _priced(session, claim, judged[claim.id]) for claim in wanted}
    return priced if afresh else unless_changed(session, wanted, priced)


def unless_changed(
    session: Session, claims: Iterable[Claim], judged: Mapping[str, verdict.Judgement]
) -> dict[str, verdict.Judgement]:
    """These judgements, stale where the last verdict that was logged is about the claim as it stood before a change."""
    logged = log.latest_of(session, judged)
    return {claim.id: _unless_changed(claim, judged[claim.id], logged.get(claim.id)) for claim in claims}


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


def _priced(session: Session, claim: Claim, judged: verdict.Judgement) -> verdict.Judgement:
    lending = claim.pool.claims if claim.pool is not None else ()
    own = [item for item in judged.used if item.claim_id not in lending]
    return replace(judged, verdict=effort.priced(session, judged.verdict, own))


def today(session: Session, claims: Iterable[Claim], checks: Mapping[str, Check]) -> Today:
    """What measurements of these claims have to have been made with, and what replays showed of older code."""
    wanted = list(claims)
    recipes = {
        claim.recipe: checks[claim.reproduction].fingerprint
        for claim in wanted
        if claim.recipe and claim.reproduction in checks
    }
    equal, parted = replay.known(replays.history(session), recipes)
    return Today(_fingerprints(wanted, checks), registry.data_hashes(), equal, parted)


def _fingerprints(claims: Iterable[Claim], checks: Mapping[str, Check]) -> dict[str, str]:
    """Of the code now, by reproduction, and with the numbers of each recipe that a claim names, by "recipe/tier"."""
    found = {name: check.fingerprint for name, check in checks.items()}
    for claim in claims:
        key = f"{claim.recipe}/{claim.tier}"
        if claim.recipe and claim.reproduction in checks and key not in found:
            with contextlib.suppress(UnknownName):  # the recipe is gone: no run has the fingerprint of what is left
                found[key] = registry.fingerprint(claim.recipe, claim.tier, code=found[claim.reproduction])
    return found


def _unless_changed(claim: Claim, judged: verdict.Judgement, last: log.LoggedVerdict | None) -> verdict.Judgement:
    if last is None or last.kind not in _HELD or judged.verdict.kind not in _HELD:
        return judged
    if last.computed_from.get("claim") == decisions.content_hash(claim):
        return judged
    reason = (
        f"was {last.kind.value} on {last.judged_at:%Y-%m-%d}, but the claim has changed since; to judge it as it is "
        f"now: paperlab claims check {claim.id}"
    )
    return replace(judged, verdict=replace(judged.verdict, kind=VerdictKind.STALE, reason=reason, seeds_needed=0))


def _measured_through(claim: Claim) -> list[str]:
    lending = claim.pool.claims if claim.pool is not None else ()
    return [name for name in (claim.id, claim.better, claim.worse, *claim.series, *lending) if name is not None]


def _why_unmeasured(claim: Claim, checks: Mapping[str, Check]) -> str:
    check = checks.get(claim.reproduction)
    return check.failure if claim.kind is ClaimKind.STRUCTURAL and check is not None else ""
