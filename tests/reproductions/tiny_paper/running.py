"""How the tests train the tiny paper: in this process, or as the real command in another."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import torch

from reproductions.engine import session
from reproductions.engine.recipe import override
from reproductions.run_directory import RunDirectory, find_runs

from .recipes import RECIPES
from .task import Task

ROOT = Path(__file__).parents[3]
PACKAGE = "tests.reproductions.tiny_paper"
NOW = datetime(2026, 11, 24, 9, 30, 12, tzinfo=UTC)


def train(runs_dir: Path, *, changes: Mapping[str, str] | None = None, **options: Any) -> RunDirectory:
    """Trains the smoke tier on one thread."""
    torch.set_num_threads(1)
    overrides = {"data.pause": "0", **(changes or {})}
    given = {"make_task": Task, "fingerprint": "0" * 64, "data_home": runs_dir / "data", "now": NOW, "seed": 1}
    recipe = override(RECIPES["tiny-next", "smoke"], overrides)
    return session.train(recipe, runs_dir=runs_dir, overrides=overrides, **{**given, **options})


def command(runs_dir: Path, *words: str) -> list[str]:
    name = ["tiny-next", "--tier", "smoke", "--runs-dir", str(runs_dir), "--threads", "1"]
    return [sys.executable, "-m", "reproductions", *name, *words]


def environment() -> dict[str, str]:
    return {**os.environ, "PAPERLAB_REPRODUCTIONS": PACKAGE}


def start(runs_dir: Path, *words: str, program: str = "") -> subprocess.Popen[str]:
    """Starts the real command; `program` is Python to run before it in the same process."""
    words_of_it = command(runs_dir, *words)
    if program:
        program = f"{program}\nimport runpy\nrunpy.run_module('reproductions', run_name='__main__', alter_sys=True)"
        words_of_it = [sys.executable, "-c", program, *words_of_it[3:]]
    return subprocess.Popen(
        words_of_it, cwd=ROOT, env=environment(), text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )


def wait_for(process: subprocess.Popen[str], runs_dir: Path, step: int) -> RunDirectory:
    """Waits until the command has a checkpoint at `step` or later."""
    deadline = time.monotonic() + 100
    while time.monotonic() < deadline and process.poll() is None:
        for run in find_runs(runs_dir):
            if (latest := run.latest_checkpoint()) is not None and int(latest.name[5:]) >= step:
                return run
        time.sleep(0.01)
    process.kill()
    raise AssertionError(process.communicate())


def finish(process: subprocess.Popen[str]) -> tuple[int, str, str]:
    """Exit code, stdout and stderr."""
    output, errors = process.communicate(timeout=100)
    return process.returncode, output, errors


def only_run(runs_dir: Path) -> RunDirectory:
    (run,) = find_runs(runs_dir)
    return run


def series(run: RunDirectory) -> list[tuple[int, str, float]]:
    """The recorded values, without those that are times."""
    points = run.metrics()
    return [(p["step"], p["name"], p["value"]) for p in points if p["name"] != "train/tokens_per_second"]


def weights(run: RunDirectory) -> dict[str, bytes]:
    """The files that a run's last weights and its result stand on, byte by byte."""
    last = run.checkpoints()[-1]
    files = sorted(last.glob("*.safetensors"))  # weights, optimiser, the generators of each rank
    averaged = run.path / "checkpoints" / "averaged" / "model.safetensors"
    return {f"{path.parent.name}/{path.name}": path.read_bytes() for path in (*files, averaged) if path.exists()}


def outcome(run: RunDirectory) -> tuple[Any, ...]:
    """All that a resumed run must share with an undisturbed one."""
    assert run.result is not None, run.events()
    samples = [(s["step"], s["source"], s["output"]) for s in run.samples()]
    return series(run), weights(run), samples, json.dumps(run.result["measurements"])
