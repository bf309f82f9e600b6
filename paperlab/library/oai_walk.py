"""Through one set's records in the order of their datestamps, so that none is lost however the list moves.

A resumption token is a day and a number of records to skip, on a list that changes while it is read: a record that was
shown and changes goes to the list's end, the others move up, and one of them is skipped.  So tokens are used no more
than needed, and what they lead through is read until two readings agree:

- one answer is true in itself.  If it reaches from one day into a later one, every earlier day is complete, and the
  next question begins at that later day, without a token;
- a day with more records than a page holds is read through with tokens, again and again, until two readings in a row
  saw the same records.  Nothing that was shown had left then, and so nothing was skipped.  A reading lasts no longer
  than its tokens: a budget has to suffice for the pages of the longest day;
- answers that are in no order are read as if all of them were one day.

No answer says how many records there are.  A page that has a token and is as long as pages get is whole, and one at the
end of a reading is held against the next reading; any other (the first, the only one, one with records twice or
unreadable or out of order, "no records match" too) is asked for until two answers agree, or three where what they agree
on looks wrong.  That there are no records from a day on which some were seen is never believed: what changes goes to a
later day, and leaves no list without an end.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import date
from itertools import pairwise
from typing import Any

from paperlab.arxiv.oai_pmh import Listing, Question
from paperlab.errors import TryAgain

TRIES = 8
"""Answers to one question, of which two must agree."""
READINGS = 6
"""Of a day with several pages, of which the last two must agree."""
EXPIRIES = 4
"""Tokens that may expire while one list is read."""
_MODULUS = 2**64


@dataclass(frozen=True)
class Seen:
    """What one reading saw: how many records, and a sum of their hashes, whatever their order."""

    count: int = 0
    digest: int = 0

    def plus(self, records: Iterable[tuple[str, date | None]]) -> Seen:
        distinct = set(records)
        total = sum(int.from_bytes(hashlib.sha256(f"{each}".encode()).digest()[:8], "big") for each in distinct)
        return Seen(self.count + len(distinct), (self.digest + total) % _MODULUS)


@dataclass(frozen=True)
class Progress:
    """How far the walk has come.  Enough to go on with after days."""

    since: date | None = None
    until: date | None = None
    began: date | None = None
    """The server's date at its first answer: what changes later is for the next walk."""
    reached: date | None = None
    """Every record with an earlier datestamp has been handed over."""
    token: str | None = None
    """The rest of the day `reached`."""
    seen: Seen = Seen()
    """By the reading that `token` goes on with."""
    before: Seen | None = None
    """By the reading before."""
    readings: int = 0
    ordered: bool = True
    """Whether datestamps have come in order so far."""
    page_size: int = 0
    """Records of a whole page with a token; 0 as long as none was seen."""

    def question(self, oai_set: str) -> Question:
        return Question(oai_set, self.reached or self.since, self.until, self.token)

    def as_state(self) -> dict[str, Any]:
        """As JSON can hold it."""
        days = {name: str(day) if (day := getattr(self, name)) else None for name in _DAYS}
        seen = {name: [each.count, each.digest] if (each := getattr(self, name)) else None for name in _SEEN}
        return days | seen | {name: getattr(self, name) for name in _PLAIN}

    @classmethod
    def from_state(cls, state: Mapping[str, Any]) -> Progress:
        values: dict[str, Any] = {name: state[name] for name in _PLAIN}
        values |= {name: date.fromisoformat(state[name]) if state[name] else None for name in _DAYS}
        values |= {name: Seen(*state[name]) if state[name] else None for name in _SEEN}
        return cls(**values)


_DAYS = ("since", "until", "began", "reached")
_SEEN = ("seen", "before")
_PLAIN = ("token", "readings", "ordered", "page_size")


@dataclass(frozen=True)
class Step:
    """One answer, and how far the walk has come with it.  With `done`, every record of the set has been handed over."""

    listing: Listing
    progress: Progress
    done: bool = False


Fetch = Callable[[Question], Listing]


def walk(fetch: Fetch, oai_set: str, progress: Progress) -> Iterator[Step]:
    """From where `progress` stands to the end of the list.

    Raises TryAgain where answers do not agree with each other; a later walk goes on from the last step's progress.
    Where that or `fetch` raises it, the answers that came since are handed over first, as no progress.
    """
    progress = replace(progress, readings=0)
    expiries = 0
    done = False
    while not done:
        came: list[Listing] = []
        try:
            listing = _settled(fetch, progress.question(oai_set), progress, came)
        except TryAgain:
            # What could not be read in them is asked for again with the rest.
            yield from (Step(replace(each, unreadable=()), progress) for each in came)
            raise
        if listing.expired:
            expiries += 1
            if expiries > EXPIRIES or progress.token is None:
                raise _unsettled(f"arXiv's resumption tokens for {oai_set or 'all sets'} expire at once")
            progress = _from_the_day(progress, again=False)
            continue
        progress, done = _advance(progress, listing)
        yield Step(listing, progress, done)
        if progress.readings > READINGS:
            raise _unsettled(f"the records of {progress.reached or 'the whole list'} keep moving while they are read")


