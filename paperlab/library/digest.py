"""What is new for the reader since a time or since the last digest, each paper with its why, nothing twice.

A digest is put together from what the store holds, written by whoever asked for it, and only then marked as shown:
one that could not be written comes again.  It reaches back a day further than the last one ended, because a sync that
runs meanwhile stores papers under the time at which it began; what was shown is left out by name, not by time.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime, timedelta

from filelock import FileLock, Timeout

from paperlab.entities import (
    Alert,
    Digest,
    DigestAlert,
    DigestPaper,
    VerdictChange,
    VerdictKind,
    Why,
    WhyKind,
)
from paperlab.errors import NotReady, TryAgain
from paperlab.settings import Settings
from paperlab.store import gaps, matches, news, papers, shown, verdicts
from paperlab.store.database import Session

FIRST_DIGEST = timedelta(days=7)
OVERLAP = timedelta(days=1)
"""Longer than a sync takes."""
ON_HOLD = timedelta(days=30)
"""A paper that came in and was submitted longer ago is a backfill, unless the daily feed announced it as new."""

PAPERS, ALERTS, VERDICTS = "digest", "digest/alerts", "digest/verdicts"
_CHANNELS = (PAPERS, ALERTS, VERDICTS)


@contextmanager
def one_at_a_time(settings: Settings) -> Iterator[None]:
    """Hold this from collecting to marking: two digests at once would show the same.  Raises TryAgain."""
    lock = FileLock(settings.home / "digest.lock")
    try:
        settings.home.mkdir(parents=True, exist_ok=True)
        lock.acquire(timeout=0)
    except Timeout as error:
        raise TryAgain(
            "another digest is being written", "run the same command again", reason="lock", retry_after_s=5.0
        ) from error
    except OSError as error:
        raise NotReady(
            f"{settings.home} can't be written: {error.strerror}", "set PAPERLAB_HOME to a folder you can write"
        ) from error
    try:
        yield
    finally:
        lock.release()


def since_the_last(session: Session, now: datetime) -> datetime:
    """Where a digest begins that is not told: a day before the last one ended, a week ago where there was none."""
    last = shown.last(session, _CHANNELS)
    return last - OVERLAP if last is not None else now - FIRST_DIGEST


def collect(
    session: Session, profiles: Sequence[str], *, since: datetime | None, now: datetime, limit: int | None = None
) -> Digest:
    """What is new, as far as it was not shown.  `since` None is since the last digest.

    At most `limit` papers: what a watchlist matches first, then what matches a profile.  `left_out` counts the rest,
    which is not marked and comes again while it is within the time.
    """
    begin = since_the_last(session, now) if since is None else since
    window = {"since": begin, "submitted_since": begin - ON_HOLD}
    watched = _not_shown(session, news.watched_arrivals(session, **window))
    relevant = _not_shown(session, news.relevant_arrivals(session, profiles, **window))
    alerts = news.alerts(session, since=begin)
    seen_alerts = shown.among(session, ALERTS, (str(alert.id) for alert in alerts))
    changes = [change for change in verdict_changes(session) if change.judged_at >= begin]
    seen_changes = shown.among(session, VERDICTS, map(_key, changes))
    digest = _put_together(
        session,
        profiles,
        watched,
        relevant,
        alerts=[alert for alert in alerts if str(alert.id) not in seen_alerts],
        changes=[change for change in changes if _key(change) not in seen_changes],
        since=begin,
        until=now,
    )
    return digest if limit is None else _cut(digest, limit)


def once_more(session: Session, profiles: Sequence[str]) -> Digest | None:
    """What the last digest showed, as it stands now; None where there was none."""
    last = shown.last(session, _CHANNELS)
    if last is None:
        return None
    ids = shown.at(session, PAPERS, last)
    watched = set(news.watchlists_of(session, ids))
    alerts = news.alerts(session, ids=[int(key) for key in shown.at(session, ALERTS, last)])
    keys = set(shown.at(session, VERDICTS, last))
    changes = [change for change in verdict_changes(session) if _key(change) in keys]
    newest_first = sorted(papers.get_many(session, ids), key=lambda p: (p.submitted_at, p.arxiv_id), reverse=True)
    ordered = [paper.arxiv_id for paper in newest_first]
    return _put_together(
        session,
        profiles,
        [arxiv_id for arxiv_id in ordered if arxiv_id in watched],
        ordered,
        alerts=alerts,
        changes=changes,
        since=None,
        until=last,
    )


def mark(session: Session, digest: Digest) -> None:
    """Remember that this was shown.  Call it when the digest has been written completely.  Does not commit."""
    ids = [entry.paper.arxiv_id for entry in (*digest.watched, *digest.relevant)]
    shown.mark(session, PAPERS, ids, digest.until)
    shown.mark(session, ALERTS, (str(entry.alert.id) for entry in digest.alerts), digest.until)
    shown.mark(session, VERDICTS, map(_key, digest.verdicts), digest.until)


def verdict_changes(session: Session) -> list[VerdictChange]:
    """Every time a claim's verdict became another, newest first.  The same verdict on more evidence is none."""
    before: dict[str, VerdictKind] = {}
    changes: list[VerdictChange] = []
    for entry in verdicts.history(session):
        if before.get(entry.claim_id) != entry.kind:
            last = before.get(entry.claim_id)
            changes.append(VerdictChange(entry.claim_id, last, entry.kind, entry.reason, entry.judged_at))
        before[entry.claim_id] = entry.kind
    return changes[::-1]


