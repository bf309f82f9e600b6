"""What is new for the reader since a time or since the last digest, each paper with its why, nothing twice.

A digest is put together from what the store holds, written by whoever asked for it, and only then marked as shown:
one that could not be written comes again.  It reaches back a day further than the last one ended, because a sync that
runs meanwhile stores papers under the time at which it began; what was shown is left out by name, not by time.

What the reader starred, read or skipped, or saw as new in a watchlist, is not new.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from filelock import FileLock, Timeout

from paperlab import query as language
from paperlab.entities import Alert, Digest, DigestAlert, DigestPaper, VerdictChange, VerdictKind, Why, WhyKind
from paperlab.errors import NotReady, TryAgain
from paperlab.library import alerts, ranking, watchlists
from paperlab.query import Field, Text
from paperlab.settings import Settings
from paperlab.store import gaps, matches, news, papers, reading, shown, verdicts
from paperlab.store import watchlists as stored
from paperlab.store.database import Session
from paperlab.store.reading import Mark

FIRST_DIGEST = timedelta(days=7)
OVERLAP = timedelta(days=1)
"""Longer than a sync takes."""
ON_HOLD = timedelta(days=30)
"""A paper that came in and was submitted longer ago is a backfill, unless the daily feed announced it as new."""
RANKED = 100
"""So many of the best are asked of the ranking; those with a score above zero are rather liked than not."""

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
    session: Session,
    settings: Settings,
    profiles: Sequence[str],
    *,
    since: datetime | None,
    now: datetime,
    limit: int | None = None,
) -> Digest:
    """What is new, as far as it was not shown.  `since` None is since the last digest.

    At most `limit` papers: what a watchlist matches first, then the ranking's best, then what matches a profile.
    `left_out` counts the rest, which is not marked and comes again while it is within the time.
    """
    begin = since_the_last(session, now) if since is None else since
    window = _Window(begin, begin - ON_HOLD)
    raised = [alert for alert in alerts.find(session) if alert.raised_at >= begin]
    seen_alerts = shown.among(session, ALERTS, (str(alert.id) for alert in raised))
    changes = [change for change in verdict_changes(session) if change.judged_at >= begin]
    seen_changes = shown.among(session, VERDICTS, map(_key, changes))
    watched = news.watched_arrivals(session, since=window.since, submitted_since=window.submitted_since)
    relevant = news.relevant_arrivals(session, profiles, since=window.since, submitted_since=window.submitted_since)
    digest = _put_together(
        session,
        profiles,
        _Chosen(
            watched=_new(session, watched),
            ranked=_ranked(session, settings, window),
            relevant=_new(session, relevant),
        ),
        alerts_raised=[alert for alert in raised if str(alert.id) not in seen_alerts],
        changes=[change for change in changes if _key(change) not in seen_changes],
        times=(begin, now),
    )
    return digest if limit is None else _cut(digest, limit)


def once_more(session: Session, profiles: Sequence[str]) -> Digest | None:
    """What the last digest showed, as it stands now; None where there was none.

    What was ranked then is listed by its watchlist or profile, because the ranking has learnt since.
    """
    last = shown.last(session, _CHANNELS)
    if last is None:
        return None
    ids = shown.at(session, PAPERS, last)
    watched = stored.of_papers(session, ids)
    numbers = set(shown.at(session, ALERTS, last))
    keys = set(shown.at(session, VERDICTS, last))
    newest_first = sorted(papers.get_many(session, ids), key=lambda p: (p.submitted_at, p.arxiv_id), reverse=True)
    ordered = [paper.arxiv_id for paper in newest_first]
    return _put_together(
        session,
        profiles,
        _Chosen([arxiv_id for arxiv_id in ordered if arxiv_id in watched], {}, ordered),
        alerts_raised=[alert for alert in alerts.find(session, seen=True) if str(alert.id) in numbers],
        changes=[change for change in verdict_changes(session) if _key(change) in keys],
        times=(None, last),
    )


def mark(session: Session, digest: Digest) -> None:
    """Remember that this was shown.  Call it when the digest has been written completely.  Does not commit."""
    shown.mark(session, PAPERS, (entry.paper.arxiv_id for entry in digest.papers), digest.until)
    shown.mark(session, ALERTS, (str(entry.alert.id) for entry in digest.alerts), digest.until)
    shown.mark(session, VERDICTS, map(_key, digest.verdicts), digest.until)
    by_list: dict[str, list[str]] = {}
    for entry in digest.watched:
        for why in entry.why:
            if why.kind in {WhyKind.WATCHLIST, WhyKind.AUTHOR}:
                by_list.setdefault(why.name, []).append(entry.paper.arxiv_id)
    for name, ids in by_list.items():
        watchlists.mark_shown(session, name, ids, digest.until)


def verdict_changes(session: Session) -> list[VerdictChange]:
    """Every time a claim's verdict became another, newest first.  The same verdict on more evidence is none."""
    before: dict[str, VerdictKind] = {}
    changes: list[VerdictChange] = []
    for entry in verdicts.history(session):
        last = before.get(entry.claim_id)
        if last != entry.kind:
            changes.append(VerdictChange(entry.claim_id, last, entry.kind, entry.reason, entry.judged_at))
        before[entry.claim_id] = entry.kind
    return changes[::-1]


