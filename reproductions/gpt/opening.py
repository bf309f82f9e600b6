"""Opens a trained GPT, ours or one in Hugging Face's format, for what `paperlab generate` asks of it."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError

from reproductions.data.corpus import Corpus
from reproductions.engine import generation
from reproductions.engine import hf as files
from reproductions.engine.generation import Decoding, Generated
from reproductions.engine.trained import Trained
from reproductions.gpt import hf
from reproductions.gpt.graphed import GraphedGPT
from reproductions.gpt.model import GPT
from reproductions.registry import InvalidInput
from reproductions.tokenizers import byte_level, character
from reproductions.tokenizers.byte import ByteTokenizer
from reproductions.tokenizers.text_tokenizer import TextTokenizer

_PAIRS = (("vocab.json", "merges.txt"), ("encoder.json", "vocab.bpe"))
"""A vocabulary and its merges: as Hugging Face names the files, and as OpenAI published them."""


@dataclass(frozen=True)
class Writer:
    """``end`` is the token that ends a text and that an empty prompt starts from; None where there is none."""

    model: GPT
    tokenizer: TextTokenizer
    end: int | None
    device: torch.device

    def write(
        self,
        prompts: Sequence[str],
        *,
        batch: int = 16,
        on_text: Callable[[int, str], None] = lambda _row, _text: None,
        **decoding: Any,
    ) -> list[Generated]:
        """The continuation of each prompt, ``batch`` prompts at a time; ``decoding`` are the fields of Decoding.

        What a prompt gets depends on its place among the prompts, never on ``batch``, as long as the context is not
        full.  Raises InvalidInput for a decoding that can't be, and for a prompt that the model has no room for.
        """
        how = Decoding(**decoding)
        rows = self.tokenizer.encode(prompts)
        self._check(rows)
        model = GraphedGPT(self.model) if self.device.type == "cuda" else self.model
        found: list[Generated] = []
        for first in range(0, len(rows), batch):
            found += generation.complete(
                model,
                rows[first : first + batch],
                how,
                context=self.model.model.context,
                end=self.end,
                decode=self.tokenizer.decode,
                on_text=lambda row, text, first=first: on_text(first + row, text),  # type: ignore[misc]
                device=self.device,
                first_row=first,
            )
        return found

    def save(self, folder: Path) -> None:
        """Writes what AutoModelForCausalLM and AutoTokenizer open.  Raises InvalidInput for what they can't be."""
        if not isinstance(self.tokenizer, byte_level.ByteLevelEncoding):
            raise InvalidInput(
                f"GPT-2's tokenizer is byte-level BPE, and this one is of {self.tokenizer.kind}",
                'train with data.tokenizer "bpe" or "gpt-2"',
            )
        hf.save(self.model, folder, self.tokenizer)

    def _check(self, rows: Sequence[Sequence[int]]) -> None:
        context = self.model.model.context
        for number, row in enumerate(rows, start=1):
            if len(row) >= context:
                what = f"prompt {number} has {len(row):,} tokens and the model reads less than {context:,}"
                raise InvalidInput(what, "shorten it")


def open_run(
    trained: Trained, data_home: Path, *, mirror: str | None, log: Callable[[str], None], device: torch.device
) -> Writer:
    """The model of a run.  Its tokenizer is the one that it kept, or else is made anew from its text."""
    tokenizer = _tokenizer(trained, data_home, mirror, log)
    trained.check_tokenizer(tokenizer.sha256)
    with torch.device("meta"):
        gpt = GPT(trained.recipe.model, tokenizer.size)
    gpt.to_empty(device=device)
    trained.fill(gpt)
    return Writer(gpt, tokenizer, tokenizer.end_of_text, device)


def open_folder(folder: Path, *, device: torch.device) -> Writer:
    """The model of a folder in Hugging Face's format.  Raises InvalidInput where something of it can't be used."""
    tokenizer = _tokenizer_of(folder)
    try:
        gpt = hf.load(folder, device)
    except SafetensorError as error:
        raise InvalidInput(f"the weights in {folder} can't be read: {error}", "bring them in again") from error
    except (KeyError, TypeError, ValueError, ZeroDivisionError, RuntimeError) as error:
        what = f'it lacks "{error.args[0]}"' if isinstance(error, KeyError) else str(error)
        raise InvalidInput(f"{folder / files.CONFIG} can't be understood: {what}", "look at it") from error
    return Writer(gpt, tokenizer, _end_of(folder, tokenizer), device)


def _tokenizer(trained: Trained, data_home: Path, mirror: str | None, log: Callable[[str], None]) -> TextTokenizer:
    kind = trained.recipe.data.tokenizer
    if kind == "bytes":
        return ByteTokenizer()
    if trained.tokenizer is None:
        return Corpus(trained.recipe.data, data_home, mirror, log).tokenizer()
    return character.load(trained.tokenizer) if kind == "characters" else byte_level.load(trained.tokenizer)


def _tokenizer_of(folder: Path) -> TextTokenizer:
    files.read_config(folder)  # that it is such a folder comes first
    try:
        for vocabulary, merges in _PAIRS:
            if (folder / vocabulary).is_file() and (folder / merges).is_file():
                return byte_level.from_files(folder / vocabulary, folder / merges)
        if (folder / "tokenizer.json").is_file():
            return byte_level.load(folder / "tokenizer.json")
    except Exception as error:  # the tokenizers package raises nothing narrower for what it can't read
        raise InvalidInput(f"the tokenizer in {folder} can't be read: {error}", "bring it in again") from error
    known = ", ".join(["tokenizer.json", *(f"{vocabulary} and {merges}" for vocabulary, merges in _PAIRS)])
    raise InvalidInput(f"{folder} has no tokenizer", f"a GPT-2 has one of: {known}")


def _end_of(folder: Path, tokenizer: TextTokenizer) -> int | None:
    """The token that ends a text, as transformers finds it: generation_config.json first, then config.json."""
    for name in ("generation_config.json", files.CONFIG):
        found = _object(folder / name).get("eos_token_id")
        ends = found if isinstance(found, list) else [] if found is None else [found]
        if len(ends) > 1 or not all(type(end) is int for end in ends):
            raise InvalidInput(f"{folder / name} has the end token {found!r}", "one token can be the end here")
        if ends:
            return int(ends[0])
    return tokenizer.end_of_text


def _object(path: Path) -> Mapping[str, Any]:
    try:
        found = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
    except ValueError as error:
        raise InvalidInput(f"{path} is not JSON: {error}", "bring it in again") from error
    return found if isinstance(found, dict) else {}
