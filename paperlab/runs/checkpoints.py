"""Opens a model: a run's, a checkpoint's, one in Hugging Face's format, one of the Hugging Face hub.

The one module of paperlab that comes near torch, and only once a model is opened: until then a source is a place on
the disk.  What a model can be asked for is its reproduction's opening.py.  Weights are safetensors; a pickle stays
closed.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import Any

from paperlab.errors import InvalidInput, NotReady
from paperlab.runs import model_store
from paperlab.runs.launch import INSTALL, explained, missing_packages
from paperlab.settings import Settings
from reproductions import registry
from reproductions.data import hub
from reproductions.run_directory import RunDirectory
from reproductions.run_files import sha256

HUB_PREFIX = "hf:"
GGUF = ".gguf"
_PACKAGES = ("torch", "numpy", "safetensors", "tokenizers")


class Kind(StrEnum):
    RUN = "run"
    CHECKPOINT = "checkpoint"
    FOLDER = "folder"  # in Hugging Face's format


@dataclass(frozen=True)
class Source:
    """Where a model lies.  `name` is what it is called on the terminal."""

    kind: Kind
    path: Path
    name: str


@dataclass(frozen=True)
class Opened:
    """`model` is what the reproduction's opening.py makes; `step` of `max_steps` are those of a run."""

    model: Any
    source: Source
    weights: Path
    step: int | None = None
    max_steps: int | None = None


def at_hand(word: str, place: Settings, now: datetime, log: Callable[[str], None]) -> Source | None:
    """What `word` names besides a run by its id: a path, a model that was brought in, or `hf:NAME`, brought in now.

    None where it is none of them.  Raises InvalidInput for a path that is no model.
    """
    if word.startswith(HUB_PREFIX):
        return _of_hub(word, place, now, log)
    path = Path(word).expanduser()
    if path.exists():
        return _at(path)
    if (stored := model_store.get(place.home, word)) is not None:
        return Source(Kind.FOLDER, stored.path, stored.name)
    if path.is_absolute() or word.startswith((".", "~")):
        raise InvalidInput(f"{word} does not exist", "name a run, a checkpoint, or a folder in Hugging Face's format")
    return None


def of_run(path: Path) -> Source:
    return Source(Kind.RUN, path, path.name)


def open_model(source: Source, command: str, place: Settings, *, device: str, log: Callable[[str], None]) -> Opened:
    """The model, ready for what `command` ("generate", "translate", or any where it is empty) asks.  Imports torch.

    Raises InvalidInput for one that does something else or whose files are damaged, NotReady where a package, a GPU,
    a checkpoint or the data behind a tokenizer is missing.
    """
    if missing := missing_packages(_PACKAGES):
        raise NotReady(f"opening a model needs {', '.join(missing)}, not installed here", INSTALL)
    with explained():
        if source.kind is Kind.FOLDER:
            reproduction = reader(_config(source.path / model_store.CONFIG), source.path)
            _check_asked(reproduction, command, source)
            on = _device(device)
            model = registry.opening(reproduction.name).open_folder(source.path, device=on)
            return Opened(model, source, source.path)
        run = RunDirectory(source.path if source.kind is Kind.RUN else source.path.parent.parent)
        _check_asked(registry.get(str(run.run.get("recipe"))), command, source)
        on = _device(device)
        from reproductions.engine import trained

        found = trained.read(run, source.path if source.kind is Kind.CHECKPOINT else None)
        model = registry.opening(found.recipe.name).open_run(
            found, place.home / "data", mirror=place.data_mirror, log=log, device=on
        )
        return Opened(model, source, found.checkpoint, found.step, found.max_steps)


def bring(
    word: str, place: Settings, *, name: str | None, now: datetime, log: Callable[[str], None]
) -> tuple[model_store.Stored, bool]:
    """Keep a model under PAPERLAB_HOME: `hf:NAME`, a folder in Hugging Face's format, or a GGUF file; (it, is it new).

    It is opened once before it is kept.  The same model again changes nothing.
    """
    if missing := missing_packages(_PACKAGES):
        raise NotReady(f"bringing a model in needs {', '.join(missing)}, not installed here", INSTALL)
    with explained():
        if word.lower().endswith(GGUF) and Path(word).expanduser().is_file():
            return _bring_gguf(Path(word).expanduser().absolute(), place, name=name, now=now, log=log)
        if not word.startswith(HUB_PREFIX):
            folder = Path(word).expanduser()
            came_from: dict[str, Any] = {"source": str(folder.absolute())}
            files, may_link = model_store.files_of(folder), False
            name = name or folder.absolute().name
        else:
            on_hub = word.removeprefix(HUB_PREFIX)
            name = name or on_hub.replace("/", "--")
            files, came_from = _files_of_hub(on_hub, place, log)
            may_link = True
        reader(_config(files[model_store.CONFIG]), word)
        return model_store.add(
            files, place.home, name, came_from=came_from, now=now, attempt=_attempt, may_link=may_link
        )


