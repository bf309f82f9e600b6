"""Where a run comes from: code, packages, hardware.  Torch is imported only where it trains on a GPU."""

from __future__ import annotations

import hashlib
import importlib.metadata
import os
import platform
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from reproductions import code_tree
from reproductions.engine.machine import Machine

ROOT = Path(__file__).parents[2]

PACKAGES = ("torch", "numpy", "safetensors", "tokenizers", "sacrebleu", "tqdm", "paperlab")


@dataclass(frozen=True)
class Source:
    """Where the code comes from: what run.json says of it, and the changes since the commit, to be kept beside."""

    record: Mapping[str, Any]
    diff: bytes | None = None


def describe(
    machine: Machine, source: Source, *, device: str, threads: int, precision: str, world_size: int = 1
) -> dict[str, Any]:
    """What run.json keeps under "provenance", except the hashes of data and tokenizer, which the task adds."""
    return {
        **source.record,
        "packages": packages(),
        "python": platform.python_version(),
        "platform": platform.platform(),
        "hardware": {
            "cpu": machine.cpu,
            "cores": machine.cores,
            "memory_bytes": machine.memory,
            "gpu": machine.gpu,
            "gpu_memory_bytes": machine.gpu_memory,
            "driver": machine.driver,
            **(_cuda() if device.startswith("cuda") else {"cuda": None, "cudnn": None}),
        },
        "device": device,
        "threads": threads,
        "precision": precision,
        "world_size": world_size,
        "determinism": determinism(device, threads, world_size),
        "data": {},
        "tokenizer": {},
    }


def determinism(device: str, threads: int, world_size: int) -> str:
    """What the same command gives again with the same packages: docs/run-directory.md says what each word promises."""
    return "bitwise" if device == "cpu" and threads == 1 and world_size == 1 else "seeded"


def code(root: Path) -> Source:
    """The commit of the checkout that this code lies in, the changes since, and the hash of the code as it lies there.

    Code is what ends in .py or .toml below reproductions/.  Commit and changes are None outside a checkout; an
    installed copy inside somebody else's repository is not a checkout of ours.
    """
    tree = {"code_sha256": code_tree.sha256(root)}
    commit = _git(root, "rev-parse", "HEAD")
    tracked = _git(root, "ls-files", "--error-unmatch", "reproductions/registry.py")
    diff = None if commit is None or tracked is None else _diff(root)
    if commit is None or diff is None:
        return Source({"commit": None, "dirty": None, "diff_sha256": None, "diff": None, **tree})
    is_kept = 0 < len(diff) <= code_tree.LARGEST_DIFF
    digest = hashlib.sha256(diff).hexdigest()
    record = {
        "commit": commit.decode().strip(),
        "dirty": bool(diff),
        "diff_sha256": digest if diff else None,
        "diff": f"artifacts/{digest[:16]}.diff" if is_kept else None,
        **tree,
    }
    return Source(record, diff if is_kept else None)


def packages() -> dict[str, str]:
    """The versions of what takes part in a training, where installed."""
    versions = {}
    for name in PACKAGES:
        try:
            versions[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue  # a GPU machine has no paperlab, for instance
    return versions


def peak_memory(device: str) -> int | None:
    """The most bytes that this process has held so far: of the GPU it trains on, or of the machine's memory."""
    if device.startswith("cuda"):
        import torch

        return int(torch.cuda.max_memory_allocated(torch.device(device)))
    status = Path("/proc/self/status")
    if status.exists():  # ru_maxrss would count what the process that started us held
        peaks = [line.split()[1] for line in status.read_text().splitlines() if line.startswith("VmHWM:")]
        return int(peaks[0]) * 1024 if peaks else None
    try:
        import resource
    except ImportError:
        return None  # Windows
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


def _cuda() -> dict[str, Any]:
    import torch

    return {"cuda": torch.version.cuda, "cudnn": torch.backends.cudnn.version()}  # type: ignore[no-untyped-call]


def _diff(root: Path) -> bytes | None:
    """The changes since the commit, files that git does not know yet included; None where git can't tell.

    They are put together in an index and an object store of their own, so that nothing is written to the checkout.
    """
    objects = _git(root, "rev-parse", "--path-format=absolute", "--git-path", "objects")
    if objects is None:
        return None
    with tempfile.TemporaryDirectory() as folder:
        own = {
            "GIT_INDEX_FILE": f"{folder}/index",
            "GIT_OBJECT_DIRECTORY": folder,
            "GIT_ALTERNATE_OBJECT_DIRECTORIES": os.fsdecode(objects).rstrip("\n"),
        }
        for step in (["read-tree", "HEAD"], ["add", "--all", "--", *code_tree.PATTERNS]):
            if _git(root, *step, extra=own) is None:
                return None
        return _git(root, *code_tree.DIFF, "HEAD", "--", *code_tree.PATTERNS, extra=own)


def _git(root: Path, *arguments: str, extra: Mapping[str, str] | None = None) -> bytes | None:
    command = ["git", "-C", str(root), *arguments]
    environment = {**os.environ, "GIT_OPTIONAL_LOCKS": "0", **(extra or {})}
    try:
        done = subprocess.run(command, capture_output=True, check=False, timeout=60, env=environment)
    except (FileNotFoundError, subprocess.TimeoutExpired):
        return None  # without git the commit is unknown, and run.json says so
    return done.stdout if done.returncode == 0 else None
