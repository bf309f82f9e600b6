"""What is new for the reader since a time or since the last digest, each paper with its why, nothing twice.

A digest is put together from what the store holds, written by whoever asked for it, and only then marked as shown:
one that could not be written comes again.  The next one begins where the oldest paper came in that a limit left out, or
where this one ended, less a day, because a sync that runs meanwhile stores papers under the time at which it began;
what was shown is left out by name, not by time.  Each choice of profiles has a series of its own, and a digest since a
time that was named belongs to none.

What the reader starred, read or skipped, or saw as new in a watchlist, is not new.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

from filelock import FileLock, Timeout

from paperlab import query as language
from paperlab.entities import Alert, VerdictKind
from paperlab.errors import NotReady, TryAgain
from paperlab.library import alerts, ranking, watchlists
from paperlab.news import Digest, DigestAlert, DigestPaper, VerdictChange, Why, WhyKind
from paperlab.query import Field, Text
from paperlab.settings import Settings
from paperlab.store import database, gaps, matches, news, papers, reading, shown, verdicts
from paperlab.store import watchlists as stored
from paperlab.store.database import Session
from paperlab.store.reading import Mark

FIRST_DIGEST = timedelta(days=7)
OVERLAP = timedelta(days=1)
"""Longer than a sync takes."""
FARTHEST = timedelta(days=60)
"""Longer than a holiday.  A digest that is not told where to begin reaches back no further, and says what it loses."""
IN_TURN = 3
"""One place in so many is for what has waited longest, whatever else there is: so everything comes at some time."""
IN_A_FEED = timedelta(days=14)
"""A feed holds what was shown in that time, for readers that look more seldom than it is written."""
EARLIEST = datetime(1991, 8, 1, tzinfo=UTC)
"""arXiv began in August 1991."""
ON_HOLD = timedelta(days=30)
"""A paper that came in and was submitted longer ago is a backfill, unless the daily feed announced it as new."""
RANKED = 100
"""So many of the best that were not shown are asked of the ranking; those with a score above zero are rather liked than
not.  One that a limit leaves out waits like any other, and comes with a later digest."""

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
        with database.only_one(settings, "digest") as is_alone:
            if not is_alone:
                raise TryAgain(
                    "another machine is writing a digest from this database",
                    "run the same command again",
                    reason="lock",
                    retry_after_s=5.0,
                )
            yield
    finally:
        lock.release()


def since_the_last(session: Session, settings: Settings, profiles: Sequence[str], now: datetime) -> datetime:
    """Where a digest of these profiles begins that is not told, however long ago that is.

    The first of its series begins a week ago, or where anything was shown last if that is longer ago.
    """
    reach = shown.reach(session, _series(settings, profiles))
    if reach is not None:
        return min(reach.since, now) - OVERLAP
    last = shown.last(session, _CHANNELS)
    return now - FIRST_DIGEST if last is None else min(now - FIRST_DIGEST, last - OVERLAP)


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
    `left_out` counts the rest, which comes the next time: a third of the places are for what has waited longest.
    """
    whole = since_the_last(session, settings, profiles, now)
    begin = max(whole, now - FARTHEST) if since is None else max(since, EARLIEST)
    window = _Window.since_then(begin)
    raised = [alert for alert in alerts.find(session) if alert.raised_at >= begin]
    seen_alerts = shown.among(session, ALERTS, (str(alert.id) for alert in raised))
    changes = [change for change in verdict_changes(session) if change.judged_at >= begin]
    seen_changes = shown.among(session, VERDICTS, map(_key, changes))
    watched, relevant = _arrived(session, profiles, window)
    digest = _put_together(
        session,
        profiles,
        _Chosen(
            watched=watched,
            ranked=_ranked(session, settings, window),
            relevant=relevant,
        ),
        alerts_raised=[alert for alert in raised if str(alert.id) not in seen_alerts],
        changes=[change for change in changes if _key(change) not in seen_changes],
        times=(begin, now),
    )
    came_in = news.came_in(session, (entry.paper.arxiv_id for entry in digest.papers), on_hold=ON_HOLD)
    reach = shown.reach(session, _series(settings, profiles)) if since is None else None
    if limit is not None:
        digest = _cut(digest, limit, came_in, waiting_since=reach.until if reach else None)
    if since is not None:
        return digest
    in_it = {entry.paper.arxiv_id for entry in digest.papers}
    waiting = [moment for arxiv_id, moment in came_in.items() if arxiv_id not in in_it]
    lost = _lost(session, profiles, whole + OVERLAP, window) if whole < begin else {}
    return replace(
        digest,
        next_since=min([now, *waiting]),
        lost=len(lost),
        lost_since=min(lost.values(), default=None),
    )


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