def _attempt(folder: Path) -> None:
    """Opens what is to be kept."""
    known = reader(_config(folder / model_store.CONFIG), folder)
    registry.opening(known.name).open_folder(folder, device=_device("cpu"))


def _bring_gguf(
    path: Path, place: Settings, *, name: str | None, now: datetime, log: Callable[[str], None]
) -> tuple[model_store.Stored, bool]:
    """The model of one file, as a folder in Hugging Face's format with weights in float32."""
    name = name or path.stem
    model_store.check_name(name)
    came_from = {"source": str(path), "gguf_sha256": sha256(path)}
    before = model_store.get(place.home, name)
    if before is not None and before.origin.get("gguf_sha256") == came_from["gguf_sha256"]:
        return before, False
    with model_store.beside(place.home, name) as folder:
        log(f"turning {path.name} into weights of float32")
        registry.folder_of_gguf(path, folder)
        return model_store.add(
            model_store.files_of(folder),
            place.home,
            name,
            came_from=came_from,
            now=now,
            attempt=_attempt,
            may_link=True,
        )


def reader(config: Mapping[str, Any], path: Path | str) -> registry.Reproduction:
    """The reproduction that reads models of this config.json.  Raises InvalidInput naming the types that are read."""
    kind = config.get("model_type")
    known = {each: reproduction for reproduction in registry.all() for each in reproduction.hugging_face}
    if kind not in known:
        what = "names no model_type" if kind is None else f'is a model of type "{kind}"'
        raise InvalidInput(f"{path} {what}, which can't be opened here", f"those that can: {', '.join(known)}")
    return known[kind]


def _of_hub(word: str, place: Settings, now: datetime, log: Callable[[str], None]) -> Source:
    """Brought in before, or in the hub's own cache, or else brought in now."""
    name = word.removeprefix(HUB_PREFIX)
    with explained():
        hub.check_name(name)
        stored = model_store.get(place.home, name.replace("/", "--"))
        if stored is not None:
            return Source(Kind.FOLDER, stored.path, word)
        if (folder := hub.cached(name, place.hub_cache)) is not None:
            return Source(Kind.FOLDER, folder, word)
    brought, _ = bring(word, place, name=None, now=now, log=log)
    return Source(Kind.FOLDER, brought.path, word)


def _files_of_hub(name: str, place: Settings, log: Callable[[str], None]) -> tuple[dict[str, Path], dict[str, Any]]:
    hub.check_name(name)
    if (folder := hub.cached(name, place.hub_cache)) is not None:
        log(f"from the hub's cache: {folder}")
        return model_store.files_of(folder), {"source": f"{HUB_PREFIX}{name}", "revision": folder.name}
    source = hub.Source(place.home / "data", place.data_mirror)
    fetched = hub.fetch(name, source, accept=lambda config: _accept(config, name), log=log)
    urls = {file: found.url for file, found in fetched.items()}
    return {file: found.path for file, found in fetched.items()}, {"source": f"{HUB_PREFIX}{name}", "urls": urls}


def _accept(config: Mapping[str, Any], name: str) -> None:
    reader(config, f"{HUB_PREFIX}{name}")


def _at(path: Path) -> Source:
    """What lies at a path that exists."""
    if path.is_file():
        if path.suffix in model_store.PICKLES:
            raise model_store.pickled(path)
        if path.suffix.lower() == GGUF:
            raise InvalidInput(f"{path} is a GGUF file, not a model that was brought in", f"paperlab import {path}")
        raise InvalidInput(f"{path} is a file", "name the folder of the run, of the checkpoint, or of the model")
    path = path.absolute()
    if (path / "run.json").is_file():
        return Source(Kind.RUN, path, path.name)
    if (path / "state.json").is_file():
        run = path.parent.parent
        if not (run / "run.json").is_file():
            raise InvalidInput(f"{path} is a checkpoint without its run", "it lies in RUN/checkpoints, with run.json")
        return Source(Kind.CHECKPOINT, path, f"{run.name}/{path.name}")
    model_store.files_of(path)
    return Source(Kind.FOLDER, path, path.name)


def _check_asked(reproduction: registry.Reproduction, command: str, source: Source) -> None:
    if command in ("", reproduction.asked_by):
        return
    what = f"{source.name} is a model of {reproduction.name}"
    if reproduction.asked_by:
        raise InvalidInput(f"{what}, which is for another command", f"paperlab {reproduction.asked_by} {source.name}")
    able = ", ".join(each.name for each in registry.all() if each.asked_by == command)
    raise InvalidInput(f"{what}, which `paperlab {command}` can't use", f"those that it can: {able}")


def _config(path: Path) -> dict[str, Any]:
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise InvalidInput(f"{path} can't be read: {error}", "name a folder in Hugging Face's format") from error
    if not isinstance(value, dict):
        raise InvalidInput(f"{path} is not an object", "name a folder in Hugging Face's format")
    return value


def _device(word: str) -> Any:
    import torch

    if word == "cuda" and not torch.cuda.is_available():
        raise NotReady("no CUDA device is at hand", "--device cpu")
    return torch.device("cuda" if word != "cpu" and torch.cuda.is_available() else "cpu")
