"""Papers that were announced and are not held.

A gap names a version; a later one fills it too.  Open is what is not closed and not held: a paper may arrive from any
source, and `close_held` only writes down that it did.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import cast

import sqlalchemy as sa
from sqlalchemy.orm import Session

from paperlab.entities import Announcement, Gap
from paperlab.store.papers import SEED
from paperlab.store.schema import GapRow, PaperRow

HELD = "held"
UNVERSIONED = "its version can't be read"
"""How the reason of a gap begins that may be one of a version that is held."""

_GAPS = cast(sa.Table, GapRow.__table__)
_PAPERS = cast(sa.Table, PaperRow.__table__)
_IDS_PER_QUERY = 500
_ASK_AGAIN_FOR = timedelta(days=60)
_ASK_AGAIN_AFTER = timedelta(days=7)
_IS_HELD = (
    sa.exists()
    .where(
        _PAPERS.c.arxiv_id == _GAPS.c.arxiv_id,
        _PAPERS.c.version >= _GAPS.c.version,
        _PAPERS.c.source != SEED,
    )
    .correlate(_GAPS)
)
_IS_GIVEN_UP = sa.and_(_GAPS.c.closed_at.is_not(None), _GAPS.c.outcome != HELD)


def not_held(session: Session, announced: Iterable[Announcement]) -> list[Announcement]:
    """Of these, the newest announced version of each paper of which we hold neither that version nor a later one."""
    newest: dict[str, Announcement] = {}
    for each in announced:
        if each.arxiv_id not in newest or each.version > newest[each.arxiv_id].version:
            newest[each.arxiv_id] = each
    versions = _held_versions(session, list(newest))
    return [each for each in newest.values() if versions.get(each.arxiv_id, 0) < each.version]


def add(session: Session, announced: Iterable[Announcement], *, source: str, now: datetime) -> int:
    """Note what is announced and missing; one that was given up and is announced anew opens again.  Does not commit.

    Returns how many gaps were opened.
    """
    by_key = {(each.arxiv_id, each.version): each for each in announced}
    known = _known(session, [arxiv_id for arxiv_id, _ in by_key])
    records = [
        {
            "arxiv_id": each.arxiv_id,
            "version": each.version,
            "source": source,
            "reason": f"announced as {each.kind.value} on {each.announced_at:%Y-%m-%d}",
            "opened_at": now,
            "tries": 0,
            "last_tried_at": None,
            "closed_at": None,
            "outcome": None,
        }
        for key, each in by_key.items()
        if known.get(key) is not False
    ]
    again = [key for key in by_key if known.get(key)]
    for arxiv_id, version in again:
        session.execute(sa.delete(_GAPS).where(_GAPS.c.arxiv_id == arxiv_id, _GAPS.c.version == version))
    if records:
        session.execute(sa.insert(_GAPS), records)
    return len(records)


def note(session: Session, arxiv_id: str, version: int, *, source: str, reason: str, now: datetime) -> None:
    """Open a gap for a paper of which a source showed something that can't be read.  Does not commit."""
    row = session.get(GapRow, (arxiv_id, version))
    if row is None:
        row = GapRow(arxiv_id=arxiv_id, version=version)
        session.add(row)
    elif row.closed_at is None:
        return
    row.source, row.reason, row.opened_at, row.tries, row.last_tried_at = source, reason, now, 0, None
    row.closed_at = row.outcome = None
    session.flush()


def note_unversioned(session: Session, arxiv_id: str, *, source: str, flaw: str, now: datetime) -> None:
    """Open a gap for a paper of which a source showed a version that can't be read: perhaps one that is not held.

    `close_unversioned` ends it once the paper has been given.  Does not commit.
    """
    version = _held_versions(session, [arxiv_id]).get(arxiv_id, 0) + 1
    note(session, arxiv_id, version, source=source, reason=f"{UNVERSIONED}: {flaw}", now=now)


def close_unversioned(session: Session, arxiv_ids: Sequence[str], now: datetime) -> None:
    """These papers have been given as they are now, whichever version was meant.  Does not commit."""
    for start in range(0, len(arxiv_ids), _IDS_PER_QUERY):
        session.execute(
            sa.update(_GAPS)
            .where(
                _GAPS.c.arxiv_id.in_(arxiv_ids[start : start + _IDS_PER_QUERY]),
                _GAPS.c.reason.startswith(UNVERSIONED, autoescape=True),
                _GAPS.c.closed_at.is_(None),
            )
            .values(closed_at=now, outcome=HELD)
        )


def still_open(session: Session) -> list[Gap]:
    """Oldest first."""
    statement = (
        sa.select(_GAPS)
        .where(_GAPS.c.closed_at.is_(None), ~_IS_HELD)
        .order_by(_GAPS.c.opened_at, _GAPS.c.arxiv_id, _GAPS.c.version)
    )
    return [_as_gap(row) for row in session.execute(statement)]


