"""The append-only log of runs that were made again with other code.  What a replay showed is never changed."""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy.orm import Session

from paperlab.entities import Replay
from paperlab.store.schema import ReplayRow


def append(session: Session, replay: Replay) -> None:
    """Does not commit."""
    session.add(
        ReplayRow(
            recipe=replay.recipe,
            before=replay.before,
            after=replay.after,
            equal=replay.equal,
            run_before=replay.run_before,
            run_after=replay.run_after,
            details=dict(replay.details),
            replayed_at=replay.replayed_at,
        )
    )
    session.flush()


def history(session: Session, recipe: str | None = None) -> list[Replay]:
    """The log, oldest first, of one recipe or of all."""
    statement = sa.select(ReplayRow).order_by(ReplayRow.id)
    if recipe is not None:
        statement = statement.where(ReplayRow.recipe == recipe)
    return [
        Replay(
            row.recipe,
            row.before,
            row.after,
            row.equal,
            row.run_before,
            row.run_after,
            row.details,
            row.replayed_at,
        )
        for row in session.execute(statement).scalars()
    ]
