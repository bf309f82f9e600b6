"""Checkpoints: everything the next step depends on, in a folder that is complete or is not there.

A checkpoint is written beside its place, fsynced and renamed, `state.json` last.  Weights, optimiser and random
generators are safetensors, everything else is JSON: nothing is executed on loading.  `state.json` has the size and
SHA-256 of each file, so that a torn or altered checkpoint is noticed and the one before it is used.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import secrets
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import safetensors.torch
import torch

from reproductions.run_directory import RunDirectory, checkpoint_is_complete, sync_folder


class TornCheckpointError(Exception):
    """The files of a checkpoint are not those that were written."""


@dataclass(frozen=True)
class Checkpoint:
    """`state` is state.json: step, scheduled, data (the stream's position) and counters among others.

    `rng` has the generators of each rank that took part, by rank.
    """

    path: Path
    model: dict[str, torch.Tensor]
    optimizer: dict[str, Any]
    rng: list[dict[str, torch.Tensor]]
    state: dict[str, Any]

    @property
    def step(self) -> int:
        return int(self.state["step"])


def save(
    folder: Path,
    *,
    step: int,
    model: Mapping[str, torch.Tensor],
    optimizer: Mapping[str, Any],
    rng: Sequence[Mapping[str, torch.Tensor]],
    data: Mapping[str, Any] | None,
    counters: Mapping[str, Any],
    scheduled: bool = True,
) -> Path:
    """Writes `folder/step-NNNNNN`, with the generators' states of every rank in `rng`.

    Raises OSError where the disk is full; what was there before stays whole.
    """
    tensors, scalars = _flatten(optimizer)
    weights, shared = weights_parts(model)
    parts = {
        **weights,
        "optimizer.safetensors": safetensors.torch.save(tensors),
        **{rng_file(rank): safetensors.torch.save(dict(drawn)) for rank, drawn in enumerate(rng)},
    }
    state = {
        "step": step,
        "scheduled": scheduled,
        "world_size": len(rng),
        "counters": dict(counters),
        "data": data,
        "shared": shared,
        "optimizer": scalars,
    }
    return write(folder / f"step-{step:06d}", parts, state)


def write(target: Path, parts: Mapping[str, bytes], state: Mapping[str, Any]) -> Path:
    """Puts a complete folder at `target`, replacing what is there."""
    target.parent.mkdir(parents=True, exist_ok=True)
    temporary = target.with_name(f".{target.name}.{secrets.token_hex(4)}.tmp")
    temporary.mkdir()
    try:
        files = {}
        for name, content in parts.items():
            _write_synced(temporary / name, content)
            files[name] = {"bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()}
        document = json.dumps({"format": 1, **state, "files": files}, allow_nan=False)
        _write_synced(temporary / "state.json", document.encode())
        sync_folder(temporary)
        _discard(target)
        temporary.replace(target)
        sync_folder(target.parent)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)  # there only if writing failed
    return target


def load(path: Path) -> Checkpoint:
    """Reads a checkpoint.  Raises TornCheckpointError where a file is missing or not what was written."""
    state = _read_state(path)
    contents = {name: _read_verified(path / name, file) for name, file in state["files"].items()}
    tensors = safetensors.torch.load(contents["optimizer.safetensors"])
    return Checkpoint(
        path,
        model=_weights(contents["model.safetensors"], state["shared"]),
        optimizer=_unflatten(tensors, state["optimizer"]),
        rng=[safetensors.torch.load(contents[rng_file(rank)]) for rank in range(_world_size(state))],
        state=state,
    )


def verify(path: Path) -> None:
    """Raises TornCheckpointError where a file is missing or not what was written."""
    for name, file in _read_state(path)["files"].items():
        _read_verified(path / name, file)


def load_weights(path: Path) -> dict[str, torch.Tensor]:
    """The model's weights of a checkpoint, verified."""
    state = _read_state(path)
    content = _read_verified(path / "model.safetensors", state["files"]["model.safetensors"])
    return _weights(content, state["shared"])


def world_size(path: Path) -> int:
    """How many processes took part when this was written, and left their generators in it."""
    return _world_size(_read_state(path))


def rng_file(rank: int) -> str:
    return f"rng-{rank:05d}.safetensors" if rank else "rng.safetensors"


def step_of(path: Path) -> int:
    return int(path.name.removeprefix("step-"))


def newest(run: RunDirectory) -> tuple[Path | None, list[dict[str, str]]]:
    """The newest checkpoint that is what was written, and those that were passed over with the reason."""
    passed_over: list[dict[str, str]] = []
    folders = (run.path / "checkpoints").glob("step-*")
    for path in sorted(folders, key=step_of, reverse=True):
        try:
            verify(path)
            return path, passed_over
        except TornCheckpointError as error:
            passed_over.append({"checkpoint": path.name, "why": str(error)})
    return None, passed_over


def prune(run: RunDirectory, keep: int) -> None:
    """Keeps the newest checkpoint and the last `keep` scheduled ones; the rest, torn ones too, is removed."""
    complete = run.checkpoints()
    scheduled = [path for path in complete if _read_state(path)["scheduled"]]
    kept = {*complete[-1:], *scheduled[-keep:]}
    for path in (run.path / "checkpoints").glob("step-*"):
        if path not in kept:
            _discard(path)


def remove_leftovers(run: RunDirectory) -> None:
    """Removes what a kill left half written or half removed."""
    for path in (run.path / "checkpoints").glob(".*.tmp"):
        shutil.rmtree(path)
    for path in run.path.glob(".*.tmp"):
        path.unlink()


def average(run: RunDirectory, last: int) -> tuple[dict[str, torch.Tensor], list[str]]:
    """The mean of the weights in the last `last` scheduled checkpoints (1706.03762, section 6.1), and their names.

    Checkpoints that were only written because the run was pre-empted do not count.
    """
    paths = [path for path in run.checkpoints() if _read_state(path)["scheduled"]][-last:]
    sums: dict[str, torch.Tensor] = {}
    kinds: dict[str, torch.dtype] = {}
    for path in paths:
        for name, tensor in load_weights(path).items():
            kinds[name] = tensor.dtype
            sums[name] = sums[name] + tensor.double() if name in sums else tensor.double()
    mean = {name: (tensor / len(paths)).to(kinds[name]) for name, tensor in sums.items()}
    return mean, [path.name for path in paths]


def weights_parts(model: Mapping[str, torch.Tensor]) -> tuple[dict[str, bytes], dict[str, str]]:
    """The file of the weights, and which name stands for which other: a weight that several share is stored once.

    The names are kept in state.json and not in the file's own metadata, whose order differs from process to process.
    """
    stored: dict[str, torch.Tensor] = {}
    names: dict[tuple[Any, ...], str] = {}
    shared: dict[str, str] = {}
    for name, tensor in model.items():
        place = (tensor.untyped_storage().data_ptr(), tensor.storage_offset(), tensor.shape, tensor.stride())
        if tensor.numel() and place in names:
            shared[name] = names[place]
            continue
        names[place] = name
        is_part = tensor.untyped_storage().nbytes() != tensor.nbytes  # a view of more than itself
        plain = tensor.detach().contiguous()
        stored[name] = plain.clone() if is_part else plain
    return {"model.safetensors": safetensors.torch.save(stored, metadata={"format": "pt"})}, shared


def _flatten(optimizer: Mapping[str, Any]) -> tuple[dict[str, torch.Tensor], dict[str, Any]]:
    """An optimiser's state_dict as named tensors and JSON values."""
    tensors: dict[str, torch.Tensor] = {}
    values: dict[str, Any] = {}
    for key, entries in optimizer["state"].items():
        for name, value in entries.items():
            if isinstance(value, torch.Tensor):
                tensors[f"{key}/{name}"] = value.detach().contiguous()
            else:
                values[f"{key}/{name}"] = value
    return tensors, {"param_groups": optimizer["param_groups"], "values": values}


def _unflatten(tensors: Mapping[str, torch.Tensor], scalars: Mapping[str, Any]) -> dict[str, Any]:
    state: dict[Any, dict[str, Any]] = {}
    for path, value in (*tensors.items(), *scalars["values"].items()):
        key, _, name = path.rpartition("/")
        state.setdefault(int(key) if key.isdigit() else key, {})[name] = value
    groups = [{**group, "betas": tuple(group["betas"])} for group in scalars["param_groups"]]
    return {"state": state, "param_groups": groups}


def _world_size(state: Mapping[str, Any]) -> int:
    return int(state.get("world_size", 1))  # before it was kept, a checkpoint had the generators of rank 0 alone


def _weights(content: bytes, shared: Mapping[str, str]) -> dict[str, torch.Tensor]:
    tensors: dict[str, torch.Tensor] = safetensors.torch.load(content)
    return tensors | {name: tensors[original] for name, original in shared.items()}


def _read_state(path: Path) -> dict[str, Any]:
    if not (path / "state.json").exists():
        raise TornCheckpointError("it has no state.json, which is written last")
    if not checkpoint_is_complete(path):
        raise TornCheckpointError("state.json is damaged, or a file is missing or has the wrong size")
    state: dict[str, Any] = json.loads((path / "state.json").read_bytes())
    return state


def _read_verified(path: Path, recorded: Mapping[str, Any]) -> bytes:
    content = path.read_bytes()
    if hashlib.sha256(content).hexdigest() != recorded["sha256"]:
        raise TornCheckpointError(f"{path.name} does not have the SHA-256 that was recorded")
    return content


def _write_synced(path: Path, content: bytes) -> None:
    with path.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def _discard(path: Path) -> None:
    """Removes a checkpoint so that, killed in between, no half of it is taken for a whole."""
    if path.exists():
        doomed = path.with_name(f".{re.sub(r'[^a-z0-9-]', '', path.name)}.{secrets.token_hex(4)}.tmp")
        path.replace(doomed)
        shutil.rmtree(doomed)
