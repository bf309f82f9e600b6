"""JSON read piece by piece: the items of a top-level array, or one object a line, without the whole file in memory.

A kilobyte of gzip may stand for a megabyte of blanks or for one text without end, so both are bounded: whatever a file
is, some 100 MB hold what is in memory of it at once, and it is refused after the first megabytes that are too many.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any, TextIO

from paperlab.errors import InvalidInput

_CHUNK = 1 << 20
LONGEST_ITEM = 3 << 20
"""Characters of one value.  A task of the public dumps with all its tables has about two million; as objects so many
characters of the worst kind, {},{},..., take 100 MB."""
MOST_BLANKS = 1 << 20
"""Characters between two values.  Indented files have some hundred."""
_BLANKS = re.compile(r"[ \t\r\n\ufeff]*")


class _Text:
    """What has been read and not yet taken, and the line that it begins at."""

    def __init__(self, file: TextIO, name: str) -> None:
        self._file, self._name = file, name
        self._held, self._position, self._line = "", 0, 1
        self._ended = False

    def first(self) -> str:
        """The next character that is not blank, or "" at the end; it stays."""
        blanks = 0
        while True:
            begin, self._position = self._position, self._end_of_blanks()
            blanks += self._position - begin
            if blanks > MOST_BLANKS:
                raise self.wrong(f"more than {MOST_BLANKS:,} blanks stand between two values")
            if self._position < len(self._held):
                return self._held[self._position]
            self._drop()
            if not self._more():
                return ""

    def skip(self) -> None:
        self._position += 1

    def value(self) -> Any:
        """The JSON value that begins here, however many pieces it needs."""
        self._drop()
        while True:
            try:
                value, end = _DECODER.raw_decode(self._held, self._position)
            except json.JSONDecodeError as error:
                if len(self._held) > LONGEST_ITEM:
                    is_cut = error.msg.startswith("Unterminated string") or error.pos > len(self._held) - _LONGEST_WORD
                    raise (self._too_long() if is_cut else self.wrong(error.msg, error.pos)) from error
                if not self._more(double=True):
                    raise self.wrong(error.msg, error.pos) from error
                continue
            except (RecursionError, ValueError) as error:
                raise self.wrong("it is nested too deeply, or has a number beyond reason", self._position) from error
            if end > LONGEST_ITEM:
                raise self._too_long()
            if end == len(self._held) and not isinstance(value, (dict, list, str)) and self._more():
                continue  # a number may go on in the next piece
            self._position = end
            return value

    def wrong(self, reason: str, at: int | None = None) -> InvalidInput:
        line = self._line + self._held.count("\n", 0, self._position if at is None else at)
        return InvalidInput(f"{self._name} is not valid JSON: line {line}: {reason}", "mend the file, or leave it out")

    def _too_long(self) -> InvalidInput:
        return self.wrong(f"one value is longer than {LONGEST_ITEM:,} characters", self._position)

    def _end_of_blanks(self) -> int:
        match = _BLANKS.match(self._held, self._position)
        assert match is not None  # none at all is a match, too
        return match.end()

    def _drop(self) -> None:
        self._line += self._held.count("\n", 0, self._position)
        self._held, self._position = self._held[self._position :], 0

    def _more(self, double: bool = False) -> bool:
        if self._ended:
            return False
        room = LONGEST_ITEM + 1 - len(self._held)
        piece = self._file.read(max(_CHUNK, min(len(self._held), room)) if double else _CHUNK)
        self._ended = not piece
        self._held += piece
        return bool(piece)


_DECODER = json.JSONDecoder()
_LONGEST_WORD = len("-Infinity")


def items(file: TextIO, name: str) -> Iterator[Any]:
    """The items of the array, the one other value, or the values that stand line by line.

    Raises InvalidInput with the line and the reason at the place that can't be read.
    """
    text = _Text(file, name)
    if text.first() != "[":
        while text.first():
            yield text.value()
        return
    text.skip()
    expected = text.first() != "]"
    while expected:
        yield text.value()
        expected = text.first() == ","
        if expected:
            text.skip()
            if text.first() == "]":
                raise text.wrong("a comma stands before the closing bracket")
    if text.first() != "]":
        raise text.wrong("a comma or the closing bracket of the list is missing")
    text.skip()
    if text.first():
        raise text.wrong("something stands behind the list")