# --- choosing -------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Window:
    since: datetime
    submitted_since: datetime


@dataclass(frozen=True)
class _Chosen:
    """Ids in the order in which they are shown; of one in several of them, the first counts."""

    watched: Sequence[str]
    ranked: Mapping[str, tuple[str, ...]]
    """With the words that lifted each."""
    relevant: Sequence[str]


def _new(session: Session, arxiv_ids: Iterable[str]) -> list[str]:
    """Those that no digest showed and that the reader has done nothing with."""
    ids = list(arxiv_ids)
    known = shown.among(session, PAPERS, ids) | news.shown_by_watchlists(session, ids)
    for kind in Mark:
        known |= reading.marked(session, kind)
    return [arxiv_id for arxiv_id in ids if arxiv_id not in known]


def _ranked(session: Session, settings: Settings, window: _Window) -> dict[str, tuple[str, ...]]:
    """The new papers that are most like what the reader starred and tagged; none before there is enough of that."""
    try:
        found = ranking.recommend(session, settings, since=window.submitted_since, limit=RANKED)
    except NotReady:
        return {}  # without scikit-learn, or where its files can't be written, a digest is by profile and date
    if found.cold:
        return {}
    liked = {each.paper.arxiv_id: each for each in found.papers if each.score is not None and each.score > 0}
    arrived = news.arrivals_among(session, list(liked), since=window.since, submitted_since=window.submitted_since)
    fresh = set(_new(session, arrived))
    return {arxiv_id: tuple(word.text for word in each.lifted) for arxiv_id, each in liked.items() if arxiv_id in fresh}


def _put_together(
    session: Session,
    profiles: Sequence[str],
    chosen: _Chosen,
    *,
    alerts_raised: Sequence[Alert],
    changes: Sequence[VerdictChange],
    times: tuple[datetime | None, datetime],
) -> Digest:
    ids = list(dict.fromkeys([*chosen.watched, *chosen.ranked, *chosen.relevant]))
    concerned = [alert.arxiv_id for alert in alerts_raised]
    held = {paper.arxiv_id: paper for paper in papers.get_many(session, [*ids, *concerned])}
    why = _why(session, profiles, ids, chosen.ranked)
    entries = {arxiv_id: DigestPaper(held[arxiv_id], why[arxiv_id]) for arxiv_id in ids}
    by_list = sorted(chosen.watched, key=lambda arxiv_id: why[arxiv_id][0].name)
    watched, ranked = set(by_list), set(chosen.ranked)
    return Digest(
        since=times[0],
        until=times[1],
        alerts=tuple(
            DigestAlert(each, held[each.arxiv_id].title if each.arxiv_id in held else "", alerts.in_words(each))
            for each in alerts_raised
        ),
        watched=tuple(entries[arxiv_id] for arxiv_id in by_list),
        ranked=tuple(entries[arxiv_id] for arxiv_id in chosen.ranked if arxiv_id not in watched),
        relevant=tuple(entries[arxiv_id] for arxiv_id in chosen.relevant if arxiv_id not in watched | ranked),
        verdicts=tuple(changes),
        gaps=tuple(gaps.still_open(session)),
    )


def _why(
    session: Session, profiles: Sequence[str], ids: Sequence[str], ranked: Mapping[str, tuple[str, ...]]
) -> dict[str, tuple[Why, ...]]:
    """Every reason for each of the papers: watchlists, the ranking, profiles."""
    kinds = {each.name: _kind(each.query) for each in stored.find_all(session)}
    lists = stored.of_papers(session, ids)
    terms = matches.of_papers(session, ids)
    wanted = set(profiles)
    return {
        arxiv_id: (
            *(Why(kinds[name], name) for name in lists.get(arxiv_id, ())),
            *([Why(WhyKind.RANKING, "what you starred and tagged", ranked[arxiv_id])] if arxiv_id in ranked else []),
            *(
                Why(WhyKind.PROFILE, match.profile, match.terms)
                for match in terms.get(arxiv_id, ())
                if match.profile in wanted
            ),
        )
        for arxiv_id in ids
    }


def _kind(query: str) -> WhyKind:
    """Whether a watchlist follows somebody: it asks for authors and nothing else."""
    leaves = list(language.leaves(language.parse(query)))
    follows = all(isinstance(leaf, Text) and leaf.field is Field.AUTHOR for leaf in leaves)
    return WhyKind.AUTHOR if follows else WhyKind.WATCHLIST


def _cut(digest: Digest, limit: int) -> Digest:
    watched = digest.watched[:limit]
    ranked = digest.ranked[: limit - len(watched)]
    relevant = digest.relevant[: limit - len(watched) - len(ranked)]
    left_out = len(digest.papers) - len(watched) - len(ranked) - len(relevant)
    return replace(digest, watched=watched, ranked=ranked, relevant=relevant, left_out=left_out)


def _key(change: VerdictChange) -> str:
    return f"{change.claim_id} {change.judged_at.isoformat()}"
