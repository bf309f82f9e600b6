"""Whether a claim may be judged at all, and what somebody decided about that.

Four things stand in the way.  A claim that was not read in a text (`memory`) waits until somebody confirms it.  One
whose source does not hold it up can be retracted, and then is never judged.  Both decisions are about the claim as it
stood: one that has changed since asks again.  And where a newer version of its paper is held than the one it was
read in, what our runs say of it is stale until somebody has looked whether the number still stands there.

Decisions are only ever added (store/decisions.py); the last one holds.
"""

from __future__ import annotations

import dataclasses
import getpass
import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime

from paperlab.entities import Claim, Decision, DecisionKind
from paperlab.errors import InvalidInput
from paperlab.store import decisions as log
from paperlab.store import papers
from paperlab.store.database import Session

MEMORY = "memory"
_LEFT_OUT_WHERE_EMPTY = ("pool",)
"""Fields of a claim that came later: where they are empty the hash is the one from before them."""


@dataclass(frozen=True)
class Standing:
    """May it be judged?"""

    refusal: str = ""
    """Why not; empty where it may."""
    retracted: bool = False
    doubt: str = ""
    """Why a verdict can't be relied on until somebody has looked; empty where there is no such reason."""
    caveat: str = ""
    """What is said beside a verdict."""


def content_hash(claim: Claim) -> str:
    """Changes when anything about the claim changes, its protocol and tolerance included."""
    fields = dataclasses.asdict(claim)
    kept = {name: value for name, value in fields.items() if value or name not in _LEFT_OUT_WHERE_EMPTY}
    text = json.dumps(kept, sort_keys=True, ensure_ascii=False, default=str)
    return hashlib.sha256(text.encode()).hexdigest()


def standing(claim: Claim, decision: Decision | None = None, held_version: int | None = None) -> Standing:
    """Where a claim stands by the last decision about it and the newest version of its paper that is held.  Pure."""
    confirm = f'paperlab claims confirm {claim.id} --reason "..."'
    unchanged = decision is not None and decision.content_hash == content_hash(claim)
    if decision is not None and decision.kind is DecisionKind.RETRACTED:
        again = "" if unchanged else f"; it has changed since: {confirm}"
        return Standing(f"retracted {_signed(decision)}{again}", retracted=True)
    if decision is None or not unchanged:
        if claim.confidence == MEMORY:
            before = f"; the claim that was confirmed {_signed(decision)} has changed since" if decision else ""
            return Standing(f"not confirmed in a text: nothing can be held against it{before}: {confirm}")
        return Standing(doubt=_outdated(claim, claim.source_version, held_version, confirm))
    seen = max((each for each in (claim.source_version, decision.source_version) if each is not None), default=None)
    return Standing(
        doubt=_outdated(claim, seen, held_version, confirm),
        caveat=f"confirmed {_signed(decision)}" if claim.confidence == MEMORY else "",
    )


def standings(session: Session, claims: Iterable[Claim]) -> dict[str, Standing]:
    """Where each claim stands now, by id."""
    wanted = list(claims)
    held = _held_versions(session, wanted)
    decided = log.latest(session, {claim.id for claim in wanted})
    return {claim.id: standing(claim, decided.get(claim.id), held.get(claim.source)) for claim in wanted}


def decide(
    session: Session,
    claims: Iterable[Claim],
    kind: DecisionKind,
    reason: str,
    *,
    now: datetime,
    by: str | None = None,
) -> list[Decision]:
    """Log this decision about each claim as it stands now.  Returns those that were not on record already.

    `by` is who decides (default: this account's name).  Raises InvalidInput without a reason; does not commit.
    """
    if not reason.strip():
        raise InvalidInput("a decision about a claim needs a reason", '--reason "read in table 2 of the PDF, v7"')
    wanted = list(claims)
    held = _held_versions(session, wanted)
    made = [
        Decision(
            claim_id=claim.id,
            kind=kind,
            reason=" ".join(reason.split()),
            content_hash=content_hash(claim),
            decided_at=now,
            decided_by=_account() if by is None else by,
            source_version=held.get(claim.source),
        )
        for claim in wanted
    ]
    return [decision for decision in made if log.append(session, decision)]


def _held_versions(session: Session, claims: Iterable[Claim]) -> Mapping[str, int]:
    """The newest version of each source that arXiv has told us of, by arXiv id."""
    found = papers.get_many(session, {claim.source for claim in claims})
    return {paper.arxiv_id: paper.version for paper in found if paper.source != papers.SEED}


def _outdated(claim: Claim, seen: int | None, held: int | None, confirm: str) -> str:
    if seen is None or held is None or held <= seen:
        return ""
    return f"v{held} of {claim.source} is out and the claim was last read in v{seen}: {confirm}"


def _signed(decision: Decision) -> str:
    by = f" by {decision.decided_by}" if decision.decided_by else ""
    return f"on {decision.decided_at:%Y-%m-%d}{by}: {decision.reason}"


def _account() -> str:
    try:
        return getpass.getuser()
    except (OSError, KeyError, ImportError):  # a process without an account, as in some containers
        return ""