def _settled(fetch: Fetch, question: Question, progress: Progress, earlier: list[Listing]) -> Listing:
    """An answer that is whole: as long as pages get, or given twice.  Those before it are left in `earlier`."""
    for _ in range(TRIES):
        listing = fetch(question)
        records = _records(listing)
        full = listing.token is not None and 0 < progress.page_size <= len(records)
        ends_reading = listing.token is None and question.token is not None
        if listing.expired:
            return listing
        if records and (full or ends_reading) and not listing.unreadable and in_order(listing):
            return listing
        if not records and _cannot_be_empty(question, progress):
            continue
        agreeing = [
            other
            for other in earlier
            if _records(other) == records and (other.token is None) == (listing.token is None)
        ]
        # Two answers that lack the same record by chance were met: what looks wrong by itself has to be said thrice.
        if len(agreeing) > _looks_wrong(listing, progress):
            return next((each for each in (listing, *agreeing) if in_order(each)), listing)
        earlier.append(listing)
    raise _unsettled(f"arXiv answered {TRIES} times to one question, each time with other records")


def _looks_wrong(listing: Listing, progress: Progress) -> bool:
    """A record twice, or a page that goes on and is shorter than others were."""
    distinct = len(_records(listing))
    twice = distinct < len(listing.records) + len(listing.unreadable)
    return twice or (listing.token is not None and distinct < progress.page_size)


def _cannot_be_empty(question: Question, progress: Progress) -> bool:
    return question.token is None and progress.reached is not None and progress.until is None


def _advance(progress: Progress, listing: Listing) -> tuple[Progress, bool]:
    """Where the walk stands after this answer, and whether that is the end."""
    is_first = progress.token is None
    progress = replace(progress, began=progress.began or listing.responded_at.date())
    if is_first and listing.token is None:
        return progress, True
    if listing.token is not None:
        progress = replace(progress, page_size=max(progress.page_size, len(_records(listing))))
    if progress.ordered and not _continues(progress, listing):
        progress = _from_the_day(progress, again=True)
        return replace(progress, reached=progress.since, ordered=False, before=None), False
    if not progress.ordered:
        return _advance_without_order(progress, listing)
    if is_first:
        return _advance_to_last_day(progress, listing), False
    return _advance_in_day(progress, listing)


def _advance_to_last_day(progress: Progress, listing: Listing) -> Progress:
    """After an answer without a token in the question: all of its days but the last are complete."""
    days = _days(listing)
    if days and min(days) < max(days):
        return _at_day(progress, max(days))
    reached = min(days, default=progress.reached)
    return replace(progress, reached=reached, token=listing.token, seen=Seen().plus(_records(listing)))


def _advance_in_day(progress: Progress, listing: Listing) -> tuple[Progress, bool]:
    """After an answer to a token: the day goes on, is read once more, or is complete."""
    of_the_day = {each for each in _records(listing) if each[1] in (progress.reached, None)}
    later = [day for day in _days(listing) if progress.reached is None or day > progress.reached]
    progress = replace(progress, seen=progress.seen.plus(of_the_day), token=listing.token)
    if listing.token is not None and not later:
        return progress, False
    if progress.seen != progress.before:
        return _from_the_day(progress, again=True), False
    return (_at_day(progress, min(later)), False) if later else (progress, True)


def _advance_without_order(progress: Progress, listing: Listing) -> tuple[Progress, bool]:
    progress = replace(progress, seen=progress.seen.plus(_records(listing)), token=listing.token)
    if listing.token is not None:
        return progress, False
    if progress.seen == progress.before:
        return progress, True
    return _from_the_day(progress, again=True), False


def _from_the_day(progress: Progress, *, again: bool) -> Progress:
    """The day once more from its beginning: after a whole reading (`again`), or since the token expired."""
    before = progress.seen if again else progress.before
    return replace(progress, token=None, seen=Seen(), before=before, readings=progress.readings + again)


def _at_day(progress: Progress, day: date) -> Progress:
    return replace(progress, reached=day, token=None, seen=Seen(), before=None, readings=0)


def in_order(listing: Listing) -> bool:
    """Whether datestamps do not go back within an answer."""
    days = [record.datestamp for record in listing.records]
    return all(earlier <= later for earlier, later in pairwise(days))


def _continues(progress: Progress, listing: Listing) -> bool:
    """Whether an answer is in order, and nothing in it is of an earlier day than what came before."""
    days = _days(listing)
    return in_order(listing) and not (days and progress.reached and min(days) < progress.reached)


def _days(listing: Listing) -> list[date]:
    unreadable = [each.datestamp for each in listing.unreadable if each.datestamp]
    return [record.datestamp for record in listing.records] + unreadable


def _records(listing: Listing) -> frozenset[tuple[str, date | None]]:
    read = {(record.arxiv_id, record.datestamp) for record in listing.records}
    return frozenset(read | {(each.arxiv_id or each.flaw, each.datestamp) for each in listing.unreadable})


def _unsettled(what: str) -> TryAgain:
    return TryAgain(what, "run the same command again: it goes on from there", reason="incomplete", retry_after_s=60.0)
