"""What the reader does with papers: short writes through the library, as the commands make them."""

from __future__ import annotations

from datetime import datetime

from paperlab.arxiv_id import ArxivId
from paperlab.dashboard.data import cache
from paperlab.dashboard.data.cache import cached
from paperlab.entities import Alert, Reading
from paperlab.library import alerts, ranking, reading, watchlists
from paperlab.library import similar as similar_papers
from paperlab.library.ranking import Ranking
from paperlab.library.similar import Similar
from paperlab.store import database, months
from paperlab.store import reading as stored


@cached
def readings(session: database.Session, arxiv_ids: tuple[str, ...]) -> dict[str, Reading]:
    return dict(stored.get_many(session, arxiv_ids))


@cached
def unseen_alerts(session: database.Session) -> list[Alert]:
    return alerts.find(session)


@cached
def saved_searches(session: database.Session) -> dict[str, str]:
    """Watchlists: the query of each, by name."""
    return {each.watchlist.name: each.watchlist.query for each in watchlists.list_all(session)}


def is_ranking_ready() -> bool:
    return ranking.is_ready(cache.settings())


@cached
def recommended(session: database.Session, since: datetime, limit: int) -> Ranking:
    """Recent papers, those most like what was starred and tagged first.  Only where `is_ranking_ready`."""
    return ranking.recommend(session, cache.settings(), since=since, limit=limit)


@cached
def similar(session: database.Session, arxiv_id: ArxivId, limit: int) -> Similar:
    """The papers most like one.  Only where `is_ranking_ready`.  Raises InvalidInput, NotReady."""
    return similar_papers.similar(session, cache.settings(), arxiv_id, limit=limit)


@cached
def arrivals(session: database.Session, since: datetime) -> dict[str, int]:
    """Papers by day of submission."""
    return months.by_day(session, since)


def save_search(name: str, query: str) -> None:
    """As a watchlist.  Raises InvalidInput for a name that is taken, or a query that can't be one."""
    with database.session(cache.open_database()[0]) as writing:
        watchlists.add(writing, name, query, cache.now())


def set_star(arxiv_id: str, *, undo: bool) -> None:
    with database.session(cache.open_database()[0]) as writing:
        if undo:
            reading.unstar(writing, [ArxivId.parse(arxiv_id)])
        else:
            reading.star(writing, [ArxivId.parse(arxiv_id)], cache.now())


def set_read(arxiv_id: str, *, undo: bool) -> None:
    with database.session(cache.open_database()[0]) as writing:
        reading.set_read(writing, [ArxivId.parse(arxiv_id)], cache.now(), undo=undo)


def set_skipped(arxiv_id: str, *, undo: bool) -> None:
    with database.session(cache.open_database()[0]) as writing:
        reading.set_skipped(writing, [ArxivId.parse(arxiv_id)], cache.now(), undo=undo)


def set_tags(arxiv_id: str, before: tuple[str, ...], after: tuple[str, ...]) -> None:
    """Raises InvalidInput for a name that can't be a tag."""
    ids = [ArxivId.parse(arxiv_id)]
    with database.session(cache.open_database()[0]) as writing:
        if added := [tag for tag in after if tag not in before]:
            reading.tag(writing, ids, added, cache.now())
        if taken := [tag for tag in before if tag not in after]:
            reading.untag(writing, ids, taken)


def add_note(arxiv_id: str, text: str) -> None:
    with database.session(cache.open_database()[0]) as writing:
        reading.add_note(writing, ArxivId.parse(arxiv_id), text, cache.now())


def delete_note(arxiv_id: str, number: int) -> None:
    with database.session(cache.open_database()[0]) as writing:
        reading.delete_note(writing, ArxivId.parse(arxiv_id), number)


def mark_alerts_seen() -> None:
    with database.session(cache.open_database()[0]) as writing:
        alerts.mark_all_seen(writing, cache.now())


@cached
def tags_in_use(session: database.Session) -> list[str]:
    return list(reading.tags_in_use(session))
