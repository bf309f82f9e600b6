"""Characters as tokens: the alphabet of one text, in the order of code points, as nanoGPT's tiny Shakespeare has it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Sequence
from pathlib import Path

from reproductions.registry import InvalidInput
from reproductions.run_directory import write_whole


class CharacterTokenizer:
    """See TextTokenizer.  A document's end has no token: there is one document."""

    kind = "characters"
    end_of_text: int | None = None

    def __init__(self, alphabet: str) -> None:
        self.alphabet = alphabet
        self.size = len(alphabet)
        self._ids = {character: index for index, character in enumerate(alphabet)}

    @property
    def sha256(self) -> str:
        return hashlib.sha256(self.alphabet.encode()).hexdigest()

    def encode(self, texts: Sequence[str], *, special: bool = False) -> list[list[int]]:  # noqa: ARG002 - none is special
        """Raises InvalidInput for a character that the alphabet lacks."""
        try:
            return [[self._ids[character] for character in text] for text in texts]
        except KeyError as error:
            hint = f"it has {self.size}: {self.alphabet.strip()}"
            raise InvalidInput(f"the alphabet of this model has no {error.args[0]!r}", hint) from error

    def decode(self, ids: Sequence[int]) -> str:
        return "".join(self.alphabet[token] for token in ids)

    def save(self, path: Path) -> None:
        write_whole(path, json.dumps({"alphabet": self.alphabet}).encode())


def train(texts: Iterable[str]) -> CharacterTokenizer:
    """The alphabet of ``texts``."""
    return CharacterTokenizer("".join(sorted(set().union(*texts))))


def load(path: Path) -> CharacterTokenizer:
    return CharacterTokenizer(json.loads(path.read_text(encoding="utf-8"))["alphabet"])
