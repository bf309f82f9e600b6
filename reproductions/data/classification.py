"""Labelled texts: a sentence or a pair of them, and a class or a score.

Three splits, which are never the same examples: "train" is trained on, "val" chooses (rates, steps), "test" is
measured on, once per final seed.  Where nobody has the labels of a set's test split, its dev split is measured, and a
tenth of its training split, picked by the text's own hash, makes the choices.
"""

from __future__ import annotations

import hashlib
import json
import random
import re
import zipfile
import zlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal

from reproductions.data import manifest, python_text
from reproductions.data.text import members, read_lines
from reproductions.registry import InvalidInput

Relation = Literal["single", "similarity", "entailment"]
Split = Literal["train", "val", "test"]
SPLITS: tuple[Split, ...] = ("train", "val", "test")
PYTHON_SENTENCES, PYTHON_LINES = "python-sentences", "python-lines"
_HELD_OUT_ONE_IN = 10
_COMMENT = re.compile(r"\n\s*#\s?")
_SENTENCE = re.compile(r"[A-Z][a-z][A-Za-z ,;'-]{20,140}[.](?= )")
_CODE = re.compile(r"^ +[a-z_.]+(?: = |\().+$", re.MULTILINE)
_WORD = re.compile(r"[a-z]+")
_LEAST_WORDS, _MOST_WORDS = 5, 20
_FOLDS: tuple[Split, ...] = ("train",) * 8 + ("val", "test")  # the hundreds of cv000 to cv999 number them


@dataclass(frozen=True)
class Example:
    """``label`` is the number of the class, or the score where there are no classes."""

    first: str
    second: str | None
    label: float


@dataclass(frozen=True)
class Labelled:
    """A set.  ``classes`` are the names of the labels in order; none: a score is predicted.

    ``measured`` is what the split "test" is called by the set's authors; ``chosen`` says what "val" is.
    """

    name: str
    task: str
    relation: Relation
    classes: tuple[str, ...]
    measured: str
    chosen: str
    read: Callable[[Mapping[str, Path]], Iterator[tuple[Split, Example]]]


class Examples:
    """The examples of one set by split.  Files are fetched at once, and read once."""

    def __init__(self, name: str, data_home: Path, mirror: str | None, log: Callable[[str], None]) -> None:
        if name not in SETS:
            raise InvalidInput(f'no labelled texts are called "{name}"', f"there are: {', '.join(SETS)}")
        self.labelled = SETS[name]
        files = manifest.load()[name].files if name not in (PYTHON_SENTENCES, PYTHON_LINES) else {}
        self._fetched = {key: manifest.fetch(file, data_home, mirror=mirror, log=log) for key, file in files.items()}
        self._paths = {key: file.path for key, file in files.items()}
        self.splits: dict[Split, list[Example]] = {split: [] for split in SPLITS}
        for split, example in self.labelled.read({key: file.path for key, file in self._fetched.items()}):
            self.splits[split].append(example)
        counts = ", ".join(f"{len(self.splits[split]):,} {split}" for split in SPLITS)
        log(f"{name}: {counts}")

    def provenance(self) -> dict[str, Any]:
        """Hash, origin and size of everything that was read."""
        if not self._fetched:
            texts = [[split, vars(example)] for split in SPLITS for example in self.splits[split]]
            digest = hashlib.sha256(json.dumps(texts).encode()).hexdigest()
            return {self.labelled.name: {"sha256": digest, "url": None, "bytes": 0, "pinned": False}}
        return {self._paths[key]: file.provenance() for key, file in self._fetched.items()}


def _train_or_val(text: str) -> Split:
    return "val" if zlib.crc32(text.encode()) % _HELD_OUT_ONE_IN == 0 else "train"


def _sst_2(files: Mapping[str, Path]) -> Iterator[tuple[Split, Example]]:
    for key in ("train", "dev"):
        for line in read_lines(files[key], key):
            label, _, text = line.partition(" ")
            yield "test" if key == "dev" else _train_or_val(text), Example(text, None, int(label))


def _cola(files: Mapping[str, Path]) -> Iterator[tuple[Split, Example]]:
    for key in ("train", "in-domain", "out-of-domain"):
        for line in read_lines(files[key], key):
            _, label, _, text = line.split("\t")
            yield _train_or_val(text) if key == "train" else "test", Example(text, None, int(label))


def _mrpc(files: Mapping[str, Path]) -> Iterator[tuple[Split, Example]]:
    for key in ("train", "test"):
        for number, line in enumerate(read_lines(files[key], key)):
            if number == 0:
                continue  # the names of the columns
            label, _, _, first, second = line.split("\t")
            yield "test" if key == "test" else _train_or_val(first), Example(first, second, int(label))


