"""Where papers' code and artefacts lie: what their texts say, and what Papers with Code said."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import cast

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from paperlab.entities import CodeLink, LinkKind, LinkRole
from paperlab.store.schema import CodeLinkRow

TEXT_SOURCES = ("abstract", "comment")
PAPERS_WITH_CODE = "papers-with-code"

_LINKS = cast(sa.Table, CodeLinkRow.__table__)
_IDS_PER_QUERY = 500
_ORDER = (_LINKS.c.arxiv_id, _LINKS.c.found_at, _LINKS.c.source, _LINKS.c.url)


def replace(session: Session, arxiv_ids: Iterable[str], links: Iterable[CodeLink], now: datetime) -> None:
    """The links that the texts of these papers give are now exactly `links`.  Does not commit.

    One that stays keeps the time at which it was found; links of other sources stay.
    """
    wanted = {(link.arxiv_id, link.url, link.source): link for link in links}
    held: dict[tuple[str, str, str], CodeLink] = {}
    for ids in _batches(arxiv_ids):
        statement = sa.select(_LINKS).where(_LINKS.c.arxiv_id.in_(ids), _LINKS.c.source.in_(TEXT_SOURCES))
        held |= {(row.arxiv_id, row.url, row.source): _as_link(row) for row in session.execute(statement)}
    gone = [key for key in held if wanted.get(key) is None]
    if gone:
        key = (
            (_LINKS.c.arxiv_id == sa.bindparam("key_id"))
            & (_LINKS.c.url == sa.bindparam("key_url"))
            & (_LINKS.c.source == sa.bindparam("key_source"))
        )
        names = ("key_id", "key_url", "key_source")
        session.connection().execute(sa.delete(_LINKS).where(key), [dict(zip(names, k, strict=True)) for k in gone])
    _write(session, [link for key, link in wanted.items() if held.get(key) != link], now)


def add(session: Session, links: Iterable[CodeLink], now: datetime) -> int:
    """Links beside those held; of one that is held already the kind, role and details are renewed.  Does not commit.

    Returns how many are new.
    """
    before = _count(session)
    _write(session, links, now)
    return _count(session) - before


def _write(session: Session, links: Iterable[CodeLink], now: datetime) -> None:
    rows = {(link.arxiv_id, link.url, link.source): _as_row(link, now) for link in links}
    if not rows:
        return
    dialect = session.get_bind().dialect.name
    inserting = postgresql.insert(_LINKS) if dialect == "postgresql" else sqlite.insert(_LINKS)
    renewed = {name: inserting.excluded[name] for name in ("kind", "role", "details")}
    statement = inserting.on_conflict_do_update(index_elements=["arxiv_id", "url", "source"], set_=renewed)
    session.execute(statement, list(rows.values()))


def of_paper(session: Session, arxiv_id: str) -> list[CodeLink]:
    """A paper's links, the first found first."""
    return of_papers(session, [arxiv_id]).get(arxiv_id, [])


def of_papers(session: Session, arxiv_ids: Iterable[str]) -> dict[str, list[CodeLink]]:
    """The links of each of these papers, by id; a paper without one is not in it."""
    found: dict[str, list[CodeLink]] = {}
    for ids in _batches(arxiv_ids):
        for row in session.execute(sa.select(_LINKS).where(_LINKS.c.arxiv_id.in_(ids)).order_by(*_ORDER)):
            found.setdefault(row.arxiv_id, []).append(_as_link(row))
    return found


def has_code(session: Session, arxiv_ids: Iterable[str]) -> set[str]:
    """Those of the papers that have a link of their own, whoever says so."""
    return {
        arxiv_id
        for ids in _batches(arxiv_ids)
        for arxiv_id in session.execute(
            sa.select(_LINKS.c.arxiv_id)
            .where(_LINKS.c.arxiv_id.in_(ids), _LINKS.c.role == LinkRole.OWN.value)
            .distinct()
        ).scalars()
    }


def papers_of_url(session: Session, url: str) -> list[str]:
    """The ids of the papers that name this canonical address."""
    statement = sa.select(_LINKS.c.arxiv_id).where(_LINKS.c.url == url).distinct().order_by(_LINKS.c.arxiv_id)
    return list(session.execute(statement).scalars())


def count_by_source(session: Session) -> Mapping[str, int]:
    statement = sa.select(_LINKS.c.source, sa.func.count()).group_by(_LINKS.c.source).order_by(_LINKS.c.source)
    return {row[0]: int(row[1]) for row in session.execute(statement)}


def _count(session: Session) -> int:
    return int(session.execute(sa.select(sa.func.count()).select_from(_LINKS)).scalar_one())


def _as_row(link: CodeLink, now: datetime) -> dict[str, object]:
    return {
        "arxiv_id": link.arxiv_id,
        "url": link.url,
        "source": link.source,
        "kind": link.kind.value,
        "role": link.role.value,
        "details": dict(link.details),
        "found_at": now,
    }


def _as_link(row: sa.Row[tuple[object, ...]]) -> CodeLink:
    return CodeLink(row.arxiv_id, row.url, row.source, LinkKind(row.kind), LinkRole(row.role), row.details)


def _batches(ids: Iterable[str]) -> Iterable[list[str]]:
    distinct = list(dict.fromkeys(ids))
    for start in range(0, len(distinct), _IDS_PER_QUERY):
        yield distinct[start : start + _IDS_PER_QUERY]
