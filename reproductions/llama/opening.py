"""Opens a trained LLaMA, ours or one in Hugging Face's format, for what `paperlab generate` asks of it."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path

import torch

from reproductions.engine import hf as files
from reproductions.engine.trained import Trained
from reproductions.gpt import writing
from reproductions.gpt.writing import Writer
from reproductions.llama import gguf, hf
from reproductions.llama.model import Llama
from reproductions.registry import InvalidInput
from reproductions.tokenizers import published

folder_of_gguf = gguf.write_folder


def open_run(
    trained: Trained, data_home: Path, *, mirror: str | None, log: Callable[[str], None], device: torch.device
) -> Writer[Llama]:
    """The model of a run.  Its tokenizer is the one that it kept, or else is made anew from its text."""
    tokenizer = writing.tokenizer_of_run(trained, data_home, mirror, log)
    with torch.device("meta"):
        llama = Llama(trained.recipe.model, tokenizer.size)
    llama.to_empty(device=device)
    trained.fill(llama)
    return Writer(llama, tokenizer, tokenizer.end_of_text, device, llama.model.context, partial(hf.save, llama))


def open_folder(folder: Path, *, device: torch.device) -> Writer[Llama]:
    """The model of a folder in Hugging Face's format.  Raises InvalidInput where something of it can't be used."""
    with files.tokenizer_read(folder):
        found = published.load(folder / hf.TOKENIZER) if (folder / hf.TOKENIZER).is_file() else None
    if found is None:
        raise InvalidInput(
            f"{folder} has no {hf.TOKENIZER}", "transformers' save_pretrained of the tokenizer writes it"
        )
    with files.model_read(folder):
        llama = hf.load(folder, device)
    return Writer(
        llama,
        found,
        writing.end_of(folder, found),
        device,
        llama.model.context,
        partial(hf.save, llama),
        begin=found.begin,
    )
