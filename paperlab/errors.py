"""What can go wrong, as the user meets it: the thing, the reason, the next command, and an exit code.

Every error that paperlab raises on purpose is one of these.  Anything else that reaches the entry point is
our fault (exit 1) and is logged with its traceback.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable

OUR_FAULT = 1
USAGE = 2
INVALID_INPUT = 3
NOT_READY = 4
CLAIM_DIFFERS = 6
CLAIM_INCONCLUSIVE = 7
TRY_AGAIN = 75


class PaperlabError(Exception):
    """An error that names the thing, the reason and what to do next.

    `message` is one sentence without a final full stop; `hint` is what to do, usually a command.
    """

    exit_code = OUR_FAULT

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.message}.\n  {self.hint}" if self.hint else f"{self.message}."


class InvalidInput(PaperlabError):
    """The words given do not name anything or cannot be read (exit 3)."""

    exit_code = INVALID_INPUT


class UnknownName(InvalidInput):
    """A name that is in no list we hold; says which names are near (exit 3)."""

    def __init__(self, kind: str, name: str, known: Iterable[str], listing: str = "") -> None:
        near = difflib.get_close_matches(name, list(known), n=3, cutoff=0.6)
        parts = [f"did you mean: {', '.join(near)}"] if near else []
        if listing:
            parts.append(f"all of them: {listing}")
        super().__init__(f'no {kind} is called "{name}"', "          ".join(parts))


class NotReady(PaperlabError):
    """The environment lacks something: a GPU, data, disk, a current schema (exit 4)."""

    exit_code = NOT_READY


class TryAgain(PaperlabError):
    """Stopped early, nothing is lost; the same command goes on later (exit 75)."""

    exit_code = TRY_AGAIN

    def __init__(self, message: str, hint: str = "", *, reason: str, retry_after_s: float | None = None) -> None:
        super().__init__(message, hint)
        self.reason = reason
        self.retry_after_s = retry_after_s