def closed(session: Session) -> list[Gap]:
    """The last one closed first."""
    statement = sa.select(_GAPS).where(_GAPS.c.closed_at.is_not(None)).order_by(_GAPS.c.closed_at.desc())
    return [_as_gap(row) for row in session.execute(statement)]


def given_up(session: Session) -> list[Gap]:
    """Closed without the paper, and it is not held today either.  The last one closed first."""
    statement = sa.select(_GAPS).where(_IS_GIVEN_UP, ~_IS_HELD).order_by(_GAPS.c.closed_at.desc())
    return [_as_gap(row) for row in session.execute(statement)]


def to_ask_again(session: Session, now: datetime) -> list[Gap]:
    """Given up, and worth a question once a week in the first 60 days: moderators hold some papers back for so long."""
    return [
        gap
        for gap in given_up(session)
        if gap.opened_at > now - _ASK_AGAIN_FOR
        and (gap.last_tried_at is None or gap.last_tried_at <= now - _ASK_AGAIN_AFTER)
    ]


def close_held(session: Session, now: datetime) -> int:
    """Close every gap whose paper has come, given up or not.  Returns how many.  Does not commit."""
    is_to_close = sa.or_(_GAPS.c.closed_at.is_(None), _IS_GIVEN_UP)
    statement = sa.update(_GAPS).where(is_to_close, _IS_HELD).values(closed_at=now, outcome=HELD)
    return int(cast("sa.CursorResult[tuple[()]]", session.execute(statement)).rowcount)


def close(session: Session, arxiv_id: str, *, source: str, outcome: str, now: datetime) -> None:
    """Close what this source left open of a paper: it has been read since.  Does not commit."""
    session.execute(
        sa.update(_GAPS)
        .where(_GAPS.c.arxiv_id == arxiv_id, _GAPS.c.source == source, _GAPS.c.closed_at.is_(None))
        .values(closed_at=now, outcome=outcome)
    )


def note_tries(
    session: Session, arxiv_ids: Sequence[str], *, limit: int, now: datetime, refusal: str = ""
) -> list[str]:
    """arXiv's whole answer did not have these; a gap with `limit` such tries is closed.  Does not commit.

    However often a day asks, it counts as one try: an outage of an hour must not use them up.  `refusal` is what arXiv
    said instead of an answer.  Returns the ids that were given up now.
    """
    ended: list[str] = []
    for start in range(0, len(arxiv_ids), _IDS_PER_QUERY):
        chunk = arxiv_ids[start : start + _IDS_PER_QUERY]
        is_asked = sa.or_(GapRow.closed_at.is_(None), GapRow.outcome != HELD)
        rows = session.execute(sa.select(GapRow).where(GapRow.arxiv_id.in_(chunk), is_asked))
        for row in rows.scalars():
            counts = row.last_tried_at is None or row.last_tried_at.date() != now.date()
            row.last_tried_at = now
            if refusal and refusal not in row.reason:
                row.reason = f"{row.reason}; {refusal}"
            if row.closed_at is not None or not counts:
                continue
            row.tries += 1
            if row.tries >= limit:
                row.closed_at = now
                row.outcome = refusal or f"not given by arXiv on {row.tries} days"
                ended.append(row.arxiv_id)
    session.flush()
    return ended


def _known(session: Session, arxiv_ids: Sequence[str]) -> dict[tuple[str, int], bool]:
    """Gaps that there are, and whether each is closed."""
    found: dict[tuple[str, int], bool] = {}
    for start in range(0, len(arxiv_ids), _IDS_PER_QUERY):
        chunk = arxiv_ids[start : start + _IDS_PER_QUERY]
        rows = session.execute(
            sa.select(_GAPS.c.arxiv_id, _GAPS.c.version, _GAPS.c.closed_at).where(_GAPS.c.arxiv_id.in_(chunk))
        )
        found.update(((row.arxiv_id, row.version), row.closed_at is not None) for row in rows)
    return found


def _held_versions(session: Session, arxiv_ids: Sequence[str]) -> dict[str, int]:
    found: dict[str, int] = {}
    for start in range(0, len(arxiv_ids), _IDS_PER_QUERY):
        chunk = arxiv_ids[start : start + _IDS_PER_QUERY]
        rows = session.execute(
            sa.select(_PAPERS.c.arxiv_id, _PAPERS.c.version).where(
                _PAPERS.c.arxiv_id.in_(chunk), _PAPERS.c.source != SEED
            )
        )
        found.update((row.arxiv_id, row.version) for row in rows)
    return found


def _as_gap(row: sa.Row[tuple[object, ...]]) -> Gap:
    return Gap(**row._mapping)
