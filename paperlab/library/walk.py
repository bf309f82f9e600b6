"""Through a query's pages, believing none of them: every page is held against what the server announced.

arXiv's pages come short, empty, shuffled, with entries twice, and move while they are read.  So:

- a page is whole when it has as many distinct readable papers as `totalResults` promises there; otherwise it is asked
  again, then in halves, because some page sizes fail where others work;
- an entry that can't be read, in two answers in a row, is named: who calls can ask for it by its identifier;
- a total that falls is believed when two answers in a row say so, and none is believed that only one answer named;
- neighbouring pages overlap, at least by the papers that share the last sort key, because the order of ties moves;
  pages with nothing in common mean that the list moved under us: the walk begins again;
- a walk through a window must have seen as many papers as the window holds, or it is repeated;
- a list that ends before it reaches a paper that we hold of it is cut, however often its total is repeated.

What is missing in the end is said in the last step; the caller lets no cursor pass it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

from paperlab.arxiv import query_api
from paperlab.arxiv.query_api import Order, Page
from paperlab.arxiv_id import ArxivId
from paperlab.entities import Paper
from paperlab.errors import TryAgain

EXTRA_REQUESTS = 24
"""What one walk may spend on asking again."""
RESTARTS = 3
SMALLEST_SPLIT = 8
OVERLAP = 1 / 20
"""Of a page: how far entries may move up between two requests unnoticed (down is no danger)."""
_BEFORE_ARXIV = datetime(1991, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class Question:
    """Papers of some categories: a window of submission times, oldest first; or, with `floor`, everything updated since
    then, newest first.  `since` and `until` are whole minutes."""

    categories: tuple[str, ...]
    since: datetime | None = None
    until: datetime | None = None
    floor: datetime | None = None
    reaches: datetime | None = None
    """The list goes on at least to here: a paper of it is held that is as far down (in a window: up)."""

    @property
    def text(self) -> str:
        return query_api.category_query(self.categories, self.since, self.until)

    @property
    def order(self) -> Order:
        return "submittedDate" if self.floor is None else "lastUpdatedDate"

    def key(self, paper: Paper) -> datetime:
        return paper.submitted_at if self.floor is None else paper.updated_at

    def is_cut(self, keys: Iterable[datetime]) -> bool:
        """Whether a list with these keys ends too early.  Categories without a date are never empty."""
        if self.reaches is None:
            return self.floor is not None and self.since is None and not any(True for _ in keys)
        if self.floor is None:
            return not any(key >= self.reaches for key in keys)
        return not any(key <= self.reaches for key in keys)


@dataclass(frozen=True)
class Step:
    """Papers that just came in.  `missing` is how many announced papers this walk, or a part of it, could not get."""

    papers: tuple[Paper, ...]
    missing: int = 0
    remaining: int = 0
    """In a window: announced papers further on."""
    whole_up_to: datetime | None = None
    """In a window: every paper submitted before this has been handed over."""
    first: bool = False
    """The head of the list: the newest papers of all where there is a floor."""
    last: bool = False
    unreadable: frozenset[ArxivId] = frozenset()
    """Papers of which the same answer, twice, held an entry that can't be read.  They are not missing."""


Fetch = Callable[[Question, int, int], Page]
"""(question, start, size) -> one answer."""


class TooMany(Exception):
    """The query holds more than arXiv pages through."""


def walk(fetch: Fetch, question: Question, page_size: int, now: datetime) -> Iterator[Step]:
    """Hand over every paper that the question means, page by page; the final step has `last`.

    A query with more results than arXiv pages through (30,000) is split by submission time, as often as it takes.
    Where `fetch` raises TryAgain, what came since the last step is handed over before that is raised.
    """
    pages = _Pages(fetch, question, page_size)
    try:
        yield from _through_window(pages) if question.floor is None else _down_to_floor(pages, question.floor)
    except TryAgain:
        if pages.came:
            yield Step(tuple(pages.came.values()))
        raise
    except TooMany:
        since = question.since or _BEFORE_ARXIV
        until = question.until or whole_minute(now) + timedelta(days=1)
        half = whole_minute(since + (until - since) / 2)
        if not since < half < until:
            yield Step((), missing=1, last=True)  # over 30,000 papers in one minute
            return
        for step in walk(fetch, replace(question, since=since, until=half, reaches=None), page_size, now):
            yield replace(step, first=False, last=False)
        for step in walk(fetch, replace(question, since=half, until=until, reaches=None), page_size, now):
            yield replace(step, first=False)


