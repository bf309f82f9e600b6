"""One request every few seconds and one connection, over every process of this machine and over nights.

arXiv asks for at most one request every three seconds on a single connection, for all its interfaces together
(https://info.arxiv.org/help/api/tou.html).  A lock file is held while a request is in flight; a state file beside it
remembers when the last one ended and how long arXiv asked us to stay away.

Wall clocks go wrong.  A time in the future counts as now, so that a clock set back costs one wait and no more.  A
clock set forward shortens nothing within a process, which knows from its own running how much time has passed.  A
request that was in flight when its process died may have reached arXiv at any moment up to now, and counts as ending
now.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from filelock import FileLock, Timeout

from paperlab.errors import NotReady, TryAgain

LOCK_PATIENCE_S = 600.0


@dataclass(frozen=True)
class Clock:
    """Time as an argument: wall clock in Unix seconds, a clock that only goes forward, and waiting."""

    wall: Callable[[], float] = time.time
    monotonic: Callable[[], float] = time.monotonic
    sleep: Callable[[float], None] = time.sleep


@dataclass(frozen=True)
class LimiterState:
    """What outlives a process.  All times are Unix seconds by the wall clock."""

    last_request: float = 0.0
    """When the last request ended, or began if it is still in flight."""
    in_flight: bool = False
    away_since: float = 0.0
    away_until: float = 0.0
    """Nothing may be asked before this."""
    away_reason: str = ""


class Limiter:
    """The durable limit of one PAPERLAB_HOME."""

    def __init__(self, home: Path, interval_s: float, clock: Clock | None = None) -> None:
        self.home = home
        self.interval_s = interval_s
        self.clock = clock or Clock()
        self._state_file = home / "arxiv-limiter.json"
        try:
            home.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise _unwritable(home, error) from error
        self._lock = FileLock(home / "arxiv-limiter.lock")
        # By the clock that only goes forward, which means nothing to other processes:
        self._turn_ended = float("-inf")
        self._away_until = float("-inf")

    @contextmanager
    def turn(self, patience_s: float) -> Iterator[float]:
        """Wait for this process's turn, then hold the line while the block makes its one request.

        Yields the seconds waited.  Raises TryAgain where arXiv asked for more patience than `patience_s`, without
        waiting at all, or where another process holds the line for longer than LOCK_PATIENCE_S.
        """
        waited = self._wait_until_welcome(patience_s)
        began = self.clock.monotonic()
        self._acquire(patience_s)
        while self.away()[0] > 0:  # another process was told so while we waited for the lock
            self._lock.release()
            self._wait_until_welcome(patience_s)
            self._acquire(patience_s)
        try:
            now = self.clock.wall()
            state = self._read()
            last = now if state.in_flight else min(state.last_request, now)
            wait = self.interval_s + max(last - now, self._turn_ended - self.clock.monotonic())
            if wait > 0:
                self.clock.sleep(wait)
            waited += self.clock.monotonic() - began
            self._write(replace(state, last_request=self.clock.wall(), in_flight=True))
            try:
                yield waited
            finally:
                self._turn_ended = self.clock.monotonic()
                self._write(replace(self._read(), last_request=self.clock.wall(), in_flight=False))
        finally:
            self._lock.release()

    def stay_away(self, seconds: float, reason: str) -> None:
        """Remember, for every process and after a restart, that arXiv wants nothing for so long.

        A longer wait that is held already stays: the back-off after a stall must not shorten what a 403 asked for.
        """
        self._acquire()  # by the same thread that has its turn, this counts as held already
        try:
            held, held_reason = self.away()
            if held > seconds:
                seconds, reason = held, held_reason
            now = self.clock.wall()
            self._away_until = self.clock.monotonic() + seconds
            self._write(replace(self._read(), away_since=now, away_until=now + seconds, away_reason=reason))
        finally:
            self._lock.release()

    def away(self) -> tuple[float, str]:
        """Seconds until arXiv may be asked again, and why; 0 when it may."""
        state = self._read()
        now = self.clock.wall()
        # Where the clock went back, how much of the time has passed can't be known, so it starts once more.
        left = state.away_until - max(now, state.away_since)
        return max(0.0, left, self._away_until - self.clock.monotonic()), state.away_reason

    def _wait_until_welcome(self, patience_s: float) -> float:
        seconds, reason = self.away()
        if seconds <= 0:
            return 0.0
        if seconds > patience_s:
            raise TryAgain(
                f"arXiv is not to be asked for another {seconds:.0f} s ({reason})",
                "run the same command again then; nothing is lost",
                reason="rate-limit",
                retry_after_s=round(seconds, 1),
            )
        if self.clock.wall() < self._read().away_since:
            self.stay_away(seconds, reason)
        self.clock.sleep(seconds)
        return seconds

    def _acquire(self, patience_s: float = LOCK_PATIENCE_S) -> None:
        try:
            self._lock.acquire(timeout=min(LOCK_PATIENCE_S, patience_s), poll_interval=0.02)
        except Timeout as error:
            raise TryAgain(
                f"another process has been speaking to arXiv for {min(LOCK_PATIENCE_S, patience_s):.0f} s",
                "look for a paperlab that hangs: only one connection may be open",
                reason="lock",
                retry_after_s=self.interval_s,
            ) from error
        except OSError as error:
            raise _unwritable(self.home, error) from error

    def _read(self) -> LimiterState:
        try:
            return LimiterState(**json.loads(self._state_file.read_text(encoding="utf-8")))
        except FileNotFoundError:
            return LimiterState()
        except (ValueError, TypeError):
            # Torn by a power cut.  The careful reading: somebody asked just now.
            return LimiterState(last_request=self.clock.wall())
        except OSError as error:
            raise _unwritable(self.home, error) from error

    def _write(self, state: LimiterState) -> None:
        beside = self._state_file.with_suffix(f".{os.getpid()}.tmp")
        try:
            beside.write_text(json.dumps(asdict(state)), encoding="utf-8")
            beside.replace(self._state_file)
        except OSError as error:
            raise _unwritable(self.home, error) from error


def _unwritable(folder: Path, error: OSError) -> NotReady:
    return NotReady(
        f"{folder} can't be written: {error.strerror or error}",
        "the time of the last request to arXiv is kept there: make room, or set PAPERLAB_HOME to another folder",
    )
