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

from reproductions.bert import opening as bert_opening
from reproductions.bert.model import BERT
from reproductions.data import hub
from reproductions.engine import hf as files
from reproductions.engine import trained
from reproductions.gpt import opening as gpt_opening
from reproductions.gpt.model import GPT
from reproductions.llama import opening as llama_opening
from reproductions.llama.model import Llama
from reproductions.registry import InvalidInput, NotReady
from reproductions.run_directory import RunDirectory, run_folders
from reproductions.run_files import sha256
from reproductions.tokenizers.text_tokenizer import TextTokenizer

NONE = "none"
HUB_PREFIX = "hf:"
_OPENINGS: Mapping[str, Any] = {"gpt": gpt_opening, "llama": llama_opening, "bert": bert_opening}
_OF_TYPE = {"gpt2": "gpt", "llama": "llama", "bert": "bert"}
"""The reproduction that reads a model_type of config.json."""
_CPU = torch.device("cpu")


@dataclass(frozen=True)
class Parent:
    """``model`` has the weights, on the CPU; ``record`` has "sha256" of their file among other facts."""

    model: GPT | Llama | BERT
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
    alike = [run for run in named if (run.path / "run.json").is_file() and run.run.get("reproduction") in _OPENINGS]
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
    if found.recipe.reproduction not in _OPENINGS:
        what = f"{run.id} is a run of {found.recipe.reproduction}, which is not fine-tuned here"
        raise InvalidInput(what, f"take one of {', '.join(_OPENINGS)}")
    if run.result is None:
        log(f"{run.id} is not finished: its weights are those of step {found.step} of {found.max_steps}")
    opened = _OPENINGS[found.recipe.reproduction].open_run(found, home / "data", mirror=mirror, log=log, device=_CPU)
    state = json.loads((found.checkpoint / "state.json").read_bytes())
    record = {
        "run": run.id,
        "recipe": found.recipe.name,
        "tier": found.recipe.tier,
        "checkpoint": found.checkpoint.name,
        "step": found.step,
        "sha256": state["files"]["model.safetensors"]["sha256"],
    }
    return Parent(opened.model, opened.tokenizer, record)


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
    opened = _OPENINGS[_OF_TYPE[config["model_type"]]].open_folder(folder, device=_CPU)
    hashes = [sha256(path) for path in sorted(folder.glob("model*.safetensors"))]
    return Parent(opened.model, opened.tokenizer, {"model": word, "sha256": hashes[0] if len(hashes) == 1 else hashes})


def _check_type(config: Mapping[str, Any]) -> None:
    if config.get("model_type") not in _OF_TYPE:
        what = f'config.json is of model_type "{config.get("model_type")}"'
        raise InvalidInput(what, f"those that can be fine-tuned: {', '.join(_OF_TYPE)}")


def _hub_cache() -> Path:
    """The folder that Hugging Face's own programs keep this user's models in."""
    if explicit := os.environ.get("HF_HUB_CACHE"):
        return Path(explicit)
    cache = Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache")
    return Path(os.environ.get("HF_HOME") or cache / "huggingface").expanduser() / "hub"
