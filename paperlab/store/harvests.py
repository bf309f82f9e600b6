"""How far an OAI-PMH harvest has come.  Written in the transaction of the page that it counts.

A name is a source and a question, such as "oai:cs:cs:CL"; what a state says is known to library/harvest.py.  Those of
digests ("digest", "digest:llm") are kept here, too: see store/shown.py.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from paperlab.store.schema import HarvestRow


def get(session: Session, name: str) -> Mapping[str, Any] | None:
    row = session.get(HarvestRow, name)
    return row.state if row else None


def save(session: Session, name: str, state: Mapping[str, Any], now: datetime) -> None:
    """Does not commit."""
    session.merge(HarvestRow(name=name, state=dict(state), updated_at=now))
    session.flush()


def drop(session: Session, name: str) -> None:
    session.execute(sa.delete(HarvestRow).where(HarvestRow.name == name))


def named(session: Session, beginning: str) -> dict[str, Mapping[str, Any]]:
    """Every state whose name begins so, the one written last first."""
    statement = (
        sa.select(HarvestRow)
        .where(HarvestRow.name.startswith(beginning, autoescape=True))
        .order_by(HarvestRow.updated_at.desc(), HarvestRow.name)
    )
    return {row.name: row.state for row in session.execute(statement).scalars()}
