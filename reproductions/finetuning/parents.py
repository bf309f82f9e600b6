"""The pre-trained model that a fine-tuning starts from: a run of ours, or weights in Hugging Face's format.

A recipe names it in ``model.parent``:

    none                    there is none: the recipe has the sizes of the model
    hf:gpt2, hf:owner/name  of the Hugging Face hub: as it was brought in (paperlab import), else from the hub's cache
                            of this user, else it is downloaded
    a folder                a run directory, a checkpoint in one, or a folder in Hugging Face's format
    anything else           a run of PAPERLAB_HOME/runs by its id or a part of it, the newest finished one of several:
                            "gpt-1-mini" is the last gpt-1 that was trained in the tier mini

``Parent.record`` is what run.json keeps of it, so that a run can be traced to where it came from, and is not gone on
with over other weights.
"""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from reproductions.bert import hf as bert_hf
from reproductions.bert.model import BERT
from reproductions.data import hub
from reproductions.data.corpus import Corpus
from reproductions.engine import hf as files
from reproductions.engine import trained
from reproductions.gpt import hf as gpt_hf
from reproductions.gpt import opening as gpt_opening
from reproductions.gpt.model import GPT
from reproductions.registry import InvalidInput, NotReady
from reproductions.run_directory import RunDirectory, run_folders
from reproductions.run_files import sha256
from reproductions.tokenizers import byte_level, character, wordpiece
from reproductions.tokenizers.byte import ByteTokenizer
from reproductions.tokenizers.text_tokenizer import TextTokenizer

NONE = "none"
HUB_PREFIX = "hf:"
_FAMILIES: Mapping[str, type[GPT] | type[BERT]] = {"gpt": GPT, "bert": BERT}
_LOADERS: Mapping[str, Callable[[Path], TextTokenizer]] = {
    "characters": character.load,
    "bpe": byte_level.load,
    "gpt-2": byte_level.load,
    "wordpiece": wordpiece.load,
    "bert": wordpiece.load,
}


@dataclass(frozen=True)
class Parent:
    """``model`` has the weights, on the CPU; ``record`` has "sha256" of their file among other facts."""

    model: GPT | BERT
    tokenizer: TextTokenizer
    record: Mapping[str, Any]


def find(word: str, home: Path, *, mirror: str | None, log: Callable[[str], None]) -> Parent:
    """Opens what ``word`` names.  ``home`` is PAPERLAB_HOME, with runs/, models/ and data/.

    Raises NotReady where it is not at hand, InvalidInput where it is no model that can be fine-tuned here.
    """
    if word.startswith(HUB_PREFIX):
        return _of_hub(word.removeprefix(HUB_PREFIX), home, mirror, log)
    path = Path(word).expanduser()
    if path.is_dir():
        path = path.absolute()
        if (path / "run.json").is_file():
            return _of_run(RunDirectory(path), None, home, mirror, log)
        if (path / "state.json").is_file() and (path.parent.parent / "run.json").is_file():
            return _of_run(RunDirectory(path.parent.parent), path, home, mirror, log)
        return _of_folder(path, str(path))
    stored = home / "models" / word
    if (stored / files.CONFIG).is_file():
        return _of_folder(stored, word)
    return _of_run(_by_id(word, home / "runs", log), None, home, mirror, log)


def _by_id(word: str, runs_dir: Path, log: Callable[[str], None]) -> RunDirectory:
    if (runs_dir / word / "run.json").is_file():
        return RunDirectory(runs_dir / word)
    named = [RunDirectory(path) for path in run_folders(runs_dir) if word in path.name] if runs_dir.is_dir() else []
    alike = [run for run in named if (run.path / "run.json").is_file() and run.run.get("reproduction") in _FAMILIES]
    finished = [run for run in alike if run.result is not None]
    if not finished:
        held = f"{alike[-1].id} is not finished" if alike else f"no finished run in {runs_dir} is called so"
        hint = (
            "train one: python -m reproductions gpt-1 --tier mini (or bert-base), or name another with "
            "--set model.parent=RUN; --set model.parent=none starts from nothing, with sizes of its own"
        )
        raise NotReady(f'the parent "{word}" is not at hand: {held}', hint)
    log(f"fine-tuning {finished[-1].id}")
    return finished[-1]  # ids begin with the time


