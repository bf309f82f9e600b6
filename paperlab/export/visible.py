"""A stranger's text as text: on one line, with nothing that acts instead of being read."""

from __future__ import annotations

import unicodedata

MAX_TITLE = 500
"""Characters; the longest real titles on arXiv have about 300."""
_TURNS_WRITING = frozenset("\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")


def visible(text: str, limit: int | None = None) -> str:
    """`text` on one line.  What would turn the direction of writing is named, other control characters are blanks.

    Beyond `limit` characters it is cut, and says how many are missing.
    """
    line = " ".join("".join(_shown(character) for character in text).split())
    if limit is None or len(line) <= limit:
        return line
    return f"{line[:limit].rstrip()} … ({len(line) - limit} more characters)"


def _shown(character: str) -> str:
    if character in _TURNS_WRITING:
        return f"[U+{ord(character):04X}]"
    if character.isprintable() or character in "\u200c\u200d":  # joiners: Persian and emoji need them
        return character
    # Noncharacters, surrogates and private characters are not allowed in XML, or mean nothing.
    return "\N{REPLACEMENT CHARACTER}" if unicodedata.category(character) in {"Cs", "Cn", "Co"} else " "
