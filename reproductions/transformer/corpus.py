"""The sentence pairs of a recipe: number words made here, or files of the manifest; and the tokenizer they give."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator
from itertools import zip_longest
from pathlib import Path
from typing import Any

from reproductions.data import manifest, synthetic
from reproductions.data.parallel import Pairs, read_pairs, write_pairs
from reproductions.data.text import read_lines
from reproductions.registry import InvalidInput, NotReady
from reproductions.tokenizers import bpe
from reproductions.transformer.recipes import Data

NUMBER_WORDS = "number-words"
SOURCE, TARGET = "en", "de"


class Corpus:
    """The text of a recipe by split.  Files are fetched at once; a split is read when ``lines`` is asked for it."""

    def __init__(self, data: Data, data_home: Path, mirror: str | None, log: Callable[[str], None]) -> None:
        self.data = data
        self._data_home = data_home
        self._log = log
        self._files: dict[str, manifest.Fetched] = {}
        if data.dataset == NUMBER_WORDS:
            self._numbers = synthetic.splits(data.split_seed, data.numbers)
            return
        datasets = manifest.load()
        if data.dataset not in datasets:
            known = ", ".join((NUMBER_WORDS, *datasets))
            raise InvalidInput(f'no data set is called "{data.dataset}"', f"there are: {known}")
        self._dataset = datasets[data.dataset]
        for key, file in self._dataset.files.items():
            self._files[key] = manifest.fetch(file, data_home, mirror=mirror, log=log)

    def provenance(self) -> dict[str, Any]:
        """Hash, origin and size of everything that was read."""
        if self.data.dataset == NUMBER_WORDS:
            return {NUMBER_WORDS: {"sha256": self._identity(), "url": None, "bytes": 0, "pinned": False}}
        return {self._dataset.files[key].path: file.provenance() for key, file in self._files.items()}

    def name(self, split: str) -> str:
        """What the split is called upstream."""
        if self.data.dataset == NUMBER_WORDS:
            return split
        return "+".join(text.name for text in self._dataset.texts if text.split == split)

    def parts(self, split: str) -> list[str]:
        """The corpora that make up a split."""
        if self.data.dataset == NUMBER_WORDS:
            return [split]
        return [text.name for text in self._dataset.texts if text.split == split]

    def lines(self, split: str, part: str | None = None) -> Iterator[tuple[str, str]]:
        """(source, target) of a split, or of one of its parts."""
        if self.data.dataset == NUMBER_WORDS:
            for number in self._numbers[split].tolist():
                yield synthetic.english(number), synthetic.german(number)
            return
        for text in self._dataset.texts:
            if text.split == split and part in (None, text.name):
                sides = [self._side(*text.sides[language]) for language in (SOURCE, TARGET)]
                for source, target in zip_longest(*sides):
                    if source is None or target is None:
                        what = f"{text.name} has different numbers of lines in its two languages"
                        raise NotReady(what, "the archive is not the one the manifest describes")
                    yield source, target

    def tokenizer(self) -> bpe.BytePairEncoding:
        """Joint over both languages (section 5.1), learned from the training split once and kept."""
        path = self._folder("tokenizers", self.data.vocabulary) / "bpe.json"
        if not path.exists():
            self._log(f"learning {self.data.vocabulary:,} byte pairs")
            both = (line for pair in self.lines("train") for line in pair)
            closed = self.data.dataset == NUMBER_WORDS
            learned = bpe.train(both, self.data.vocabulary, all_bytes=not closed)
            path.parent.mkdir(parents=True, exist_ok=True)
            learned.save(path)
        return bpe.load(path)

    def pairs(self, split: str, tokenizer: bpe.BytePairEncoding, max_length: int) -> Pairs:
        """The split as token arrays on the disk, part by part, so that an interrupted preparation goes on."""
        folder = self._folder("pairs", tokenizer.sha256, max_length)
        parts = self.parts(split)
        for part in parts:
            if not (folder / part).exists():
                self._log(f"encoding {part}")
            counts = write_pairs(self.lines(split, part), tokenizer, folder / part, max_length)
            self._log(
                f"{part}: {counts['pairs']:,} pairs, {counts['source_tokens']:,} + {counts['target_tokens']:,} tokens; "
                f"left out {counts['empty']:,} empty, {counts['too_long']:,} too long"
            )
        return read_pairs([folder / part for part in parts], tokenizer)

    def _side(self, key: str, member: str | None) -> Iterator[str]:
        return read_lines(self._files[key].path, self._dataset.files[key].path, member)

    def _identity(self) -> str:
        """Of the text: two corpora with the same one have the same lines."""
        if self.data.dataset == NUMBER_WORDS:
            digest = hashlib.sha256()
            for split in ("train", "val", "test"):
                for pair in self.lines(split):
                    digest.update("\t".join(pair).encode() + b"\n")
            return digest.hexdigest()
        return "+".join(file.sha256 for file in self._files.values())

    def _folder(self, kind: str, *parameters: Any) -> Path:
        key = json.dumps([self.data.dataset, self._identity(), *parameters])
        return self._data_home / kind / f"{self.data.dataset}-{hashlib.sha256(key.encode()).hexdigest()[:16]}"
