"""What arXiv's daily feed announced, and that each announced paper comes.

An announcement is noted before its paper is looked for.  What is announced and not held is a gap, in the database,
until the paper arrives from any source: the walk through the query API brings most of them, what it leaves is looked up
by identifier, tonight and every night.  One that is given up is still asked for once a week, and opens again when it is
announced again.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

from paperlab.arxiv import query_api, rss
from paperlab.arxiv.client import Client, Validators
from paperlab.arxiv.rss import Feed
from paperlab.arxiv_id import ArxivId
from paperlab.entities import Announcement, Profile, Receipt, ReceiptStatus
from paperlab.errors import InvalidInput, NotReady, PaperlabError, TryAgain
from paperlab.library import arrivals, lookup, relevance
from paperlab.settings import Settings
from paperlab.store import announcements, database, feeds, gaps, receipts
from paperlab.store.database import Engine, Session
from paperlab.store.feeds import FeedState

MAX_TRIES = 7
"""Days on which arXiv's whole answer does not have an announced paper, before it is given up."""
LISTED = 20
"""Identifiers that a receipt names; the others are counted."""
FLAWS = 3
"""Unreadable items that the reason names."""


class News(StrEnum):
    """What a feed turned out to be."""

    BATCH = "a new batch"
    UNCHANGED = "unchanged"
    REPEATED = "an earlier batch served again"
    EMPTY = "nothing announced"
    FAILED = "not had"


