"""Opens a trained BERT, ours or one in Hugging Face's format, for what `paperlab fill` asks of it: words for [MASK]."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import torch

from reproductions.bert import hf
from reproductions.bert.model import BERT
from reproductions.data.corpus import Corpus
from reproductions.engine import hf as files
from reproductions.engine.trained import Trained
from reproductions.registry import InvalidInput
from reproductions.tokenizers import wordpiece
from reproductions.tokenizers.wordpiece import WordPiece

_BATCH = 16


@dataclass(frozen=True)
class Guess:
    """A piece for one [MASK], and P(piece | everything else)."""

    piece: str
    probability: float


@dataclass(frozen=True)
class Filled:
    """``text`` has the most probable piece at each [MASK]; ``masks`` the best pieces of each, best first."""

    text: str
    masks: tuple[tuple[Guess, ...], ...]


@dataclass(frozen=True)
class Filler:
    opens_with: ClassVar[str] = "AutoModelForMaskedLM"

    model: BERT
    tokenizer: WordPiece
    device: torch.device

    @torch.inference_mode()
    def fill(self, texts: Sequence[str], *, n_best: int = 1) -> list[Filled]:
        """The ``n_best`` most probable pieces for each [MASK] of each text, every one by itself.

        Raises InvalidInput for a text without [MASK], and for one that the model has no room for.
        """
        rows = [[self.tokenizer.classify, *ids, self.tokenizer.separator] for ids in self._encoded(texts)]
        found: list[Filled] = []
        for first in range(0, len(rows), _BATCH):
            batch = rows[first : first + _BATCH]
            longest = max(map(len, batch))
            padded_BT = torch.tensor([row + [self.tokenizer.pad] * (longest - len(row)) for row in batch])
            lengths_B1 = torch.tensor([[len(row)] for row in batch])
            real_BT = (torch.arange(longest) < lengths_B1).to(self.device)
            tokens_BT = padded_BT.to(self.device)
            hidden_BTD = self.model.hidden(tokens_BT, torch.zeros_like(tokens_BT), real_BT)
            for row, hidden_TD in zip(batch, hidden_BTD, strict=True):
                found.append(self._filled(row, hidden_TD, n_best))
        return found

    def save(self, folder: Path) -> None:
        """Writes what AutoModelForMaskedLM, AutoModelForPreTraining and AutoTokenizer open."""
        hf.save(self.model, folder, self.tokenizer)

    def _filled(self, row: list[int], hidden_TD: torch.Tensor, n_best: int) -> Filled:
        places = [place for place, token in enumerate(row) if token == self.tokenizer.mask]
        share_NV = self.model.words(hidden_TD[torch.tensor(places, device=self.device)]).float().softmax(dim=-1)
        best_Nk, piece_Nk = share_NV.topk(min(n_best, share_NV.shape[-1]))
        pieces = self.tokenizer.pieces()
        guesses = [
            tuple(Guess(pieces[piece], share) for piece, share in zip(ids, shares, strict=True))
            for ids, shares in zip(piece_Nk.tolist(), best_Nk.tolist(), strict=True)
        ]
        chosen = list(row)
        for place, piece in zip(places, piece_Nk[:, 0].tolist(), strict=True):
            chosen[place] = piece
        return Filled(self.tokenizer.decode(chosen[1:-1]), tuple(guesses))

    def _encoded(self, texts: Sequence[str]) -> list[list[int]]:
        rows, room = self.tokenizer.encode(texts, special=True), self.model.model.context - 2
        for number, row in enumerate(rows, start=1):
            if self.tokenizer.mask not in row:
                raise InvalidInput(f"text {number} has no {wordpiece.MASK}", f'for example "a cold {wordpiece.MASK}"')
            if len(row) > room:
                what = f"text {number} has {len(row):,} pieces and the model reads {room:,}"
                raise InvalidInput(what, "shorten it")
        return rows


def open_run(
    trained: Trained, data_home: Path, *, mirror: str | None, log: Callable[[str], None], device: torch.device
) -> Filler:
    """The model of a run.  Its tokenizer is the one that it kept, or else is made anew from its text."""
    if trained.tokenizer is None:
        tokenizer = Corpus(trained.recipe.data, data_home, mirror, log).tokenizer()
        assert isinstance(tokenizer, WordPiece)
    else:
        tokenizer = wordpiece.load(trained.tokenizer)
    trained.check_tokenizer(tokenizer.sha256)
    with torch.device("meta"):
        bert = BERT(trained.recipe.model, tokenizer.size)
    bert.to_empty(device=device)
    trained.fill(bert)
    return Filler(bert, tokenizer, device)


def open_folder(folder: Path, *, device: torch.device) -> Filler:
    """The model of a folder in Hugging Face's format.  Raises InvalidInput where something of it can't be used.

    The head for the next sentence may be missing, as in a BertForMaskedLM: it is not asked.
    """
    with files.tokenizer_read(folder):
        tokenizer = _tokenizer_of(folder)
    with files.model_read(folder):
        bert = hf.load(folder, device, only_words=True)
    return Filler(bert, tokenizer, device)


def _tokenizer_of(folder: Path) -> WordPiece:
    """From tokenizer.json or vocab.txt, where it is WordPiece that lower-cases, as bert-base-uncased's."""
    if (folder / "tokenizer.json").is_file():
        serialised: dict[str, Any] = json.loads((folder / "tokenizer.json").read_text(encoding="utf-8"))
        ids = dict(serialised["model"]["vocab"])
        lowers = serialised["normalizer"]["lowercase"]
    elif (folder / "vocab.txt").is_file():
        pieces = (folder / "vocab.txt").read_text(encoding="utf-8").removesuffix("\n").split("\n")
        ids = {piece: number for number, piece in enumerate(pieces)}
        lowers = not any(piece != piece.lower() for piece in pieces if not piece.startswith("["))
    else:
        raise InvalidInput(f"{folder} has no tokenizer", "a BERT has tokenizer.json or vocab.txt")
    if not lowers:
        raise InvalidInput(f"the tokenizer in {folder} keeps capital letters", "take an uncased BERT")
    return wordpiece.from_ids(ids)
