"""What a tokenizer of running text is, whatever its units: it loses nothing, WordPiece aside, and may know where a
document ends."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

END_OF_TEXT = "<|endoftext|>"
"""How GPT-2 writes the end of a document; the token where a tokenizer has one."""


class TextTokenizer(Protocol):
    """``decode(encode(text)) == text`` for every text that its units can write, WordPiece's lower-cased words aside."""

    kind: str
    size: int
    end_of_text: int | None

    @property
    def sha256(self) -> str:
        """Of everything that decides how it encodes."""
        ...

    def encode(self, texts: Sequence[str], *, special: bool = False) -> list[list[int]]:
        """Ids of each text.  With ``special``, END_OF_TEXT inside a text is the token; else it is text like any."""
        ...

    def decode(self, ids: Sequence[int]) -> str:
        """The text of ``ids``; the end of a document is written END_OF_TEXT."""
        ...
