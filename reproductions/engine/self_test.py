"""`--self-test-resume`: whether this recipe, on this machine, goes on after a SIGKILL as if nothing had happened.

The real command trains the first steps of the very recipe twice, in a folder that is removed afterwards: once
undisturbed, and once killed at a random moment between two checkpoints and started again.  Only how often the loss is
logged and a checkpoint is written differs from the recipe.  Neither gets to its last step, so no test split is touched.
"""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import safetensors.torch
import torch

from reproductions.engine.recipe import Recipe
from reproductions.registry import NotReady, ReproductionError, TryAgain
from reproductions.run_directory import RunDirectory, find_runs

STEPS = 24
_TRIES = 6
_TIMES = ("/tokens_per_second", "/seconds")  # as metrics that are times are called


@dataclass(frozen=True)
class Rule:
    """How alike the two must be: values relative to their size, tensors by the norm of their difference."""

    words: str
    values: float = 0.0
    tensors: float = 0.0

    @property
    def is_exact(self) -> bool:
        return not self.values


EXACT = Rule("bit for bit")
ON_CPU = Rule("losses within 1e-5, tensors within 1e-4 (several threads, or more than two ranks)", 1e-5, 1e-4)
ON_GPU = Rule("losses within 1e-3, tensors within 1e-2 (sums on a GPU have no fixed order)", 1e-3, 1e-2)


def rule(device: str, ranks: int, threads: int) -> Rule:
    """What can be asked for on this device: "cpu" or "cuda"."""
    if device != "cpu":
        return ON_GPU
    return EXACT if threads == 1 and ranks <= 2 else ON_CPU


def run(
    command: Sequence[str],
    recipe: Recipe[Any, Any, Any],
    *,
    runs_dir: Path,
    alike: Rule,
    rng: random.Random,
    talk: Callable[[str], None],
) -> dict[str, Any]:
    """Trains the two, compares them and says what was compared and what differs first.

    `command` is that of the recipe up to its folder and its stretch.  Raises ReproductionError with the exit code of a
    training that fails by itself.
    """
    steps = min(STEPS, recipe.train.max_steps - 1)
    every = max(1, steps // 4)
    if steps < 2:
        raise NotReady("a run of under three steps leaves no room for a kill", "--set train.max_steps=100")
    words = [
        *command,
        "--set",
        f"train.checkpoint_every={every}",
        "--set",
        "train.log_every=1",
        "--stop-after",
        str(steps),
    ]
    runs_dir.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".self-test-", dir=runs_dir) as place:
        folder = Path(place)
        talk(f"training {steps} steps undisturbed")
        undisturbed = _train(words, folder / "undisturbed")
        talk("training them again, with a kill")
        killed, met = _killed(words, folder, undisturbed, steps, rng)
        resumed = _train(words, killed)
        went_on = [event["from_step"] for event in resumed.events() if event["event"] == "resumed"]
        differs, compared = compare(undisturbed, resumed, alike)
        return {
            "recipe": recipe.name,
            "tier": recipe.tier,
            "steps": steps,
            "went_on_from": went_on[-1],
            "killed_after_checkpoint": met,
            "rule": alike.words,
            "compared": compared,
            "same": differs is None,
            "first_difference": differs,
        }


def compare(one: RunDirectory, other: RunDirectory, alike: Rule) -> tuple[dict[str, Any] | None, dict[str, int]]:
    """The first recorded value, or else tensor of the last checkpoint, that differs; and how much was compared."""
    first, second = _series(one), _series(other)
    paths = [run.latest_checkpoint() for run in (one, other)]
    tensors = [{} if path is None else _tensors(path, alike) for path in paths]
    compared = {"values": len(first), "tensors": len(tensors[0])}
    for key in sorted({*first, *second}):
        a, b = first.get(key), second.get(key)
        if not _is_close(a, b, alike.values):
            return {"step": key[0], "name": key[1], "undisturbed": a, "resumed": b}, compared
    if [path.name for path in paths if path] != [paths[0].name if paths[0] else ""] * 2:
        names = [None if path is None else path.name for path in paths]
        return {"name": "last checkpoint", "undisturbed": names[0], "resumed": names[1]}, compared
    for name in sorted({*tensors[0], *tensors[1]}):
        a_, b_ = tensors[0].get(name), tensors[1].get(name)
        if a_ is None or b_ is None or a_.shape != b_.shape:
            return {"tensor": name, "why": "only one has it, or the shapes differ"}, compared
        if torch.equal(a_, b_):
            continue
        distance = float((a_.double() - b_.double()).norm() / max(float(a_.double().norm()), 1e-30))
        if not distance <= alike.tensors:
            return {"tensor": name, "relative_distance": distance}, compared
    return None, compared


