"""Texts that answer a text: a source, and what is to be written for it.

Three splits, which are never the same examples: "train" is trained on, "val" chooses (rates, steps), "test" is
measured on, once per final seed.  Where nobody has a set's test split, its dev split is measured, and a tenth of its
training split, picked by the text's own hash or by whole books and modules, makes the choices.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from reproductions.data import manifest, python_functions, quoted_turns, word_problems
from reproductions.data.text import read_lines
from reproductions.registry import InvalidInput

Split = Literal["train", "val", "test"]
SPLITS: tuple[Split, ...] = ("train", "val", "test")
Application = Literal["summarization", "question answering", "dialogue", "code generation"]
_HELD_OUT_ONE_IN = 10


@dataclass(frozen=True)
class Prompted:
    """``target`` follows ``source`` and the set's cue.  ``references`` are all the right ones, ``target`` among them.

    ``sentences`` are those of the source, where it is summarised.
    """

    source: str
    target: str
    references: tuple[str, ...] = ()
    sentences: tuple[str, ...] = ()


@dataclass(frozen=True)
class PromptedSet:
    """``cue`` stands between source and target.  ``measured`` is what the split "test" is called by its authors.

    ``chosen`` says what "val" is; ``file_of`` is the data set of the manifest, none for what Python brings along.
    """

    name: str
    application: Application
    cue: str
    measured: str
    chosen: str
    file_of: str | None
    read: Callable[[Mapping[str, Path]], Iterator[tuple[Split, Prompted]]]


class Examples:
    """The examples of one set by split.  Files are fetched at once, and read once."""

    def __init__(self, name: str, data_home: Path, mirror: str | None, log: Callable[[str], None]) -> None:
        if name not in SETS:
            raise InvalidInput(f'no prompted texts are called "{name}"', f"there are: {', '.join(SETS)}")
        self.set = SETS[name]
        files = manifest.load()[self.set.file_of].files if self.set.file_of else {}
        self._fetched = {key: manifest.fetch(file, data_home, mirror=mirror, log=log) for key, file in files.items()}
        self._paths = {key: file.path for key, file in files.items()}
        self.splits: dict[Split, list[Prompted]] = {split: [] for split in SPLITS}
        for split, example in self.set.read({key: file.path for key, file in self._fetched.items()}):
            self.splits[split].append(example)
        counts = ", ".join(f"{len(self.splits[split]):,} {split}" for split in SPLITS)
        log(f"{name}: {counts}")

    def provenance(self) -> dict[str, Any]:
        """Hash, origin and size of everything that was read."""
        if not self._fetched:
            texts = [[split, vars(example)] for split in SPLITS for example in self.splits[split]]
            digest = zlib.crc32(repr(texts).encode())
            return {self.set.name: {"sha256": f"crc32:{digest:08x}", "url": None, "bytes": 0, "pinned": False}}
        return {self._paths[key]: file.provenance() for key, file in self._fetched.items()}


def _train_or_val(text: str) -> Split:
    return "val" if zlib.crc32(text.encode()) % _HELD_OUT_ONE_IN == 0 else "train"


def _scitldr(files: Mapping[str, Path]) -> Iterator[tuple[Split, Prompted]]:
    """The first summary of a paper is its authors', and the only one in the training split."""
    for key in ("train", "dev"):
        for line in read_lines(files[key], key):
            paper = json.loads(line)
            sentences = tuple(sentence.strip() for sentence in paper["source"])
            references = tuple(summary.strip() for summary in paper["target"])
            example = Prompted(" ".join(sentences), f" {references[0]}", references, sentences)
            yield "test" if key == "dev" else _train_or_val(paper["paper_id"]), example


def _gsm8k(files: Mapping[str, Path]) -> Iterator[tuple[Split, Prompted]]:
    """Solutions as they are, with the calculator's annotations <<...=...>> and the answer behind ####."""
    for key in ("train", "test"):
        for line in read_lines(files[key], key):
            problem = json.loads(line)
            question = problem["question"]
            yield "test" if key == "test" else _train_or_val(question), Prompted(question, problem["answer"])


def _word_problems(_: Mapping[str, Path]) -> Iterator[tuple[Split, Prompted]]:
    for split, count in (("train", 20_000), ("val", 300), ("test", 500)):
        for problem in word_problems.problems(split, count):
            yield split, Prompted(problem.question, problem.solution)  # type: ignore[misc]


def _novels(files: Mapping[str, Path]) -> Iterator[tuple[Split, Prompted]]:
    """By book: the corpus's own valid books are measured, a tenth of the others, picked by their text, chooses."""
    for key in ("train", "valid"):
        for turn, reply, book in quoted_turns.pairs(read_lines(files[key], f"{key}.txt.xz")):
            split = "test" if key == "valid" else _train_or_val(book)
            yield split, Prompted(f'"{turn}"', f'"{reply}"')


def _functions(_: Mapping[str, Path]) -> Iterator[tuple[Split, Prompted]]:
    for function in python_functions.functions():
        yield function.split, Prompted(function.header, function.body)


def _docstrings(_: Mapping[str, Path]) -> Iterator[tuple[Split, Prompted]]:
    for docstring in python_functions.docstrings():
        sentences = python_functions.sentences(docstring.rest)
        yield docstring.split, Prompted(docstring.rest, f" {docstring.summary}", (docstring.summary,), sentences)


def _interpreter(_: Mapping[str, Path]) -> Iterator[tuple[Split, Prompted]]:
    for session in python_functions.sessions():
        yield session.split, Prompted(f">>> {session.statement}", session.answer)


_TENTH = "a tenth of the training split"
_SUMMARY_CUE = "\nTL;DR:"  # GPT-2, section 3.6
SETS: Mapping[str, PromptedSet] = {
    each.name: each
    for each in (
        PromptedSet("scitldr", "summarization", _SUMMARY_CUE, "dev", _TENTH, "scitldr", _scitldr),
        PromptedSet("gsm8k", "question answering", "\n", "test", _TENTH, "gsm8k", _gsm8k),
        PromptedSet(
            "novel-dialogue", "dialogue", "\n", "valid", "a tenth of the training books", "english-novels", _novels
        ),
        PromptedSet("python-functions", "code generation", "\n", "test", "other modules", None, _functions),
        PromptedSet("python-docstrings", "summarization", _SUMMARY_CUE, "test", "other modules", None, _docstrings),
        PromptedSet("word-problems", "question answering", "\n", "test", "other problems", None, _word_problems),
        PromptedSet("python-sessions", "dialogue", "\n", "test", "other statements", None, _interpreter),
    )
}
