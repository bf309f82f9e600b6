"""What the command line takes: texts that are texts, days, and numbers that a database can count.

A shell hands over any bytes, and Typer any whole number; both must end in exit 3, not in a fault.
"""

from __future__ import annotations

from datetime import UTC, datetime

from paperlab.errors import InvalidInput
from reproductions import durations

LARGEST = 2**63 - 1
"""SQLite's and PostgreSQL's largest integer."""
MOST_LISTED = 5000
"""Papers or rows of one answer: about 20 MB with --json, and as many as a search counts."""


def text(value: str, name: str) -> str:
    """`value` where it is text.  Raises InvalidInput for bytes that are no UTF-8, and for a NUL."""
    try:
        value.encode("utf-8")
    except UnicodeEncodeError as error:
        raise InvalidInput(f'{name} "{shown(value)}" is not UTF-8', "type it on a terminal that is") from error
    if "\0" in value:
        raise InvalidInput(f"{name} has a NUL character", "leave it out")
    return value


def number(value: int, name: str) -> int:
    """`value` where the database can count so far.  Raises InvalidInput."""
    if value > LARGEST:
        raise InvalidInput(f"{name} {value} is more than a database can count", f"at most {LARGEST}")
    return value


def limit(value: int, more: str) -> int:
    """`value` of --limit where one answer may be so long.  Raises InvalidInput; `more` says how to get at the rest."""
    if value > MOST_LISTED:
        raise InvalidInput(f"--limit {value} is more than one answer holds: at most {MOST_LISTED}", more)
    return value


def day(value: str, name: str) -> datetime:
    """A day or a time, in UTC where it names no zone.  Raises InvalidInput."""
    try:
        moment = datetime.fromisoformat(value)
        return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)
    except (ValueError, OverflowError) as error:
        raise InvalidInput(f'{name} "{shown(value)}" is not a day', f"example: {name} 2026-11-01") from error


def duration(value: str | None, name: str) -> float | None:
    """Seconds of "90", "90s", "30m", "1h30m" or "2h"; None without a value.  Raises InvalidInput."""
    if value is None:
        return None
    try:
        seconds = durations.seconds(value)
    except ValueError:
        seconds = 0.0
    if not 0.0 < seconds < float(LARGEST):
        raise InvalidInput(f'{name} "{shown(value)}" is no time', f"for example {name} 90s, {name} 30m or {name} 2h")
    return seconds


def shown(value: str) -> str:
    """`value` as it can be printed anywhere."""
    return value.encode("utf-8", "backslashreplace").decode("utf-8")
