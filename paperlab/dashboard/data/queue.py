"""The queue as the pages read it, and the only thing that they do about training: put a run into it."""

from __future__ import annotations

from paperlab.dashboard.data import cache
from paperlab.dashboard.data.cache import cached
from paperlab.runs import launch, overrides, queue
from paperlab.store import database
from paperlab.store import queue as store
from paperlab.store.queue import Entry


@cached
def queued(session: database.Session) -> list[Entry]:
    """What waits or is being trained, in the order in which it is taken."""
    return store.find(session, (store.RUNNING, store.WAITING))


def is_served() -> bool:
    """Whether anything takes work from the queue now."""
    return queue.is_served(cache.open_database()[0], cache.settings().home)


def put(recipe: str, tier: str, seeds: int) -> None:
    """Seeds 1 to `seeds`; those that wait already are not put there twice.  Raises InvalidInput, NotReady."""
    request = launch.Request(recipe, tier)
    overrides.check(request)
    requests = [launch.Request(recipe, tier, seed) for seed in range(1, seeds + 1)]
    why = {"claims": [], "reason": "from the dashboard", "by": "add"}
    queue.put(cache.open_database()[0], requests, why, home=cache.settings().home, now=cache.now())


def cancel(entry_id: int) -> None:
    """Raises InvalidInput for an entry that waits no more."""
    with database.session(cache.open_database()[0]) as writing:
        queue.cancel(writing, entry_id, cache.now())