def whole_minute(moment: datetime) -> datetime:
    """`submittedDate` knows no seconds."""
    return moment.replace(second=0, microsecond=0)


def _through_window(pages: _Pages) -> Iterator[Step]:
    seen: dict[str, datetime] = {}
    named: set[str] = set()
    for attempt in range(RESTARTS + 1):
        start, whole = 0, True
        while True:
            part = pages.slice(start)
            if (pages.total or 0) > query_api.MAX_RESULTS:
                raise TooMany
            seen.update((paper.arxiv_id, pages.question.key(paper)) for paper in part.papers)
            named.update(part.named)
            whole = whole and not part.missing
            if part.is_empty or part.end >= (pages.total or 0):
                break
            up_to = max(map(pages.question.key, part.papers)) if whole and part.papers else None
            yield Step(
                part.papers,
                remaining=max(0, (pages.total or 0) - len(seen.keys() | named)),
                whole_up_to=up_to,
                first=start == 0,
                unreadable=part.unreadable,
            )
            start += pages.advance(part)
        agreed = pages.total_is_confirmed() and not pages.question.is_cut(seen.values())
        missing = max(0, (pages.total or 0) - len(seen.keys() | named)) or (
            0 if agreed and pages.total is not None else 1
        )
        if not missing or pages.extra <= 0 or attempt == RESTARTS:
            yield Step(part.papers, missing=missing, last=True, unreadable=part.unreadable)
            return
        yield Step(part.papers, unreadable=part.unreadable)


EDGE = 3
"""Entries at the old end of a page that have to lie below the floor before a walk ends."""


def _down_to_floor(pages: _Pages, floor: datetime) -> Iterator[Step]:
    start, missing, restarts = 0, 0, 0
    before: frozenset[str] = frozenset()
    keys: set[datetime] = set()
    seen: set[str] = set()
    while True:
        part = pages.slice(start)
        # One entry out of order is no end: the oldest few of the page have to agree that the floor is reached.
        below = bool(part.papers) and all(paper.updated_at < floor for paper in part.papers[-EDGE:])
        at_end = part.is_empty or (pages.total is not None and part.end >= pages.total)
        moved = bool(before and part.ids) and before.isdisjoint(part.ids)
        seen |= part.ids | part.named
        keys.update(paper.updated_at for paper in part.papers)
        is_cut = at_end and not below and (pages.question.is_cut(keys) or not pages.total_is_confirmed())
        astray = moved or is_cut
        if astray and restarts < RESTARTS and pages.extra > 0:
            yield Step(part.papers, unreadable=part.unreadable)
            start, missing, before = 0, 0, frozenset()
            keys.clear()
            restarts += 1
            continue
        missing += part.missing
        last = below or at_end
        lost = 0
        if last:
            # Neighbouring pages share papers, and one that is not given may be missing from both.
            entries = 0 if pages.total is None else min(part.end, pages.total)
            lost = min(missing, max(1, entries - len(seen))) + (1 if astray else 0)
        yield Step(part.papers, missing=lost, first=start == 0, last=last, unreadable=part.unreadable)
        if last:
            return
        advance = pages.advance(part)
        before = part.ids if advance < pages.size else frozenset()
        start += advance