@dataclass
class Reading:
    """One reading of the feed of some categories, from its address to its receipt.  The sync lock is held."""

    engine: Engine
    settings: Settings
    client: Client
    profile: Profile
    url: str
    receipt: Receipt
    news: News = News.FAILED
    said: str = ""
    """Why it is what it is, for the receipt."""
    feed: Feed | None = None
    fresh: list[Announcement] = field(default_factory=list)
    """What had not been announced before."""
    odd: set[str] = field(default_factory=set)
    """Papers of items that name them and say no more that can be read."""
    asked: set[str] = field(default_factory=set)
    """Papers of open gaps."""
    asked_again: set[str] = field(default_factory=set)
    """Papers that were given up."""
    outcomes: dict[str, str] = field(default_factory=dict)
    """What became of each paper that was looked up: "new" or "revised"."""
    given_up: list[str] = field(default_factory=list)
    requests: int = 0
    waited_s: float = 0.0
    refusals: Counter[str] = field(default_factory=Counter)

    def read(self) -> None:
        """Fetch the feed, and note what it announces and what of that is missing, in one transaction.

        Raises what `rss.fetch` raises; then `news` is FAILED and nothing is noted.
        """
        with database.read_only(self.engine) as session:
            before = feeds.get(session, self.url)
        held = Validators(before.etag, before.last_modified) if before else None
        with self._counting():
            try:
                feed = rss.fetch(self.client, self.url, held)
            except PaperlabError as error:
                self.said = f"the feed was not had: {error.message}"
                raise
        now = _time(self.client)
        with database.session(self.engine) as session:
            gaps.close_held(session, now)
            if feed is None:
                self.news = News.UNCHANGED
                self.said = "the feed has not changed since it was last read"
            else:
                self.feed = feed
                self._note(session, feed, before, now)

    def _note(self, session: Session, feed: Feed, before: FeedState | None, now: datetime) -> None:
        self.fresh = announcements.record(session, feed.announcements, now)
        gaps.add(session, gaps.not_held(session, feed.announcements), source=rss.SOURCE, now=now)
        for each in feed.unreadable:
            if each.arxiv_id is None:
                continue
            # What was announced of it is not known: the paper is looked for all the same.
            base, version = each.arxiv_id.base, each.arxiv_id.version
            if version is None:
                gaps.note_unversioned(session, base, source=rss.SOURCE, flaw=f"the feed: {each.flaw}", now=now)
            else:
                gaps.note(session, base, version, source=rss.SOURCE, reason=f"the feed: {each.flaw}", now=now)
            self.odd.add(base)
        gaps.close_held(session, now)
        self.news, self.said = _judge(feed, before, self.fresh)
        hash_of_batch = feed.content_hash if feed.items else before.content_hash if before else ""
        feeds.save(
            session,
            FeedState(
                url=self.url,
                etag=feed.validators.etag,
                last_modified=feed.validators.last_modified,
                published_at=feed.published_at,
                content_hash=hash_of_batch,
                fetched_at=now,
            ),
        )

    def retry(self) -> None:
        """Look up every paper of an open gap, and now and then those that were given up.

        Raises what `Client.get` raises, but not InvalidInput: one identifier that arXiv refuses keeps no other from
        its turn, so a batch that is refused is halved until it is found.
        """
        now = _time(self.client)
        with database.session(self.engine) as session:
            gaps.close_held(session, now)
            ids = list(dict.fromkeys(gap.arxiv_id for gap in gaps.still_open(session)))
            again = [gap.arxiv_id for gap in gaps.to_ask_again(session, now) if gap.arxiv_id not in ids]
        self.asked.update(ids)
        self.asked_again.update(again)
        ids += dict.fromkeys(again)
        size = query_api.IDS_PER_REQUEST
        left = deque(ids[start : start + size] for start in range(0, len(ids), size))
        while left:
            batch = left.popleft()
            try:
                with self._counting():
                    found = lookup.look_up(self.client, self.settings, [ArxivId(each) for each in batch])
            except InvalidInput as refusal:
                if len(batch) == 1:
                    self._note_tries(batch, refusal.message)
                else:
                    left.extendleft((batch[len(batch) // 2 :], batch[: len(batch) // 2]))
            else:
                self._take(batch, found)

    def _take(self, batch: list[str], found: lookup.Found) -> None:
        """Hold what came, and note a try of what did not."""
        now = _time(self.client)
        unanswered = {each.base for each in found.unanswered}
        with database.session(self.engine) as session:
            counts = arrivals.take(session, self.settings, found.papers, now)
            gaps.close_unversioned(session, [paper.arxiv_id for paper in found.papers], now)
        self.outcomes.update(dict.fromkeys(counts.changed, "revised") | dict.fromkeys(counts.arrived, "new"))
        self._note_tries([each for each in batch if each not in unanswered])

    def _note_tries(self, ids: list[str], refusal: str = "") -> None:
        now = _time(self.client)
        with database.session(self.engine) as session:
            gaps.close_held(session, now)
            self.given_up += gaps.note_tries(session, ids, limit=MAX_TRIES, now=now, refusal=refusal)

    def finish(self, cause: PaperlabError | None = None, *, stopped: bool = False) -> Receipt:
        """The receipt.  `cause` ended the night early, or kept the feed away; `stopped`: the user did."""
        with database.session(self.engine) as session:
            now = _time(self.client)
            gaps.close_held(session, now)
            self.receipt = self._describe(session, cause, stopped, now)
            receipts.save(session, self.receipt)
        return self.receipt

    def _describe(self, session: Session, cause: PaperlabError | None, stopped: bool, now: datetime) -> Receipt:
        open_ids = {gap.arxiv_id for gap in gaps.still_open(session)}
        came_after_all = self.asked_again - {gap.arxiv_id for gap in gaps.given_up(session)}
        concerned = {each.arxiv_id for each in self.fresh} | self.odd | self.asked | came_after_all | open_ids
        missing = sorted(concerned & (open_ids | set(self.given_up)))
        held = concerned - set(missing)
        unreadable = list(self.feed.unreadable) if self.feed else []
        nameless = [each for each in unreadable if each.arxiv_id is None]
        status = ReceiptStatus.COMPLETE
        if stopped or self.news is News.FAILED or cause is not None:
            status = ReceiptStatus.PARTIAL if stopped or isinstance(cause, TryAgain) else ReceiptStatus.FAILED
        reasons = [self.said] if self.said else []
        if stopped:
            reasons.append("stopped by the user")
        elif cause is not None and self.news is not News.FAILED:
            reasons.append(cause.message)
        if self.feed and self.feed.is_cut:
            reasons.append(f"cut at {self.feed.items} items: the walk through the query API decides")
        if unreadable:
            flaws = [each.flaw for each in unreadable]
            reasons.append(f"{_items(len(flaws))} can't be read: {_listed(flaws, FLAWS)}")
        if self.given_up:
            reasons.append(f"given up after {MAX_TRIES} days of answers without them: {_listed(self.given_up)}")
        brought = [self.outcomes.get(arxiv_id, "unchanged") for arxiv_id in held]
        return replace(
            self.receipt,
            status=status,
            reason="; ".join(reasons),
            finished_at=now,
            requests=self.requests,
            waited_s=round(self.waited_s, 3),
            announced=len(concerned) + len(nameless),
            held=len(held),
            new=brought.count("new"),
            revised=brought.count("revised"),
            unchanged=brought.count("unchanged"),
            open=len(missing) + len(nameless),
            details=self._details(session, held, missing),
        )

    def _details(self, session: Session, held: set[str], missing: list[str]) -> dict[str, Any]:
        feed = self.feed
        return {
            "feed": self.news.value,
            "feed_published_at": feed.published_at.isoformat() if feed and feed.published_at else None,
            "items": feed.items if feed else 0,
            "announced_before": _distinct(feed.announcements) - len(self.fresh) if feed else 0,
            "kinds": dict(Counter(each.kind.value for each in self.fresh)),
            "cut": bool(feed and feed.is_cut),
            "unreadable": [each.flaw for each in feed.unreadable[:LISTED]] if feed else [],
            "open_ids": missing[:LISTED],
            "given_up": self.given_up[:LISTED],
            "looked_up": len(self.asked | self.asked_again),
            "matches": relevance.tally(session, self.profile, held),
            "refusals": dict(self.refusals),
        }

    @contextmanager
    def _counting(self) -> Iterator[None]:
        """What the client spends here is this receipt's."""
        spent, before = self.client.spent, self.client.spent.copy()
        try:
            yield
        finally:
            self.requests += spent.requests - before.requests
            self.waited_s += spent.waited_s - before.waited_s
            self.refusals += spent.refusals - before.refusals

    def finish_failed(self, error: PaperlabError) -> None:
        """Note the failure.  Where the store itself failed that can't be noted: the next sync finds it interrupted."""
        try:
            self.finish(error)
        except NotReady as storage:
            error.add_note(f"the feed's receipt could not be finished: {storage.message}")


def _judge(feed: Feed, before: FeedState | None, fresh: list[Announcement]) -> tuple[News, str]:
    day = f" of {feed.published_at:%Y-%m-%d}" if feed.published_at else ""
    if not feed.items:
        return News.EMPTY, f"nothing announced: the feed{day} is empty, as on weekends and holidays"
    if before is not None and before.content_hash == feed.content_hash:
        if before.published_at == feed.published_at:
            return News.UNCHANGED, "the feed has not changed since it was last read"
        return News.REPEATED, f"the feed{day} is the batch that was served before"
    if not fresh and feed.announcements:
        return News.REPEATED, f"everything in the feed{day} was announced before"
    return News.BATCH, ""


def _distinct(announced: Iterable[Announcement]) -> int:
    """A version that a feed lists twice, under two dates, was announced once."""
    return len({(each.arxiv_id, each.version, each.kind) for each in announced})


def _items(count: int) -> str:
    return "1 item" if count == 1 else f"{count} items"


def _listed(names: list[str], most: int = LISTED) -> str:
    rest = len(names) - most
    return ", ".join(names[:most]) + (f" and {rest} more" if rest > 0 else "")


def _time(client: Client) -> datetime:
    return datetime.fromtimestamp(client.clock.wall(), UTC)
