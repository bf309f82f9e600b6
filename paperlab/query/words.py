"""What a word is: a run of letters and digits, without case and accents.

As FTS5's unicode61 with remove_diacritics 2, but with all of Unicode's compatibility forms and strokes folded as well
("ﬁ" is "fi", "x²" is "x2", "Łukasz" is "lukasz"), so that the same text gives the same words here and in the index,
whatever Unicode SQLite knows.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator

QUOTES = '"“”„«»'
"""Any of them begins a phrase, and any ends it."""
_ASCII_WORD = re.compile(r"[0-9A-Za-z]+")
_MARKED_WORD = re.compile(r"(?:[^\W_]|[\u0300-\u036f])+")


class _Folded(dict[int, str]):
    """Each character without case, accents and compatibility form, worked out when it is first met."""

    def __missing__(self, code: int) -> str:
        self[code] = folded = _without_marks(_without_marks(chr(code)).casefold()).casefold()
        return folded


class _Spaced(dict[int, str]):
    """Each character folded, and a blank for what belongs to no word."""

    def __missing__(self, code: int) -> str:
        self[code] = spaced = "".join(c if c.isalnum() else " " for c in _FOLDED[code])
        return spaced


_FOLDED = _Folded()
_SPACED = _Spaced()


def fold(text: str) -> str:
    """`text` without case, accents and compatibility forms.  Folding twice changes nothing more."""
    return text.lower() if text.isascii() else text.translate(_FOLDED)


def tag(text: str) -> str:
    """A tag as it is compared: folded, single blanks, without quotes and last asterisks, which are syntax."""
    return " ".join("".join(character for character in fold(text) if character not in QUOTES).rstrip("* ").split())


def spaced(text: str) -> str:
    """`text` folded, with blanks for all that is no letter or digit: the quickest form to count words in."""
    return text.translate(_SPACED)


def tokens(text: str) -> list[str]:
    """The words of `text`, folded, in order."""
    return text.translate(_SPACED).split()


def spans(text: str) -> Iterator[tuple[int, int, str]]:
    """Where each word of `text` stands (from, to) and what it is folded.

    A run of characters that folds into several words ("½") stands for the first of them.
    """
    if text.isascii():
        for match in _ASCII_WORD.finditer(text):
            yield match.start(), match.end(), match[0].lower()
        return
    for match in _MARKED_WORD.finditer(text):
        found = tokens(match[0])
        if found:
            yield match.start(), match.end(), found[0]


def _without_marks(text: str) -> str:
    bare = (c for c in unicodedata.normalize("NFKD", text) if not unicodedata.category(c).startswith("M"))
    return "".join(_WITHOUT_STROKE.get(c, c) for c in bare)


_WITHOUT_STROKE = dict(zip("łŁøØđĐħĦŧŦıðÐ", "llooddhhttidd", strict=True)) | {
    "æ": "ae",
    "Æ": "ae",
    "œ": "oe",
    "Œ": "oe",
}
"""Letters that people write without their stroke, and that Unicode does not take apart: "Łukasz" is "lukasz"."""
