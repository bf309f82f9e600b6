"""Byte-level byte-pair encoding over one vocabulary for all languages of a task, through the ``tokenizers`` package.

Byte-pair encoding is Sennrich et al. 2016 (arXiv 1508.07909).  Working on bytes, as GPT-2 does, makes it lossless: no
character is unknown, and ``decode(encode(text))`` is the text itself, white space at its ends aside.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from pathlib import Path

from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

from reproductions.registry import InvalidInput
from reproductions.run_directory import write_whole

PAD, BOS, EOS = 0, 1, 2
SPECIAL = ("<pad>", "<s>", "</s>")
_ALL_BYTES = 256


class BytePairEncoding:
    """A learned vocabulary.  Ids 0, 1, 2 are padding, beginning and end of a sentence; text never encodes to them."""

    pad, bos, eos = PAD, BOS, EOS

    def __init__(self, tokenizer: Tokenizer) -> None:
        self._tokenizer = tokenizer
        tokenizer.encode_special_tokens = True  # "</s>" in a text is text
        self.size: int = tokenizer.get_vocab_size()

    @property
    def sha256(self) -> str:
        """Of the serialised vocabulary and merges: two tokenizers with the same one encode alike."""
        return hashlib.sha256(self._tokenizer.to_str().encode()).hexdigest()

    def encode(self, lines: Sequence[str]) -> list[list[int]]:
        """Ids of each line, without special tokens.  White space at a line's ends is dropped."""
        encoded = self._tokenizer.encode_batch([line.strip() for line in lines], add_special_tokens=False)
        return [line.ids for line in encoded]

    def decode(self, ids: Sequence[int]) -> str:
        """The text of ``ids``, special tokens left out."""
        text: str = self._tokenizer.decode([token for token in ids if token >= len(SPECIAL)])
        return text.removeprefix(" ")

    def save(self, path: Path) -> None:
        write_whole(path, self._tokenizer.to_str().encode())


def train(lines: Iterable[str], vocabulary: int, *, all_bytes: bool = True) -> BytePairEncoding:
    """Learn ``vocabulary`` tokens, special ones included, from ``lines``.

    With ``all_bytes`` off the alphabet is what occurs in the lines: for closed data with a small vocabulary only, as
    any other character is then lost.
    """
    least = len(SPECIAL) + _ALL_BYTES if all_bytes else len(SPECIAL) + 1
    if vocabulary < least:
        raise InvalidInput(
            f"a byte-level vocabulary of {vocabulary} has no room for its alphabet",
            f"set data.vocabulary to {least} or more",
        )
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=True)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocabulary,
        special_tokens=list(SPECIAL),
        # Sorted, because the package hands the alphabet out in no fixed order and ids follow it.
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()) if all_bytes else [],
        show_progress=False,
    )
    tokenizer.train_from_iterator((line.strip() for line in lines), trainer)
    return BytePairEncoding(tokenizer)


def load(path: Path) -> BytePairEncoding:
    return BytePairEncoding(Tokenizer.from_str(path.read_text(encoding="utf-8")))
