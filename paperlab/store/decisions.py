"""The append-only log of what somebody decided about claims: the last decision about a claim holds."""

from __future__ import annotations

from collections.abc import Collection

import sqlalchemy as sa
from sqlalchemy.orm import Session

from paperlab.entities import Decision, DecisionKind
from paperlab.store.schema import ClaimDecisionRow


def append(session: Session, decision: Decision) -> bool:
    """Log the decision, unless the claim's last one says the same.  Says whether it was logged.  Does not commit."""
    last = latest(session, {decision.claim_id}).get(decision.claim_id)
    if last is not None and _says(last) == _says(decision):
        return False
    session.add(
        ClaimDecisionRow(
            claim_id=decision.claim_id,
            decision=decision.kind.value,
            reason=decision.reason,
            content_hash=decision.content_hash,
            decided_at=decision.decided_at,
            decided_by=decision.decided_by,
            source_version=decision.source_version,
        )
    )
    session.flush()
    return True


def latest(session: Session, claim_ids: Collection[str] | None = None) -> dict[str, Decision]:
    """The decision that holds, by claim; claims about which nobody decided are left out."""
    return {decision.claim_id: decision for decision in history(session, claim_ids)}


def history(session: Session, claim_ids: Collection[str] | None = None) -> list[Decision]:
    """The log, oldest first, of some claims or of all."""
    wanted = None if claim_ids is None else set(claim_ids)
    rows = session.execute(sa.select(ClaimDecisionRow).order_by(ClaimDecisionRow.id)).scalars()
    return [_as_decision(row) for row in rows if wanted is None or row.claim_id in wanted]


def _says(decision: Decision) -> tuple[object, ...]:
    return decision.kind, decision.reason, decision.content_hash, decision.source_version


def _as_decision(row: ClaimDecisionRow) -> Decision:
    return Decision(
        row.claim_id,
        DecisionKind(row.decision),
        row.reason,
        row.content_hash,
        row.decided_at,
        row.decided_by,
        row.source_version,
    )
