"""How many papers came in each month, and on each day of late.

The month is that of the identifier, in which arXiv announced the paper: a number in the table, so that a million papers
are counted without reading a date.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import cast

import sqlalchemy as sa
from sqlalchemy.orm import Session

from paperlab.arxiv_id import PER_MONTH, ArxivId
from paperlab.store.schema import PaperCategoryRow, PaperRow

_PAPERS = cast(sa.Table, PaperRow.__table__)
_CATEGORIES = cast(sa.Table, PaperCategoryRow.__table__)
_MONTH = (_PAPERS.c.ordinal // PER_MONTH).label("month")


def every(session: Session) -> dict[str, int]:
    """Papers held by month, such as "2026-11", oldest first."""
    statement = sa.select(_MONTH, sa.func.count()).group_by(_MONTH).order_by(_MONTH)
    return {ArxivId.month_of(month * PER_MONTH): n for month, n in session.execute(statement)}


def by_day(session: Session, since: datetime) -> dict[str, int]:
    """Papers held by the day (UTC) of their submission, such as "2026-11-24", from `since` on."""
    day = sa.func.date(_PAPERS.c.submitted_at).label("day")
    statement = sa.select(day, sa.func.count()).where(_PAPERS.c.submitted_at >= since).group_by(day).order_by(day)
    return {str(each): n for each, n in session.execute(statement)}


def of_categories(session: Session, names: Sequence[str]) -> dict[str, dict[str, int]]:
    """The same for each category, cross-lists included."""
    found: dict[str, dict[str, int]] = {name: {} for name in names}
    for name in names:
        statement = (
            sa.select(_MONTH, sa.func.count())
            .join(_CATEGORIES, _CATEGORIES.c.arxiv_id == _PAPERS.c.arxiv_id)
            .where(_CATEGORIES.c.category == name)
            .group_by(_MONTH)
            .order_by(_MONTH)
        )
        found[name] = {ArxivId.month_of(month * PER_MONTH): n for month, n in session.execute(statement)}
    return found


def of_ordinals(ordinals: Iterable[int]) -> dict[str, int]:
    """The same for these papers."""
    counts = Counter(ordinal // PER_MONTH for ordinal in ordinals)
    return {ArxivId.month_of(month * PER_MONTH): counts[month] for month in sorted(counts)}
