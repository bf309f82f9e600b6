"""Models of the Hugging Face hub: which files they consist of, and how they come onto this machine.

Looked at first: the hub's own cache of this user, and PAPERLAB_DATA_MIRROR (``huggingface/NAME/FILE`` under it).
Then each file is downloaded from the hub, and goes on where it was interrupted; its hash is pinned at the first
download, because the hub may give other content under the same name tomorrow.  Weights are safetensors or nothing.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from reproductions.data import manifest
from reproductions.data.manifest import Fetched, File
from reproductions.registry import InvalidInput, NotReady, TryAgain

HUB = "https://huggingface.co"
CONFIG, WEIGHTS = "config.json", "model.safetensors"
TOKENIZER_FILES: Mapping[str, tuple[str, ...]] = {"gpt2": ("vocab.json", "merges.txt"), "bert": ("vocab.txt",)}
_NAME = re.compile(r"[A-Za-z0-9][\w.-]{0,95}(/[A-Za-z0-9][\w.-]{0,95})?")


@dataclass(frozen=True)
class Source:
    """Where a model of the hub is looked for.  ``cache`` is the hub's own folder of this user (HF_HUB_CACHE)."""

    data_home: Path
    mirror: str | None = None
    cache: Path | None = None
    hub: str = HUB


def check_name(name: str) -> None:
    """Raises InvalidInput for what no model of the hub is called."""
    if not _NAME.fullmatch(name) or ".." in name:
        raise InvalidInput(f'no model of the Hugging Face hub is called "{name}"', "for example hf:gpt2")


def cached(name: str, cache: Path | None) -> Path | None:
    """The folder in the hub's own cache that holds the whole model, in its newest revision there."""
    if cache is None:
        return None
    folder = cache / f"models--{name.replace('/', '--')}"
    try:
        revision = (folder / "refs" / "main").read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError):
        return None
    snapshot = folder / "snapshots" / Path(revision).name
    return snapshot if (snapshot / CONFIG).is_file() and any(snapshot.glob("model*.safetensors")) else None


def fetch(
    name: str,
    source: Source,
    *,
    accept: Callable[[Mapping[str, Any]], None],
    log: Callable[[str], None] = lambda _: None,
) -> dict[str, Fetched]:
    """The files of a model by name.  ``accept`` is given config.json before the weights come, and may raise.

    Raises NotReady and TryAgain as manifest.fetch does, with what helps.
    """
    check_name(name)
    found = {CONFIG: _file(name, CONFIG, source, log)}
    try:
        config = json.loads(found[CONFIG].path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise InvalidInput(f"{CONFIG} of hf:{name} is not JSON: {error}", "look at it") from error
    if not isinstance(config, dict):
        raise InvalidInput(f"{CONFIG} of hf:{name} is not an object", "look at it")
    accept(config)
    for file in (*TOKENIZER_FILES.get(str(config.get("model_type")), ("tokenizer.json",)), WEIGHTS):
        found[file] = _file(name, file, source, log)
    return found


def _file(name: str, file: str, source: Source, log: Callable[[str], None]) -> Fetched:
    wanted = File(path=f"huggingface/{name}/{file}", url=f"{source.hub}/{name}/resolve/main/{file}")
    try:
        return manifest.fetch(wanted, source.data_home, mirror=source.mirror, log=log)
    except (NotReady, TryAgain) as error:
        hint = f"bring in a folder that holds it (paperlab import FOLDER), or put {wanted.path} under {manifest.MIRROR}"
        raise type(error)(error.message, hint) from error