def lately(session: Session, profiles: Sequence[str], now: datetime) -> Digest:
    """What digests have shown in the last two weeks, as it stands now, what was shown last first: for a feed.

    Papers that only profiles other than these call relevant are not among it.
    """
    begin = now - IN_A_FEED
    ids = shown.since(session, PAPERS, begin)
    relevant_to = matches.of_papers(session, ids)
    watched = stored.of_papers(session, ids)
    wanted = set(profiles)
    numbers = set(shown.since(session, ALERTS, begin))
    keys = set(shown.since(session, VERDICTS, begin))

    def concerns(arxiv_id: str) -> bool:
        """One that no profile and no watchlist names was in the ranking, which is everybody's."""
        named = {match.profile for match in relevant_to.get(arxiv_id, ())}
        return arxiv_id in watched or not named or not wanted.isdisjoint(named)

    held = {paper.arxiv_id for paper in papers.get_many(session, ids)}
    return _put_together(
        session,
        profiles,
        _Chosen([], {}, [arxiv_id for arxiv_id in ids if arxiv_id in held and concerns(arxiv_id)]),
        alerts_raised=[alert for alert in alerts.find(session, seen=True) if str(alert.id) in numbers],
        changes=[change for change in verdict_changes(session) if _key(change) in keys],
        times=(begin, now),
    )


def mark(session: Session, settings: Settings, profiles: Sequence[str], digest: Digest) -> None:
    """Remember that this was shown, and where the next one begins.  Does not commit.

    Call it when the digest has been written completely, with what it was collected with.
    """
    if digest.next_since is not None:
        shown.set_reach(session, _series(settings, profiles), shown.Reach(digest.next_since, digest.until))
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

    @classmethod
    def since_then(cls, begin: datetime) -> _Window:
        return cls(begin, begin - ON_HOLD)


@dataclass(frozen=True)
class _Chosen:
    """Ids in the order in which they are shown; of one in several of them, the first counts."""

    watched: Sequence[str]
    ranked: Mapping[str, tuple[str, ...]]
    """With the words that lifted each."""
    relevant: Sequence[str]


def _series(settings: Settings, profiles: Sequence[str]) -> str:
    """The name under which it is kept how far digests of these profiles have come."""
    chosen = sorted(set(profiles))
    return "digest" if chosen == sorted(settings.profiles) else f"digest:{'+'.join(chosen)}"


def _arrived(session: Session, profiles: Sequence[str], window: _Window) -> tuple[list[str], list[str]]:
    """What watchlists match, and what the profiles call relevant."""
    watched = news.watched_arrivals(session, since=window.since, submitted_since=window.submitted_since)
    relevant = news.relevant_arrivals(session, profiles, since=window.since, submitted_since=window.submitted_since)
    return _new(session, watched), _new(session, relevant)


def _lost(session: Session, profiles: Sequence[str], whole: datetime, window: _Window) -> dict[str, datetime]:
    """The papers, and when they came in, that would be new had the window begun where the last digest stopped.

    That is without the overlap, so that the same are not said to be lost twice.
    """
    before = {arxiv_id for kind in _arrived(session, profiles, _Window.since_then(whole)) for arxiv_id in kind}
    after = {arxiv_id for kind in _arrived(session, profiles, window) for arxiv_id in kind}
    return news.came_in(session, before - after, on_hold=ON_HOLD)


def _new(session: Session, arxiv_ids: Iterable[str]) -> list[str]:
    """Those that no digest showed and that the reader has done nothing with."""
    ids = list(arxiv_ids)
    known = shown.among(session, PAPERS, ids) | news.shown_by_watchlists(session, ids)
    for kind in Mark:
        known |= reading.marked(session, kind)
    return [arxiv_id for arxiv_id in ids if arxiv_id not in known]


def _ranked(session: Session, settings: Settings, window: _Window) -> dict[str, tuple[str, ...]]:
    """The new papers that are most like what the reader starred and tagged; none before there is enough of that."""
    known = shown.since(session, PAPERS, window.submitted_since)  # the ranking has them still
    try:
        found = ranking.recommend(session, settings, since=window.submitted_since, limit=RANKED + len(known))
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


def _cut(digest: Digest, limit: int, came_in: Mapping[str, datetime], waiting_since: datetime | None) -> Digest:
    """The first `limit` papers, but a third of the places goes to those that came in before the last digest ended and
    have waited longest, so that what is urgent every day does not keep the rest away for good."""
    order = [entry.paper.arxiv_id for entry in digest.papers]
    waiting = [arxiv_id for arxiv_id in order if waiting_since is not None and came_in[arxiv_id] < waiting_since]
    oldest_first = sorted(waiting, key=lambda arxiv_id: came_in[arxiv_id])
    places = max(1, limit // IN_TURN)
    chosen = set(list(dict.fromkeys([*oldest_first[:places], *order]))[:limit])

    def kept(entries: Sequence[DigestPaper]) -> tuple[DigestPaper, ...]:
        return tuple(entry for entry in entries if entry.paper.arxiv_id in chosen)

    return replace(
        digest,
        watched=kept(digest.watched),
        ranked=kept(digest.ranked),
        relevant=kept(digest.relevant),
        left_out=len(order) - len(chosen),
    )


def _key(change: VerdictChange) -> str:
    return f"{change.claim_id} {change.judged_at.isoformat()}"
