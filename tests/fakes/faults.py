"""What goes wrong between arXiv and its clients, and when: the same for every interface."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from tests.fakes.exchange import Exchange

if TYPE_CHECKING:
    from tests.fakes.server import FakeArxiv


def set_status(exchange: Exchange, status: int, **headers: str) -> None:
    """Answer with this status instead, and with headers such as Retry_After="0"."""
    exchange.status = status
    exchange.headers |= {name.replace("_", "-"): value for name, value in headers.items()}
    exchange.body = b"Rate exceeded." if status == 429 else b"temporarily unavailable"


def _drop(exchange: Exchange, rng: random.Random) -> None:
    for _ in range(rng.randint(1, max(1, len(exchange.entries) // 3))):
        if exchange.entries:
            exchange.entries.pop(rng.randrange(len(exchange.entries)))


def _duplicate(exchange: Exchange, rng: random.Random) -> None:
    if len(exchange.entries) > 1:
        one, other = rng.sample(range(len(exchange.entries)), 2)
        exchange.entries[one] = exchange.entries[other]


def _move_total(exchange: Exchange, rng: random.Random) -> None:
    if exchange.total is not None:
        exchange.total = max(0, exchange.total + rng.choice((-1, 1)) * rng.randint(1, 10))


Fault = Callable[["FakeArxiv", Exchange, random.Random], None]

FAULTS: dict[str, Fault] = {
    "429": lambda _, x, rng: set_status(x, 429),
    "429-retry-after": lambda _, x, rng: set_status(x, 429, Retry_After="0"),
    "503": lambda _, x, rng: set_status(x, 503),
    "406": lambda _, x, rng: set_status(x, 406),
    "reset": lambda _, x, rng: setattr(x, "reset", True),
    "stall": lambda _, x, rng: setattr(x, "stall", True),
    "truncated": lambda _, x, rng: setattr(x, "cut_at", rng.uniform(0.05, 0.95)),
    "html": lambda _, x, rng: setattr(x, "body", b"<!DOCTYPE html><html><body>We'll be back soon</body></html>"),
    "garbage": lambda _, x, rng: setattr(x, "body", rng.randbytes(500)),
    "empty": lambda _, x, rng: x.entries.clear(),
    "short": lambda _, x, rng: _drop(x, rng),
    "shuffled": lambda _, x, rng: rng.shuffle(x.entries),
    "duplicated": lambda _, x, rng: _duplicate(x, rng),
    "ties": lambda server, x, rng: setattr(server, "salt", str(rng.random())),
    "total-moves": lambda _, x, rng: _move_total(x, rng),
    "total-missing": lambda _, x, rng: setattr(x, "total", None),
    "unpublished": lambda _, x, rng: setattr(x, "unpublished", rng.randrange(len(x.entries)) if x.entries else None),
    "arrival": lambda server, x, rng: x.after.append(server.arrive),
    "revision": lambda server, x, rng: x.after.append(lambda: server.revise(rng.choice(sorted(server.papers)))),
    "edit": lambda server, x, rng: x.after.append(lambda: server.edit(rng.choice(sorted(server.papers)))),
    "expiry": lambda server, x, rng: x.after.append(server.oai.expire),
}
Schedule = Callable[[int], Sequence[str]]


def never(_number: int) -> Sequence[str]:
    return ()


def at(faults: dict[int, Sequence[str]]) -> Schedule:
    """Faults by the number of the request, counted from 0 since the schedule was set."""
    return lambda number: faults.get(number, ())


def mix(seed: int, names: Sequence[str], rate: float) -> Schedule:
    """Each request meets each fault of `names` with probability `rate`."""

    def faults(number: int) -> Sequence[str]:
        rng = random.Random(f"{seed}:{number}")
        return [name for name in names if rng.random() < rate]

    return faults
