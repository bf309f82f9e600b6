"""How far in time the papers held reach: what a clock and a list of arXiv's can be held against."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import cast

import sqlalchemy as sa
from sqlalchemy.orm import Session

from paperlab.store.papers import SEED
from paperlab.store.schema import PaperCategoryRow, PaperRow

_PAPERS = cast(sa.Table, PaperRow.__table__)
_CATEGORIES = cast(sa.Table, PaperCategoryRow.__table__)


def held_after(session: Session, moment: datetime) -> datetime | None:
    """When arXiv last updated a paper that came in after `moment`, where both that and its update are later.

    Neither alone says what time it is: a paper may be dated in the future, and a clock may have been ahead.
    """
    statement = sa.select(sa.func.max(_PAPERS.c.updated_at)).where(
        _PAPERS.c.updated_at > moment, _PAPERS.c.first_held_at > moment, _PAPERS.c.source != SEED
    )
    return session.execute(statement).scalar()


def any_updated_by(session: Session, categories: Sequence[str], moment: datetime) -> bool:
    """Whether a paper of the categories is held that was last updated at `moment` or before."""
    statement = _of(categories).where(_CATEGORIES.c.submitted_at <= moment, _PAPERS.c.updated_at <= moment).limit(1)
    return session.execute(statement).first() is not None


def first_submitted(session: Session, categories: Sequence[str], since: datetime, until: datetime) -> datetime | None:
    """When the first paper held of the categories was submitted, from `since` to `until`."""
    statement = _of(categories).where(_CATEGORIES.c.submitted_at.between(since, until))
    return session.execute(statement.order_by(_CATEGORIES.c.submitted_at).limit(1)).scalars().first()


def _of(categories: Sequence[str]) -> sa.Select[datetime]:
    listed = _CATEGORIES.join(_PAPERS, _PAPERS.c.arxiv_id == _CATEGORIES.c.arxiv_id)
    return (
        sa.select(_CATEGORIES.c.submitted_at)
        .select_from(listed)
        .where(_CATEGORIES.c.category.in_(categories), _PAPERS.c.source != SEED)
    )
