"""Asked to stop: SIGTERM, SIGUSR1 and SIGUSR2 (schedulers), SIGINT (people), and the time a caller allows.

The checkpoint is to be there when the time is up, so the loop is stopped before that: by twice the longest stretch
between two of its questions (a step with what comes along with it, a checkpoint too), and by a margin of a tenth of
the time, at most half a minute, for what nobody has measured yet.
"""

from __future__ import annotations

import contextlib
import signal
import threading
import time
from collections.abc import Callable, Iterator
from types import FrameType
from typing import Any

from reproductions.registry import TryAgain

_SIGNALS = ("SIGTERM", "SIGUSR1", "SIGUSR2", "SIGINT")
_TIME_IS_UP = "the time allowed is used up"
_MARGIN, _LARGEST_MARGIN = 0.1, 30.0  # of the time allowed; seconds


class PreEmpted(TryAgain):
    """The run was asked to stop and can go on (exit 75)."""

    def __init__(self, reason: str) -> None:
        super().__init__(f"stopped early: {reason}", "the same command goes on with this run")
        self.reason = reason


class Interrupts:
    """Remembers that a stop was asked for, so that the loop ends between two steps.

    Work without steps (preparing data, evaluating) loses nothing when it is cut short: inside `at_once` a signal
    raises PreEmpted where it arrives, and so does the end of the time.  So does a second SIGINT.
    """

    def __init__(self, max_seconds: float | None = None, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        usable = None if max_seconds is None else max_seconds - min(_MARGIN * max_seconds, _LARGEST_MARGIN)
        self._deadline = None if usable is None else clock() + usable
        self._asked_at: float | None = None
        self._longest = 0.0  # seconds between two questions
        self._reason: str | None = None
        self._at_once = False
        self._previous: dict[int, Any] = {}

    def __enter__(self) -> Interrupts:
        if threading.current_thread() is threading.main_thread():  # Python delivers signals to no other
            numbers = [getattr(signal, name) for name in _SIGNALS if hasattr(signal, name)]
            self._previous = {number: signal.signal(number, self._receive) for number in numbers}
            if hasattr(signal, "SIGALRM") and self._deadline is not None:
                self._previous[signal.SIGALRM] = signal.signal(signal.SIGALRM, self._ring)
        return self

    def __exit__(self, *exception: object) -> None:
        for number, handler in self._previous.items():
            signal.signal(number, handler)

    def reason(self) -> str | None:
        """Why to stop, or None.  The loop asks once a step."""
        now = self._clock()
        if self._asked_at is not None:
            self._longest = max(self._longest, now - self._asked_at)
        self._asked_at = now
        if self._reason is None and self._deadline is not None and now + 2 * self._longest >= self._deadline:
            self._reason = _TIME_IS_UP
        return self._reason

    @contextlib.contextmanager
    def at_once(self) -> Iterator[None]:
        if reason := self.reason():
            raise PreEmpted(reason)
        self._at_once = True
        try:
            with self._alarm():
                yield
        finally:
            self._at_once = False
            self._asked_at = None

    @contextlib.contextmanager
    def _alarm(self) -> Iterator[None]:
        """Rings when the time is up.  Puts back the alarm that was set before (a test's own time limit, for one)."""
        if self._deadline is None or not self._previous or not hasattr(signal, "setitimer"):
            yield
            return
        before, _ = signal.setitimer(signal.ITIMER_REAL, max(self._deadline - self._clock(), 1e-3))
        try:
            yield
        finally:
            signal.setitimer(signal.ITIMER_REAL, before)

    def _ring(self, _number: int, _frame: FrameType | None) -> None:
        if self._at_once:
            self._reason = self._reason or _TIME_IS_UP
            raise PreEmpted(self._reason)

    def _receive(self, number: int, _frame: FrameType | None) -> None:
        asked_before = self._reason is not None
        self._reason = signal.Signals(number).name
        if self._at_once or (asked_before and number == signal.SIGINT):
            raise PreEmpted(self._reason)