@dataclass(frozen=True)
class _Slice:
    papers: tuple[Paper, ...]
    missing: int
    end: int = 0
    """Where the next slice begins, were there no overlap."""
    unreadable: frozenset[ArxivId] = frozenset()

    @property
    def ids(self) -> frozenset[str]:
        return frozenset(paper.arxiv_id for paper in self.papers)

    @property
    def named(self) -> frozenset[str]:
        return frozenset(arxiv_id.base for arxiv_id in self.unreadable)

    @property
    def is_empty(self) -> bool:
        return not self.papers and not self.unreadable


@dataclass
class _Pages:
    """One query's pages, asked until they are whole or the patience for it is used up."""

    fetch: Fetch
    question: Question
    size: int
    extra: int = EXTRA_REQUESTS
    total: int | None = None
    """How many results the server announces, as far as we believe it."""
    doubted: int | None = None
    """A lower total that the last answer named."""
    agreeing: int = 0
    """How many answers in a row named `total`."""
    came: dict[tuple[str, int], Paper] = field(default_factory=dict)
    """Papers of the slice that was asked for last, in whichever answer they came."""

    def slice(self, start: int) -> _Slice:
        """The entries from `start`.  Raises TooMany where arXiv does not page that far."""
        self.came = {}
        size = min(self.size, query_api.MAX_RESULTS - start)
        if size <= 0:
            raise TooMany
        return replace(self._ask(start, size), end=start + size)

    def advance(self, part: _Slice) -> int:
        """How far the next page starts behind this one."""
        keys = [self.question.key(paper) for paper in part.papers]
        if not keys:
            return self.size
        edge = max(keys) if self.question.floor is None else min(keys)
        ties = sum(key == edge for key in keys)
        return self.size - min(self.size // 2, max(1, int(self.size * OVERLAP), ties + 1))

    def total_is_confirmed(self) -> bool:
        """Whether two answers in a row named the total; asks for one where only one did."""
        if self.agreeing >= 2:
            return True
        before = self.total
        self._hear(self.fetch(self.question, 0, 1).total)
        return self.agreeing >= 2 and self.total == before

    def _ask(self, start: int, size: int) -> _Slice:
        found: dict[tuple[str, int], Paper] = {}
        best = 0
        broken: frozenset[ArxivId] = frozenset()
        for again in (False, True):
            if again and not self._may_ask_again():
                break
            page = self.fetch(self.question, start, size)
            distinct = {paper.arxiv_id for paper in page.papers}
            found.update(((paper.arxiv_id, paper.version), paper) for paper in page.papers)
            self.came.update(found)
            best = max(best, len(distinct))
            if self._hear(page.total) and len(distinct) >= self._promised(start, size):
                return _Slice(tuple(found.values()), 0)
            before, broken = broken, frozenset(entry.arxiv_id for entry in page.unreadable if entry.arxiv_id)
            named = {arxiv_id.base for arxiv_id in broken}
            if broken and broken == before and len(distinct | named) >= self._promised(start, size):
                return _Slice(tuple(found.values()), 0, unreadable=broken)
        if size > SMALLEST_SPLIT and self._may_ask_again():
            half = size // 2
            parts = [self._ask(start, half)]
            if self.total is None or start + half < self.total:
                parts.append(self._ask(start + half, size - half))
            found.update(((paper.arxiv_id, paper.version), paper) for part in parts for paper in part.papers)
            broken = frozenset[ArxivId]().union(*(part.unreadable for part in parts))
            return _Slice(tuple(found.values()), sum(part.missing for part in parts), unreadable=broken)
        return _Slice(tuple(found.values()), max(1, self._promised(start, size) - best))

    def _promised(self, start: int, size: int) -> int:
        return max(0, min(size, (self.total or 0) - start))

    def _may_ask_again(self) -> bool:
        self.extra -= 1
        return self.extra >= 0

    def _hear(self, total: int | None) -> bool:
        """Take note of an announced total; false where it is not (yet) believed."""
        if total is None:
            return False
        if self.total is None or total > self.total or total == self.doubted:
            self.total, self.doubted, self.agreeing = total, None, 1 + (total == self.doubted)
            return True
        if total < self.total:
            self.doubted = total
            return False
        self.doubted = None
        self.agreeing += 1
        return True