def _put_together(
    session: Session,
    profiles: Sequence[str],
    watched: Sequence[str],
    relevant: Sequence[str],
    *,
    alerts: Sequence[Alert],
    changes: Sequence[VerdictChange],
    since: datetime | None,
    until: datetime,
) -> Digest:
    ids = list(dict.fromkeys([*watched, *relevant]))
    held = {paper.arxiv_id: paper for paper in papers.get_many(session, [*ids, *(alert.arxiv_id for alert in alerts)])}
    why = _why(session, profiles, ids)
    first_watchlist = {arxiv_id: why[arxiv_id][0].name for arxiv_id in watched}
    return Digest(
        since=since,
        until=until,
        alerts=tuple(
            DigestAlert(alert, held[alert.arxiv_id].title if alert.arxiv_id in held else "") for alert in alerts
        ),
        watched=tuple(
            DigestPaper(held[arxiv_id], why[arxiv_id])
            for arxiv_id in sorted(watched, key=lambda arxiv_id: first_watchlist[arxiv_id])
        ),
        relevant=tuple(
            DigestPaper(held[arxiv_id], why[arxiv_id]) for arxiv_id in relevant if arxiv_id not in first_watchlist
        ),
        verdicts=tuple(changes),
        gaps=tuple(gaps.still_open(session)),
    )


def _why(session: Session, profiles: Sequence[str], ids: Sequence[str]) -> dict[str, tuple[Why, ...]]:
    """Every reason for each of the papers, watchlists first."""
    lists = news.watchlists_of(session, ids)
    terms = matches.of_papers(session, ids)
    wanted = set(profiles)
    return {
        arxiv_id: (
            *(Why(WhyKind.WATCHLIST, name) for name, _query in lists.get(arxiv_id, ())),
            *(
                Why(WhyKind.PROFILE, match.profile, match.terms)
                for match in terms.get(arxiv_id, ())
                if match.profile in wanted
            ),
        )
        for arxiv_id in ids
    }


def _cut(digest: Digest, limit: int) -> Digest:
    watched = digest.watched[:limit]
    relevant = digest.relevant[: limit - len(watched)]
    left_out = len(digest.watched) + len(digest.relevant) - len(watched) - len(relevant)
    return replace(digest, watched=watched, relevant=relevant, left_out=left_out)


def _not_shown(session: Session, arxiv_ids: Iterable[str]) -> list[str]:
    ids = list(arxiv_ids)
    before = shown.among(session, PAPERS, ids)
    return [arxiv_id for arxiv_id in ids if arxiv_id not in before]


def _key(change: VerdictChange) -> str:
    return f"{change.claim_id} {change.judged_at.isoformat()}"
