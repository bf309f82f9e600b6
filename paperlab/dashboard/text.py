"""Words on a page: text from outside made harmless, numbers and times made readable.

Titles, abstracts and samples are other people's text.  Where a widget takes plain text (`st.text`) they go in as they
are; where it takes Markdown (labels of links, captions, cells of tables) they go through `escape` first.
"""

from __future__ import annotations

import difflib
import math
import re
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any

# Markdown reads a backslash before ASCII punctuation as "this character itself" ...
_PUNCTUATION = re.compile(r"([!-/:-@\[-`{-~])")
# ... but shortcodes (:material/home:, :red[..], :smile:), arrows (->) and bare addresses are looked for after that, in
# the finished text.  A word joiner (no width, no line break) inside keeps them from being found.  09:30 is left alone.
_LIVE = re.compile(
    r"(?<=:)(?!(?<=\d:)\d\d(?![\d:]))(?=\S)|(?<=www)(?=\.)|(?<=@)(?=\S)|(?<=-)(?=[->])|(?<=<)(?=-)", re.IGNORECASE
)
_WORD_JOINER = "\u2060"
# Characters that move their neighbours: C0 and C1 controls, and those that turn the direction of writing ...
_MOVING = re.compile("[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069\u2028\u2029]+")
# ... that nobody sees, so that two texts look the same (joiners, which some scripts need, stay) ...
_UNSEEN = re.compile("[\u00ad\u180e\u200b\u2060-\u2064\ufeff\ufff9-\ufffb\U000e0000-\U000e007f]+")
# ... and marks above and below others, of which no script stacks more than a few.
_MARK = (
    "[\u0300-\u036f\u0483-\u0489\u0591-\u05bd\u0610-\u061a\u064b-\u065f"
    "\u1ab0-\u1aff\u1dc0-\u1dff\u20d0-\u20ff\ufe00-\ufe2f]"
)
_STACKED = re.compile(f"({_MARK}{{4}}){_MARK}+")
# Half a character, which JSON can hold and nothing can send.
_HALF = re.compile("[\ud800-\udfff]")

LONGEST = 500
"""Characters of one text from outside that a page shows where it does not say otherwise."""


def escape(text: str, most: int = LONGEST) -> str:
    """`text` for a widget that reads Markdown: it shows the same characters, on one line, and none of them acts.

    At most `most` characters, with an ellipsis where something is missing.
    """
    return _PUNCTUATION.sub(r"\\\1", _LIVE.sub(_WORD_JOINER, brief(text, most)))


def brief(text: str, most: int = LONGEST) -> str:
    """`text` on one line as `plain` has it, cut to `most` characters; what lies far behind is not even looked at."""
    near = text[: 4 * most]
    shown = plain(near)
    return shortened(shown, most) if len(near) == len(text) or len(shown) > most else shown + "…"


def plain(text: str) -> str:
    """`text` on one line, without characters that move, hide or bury their neighbours."""
    bare = _UNSEEN.sub("", _HALF.sub("\ufffd", text))
    return " ".join(_MOVING.sub(" ", _STACKED.sub(r"\1", bare)).split())


def readable(text: str) -> str:
    """`text` with its line ends, without such characters: for `st.text`."""
    return "\n".join(plain(line) for line in text.splitlines())


def verbatim(text: str, most: int) -> str:
    """`text` with its line ends and blanks, as a traceback needs them, for `st.code`; at most `most` characters."""
    lines = _HALF.sub("\ufffd", shortened(text, most)).replace("\t", "    ").splitlines()
    return "\n".join(_MOVING.sub(" ", _UNSEEN.sub("", line)) for line in lines)


def shortened(text: str, limit: int) -> str:
    """`text` cut to `limit` characters, with an ellipsis where something is missing."""
    return text if len(text) <= limit else text[: limit - 1].rstrip() + "…"


def difference(before: str, after: str) -> list[tuple[str, bool]]:
    """`after` in stretches of words, each with whether it is new against `before`."""
    old, new = before.split(), after.split()
    pieces: list[tuple[str, bool]] = []
    for kind, _, _, start, end in difflib.SequenceMatcher(None, old, new, autojunk=False).get_opcodes():
        if end > start:
            pieces.append((" ".join(new[start:end]), kind != "equal"))
    return pieces


def people(names: Iterable[str], limit: int = 4) -> str:
    """The first authors, and how many more there are."""
    known = list(names)
    rest = len(known) - limit
    return ", ".join(brief(name, 60) for name in known[:limit]) + (f" and {rest} more" if rest > 0 else "")


def day(moment: datetime) -> str:
    return f"{moment.astimezone(UTC):%Y-%m-%d}"


def minute(moment: datetime) -> str:
    return f"{moment.astimezone(UTC):%Y-%m-%d %H:%M} UTC"


def moment_of(seconds: float) -> str:
    """A POSIX time as UTC."""
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%d %H:%M:%S} UTC"


def age(moment: datetime, now: datetime) -> str:
    """How long ago: "just now", "12 min ago", "3 h ago", "5 days ago"."""
    seconds = (now - moment).total_seconds()
    if seconds < 60:
        return "just now"
    if seconds < 3600:
        return f"{seconds // 60:.0f} min ago"
    if seconds < 48 * 3600:
        return f"{seconds // 3600:.0f} h ago"
    return f"{seconds // 86400:.0f} days ago"


def duration(seconds: float | None) -> str:
    """Seconds as people say them: "42 s", "3 min 05 s", "2 h 07 min"."""
    if seconds is None:
        return "–"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02d} min"


def number(value: float | None, unit: str = "") -> str:
    """A measured number with four significant digits, large ones with thousands separators, and its unit."""
    if value is None:
        return "–"
    if not isinstance(value, int | float) or abs(value) > 1e300 or not math.isfinite(value):
        return brief(str(value), 40)  # a run directory can hold anything
    if value == int(value) and abs(value) < 1e15:
        shown = f"{int(value):,}"
    elif abs(value) >= 1000:
        shown = f"{value:,.1f}" if abs(value) < 1e7 else f"{value:.4g}"
    else:
        shown = f"{value:.4g}"
    return f"{shown} {unit}".strip()


def count(n: int, noun: str, plural: str = "") -> str:
    """ "1 paper", "1,204 papers"."""
    return f"{n:,} {noun if n == 1 else plural or noun + 's'}"


def fields(values: Mapping[str, Any], prefix: str = "") -> dict[str, str]:
    """Nested tables as dotted paths with their values as text: {"optim": {"lr": 1}} is {"optim.lr": "1"}."""
    flat: dict[str, str] = {}
    for key, value in values.items():
        if isinstance(value, Mapping) and value:
            flat |= fields(value, f"{prefix}{key}.")
        else:
            flat[f"{prefix}{key}"] = "–" if value is None or value in ({}, []) else str(value)
    return flat
