"""Opens a trained GPT, ours or one in Hugging Face's format, for what `paperlab generate` asks of it."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path

import torch

from reproductions.engine import hf as files
from reproductions.engine.trained import Trained
from reproductions.gpt import hf, writing
from reproductions.gpt.graphed import GraphedGPT
from reproductions.gpt.model import GPT
from reproductions.gpt.writing import Writer
from reproductions.registry import InvalidInput
from reproductions.tokenizers import byte_level
from reproductions.tokenizers.text_tokenizer import TextTokenizer

_PAIRS = (("vocab.json", "merges.txt"), ("encoder.json", "vocab.bpe"))
"""A vocabulary and its merges: as Hugging Face names the files, and as OpenAI published them."""


def open_run(
    trained: Trained, data_home: Path, *, mirror: str | None, log: Callable[[str], None], device: torch.device
) -> Writer[GPT]:
    """The model of a run.  Its tokenizer is the one that it kept, or else is made anew from its text."""
    tokenizer = writing.tokenizer_of_run(trained, data_home, mirror, log)
    with torch.device("meta"):
        gpt = GPT(trained.recipe.model, tokenizer.size)
    gpt.to_empty(device=device)
    trained.fill(gpt)
    return _writer(gpt, tokenizer, tokenizer.end_of_text, device)


def open_folder(folder: Path, *, device: torch.device) -> Writer[GPT]:
    """The model of a folder in Hugging Face's format.  Raises InvalidInput where something of it can't be used."""
    tokenizer = _tokenizer_of(folder)
    with files.model_read(folder):
        gpt = hf.load(folder, device)
    return _writer(gpt, tokenizer, writing.end_of(folder, tokenizer), device)


def _writer(gpt: GPT, tokenizer: TextTokenizer, end: int | None, device: torch.device) -> Writer[GPT]:
    steps = GraphedGPT(gpt) if device.type == "cuda" else None
    return Writer(gpt, tokenizer, end, device, gpt.model.context, partial(hf.save, gpt), steps=steps)


def _tokenizer_of(folder: Path) -> TextTokenizer:
    with files.tokenizer_read(folder):
        for vocabulary, merges in _PAIRS:
            if (folder / vocabulary).is_file() and (folder / merges).is_file():
                return byte_level.from_files(folder / vocabulary, folder / merges)
        if (folder / "tokenizer.json").is_file():
            return byte_level.load(folder / "tokenizer.json")
    known = ", ".join(["tokenizer.json", *(f"{vocabulary} and {merges}" for vocabulary, merges in _PAIRS)])
    raise InvalidInput(f"{folder} has no tokenizer", f"a GPT-2 has one of: {known}")
