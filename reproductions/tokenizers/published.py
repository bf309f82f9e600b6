"""The tokenizer.json of a model that others trained: any kind that the ``tokenizers`` package reads."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from tokenizers import Tokenizer

from reproductions.tokenizers.byte_level import ByteLevelEncoding


class PublishedTokenizer(ByteLevelEncoding):
    """``begin`` are the tokens that stand before every text ("<s>" of LLaMA's).

    ``decode`` gives the text as it goes on from a text before it: SentencePiece's vocabularies write a space at the
    beginning of words, and their decoder takes the first one away, which is right at the beginning of a text only.
    """

    kind = "tokenizer.json"

    def __init__(self, tokenizer: Tokenizer) -> None:
        super().__init__(tokenizer)
        self.begin: tuple[int, ...] = tuple(tokenizer.encode("", add_special_tokens=True).ids)
        self._before = self.encode(["a"])[0]
        self._skip = len(super().decode(self._before))

    def decode(self, ids: Sequence[int]) -> str:
        return super().decode([*self._before, *ids])[self._skip :]


def load(path: Path) -> PublishedTokenizer:
    return PublishedTokenizer(Tokenizer.from_str(path.read_text(encoding="utf-8")))
