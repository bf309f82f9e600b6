"""The nightly sync: the daily feed says what was announced, the query API brings it, what is missing is looked up.

The feed and the query API watch each other.  A paper that moderators let through late has the time of its submission
and lies deeper in the query API's order than any overlap reaches: the feed names it.  A feed that is cut, repeated or
can't be had leaves out papers: the walk down to the cursor meets them.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from paperlab.arxiv import rss
from paperlab.arxiv.client import Budget, Client
from paperlab.arxiv.limiter import Clock
from paperlab.entities import Receipt
from paperlab.errors import PaperlabError, TryAgain
from paperlab.library import sync
from paperlab.library.announcements import Reading
from paperlab.library.plan import ANNOUNCEMENTS, Plan, SyncOptions
from paperlab.library.sync import Stopped
from paperlab.settings import Settings
from paperlab.store.database import Engine

_ENDS_THE_NIGHT = {"budget", "refused", "lock"}
"""Why the query API is not asked either, once the feed has met it."""
_LEAVES_TIME = {"incomplete"}
"""Why a walk may stop and identifiers still be looked up."""


@dataclass(frozen=True)
class Night:
    """The two receipts of a night: of the walk through the query API, and of the feed."""

    receipt: Receipt
    feed: Receipt


def run(
    engine: Engine,
    settings: Settings,
    options: SyncOptions,
    *,
    clock: Clock | None = None,
    progress: Callable[[Receipt], None] = lambda _: None,
) -> Night:
    """One night, from lock to receipts, within one budget.  `progress` hears the walk's receipt after every page.

    A feed that fails is said in its receipt and stops nothing.  Raises what `sync.run` raises, with both receipts in
    Stopped.
    """
    clock = clock or Clock()
    with sync.only_sync(settings):
        planned = sync.prepare(engine, settings, options, clock)
        with _client(settings, options, clock) as client:
            reading = _start(engine, settings, options, planned, client)
            try:
                missed = _read(reading)
                walked = partial(sync.ask, engine, settings, options, planned, client=client, progress=progress)
                receipt, stopped = _walk(walked)
                if stopped is None or stopped.reason in _LEAVES_TIME:
                    stopped = _retry(reading, receipt) or stopped
            except KeyboardInterrupt:
                reading.finish(stopped=True)
                raise
            except PaperlabError as error:
                reading.finish_failed(error)
                if isinstance(error, TryAgain) and not isinstance(error, Stopped):
                    raise Stopped(error, reading.receipt, reading.receipt) from error
                raise
            feed = reading.finish(missed or stopped)
    if stopped is not None:
        raise Stopped(stopped, receipt, feed) from stopped
    return Night(receipt, feed)


def run_feed(engine: Engine, settings: Settings, options: SyncOptions, *, clock: Clock | None = None) -> Receipt:
    """The feed alone: what was announced, and what of it is missing looked up by identifier.

    Raises Stopped where the feed or arXiv's answers can't be had, and InvalidInput and NotReady as they come.
    """
    clock = clock or Clock()
    with sync.only_sync(settings):
        planned = sync.prepare(engine, settings, options, clock)
        with _client(settings, options, clock) as client:
            reading = _start(engine, settings, options, planned, client)
            try:
                reading.read()
                reading.retry()
            except KeyboardInterrupt:
                reading.finish(stopped=True)
                raise
            except PaperlabError as error:
                reading.finish_failed(error)
                if isinstance(error, TryAgain):
                    raise Stopped(error, reading.receipt) from error
                raise
            return reading.finish()


def _client(settings: Settings, options: SyncOptions, clock: Clock) -> Client:
    return Client.of(settings, clock=clock, budget=Budget(options.max_requests, options.max_seconds))


def _start(engine: Engine, settings: Settings, options: SyncOptions, planned: Plan, client: Client) -> Reading:
    url = rss.feed_url(settings.arxiv.rss_url, planned.question.categories)
    receipt = sync.start_receipt(
        engine, source=rss.SOURCE, kind=ANNOUNCEMENTS, query=url, cursor=None, now=sync.time_of(client.clock)
    )
    return Reading(engine, settings, client, settings.profile(options.profile), url, receipt)


def _read(reading: Reading) -> PaperlabError | None:
    """Why the feed was not had, where that is no reason to stop."""
    try:
        reading.read()
    except TryAgain as error:
        if error.reason in _ENDS_THE_NIGHT:
            raise
        return error
    except PaperlabError as error:
        if not reading.said:  # it was the store that failed
            raise
        return error
    return None


def _walk(ask: Callable[[], Receipt]) -> tuple[Receipt, Stopped | None]:
    try:
        return ask(), None
    except Stopped as stopped:
        return stopped.receipt, stopped


def _retry(reading: Reading, receipt: Receipt) -> Stopped | None:
    try:
        reading.retry()
    except TryAgain as error:
        return Stopped(error, receipt)
    return None