def _rte(files: Mapping[str, Path]) -> Iterator[tuple[Split, Example]]:
    for key in ("train", "dev"):
        for number, line in enumerate(read_lines(files[key], key)):
            if number == 0:
                continue
            _, premise, hypothesis, label = line.split("\t")
            example = Example(premise, hypothesis, int(label == "entailment"))
            yield "test" if key == "dev" else _train_or_val(premise), example


def _sts_b(files: Mapping[str, Path]) -> Iterator[tuple[Split, Example]]:
    splits: dict[str, Split] = {"train": "train", "dev": "val", "test": "test"}
    for key, split in splits.items():
        for line in read_lines(files[key], key):
            score, first, second = line.split("\t")[4:7]  # some rows carry licences behind
            yield split, Example(first, second, float(score))


def _movie_reviews(files: Mapping[str, Path]) -> Iterator[tuple[Split, Example]]:
    for label, polarity in enumerate(("neg", "pos")):
        with zipfile.ZipFile(files["all"]) as packed:
            for member in members(files["all"], f"movie_reviews/{polarity}/cv*.txt"):
                text = " ".join(packed.read(member).decode("utf-8").split())
                yield _FOLDS[int(member.rpartition("/cv")[2][0])], Example(text, None, label)


def _python_sentences(_: Mapping[str, Path]) -> Iterator[tuple[Split, Example]]:
    """Sentences of the standard library's comments and docstrings, and for each one its words in another order."""
    for sentence in _sentences_of_python():
        words = sentence.split(" ")
        shuffled = words.copy()
        random.Random(zlib.crc32(sentence.encode())).shuffle(shuffled)
        if shuffled != words:
            yield _any_split(sentence), Example(sentence, None, 1)
            yield _any_split(sentence), Example(" ".join(shuffled), None, 0)


def _python_lines(_: Mapping[str, Path]) -> Iterator[tuple[Split, Example]]:
    """The same sentences, and as many lines of the library's code; of both the words alone, without their order."""
    for label, texts in ((1, _sentences_of_python()), (0, _code_of_python()[: len(_sentences_of_python())])):
        for text in texts:
            words = sorted(_WORD.findall(text))
            yield _any_split(text), Example(" ".join(words), None, label)


@lru_cache(maxsize=1)
def _sentences_of_python() -> tuple[str, ...]:
    """In lower case, each once."""
    texts = (_COMMENT.sub(" ", document) for document in python_text.documents(python_text.STANDARD_LIBRARY, "train"))
    found = (sentence.rstrip(".").lower() for text in texts for sentence in _SENTENCE.findall(" ".join(text.split())))
    return tuple(dict.fromkeys(text for text in found if _LEAST_WORDS <= len(text.split(" ")) <= _MOST_WORDS))


@lru_cache(maxsize=1)
def _code_of_python() -> tuple[str, ...]:
    documents = python_text.documents(python_text.STANDARD_LIBRARY, "train")
    found = (line.strip().lower() for document in documents for line in _CODE.findall(document))
    return tuple(dict.fromkeys(line for line in found if _LEAST_WORDS <= len(_WORD.findall(line)) <= _MOST_WORDS))


def _any_split(text: str) -> Split:
    kept: tuple[Split, ...] = ("test", "val")
    number = zlib.crc32(text.encode()) % _HELD_OUT_ONE_IN
    return kept[number] if number < len(kept) else "train"


_TENTH = "a tenth of the training split"
SETS: Mapping[str, Labelled] = {
    labelled.name: labelled
    for labelled in (
        Labelled("sst-2", "sentiment", "single", ("negative", "positive"), "dev", _TENTH, _sst_2),
        Labelled("cola", "grammatical acceptability", "single", ("unacceptable", "acceptable"), "dev", _TENTH, _cola),
        Labelled("mrpc", "paraphrase", "similarity", ("different", "paraphrase"), "test", _TENTH, _mrpc),
        Labelled(
            "rte", "natural language inference", "entailment", ("no entailment", "entailment"), "dev", _TENTH, _rte
        ),
        Labelled("sts-b", "similarity", "similarity", (), "test", "dev", _sts_b),
        Labelled("movie-reviews", "sentiment", "single", ("negative", "positive"), "fold 10", "fold 9", _movie_reviews),
        Labelled(
            PYTHON_SENTENCES, "word order", "single", ("shuffled", "as written"), "test", _TENTH, _python_sentences
        ),
        Labelled(PYTHON_LINES, "code or prose", "single", ("code", "prose"), "test", _TENTH, _python_lines),
    )
}
