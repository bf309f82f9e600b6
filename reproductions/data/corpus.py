"""The text of a recipe by split: files of the manifest or what Python brings along; its tokenizer; its tokens."""

from __future__ import annotations

import functools
import hashlib
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Protocol

from reproductions.data import manifest, python_text, wikipedia
from reproductions.data.text import read_archived_documents, read_lines, read_text
from reproductions.data.token_shards import TokenRow, read_tokens, write_tokens
from reproductions.registry import InvalidInput
from reproductions.tokenizers import byte_level, character, wordpiece
from reproductions.tokenizers.byte import ByteTokenizer
from reproductions.tokenizers.text_tokenizer import END_OF_TEXT, TextTokenizer

PYTHON_TEXTS = (python_text.STANDARD_LIBRARY, python_text.PYDOC_TOPICS)
# Tokenizers whose vocabulary is a data set of its own.
_PUBLISHED = {"gpt-2": "gpt2-vocabulary", "bert": "bert-vocabulary"}
_ONE_IN = 2000  # documents of a corpus without a validation split that are held out
_KEPT: dict[str, Callable[[Path], TextTokenizer]] = {
    "characters": character.load,
    "bpe": byte_level.load,
    "wordpiece": wordpiece.load,
}
_TRAIN_SHARE = 0.9  # of tiny Shakespeare's characters: nanoGPT's data/shakespeare_char/prepare.py


class Choice(Protocol):
    """Which text and tokens a recipe's data ask for; gpt's and bert's recipes say what they mean."""

    @property
    def dataset(self) -> str: ...
    @property
    def tokenizer(self) -> str: ...
    @property
    def vocabulary(self) -> int: ...
    @property
    def characters(self) -> int: ...


class Corpus:
    """Files are fetched at once; text is read when it is asked for."""

    def __init__(self, data: Choice, data_home: Path, mirror: str | None, log: Callable[[str], None]) -> None:
        self.data = data
        self._data_home, self._log = data_home, log
        self._files: dict[str, dict[str, manifest.Fetched]] = {}
        self._datasets = manifest.load()
        if data.dataset not in (*self._datasets, *PYTHON_TEXTS):
            known = ", ".join((*PYTHON_TEXTS, *(name for name, held in self._datasets.items() if _is_running(held))))
            raise InvalidInput(f'no text is called "{data.dataset}"', f"there are: {known}")
        if data.dataset not in PYTHON_TEXTS:
            self._fetch(data.dataset, mirror)
        if data.tokenizer in _PUBLISHED:
            self._fetch(_PUBLISHED[data.tokenizer], mirror)

    def _fetch(self, name: str, mirror: str | None) -> None:
        files = self._datasets[name].files
        self._files[name] = {
            key: manifest.fetch(file, self._data_home, mirror=mirror, log=self._log) for key, file in files.items()
        }

    def provenance(self) -> dict[str, Any]:
        """Hash, origin and size of everything that was read."""
        if self.data.dataset in PYTHON_TEXTS:
            found = {self.data.dataset: {"sha256": self._identity, "url": None, "bytes": 0, "pinned": False}}
        else:
            found = {}
        for name, files in self._files.items():
            found |= {self._datasets[name].files[key].path: file.provenance() for key, file in files.items()}
        return found

    def pieces(self, split: str) -> Iterator[str]:
        """The text of "train" or "val" in order; END_OF_TEXT by itself ends a document."""
        limit = self.data.characters if split == "train" else self.data.characters // 10
        read = 0
        for piece in self._pieces(split):
            if limit and read + len(piece) >= limit:
                yield piece[: limit - read]
                return
            read += len(piece)
            yield piece

    def tokenizer(self) -> TextTokenizer:
        """Fixed, or learned from the training split once and kept."""
        kind = self.data.tokenizer
        if kind == "bytes":
            return ByteTokenizer()
        if kind in _PUBLISHED:
            files = self._files[_PUBLISHED[kind]]
            if kind == "bert":
                return wordpiece.load(files["vocabulary"].path)
            return byte_level.gpt2(files["encoder"].path, files["merges"].path)
        path = self._folder("tokenizers", kind, self.data.vocabulary, self.data.characters) / "tokenizer.json"
        if not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            self._learn(kind).save(path)
        return _KEPT[kind](path)

    def _learn(self, kind: str) -> character.CharacterTokenizer | byte_level.ByteLevelEncoding | wordpiece.WordPiece:
        if kind == "characters":
            # Of the whole text, as nanoGPT does: a character that only the validation split has is an input too.
            return character.train(piece for split in ("train", "val") for piece in self.pieces(split))
        if kind == "wordpiece":
            self._log(f"learning {self.data.vocabulary:,} word pieces")
            return wordpiece.train(self._training_text, self.data.vocabulary)
        self._log(f"learning {self.data.vocabulary:,} byte pairs")
        return byte_level.train(self._training_text(), self.data.vocabulary)

    def _training_text(self) -> Iterator[str]:
        return (piece for piece in self.pieces("train") if piece != END_OF_TEXT)

    def tokens(self, split: str, tokenizer: TextTokenizer) -> TokenRow:
        """The split as tokens on the disk; an encoding that was interrupted goes on."""
        folder = self._folder("tokens", split, tokenizer.sha256, self.data.characters)
        index = write_tokens(self.pieces(split), tokenizer, folder, name=f"{self.data.dataset} {split}")
        count = sum(shard["tokens"] for shard in index["shards"])
        self._log(f"{self.data.dataset}, {split}: {count:,} tokens in {len(index['shards'])} shards")
        return read_tokens(folder, tokenizer)

    def _pieces(self, split: str) -> Iterator[str]:
        name = self.data.dataset
        if name in PYTHON_TEXTS:
            for text in python_text.documents(name, split):
                yield text
                yield END_OF_TEXT
            return
        if not _is_running(self._datasets[name]):
            raise InvalidInput(f'"{name}" is no running text', "take a data set with a train and a val split")
        key, _ = next(text.sides["text"] for text in self._datasets[name].texts if text.split == split)
        path, upstream = self._files[name][key].path, self._datasets[name].files[key].path
        if name == "tiny-shakespeare":
            text = read_text(path, upstream)
            cut = int(_TRAIN_SHARE * len(text))
            yield text[:cut] if split == "train" else text[cut:]
        elif name in ("openwebtext", "wikipedia-en"):
            read = read_archived_documents if name == "openwebtext" else wikipedia.read_articles
            for number, document in enumerate(read(path)):
                if (number % _ONE_IN == 0) == (split == "val"):
                    yield document
                    yield END_OF_TEXT
        else:
            for line in read_lines(path, upstream):
                yield line if line == END_OF_TEXT else line + "\n"

    @functools.cached_property
    def _identity(self) -> str:
        """Of the text: two corpora with the same one have the same pieces."""
        if self.data.dataset in PYTHON_TEXTS:
            digest = hashlib.sha256()
            for split in ("train", "val"):
                for piece in self.pieces(split):
                    digest.update(hashlib.sha256(piece.encode()).digest())
            return digest.hexdigest()
        return "+".join(file.sha256 for file in self._files[self.data.dataset].values())

    def _folder(self, kind: str, *parameters: Any) -> Path:
        key = json.dumps([self.data.dataset, self._identity, *parameters])
        return self._data_home / kind / f"{self.data.dataset}-{hashlib.sha256(key.encode()).hexdigest()[:16]}"


def _is_running(dataset: manifest.Dataset) -> bool:
    """Whether it is text to learn from: both splits are there, and it is no pair of languages."""
    return {"train", "val"} <= {text.split for text in dataset.texts if "text" in text.sides}
