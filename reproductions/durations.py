"""How long, as people type it: 2h, 1h30m, 90m, 45s, 1d, or a plain number of seconds."""

from __future__ import annotations

import re

_SECONDS = {"d": 86400.0, "h": 3600.0, "m": 60.0, "s": 1.0}
_PART = re.compile(r"(\d+(?:\.\d+)?)([dhms])")
EXAMPLES = "2h, 1h30m, 90m, 45s, or a number of seconds"


def seconds(text: str) -> float:
    """The number of seconds that `text` means.  Raises ValueError, with examples, where it means none."""
    wanted = text.strip().lower()
    parts = _PART.findall(wanted)
    if parts and "".join(number + unit for number, unit in parts) == wanted:
        return sum(float(number) * _SECONDS[unit] for number, unit in parts)
    if re.fullmatch(r"\d+(\.\d+)?", wanted):
        return float(wanted)
    raise ValueError(f'"{text}" is not a duration: {EXAMPLES}')
