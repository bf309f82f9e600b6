"""Bytes of UTF-8 as tokens: nothing to learn, nothing unknown.  Id 256 ends a document."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from itertools import groupby

from reproductions.tokenizers.text_tokenizer import END_OF_TEXT

_END = 256


class ByteTokenizer:
    """See TextTokenizer."""

    kind = "bytes"
    size = 257
    end_of_text: int | None = _END
    sha256 = hashlib.sha256(b"bytes of UTF-8; 256 ends a document").hexdigest()

    def encode(self, texts: Sequence[str], *, special: bool = False) -> list[list[int]]:
        return [self._encode(text, special) for text in texts]

    def decode(self, ids: Sequence[int]) -> str:
        """Bytes that are not UTF-8 become U+FFFD."""
        runs = [(is_end, list(run)) for is_end, run in groupby(ids, key=lambda token: token == self.end_of_text)]
        return "".join(
            END_OF_TEXT * len(run) if is_end else bytes(run).decode("utf-8", errors="replace") for is_end, run in runs
        )

    def _encode(self, text: str, special: bool) -> list[int]:
        ids: list[int] = []
        for index, part in enumerate(text.split(END_OF_TEXT) if special else [text]):
            ids += [_END] if index else []
            ids += part.encode("utf-8")
        return ids