def _series(run: RunDirectory) -> dict[tuple[int, str], float | None]:
    """What was recorded, times aside."""
    return {(p["step"], p["name"]): p["value"] for p in run.metrics() if not p["name"].endswith(_TIMES)}


def _is_close(a: float | None, b: float | None, tolerance: float) -> bool:
    if a is None or b is None or a == b:
        return a == b
    return abs(a - b) <= tolerance * max(abs(a), abs(b))


def _tensors(checkpoint: Path, alike: Rule) -> dict[str, torch.Tensor]:
    """Weights and optimiser; the generators too where they must be the same."""
    found: dict[str, torch.Tensor] = {}
    for file in sorted(checkpoint.glob("*.safetensors")):
        if file.name.startswith("rng") and not alike.is_exact:
            continue
        found |= {f"{file.stem}: {name}": value for name, value in safetensors.torch.load(file.read_bytes()).items()}
    return found


def _train(words: Sequence[str], runs_dir: Path) -> RunDirectory:
    """To the end of the stretch, where the command stops with exit code 75."""
    ended = _start(words, runs_dir)
    said, errors = ended.communicate()
    if ended.returncode != TryAgain.exit_code or "the stretch is over" not in said:
        try:
            told = json.loads((said.splitlines() or ["{}"])[-1])
        except ValueError:
            told = {}
        reason = told.get("error") or f"the training ended with exit code {ended.returncode}\n{errors}".rstrip()
        raise ReproductionError(str(reason), str(told.get("hint", "")), max(1, ended.returncode))
    (run,) = find_runs(runs_dir)
    return run


def _killed(
    words: Sequence[str], folder: Path, undisturbed: RunDirectory, steps: int, rng: random.Random
) -> tuple[Path, int]:
    """A folder whose run was killed after its first checkpoint and before its last step, and the checkpoint's step."""
    saved = [event for event in undisturbed.events() if event["event"] == "checkpointed"]
    stretch = max(saved[-1]["time"] - saved[0]["time"], 0.01)
    for attempt in range(_TRIES):
        runs_dir = folder / f"killed-{attempt}"
        process = _start(words, runs_dir)
        while process.poll() is None and _newest(runs_dir) is None:
            time.sleep(0.002)
        time.sleep(rng.uniform(0, stretch / 2**attempt))
        process.kill()
        process.communicate()
        for run in find_runs(runs_dir):
            while run.status() == "running":  # its ranks die a moment later
                time.sleep(0.01)
        met = _newest(runs_dir)
        if met is not None and met < steps:
            return runs_dir, met
    raise ReproductionError("every kill came too late: the stretch is over within milliseconds", "--tier mini")


def _newest(runs_dir: Path) -> int | None:
    latest = [run.latest_checkpoint() for run in find_runs(runs_dir)]
    return next((int(path.name.removeprefix("step-")) for path in latest if path is not None), None)


def _start(words: Sequence[str], runs_dir: Path) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [*words, "--runs-dir", str(runs_dir)],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PAPERLAB_PARENT": str(os.getpid())},  # see ranks.stay_with_parent
    )


def command_of(name: str, tier: str, seed: int, overrides: Sequence[str], more: Sequence[str]) -> list[str]:
    """The command line of a recipe, before what `run` adds."""
    words = [sys.executable, "-m", "reproductions", name, "--tier", tier, "--seed", str(seed), *more]
    for override in overrides:
        words += ["--set", override]
    return [*words, "--quiet", "--json"]
