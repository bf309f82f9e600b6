"""Conversations in novels: a quoted turn and the quoted reply in the paragraph behind it.

A paragraph is a turn where it begins with a double quotation mark and all its marks pair up; what is said in it is
its quoted parts, one behind the other, without "said he".  Books that quote with single marks are left out: an
apostrophe looks the same.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

END_OF_BOOK = "<|endoftext|>"
MOST_WORDS = 40
_QUOTED = re.compile(r'"([^"]*)"')
_BEGINS_AGAIN = 1  # a paragraph that leaves its last mark open goes on in the next one


def pairs(paragraphs: Iterable[str]) -> Iterator[tuple[str, str, str]]:
    """(turn, reply, the first paragraph of the book) of every two turns that stand side by side."""
    book, before = "", None
    for paragraph in paragraphs:
        if paragraph.startswith(END_OF_BOOK):
            book, before = "", None
            continue
        book = book or paragraph
        now = turn(paragraph)
        if before is not None and now is not None:
            yield before, now, book
        before = now


def turn(paragraph: str) -> str | None:
    """What is said in it; None where it is no turn, or a longer one than ``MOST_WORDS``."""
    plain = paragraph.replace("“", '"').replace("”", '"')
    if not plain.startswith('"') or plain.count('"') % 2 == _BEGINS_AGAIN:
        return None
    said = " ".join(part.strip() for part in _QUOTED.findall(plain) if part.strip())
    return said if 1 <= len(said.split()) <= MOST_WORDS else None
