"""WordPiece, through the ``tokenizers`` package: learned, or the 30,522 pieces of bert-base-uncased.

BERT, section 3 ("Input/Output Representations"), takes it from 1609.08144.  Text is lower-cased and loses its accents,
is cut at white space and around punctuation and Chinese characters, and each word becomes the longest known piece from
its left, then the longest of the rest, written "##rest"; a word that pieces do not cover is [UNK].
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from tokenizers import AddedToken, Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers

from reproductions.registry import InvalidInput
from reproductions.run_directory import write_whole
from reproductions.tokenizers.text_tokenizer import END_OF_TEXT

PAD, UNKNOWN, CLASS, SEPARATOR, MASK = SPECIAL = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")
_CONTINUES = "##"
_CHARACTERS = 1000
"""Of a learned vocabulary: rarer ones are [UNK]."""


class WordPiece:
    """See TextTokenizer.  It does not keep case, accents and white space: ``decode`` gives the text that pieces spell.

    [SEP] stands where a document ends.
    """

    kind = "WordPiece"

    def __init__(self, tokenizer: Tokenizer) -> None:
        self._tokenizer = tokenizer
        self.size: int = tokenizer.get_vocab_size()
        self.pad, self.unknown, self.classify, self.separator, self.mask = (self._id(token) for token in SPECIAL)
        self.end_of_text: int | None = self.separator
        self.special = frozenset((self.pad, self.unknown, self.classify, self.separator, self.mask))

    @property
    def sha256(self) -> str:
        """Of the pieces in the order of their ids."""
        return hashlib.sha256("\n".join(self.pieces()).encode()).hexdigest()

    def pieces(self) -> list[str]:
        """All pieces in the order of their ids, which is the content of vocab.txt."""
        return [piece for piece, _ in sorted(self._tokenizer.get_vocab().items(), key=lambda item: item[1])]

    def encode(self, texts: Sequence[str], *, special: bool = False) -> list[list[int]]:
        """Ids of each text without [CLS] and [SEP] around it.  With ``special``, "[MASK]" in a text is the token."""
        self._tokenizer.encode_special_tokens = not special
        return [encoded.ids for encoded in self._tokenizer.encode_batch_fast(list(texts), add_special_tokens=False)]

    def decode(self, ids: Sequence[int]) -> str:
        text: str = self._tokenizer.decode(list(ids), skip_special_tokens=False)
        return text.replace(SEPARATOR, END_OF_TEXT)

    def save(self, path: Path) -> None:
        """A piece a line, as bert-base-uncased's vocab.txt."""
        write_whole(path, "".join(piece + "\n" for piece in self.pieces()).encode())

    def _id(self, token: str) -> int:
        number = self._tokenizer.token_to_id(token)
        if number is None:
            raise InvalidInput(f"the vocabulary has no {token}", "take the vocab.txt of a BERT")
        return int(number)


def train(texts: Callable[[], Iterable[str]], vocabulary: int) -> WordPiece:
    """Learns ``vocabulary`` pieces, the special ones included; ``texts`` is gone through twice."""
    counts = Counter[str]()
    normalizer, cut = _normalizer(), pre_tokenizers.BertPreTokenizer()
    for text in texts():
        counts.update(normalizer.normalize_str(text))
    ranked = sorted((c for c in counts if not c.isspace()), key=lambda c: (-counts[c], c))
    letters = sorted(ranked[:_CHARACTERS])
    # A letter after the first of a word is a piece of its own; punctuation never stands there.
    inner = [_CONTINUES + c for c in letters if len(cut.pre_tokenize_str("a" + c)) == 1]
    least = len(SPECIAL) + len(letters) + len(inner)
    if vocabulary < least:
        raise InvalidInput(
            f"a WordPiece vocabulary of {vocabulary} has no room for its alphabet",
            f"set data.vocabulary to {least} or more",
        )
    tokenizer = Tokenizer(models.WordPiece(unk_token=UNKNOWN))
    tokenizer.normalizer, tokenizer.pre_tokenizer = normalizer, cut
    trainer = trainers.WordPieceTrainer(
        vocab_size=vocabulary,
        # The package numbers inner letters as it meets them, in no fixed order, and breaks ties by number: named here,
        # they have theirs before it begins, and the same text gives the same pieces everywhere.
        special_tokens=[*SPECIAL, *inner],
        initial_alphabet=letters,
        limit_alphabet=len(letters),
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts(), trainer)
    return from_ids(tokenizer.get_vocab())


def load(path: Path) -> WordPiece:
    """From a file with a piece a line: bert-base-uncased's own, or what ``save`` wrote."""
    pieces = path.read_text(encoding="utf-8").removesuffix("\n").split("\n")
    return from_ids({piece: number for number, piece in enumerate(pieces)})


def from_ids(ids: dict[str, int]) -> WordPiece:
    """From the id of each piece.  Raises InvalidInput where a special token is missing."""
    tokenizer = Tokenizer(models.WordPiece(vocab=ids, unk_token=UNKNOWN, max_input_chars_per_word=100))
    tokenizer.normalizer, tokenizer.pre_tokenizer = _normalizer(), pre_tokenizers.BertPreTokenizer()
    tokenizer.decoder = decoders.WordPiece(prefix=_CONTINUES)
    tokenizer.add_special_tokens(
        [AddedToken(token, special=True, normalized=False) for token in SPECIAL if token in ids]
    )
    return WordPiece(tokenizer)


def _normalizer() -> normalizers.Normalizer:
    return normalizers.BertNormalizer(clean_text=True, handle_chinese_chars=True, strip_accents=None, lowercase=True)
