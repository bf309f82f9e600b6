"""Folders in Hugging Face's format: config.json, model.safetensors (or its shards), and the files of a tokenizer.

Which names a model's weights have there is its own business: ``reproductions/<paper>/hf.py``.  Nothing is downloaded
and nothing is executed: weights come from safetensors only, never from a pickle.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from reproductions.registry import InvalidInput
from reproductions.run_directory import write_whole

CONFIG, WEIGHTS, SHARDS = "config.json", "model.safetensors", "model.safetensors.index.json"
_END_OF_TEXT = "<|endoftext|>"


def write_model(folder: Path, config: Mapping[str, Any], weights: Mapping[str, Tensor]) -> None:
    """config.json and model.safetensors; ``weights`` share no storage."""
    folder.mkdir(parents=True, exist_ok=True)
    _write_json(folder / CONFIG, config)
    kept = {name: tensor.detach().cpu().contiguous() for name, tensor in weights.items()}
    save_file(kept, folder / WEIGHTS, metadata={"format": "pt"})
    (folder / WEIGHTS).chmod((folder / CONFIG).stat().st_mode)  # safetensors gives it to the owner alone


def write_byte_level_tokenizer(
    folder: Path, ids: Mapping[str, int], merges: Sequence[tuple[str, str]], *, longest: int
) -> None:
    """vocab.json and merges.txt, which AutoTokenizer reads as GPT-2's tokenizer."""
    folder.mkdir(parents=True, exist_ok=True)
    _write_json(folder / "vocab.json", dict(sorted(ids.items(), key=lambda item: item[1])))
    lines = ["#version: 0.2", *(f"{left} {right}" for left, right in merges), ""]
    write_whole(folder / "merges.txt", "\n".join(lines).encode())
    special = dict.fromkeys(("bos_token", "eos_token", "unk_token"), _END_OF_TEXT)
    settings = {"tokenizer_class": "GPT2Tokenizer", "model_max_length": longest, "add_prefix_space": False, **special}
    _write_json(folder / "tokenizer_config.json", settings)


def write_tokenizer_settings(folder: Path, *, special: Mapping[str, str | None], longest: int) -> None:
    """tokenizer_config.json beside a tokenizer.json, which AutoTokenizer then takes as it stands.

    ``special`` are tokens by their role: eos_token, pad_token ...
    """
    folder.mkdir(parents=True, exist_ok=True)
    inputs = ["input_ids", "attention_mask"]
    settings = {"tokenizer_class": "PreTrainedTokenizerFast", "model_max_length": longest, "model_input_names": inputs}
    _write_json(folder / "tokenizer_config.json", {**settings, **special})


def write_wordpiece_tokenizer(folder: Path, pieces: Sequence[str], *, longest: int) -> None:
    """vocab.txt, a piece a line in the order of ids, which AutoTokenizer reads as BERT's lower-casing tokenizer."""
    folder.mkdir(parents=True, exist_ok=True)
    write_whole(folder / "vocab.txt", "".join(f"{piece}\n" for piece in pieces).encode())
    settings = {"tokenizer_class": "BertTokenizer", "model_max_length": longest, "do_lower_case": True}
    _write_json(folder / "tokenizer_config.json", settings)


def read_config(folder: Path) -> dict[str, Any]:
    """Raises InvalidInput where the folder is not of this format."""
    path = folder / CONFIG
    if not path.is_file():
        raise InvalidInput(f"{folder} has no {CONFIG}", "name a folder in Hugging Face's format")
    try:
        config = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise InvalidInput(f"{path} is not JSON: {error}", "download it again") from error
    if not isinstance(config, dict):
        raise InvalidInput(f"{path} is not an object", "download it again")
    return config


def read_weights(folder: Path) -> dict[str, Tensor]:
    """All tensors by name, from one file or its shards.  Raises InvalidInput where only a pickle is there."""
    if (folder / WEIGHTS).is_file():
        return load_file(folder / WEIGHTS)
    if (folder / SHARDS).is_file():
        shards = set(json.loads((folder / SHARDS).read_text(encoding="utf-8"))["weight_map"].values())
        weights: dict[str, Tensor] = {}
        for shard in sorted(shards):
            weights |= load_file(folder / Path(shard).name)
        return weights
    if list(folder.glob("*.bin")):
        hint = "a pickle can execute code when it is read: convert it with transformers' save_pretrained first"
        raise InvalidInput(f"{folder} has its weights as a pickle and no {WEIGHTS}", hint)
    raise InvalidInput(f"{folder} has no {WEIGHTS}", "name a folder in Hugging Face's format")


@contextmanager
def tokenizer_read(folder: Path) -> Iterator[None]:
    """Says of anything that goes wrong inside that the folder's tokenizer can't be read."""
    read_config(folder)  # that it is such a folder comes first
    try:
        yield
    except InvalidInput:
        raise
    except Exception as error:  # the tokenizers package raises nothing narrower for what it can't read
        raise InvalidInput(f"the tokenizer in {folder} can't be read: {error}", "bring it in again") from error


@contextmanager
def model_read(folder: Path) -> Iterator[None]:
    """Says of weights and sizes that make no model which file they are in."""
    try:
        yield
    except SafetensorError as error:
        raise InvalidInput(f"the weights in {folder} can't be read: {error}", "bring them in again") from error
    except (KeyError, TypeError, ValueError, ZeroDivisionError, RuntimeError) as error:
        what = f'it lacks "{error.args[0]}"' if isinstance(error, KeyError) else str(error)
        raise InvalidInput(f"{folder / CONFIG} can't be understood: {what}", "look at it") from error


def _write_json(path: Path, value: Mapping[str, Any]) -> None:
    write_whole(path, (json.dumps(value, indent=2, ensure_ascii=False) + "\n").encode())
