"""Models that were brought in from elsewhere: a folder each under PAPERLAB_HOME/models, in Hugging Face's format.

`origin.json` says where a model came from, when, and the SHA-256 of each file.  A folder is copied beside its place,
tried, and renamed: what is there is whole.
"""

from __future__ import annotations

import json
import os
import re
import secrets
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from paperlab.errors import InvalidInput, NotReady
from reproductions.run_files import sha256, write_whole

ORIGIN = "origin.json"
CONFIG, WEIGHTS = "config.json", "model.safetensors"
SHARDS = "model.safetensors.index.json"
PICKLES = (".bin", ".pt", ".pth", ".ckpt", ".pkl")
"""Endings of files that execute code when they are loaded."""

_TAKEN = (
    CONFIG,
    "generation_config.json",
    SHARDS,
    "tokenizer.json",
    "tokenizer_config.json",
    "special_tokens_map.json",
    "added_tokens.json",
    "vocab.json",
    "merges.txt",
    "encoder.json",
    "vocab.bpe",
    "vocab.txt",
    "LICENSE",
)
_DAY_S = 86_400.0
_NAME = re.compile(r"[A-Za-z0-9][\w.-]{0,199}")


@dataclass(frozen=True)
class Stored:
    """A model that was brought in.  `origin` is origin.json."""

    name: str
    path: Path
    origin: Mapping[str, Any]


def models(home: Path) -> list[Stored]:
    """All of them, by name.  A folder whose origin.json can't be read is none."""
    folder = home / "models"
    paths = sorted(path for path in folder.iterdir() if path.is_dir()) if folder.is_dir() else []
    found = []
    for path in paths:
        origin = _read(path / ORIGIN)
        if origin is not None and not path.name.startswith("."):
            found.append(Stored(path.name, path, origin))
    return found


def get(home: Path, name: str) -> Stored | None:
    return next((model for model in models(home) if model.name == name), None)


def check_name(name: str) -> None:
    """Raises InvalidInput for what no folder of models can be called."""
    if not _NAME.fullmatch(name):
        raise InvalidInput(f'"{name}" is no name for a model', "letters, digits, dots, dashes: --name my-gpt2")


def files_of(folder: Path) -> dict[str, Path]:
    """Configuration, weights and tokenizer of a folder, by name.  Raises InvalidInput where weights are missing.

    Nothing else of it is taken: no code, no pickles.
    """
    found = {name: folder / name for name in _TAKEN if (folder / name).is_file()}
    found |= {path.name: path for path in sorted(folder.glob("model*.safetensors")) if path.is_file()}
    if CONFIG not in found:
        raise InvalidInput(f"{folder} has no {CONFIG}", "name a folder in Hugging Face's format")
    if WEIGHTS not in found and SHARDS not in found:
        if pickles := [path.name for path in sorted(folder.iterdir()) if path.suffix in PICKLES]:
            raise pickled(folder / pickles[0])
        raise InvalidInput(f"{folder} has no {WEIGHTS}", "weights are read from safetensors")
    return found


def pickled(path: Path) -> InvalidInput:
    """What is said of weights that can execute code."""
    return InvalidInput(
        f"{path} is a pickle, which can execute code when it is loaded",
        f"it stays closed here; where you trust it, transformers' save_pretrained writes {WEIGHTS} from it",
    )


def add(
    files: Mapping[str, Path],
    home: Path,
    name: str,
    *,
    came_from: Mapping[str, Any],
    now: datetime,
    attempt: Callable[[Path], object],
    may_link: bool = False,
) -> tuple[Stored, bool]:
    """Keep the files as the model `name`; (the model, whether it is new).  `attempt` opens it and may raise.

    The same content again changes nothing.  Raises InvalidInput where another model has the name, NotReady where the
    disk is full.  With `may_link` the files never change, and need not be copied.
    """
    check_name(name)
    hashes = {file: {"sha256": sha256(path), "bytes": path.stat().st_size} for file, path in sorted(files.items())}
    target = home / "models" / name
    before = get(home, name)
    if before is not None:
        if before.origin.get("files") == hashes:
            return before, False
        raise InvalidInput(f'another model is called "{name}": {target}', "--name gives this one another name")
    temporary = target.with_name(f".{name}.{secrets.token_hex(4)}.tmp")
    origin = {**came_from, "brought_in_at": f"{now:%Y-%m-%dT%H:%M:%SZ}", "files": hashes}
    try:
        temporary.mkdir(parents=True)
        _remove_leftovers(target.parent, now)
        for file, path in files.items():
            _place(path, temporary / file, may_link)
        attempt(temporary)
        write_whole(temporary / ORIGIN, json.dumps(origin, indent=2).encode() + b"\n")
        temporary.replace(target)
    except OSError as error:
        raise NotReady(f"{target} can't be written: {error.strerror}", "make room, or mend PAPERLAB_HOME") from error
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    return Stored(name, target, origin), True


@contextmanager
def beside(home: Path, name: str) -> Iterator[Path]:
    """An empty folder for the files of the model `name`, on the disk that will keep them; gone afterwards.

    Raises NotReady where it can't be written.
    """
    folder = home / "models" / f".{name}.{secrets.token_hex(4)}.tmp"
    try:
        folder.mkdir(parents=True)
        yield folder
    except OSError as error:
        raise NotReady(f"{folder} can't be written: {error.strerror}", "make room, or mend PAPERLAB_HOME") from error
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _remove_leftovers(folder: Path, now: datetime) -> None:
    """Removes what a kill left half copied; what is younger than a day may still be growing."""
    for path in folder.glob(".*.tmp"):
        if now.timestamp() - path.stat().st_mtime > _DAY_S:
            shutil.rmtree(path)


def _place(path: Path, target: Path, may_link: bool) -> None:
    if may_link:
        try:
            os.link(path, target)
        except OSError:
            pass  # another file system, or one without links
        else:
            return
    shutil.copyfile(path, target)


def _read(path: Path) -> dict[str, Any] | None:
    try:
        value = json.loads(path.read_bytes())
    except (OSError, ValueError):
        return None
    return value if isinstance(value, dict) and {"source", "brought_in_at", "files"} <= value.keys() else None
