"""Asked to stop: SIGTERM and SIGUSR1 (schedulers), SIGINT (people), and the time a caller allows."""

from __future__ import annotations

import contextlib
import signal
import threading
import time
from collections.abc import Callable, Iterator
from types import FrameType

from reproductions.registry import TryAgain

_SIGNALS = ("SIGTERM", "SIGUSR1", "SIGINT")


class PreEmpted(TryAgain):
    """The run was asked to stop and can go on (exit 75)."""

    def __init__(self, reason: str) -> None:
        super().__init__(f"stopped early: {reason}", "the same command goes on with this run")
        self.reason = reason


class Interrupts:
    """Remembers that a stop was asked for, so that the loop ends between two steps.

    Work without steps (preparing data, evaluating) loses nothing when it is cut short: inside `at_once` a signal
    raises PreEmpted where it arrives.  So does a second SIGINT.
    """

    def __init__(self, max_seconds: float | None = None, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._deadline = None if max_seconds is None else clock() + max_seconds
        self._reason: str | None = None
        self._at_once = False

    def __enter__(self) -> Interrupts:
        if threading.current_thread() is threading.main_thread():
            numbers = [getattr(signal, name) for name in _SIGNALS if hasattr(signal, name)]
            self._previous = {number: signal.signal(number, self._receive) for number in numbers}
        else:
            self._previous = {}  # Python delivers signals to the main thread only
        return self

    def __exit__(self, *exception: object) -> None:
        for number, handler in self._previous.items():
            signal.signal(number, handler)

    def reason(self) -> str | None:
        """Why to stop, or None."""
        if self._reason is None and self._deadline is not None and self._clock() > self._deadline:
            self._reason = "the time allowed is used up"
        return self._reason

    @contextlib.contextmanager
    def at_once(self) -> Iterator[None]:
        if reason := self.reason():
            raise PreEmpted(reason)
        self._at_once = True
        try:
            yield
        finally:
            self._at_once = False

    def _receive(self, number: int, _frame: FrameType | None) -> None:
        asked_before = self._reason is not None
        self._reason = signal.Signals(number).name
        if self._at_once or (asked_before and number == signal.SIGINT):
            raise PreEmpted(self._reason)
