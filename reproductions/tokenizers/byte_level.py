"""Byte-level byte-pair encoding of running text, through the ``tokenizers`` package: learned, or GPT-2's own.

GPT-2, section 2.2: pairs are merged over bytes, within pieces that a pattern cuts at letters, digits and white space,
so that nothing is unknown and nothing is lost.  The one special token ends a document.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Sequence
from pathlib import Path

from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers, trainers

from reproductions.registry import InvalidInput
from reproductions.run_directory import write_whole
from reproductions.tokenizers.text_tokenizer import END_OF_TEXT

_ALPHABET = 256


class ByteLevelEncoding:
    """See TextTokenizer.  ``decode`` writes bytes that are not UTF-8 as U+FFFD."""

    kind = "byte-level BPE"

    def __init__(self, tokenizer: Tokenizer) -> None:
        self._tokenizer = tokenizer
        self.size: int = tokenizer.get_vocab_size()
        self.end_of_text: int | None = tokenizer.token_to_id(END_OF_TEXT)

    @property
    def sha256(self) -> str:
        self._tokenizer.encode_special_tokens = False  # a setting of the moment, which the serialisation would keep
        return hashlib.sha256(self._tokenizer.to_str().encode()).hexdigest()

    def encode(self, texts: Sequence[str], *, special: bool = False) -> list[list[int]]:
        self._tokenizer.encode_special_tokens = not special
        return [encoded.ids for encoded in self._tokenizer.encode_batch_fast(list(texts), add_special_tokens=False)]

    def decode(self, ids: Sequence[int]) -> str:
        text: str = self._tokenizer.decode(list(ids), skip_special_tokens=False)
        return text

    def vocabulary(self) -> tuple[dict[str, int], list[tuple[str, str]]]:
        """Ids by token, and the merges in their order: what other programs' files are written from."""
        model = json.loads(self._tokenizer.to_str())["model"]
        merges = [tuple(pair) if isinstance(pair, list) else tuple(pair.split(" ")) for pair in model["merges"]]
        return self._tokenizer.get_vocab(), merges

    def save(self, path: Path) -> None:
        self._tokenizer.encode_special_tokens = False
        write_whole(path, self._tokenizer.to_str().encode())


def train(texts: Iterable[str], vocabulary: int) -> ByteLevelEncoding:
    """Learns ``vocabulary`` tokens, all bytes and the end of a document among them, from ``texts``."""
    if vocabulary < _ALPHABET + 1:
        raise InvalidInput(
            f"a byte-level vocabulary of {vocabulary} has no room for its alphabet",
            f"set data.vocabulary to {_ALPHABET + 1} or more",
        )
    tokenizer = _empty(models.BPE())
    trainer = trainers.BpeTrainer(
        vocab_size=vocabulary,
        special_tokens=[END_OF_TEXT],
        # Sorted, because the package hands the alphabet out in no fixed order and ids follow it.
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts, trainer)
    return ByteLevelEncoding(tokenizer)


def gpt2(encoder_json: Path, vocab_bpe: Path) -> ByteLevelEncoding:
    """GPT-2's own: 50,257 tokens from the two files that OpenAI published."""
    return from_files(encoder_json, vocab_bpe)


def from_files(vocabulary: Path, merges: Path) -> ByteLevelEncoding:
    """From a JSON object of ids and a file of merges, as GPT-2 and Hugging Face write them."""
    ids = json.loads(vocabulary.read_text(encoding="utf-8"))
    lines = merges.read_text(encoding="utf-8").split("\n")
    pairs = [
        (left, right)
        for line in lines
        if not line.startswith("#version")
        for left, _, right in [line.partition(" ")]
        if left
    ]
    tokenizer = _empty(models.BPE(vocab=ids, merges=pairs))
    tokenizer.add_special_tokens([AddedToken(END_OF_TEXT, special=True, normalized=False)])
    return ByteLevelEncoding(tokenizer)


def load(path: Path) -> ByteLevelEncoding:
    return ByteLevelEncoding(Tokenizer.from_str(path.read_text(encoding="utf-8")))


def _empty(model: models.BPE) -> Tokenizer:
    tokenizer = Tokenizer(model)
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    return tokenizer
