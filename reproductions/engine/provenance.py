"""Where a run comes from: code, packages, hardware.  Only for a GPU's memory is torch imported."""

from __future__ import annotations

import hashlib
import importlib.metadata
import platform
import subprocess
import sys
from pathlib import Path
from typing import Any

from reproductions.engine.machine import Machine

PACKAGES = ("torch", "numpy", "safetensors", "tokenizers", "sacrebleu", "tqdm", "paperlab")


def describe(machine: Machine, *, device: str, threads: int, precision: str, world_size: int = 1) -> dict[str, Any]:
    """What run.json keeps under "provenance", except the hashes of data and tokenizer, which the task adds."""
    return {
        **code(Path(__file__).parents[2]),
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
        },
        "device": device,
        "threads": threads,
        "precision": precision,
        "world_size": world_size,
        "data": {},
        "tokenizer": {},
    }


def code(root: Path) -> dict[str, Any]:
    """The commit of the checkout that this code lies in, and the SHA-256 of what was changed since.

    All None outside a checkout; an installed copy inside somebody else's repository is not a checkout of ours.
    """
    commit = _git(root, "rev-parse", "HEAD")
    tracked = _git(root, "ls-files", "--error-unmatch", "reproductions/registry.py")
    if commit is None or tracked is None:
        return {"commit": None, "dirty": None, "diff_sha256": None}
    changes = _git(root, "diff", "HEAD", "--", "reproductions") or b""
    unknown = _git(root, "ls-files", "--others", "--exclude-standard", "--", "reproductions") or b""
    return {
        "commit": commit.decode().strip(),
        "dirty": bool(changes or unknown),
        "diff_sha256": hashlib.sha256(changes).hexdigest() if changes else None,
    }


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


def _git(root: Path, *arguments: str) -> bytes | None:
    command = ["git", "-C", str(root), *arguments]
    try:
        done = subprocess.run(command, capture_output=True, check=False, timeout=30)
    except (FileNotFoundError, subprocess.TimeoutExpired):
        return None  # without git the commit is unknown, and run.json says so
    return done.stdout if done.returncode == 0 else None
