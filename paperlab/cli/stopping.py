"""Being asked to stop between two trainings: while one runs, launch.py passes it on."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from paperlab.errors import TryAgain

_SIGNALS = ("SIGTERM", "SIGHUP", "SIGUSR1")


class Stopped(BaseException):
    """No Exception: nothing that goes on after an error may take this for one."""


@contextmanager
def stoppable(hint: str) -> Iterator[None]:
    """Within it, these signals end in TryAgain (exit 75) with `hint` instead of ending the process on the spot."""

    def stop(number: int, _frame: FrameType | None) -> None:
        raise Stopped(signal.Signals(number).name)

    before = {number: signal.signal(number, stop) for name in _SIGNALS if (number := getattr(signal, name, None))}
    try:
        yield
    except Stopped as stopped:
        raise TryAgain(f"stopped by {stopped}", hint, reason="interrupted") from None
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
