"""How long, as people type it: 2h, 1h30m, 90m, 45s, 1d, or a plain number of seconds."""

from __future__ import annotations

import re

_NUMBER = r"(\d+(?:\.\d+)?)"
_DURATION = re.compile(rf"(?:{_NUMBER}\s*d)?\s*(?:{_NUMBER}\s*h)?\s*(?:{_NUMBER}\s*m(?:in)?)?\s*(?:{_NUMBER}\s*s?)?")
EXAMPLES = "2h, 1h30m, 90m, 45s, or a number of seconds"


def seconds(text: str) -> float:
    """The number of seconds that `text` means.  Raises ValueError, with examples, where it means none."""
    match = _DURATION.fullmatch(text.strip().lower())
    if match is None or not any(match.groups()):
        raise ValueError(f'"{text}" is not a duration: {EXAMPLES}')
    return sum(float(number or 0) * unit for number, unit in zip(match.groups(), (86400, 3600, 60, 1), strict=True))
