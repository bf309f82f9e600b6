"""What this machine has, against what a tier needs.  Torch is imported only to look for a GPU."""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from reproductions.engine.recipe import Needs, Recipe
from reproductions.registry import NotReady

_GB = 1e9


@dataclass(frozen=True)
class Machine:
    """Sizes in bytes; None where they cannot be known."""

    cpu: str
    cores: int
    memory: int | None
    gpu: str | None = None
    gpu_memory: int | None = None
    driver: str | None = None


def here(device: str) -> Machine:
    """This machine; `device` "cpu" leaves its GPU out."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    machine = Machine(_cpu_name(), cores, _memory())
    if device == "cpu":
        return machine
    import torch

    if not torch.cuda.is_available():
        return machine
    properties = torch.cuda.get_device_properties(torch.device(device))
    return replace(machine, gpu=properties.name, gpu_memory=properties.total_memory, driver=_driver())


def check(
    recipe: Recipe[Any, Any, Any], tiers: Sequence[Recipe[Any, Any, Any]], machine: Machine, folder: Path
) -> None:
    """Raises NotReady where the recipe cannot run here: what it would take, and the largest tier that fits."""
    free = shutil.disk_usage(_existing(folder)).free
    missing = lacks(recipe.needs, machine, free)
    if not missing:
        return
    fitting = [tier.tier for tier in tiers if not lacks(tier.needs, machine, free)]
    hint = f"what fits here: --tier {fitting[0]}" if fitting else "no tier of it fits here"
    takes = f"about {recipe.needs.hours:g} h on {recipe.needs.hardware}"
    message = f"{recipe.name} --tier {recipe.tier} needs {'; '.join(missing)} (it takes {takes})"
    raise NotReady(message, hint)


def lacks(needs: Needs, machine: Machine, free_disk: int) -> list[str]:
    """What is missing, in words; empty where the tier fits."""
    missing = []
    if needs.device == "cuda" and machine.gpu is None:
        memory = f" with {needs.gpu_memory_gb:g} GB" if needs.gpu_memory_gb else ""
        missing.append(f"a CUDA GPU{memory}, and this machine has none that torch can use")
    elif machine.gpu_memory is not None and machine.gpu_memory < needs.gpu_memory_gb * _GB:
        missing.append(f"{needs.gpu_memory_gb:g} GB of GPU memory, here are {machine.gpu_memory / _GB:.1f}")
    if machine.memory is not None and machine.memory < needs.memory_gb * _GB:
        missing.append(f"{needs.memory_gb:g} GB of memory, here are {machine.memory / _GB:.1f}")
    disk = needs.disk_gb + needs.download_gb
    if free_disk < disk * _GB:
        missing.append(f"{disk:g} GB of disk, here are {free_disk / _GB:.1f} free")
    return missing


def _existing(folder: Path) -> Path:
    return next(path for path in (folder.absolute(), *folder.absolute().parents) if path.exists())


def _driver() -> str | None:
    program = shutil.which("nvidia-smi")
    if program is None:
        return None
    words = [program, "--query-gpu=driver_version", "--format=csv,noheader"]
    done = subprocess.run(words, capture_output=True, text=True, check=False, timeout=30)
    return done.stdout.split("\n")[0].strip() or None


def _cpu_name() -> str:
    info = Path("/proc/cpuinfo")
    if info.exists():
        for line in info.read_text(errors="replace").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def _memory() -> int | None:
    """Physical memory, or the control group's limit where that is lower."""
    if not hasattr(os, "sysconf") or "SC_PHYS_PAGES" not in os.sysconf_names:
        return None
    sizes = [os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")]
    for limit in (Path("/sys/fs/cgroup/memory.max"), Path("/sys/fs/cgroup/memory/memory.limit_in_bytes")):
        if limit.exists() and (text := limit.read_text().strip()).isdigit():
            sizes.append(int(text))
    return min(sizes)