def _of_run(
    run: RunDirectory, chosen: Path | None, home: Path, mirror: str | None, log: Callable[[str], None]
) -> Parent:
    found = trained.read(run, chosen)
    family = _FAMILIES.get(found.recipe.reproduction)
    if family is None:
        what = f"{run.id} is a run of {found.recipe.reproduction}, which is not fine-tuned here"
        raise InvalidInput(what, f"take one of {' or '.join(_FAMILIES)}")
    if run.result is None:
        log(f"{run.id} is not finished: its weights are those of step {found.step} of {found.max_steps}")
    tokenizer = _tokenizer(found, home / "data", mirror, log)
    found.check_tokenizer(tokenizer.sha256)
    model = family(found.recipe.model, tokenizer.size)
    found.fill(model)
    state = json.loads((found.checkpoint / "state.json").read_bytes())
    record = {
        "run": run.id,
        "recipe": found.recipe.name,
        "tier": found.recipe.tier,
        "checkpoint": found.checkpoint.name,
        "step": found.step,
        "sha256": state["files"]["model.safetensors"]["sha256"],
    }
    return Parent(model, tokenizer, record)


def _tokenizer(
    found: trained.Trained, data_home: Path, mirror: str | None, log: Callable[[str], None]
) -> TextTokenizer:
    """The one that the run kept, or else made anew from its text."""
    kind = found.recipe.data.tokenizer
    if kind == "bytes":
        return ByteTokenizer()
    if found.tokenizer is None:
        return Corpus(found.recipe.data, data_home, mirror, log).tokenizer()
    return _LOADERS[kind](found.tokenizer)


def _of_hub(name: str, home: Path, mirror: str | None, log: Callable[[str], None]) -> Parent:
    hub.check_name(name)
    word = HUB_PREFIX + name
    stored = home / "models" / name.replace("/", "--")
    if (stored / files.CONFIG).is_file():
        return _of_folder(stored, word)
    if (folder := hub.cached(name, _hub_cache())) is not None:
        return _of_folder(folder, word)
    fetched = hub.fetch(name, hub.Source(home / "data", mirror), accept=_check_type, log=log)
    with tempfile.TemporaryDirectory() as folder_name:
        for file, found in fetched.items():
            (Path(folder_name) / file).symlink_to(found.path)
        return _of_folder(Path(folder_name), word)


def _of_folder(folder: Path, word: str) -> Parent:
    """A folder in Hugging Face's format."""
    config = files.read_config(folder)
    _check_type(config)
    weights = sorted(folder.glob("model*.safetensors"))
    model: GPT | BERT
    tokenizer: TextTokenizer
    if config["model_type"] == "gpt2":
        writer = gpt_opening.open_folder(folder, device=torch.device("cpu"))
        model, tokenizer = writer.model, writer.tokenizer
    else:
        if not (folder / "vocab.txt").is_file():
            raise InvalidInput(f"{folder} has no tokenizer", "a BERT has vocab.txt")
        model, tokenizer = bert_hf.load(folder), wordpiece.load(folder / "vocab.txt")
    hashes = [sha256(path) for path in weights]
    return Parent(model, tokenizer, {"model": word, "sha256": hashes[0] if len(hashes) == 1 else hashes})


def _check_type(config: Mapping[str, Any]) -> None:
    if config.get("model_type") == "bert":
        bert_hf.model_of(config)
    else:
        gpt_hf.model_of(config)  # refuses what is no gpt2


def _hub_cache() -> Path:
    """The folder that Hugging Face's own programs keep this user's models in."""
    if explicit := os.environ.get("HF_HUB_CACHE"):
        return Path(explicit)
    cache = Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache")
    return Path(os.environ.get("HF_HOME") or cache / "huggingface").expanduser() / "hub"
