"""How the tests train the tiny paper: in this process, or as the real command in another."""

from __future__ import annotations

import json
import multiprocessing
import os
import runpy
import secrets
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


class Forked:
    """The command in a process of its own, with what a Popen has of it: signals, exit code, stdout and stderr.

    It is forked from a server that has imported torch and run nothing, which takes longer than all that these tests
    train; `python -m reproductions` itself is started by test_kills, test_ranks and the command line's own tests.
    """

    def __init__(self, runs_dir: Path, *words: str, program: str = "") -> None:
        clean = multiprocessing.get_context("forkserver")
        clean.set_forkserver_preload(["reproductions.engine.trainer", __name__])
        self._said = [runs_dir.with_name(f"{runs_dir.name}.{secrets.token_hex(4)}.{end}") for end in ("out", "err")]
        given = (command(runs_dir, *words)[2:], environment(), program, *map(str, self._said))
        self._process = clean.Process(target=_run_command, args=given)
        self._process.start()

    @property
    def returncode(self) -> int | None:
        return self._process.exitcode

    def poll(self) -> int | None:
        return self._process.exitcode

    def send_signal(self, number: int) -> None:
        assert self._process.pid is not None
        os.kill(self._process.pid, number)

    def kill(self) -> None:
        self._process.kill()

    def communicate(self, timeout: float | None = None) -> tuple[str, str]:
        self._process.join(timeout)
        assert self._process.exitcode is not None, "the command has not ended"
        output, errors = (path.read_text(encoding="utf-8") for path in self._said)
        return output, errors


def _run_command(words: list[str], environ: dict[str, str], program: str, output: str, errors: str) -> None:
    os.environ.update(environ)
    os.chdir(ROOT)
    for descriptor, path in ((1, output), (2, errors)):
        file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        os.dup2(file, descriptor)
        os.close(file)
    sys.argv = words
    exec(compile(program, "<before the command>", "exec"), {})
    runpy.run_module(words[0], run_name="__main__", alter_sys=True)


Process = subprocess.Popen[str] | Forked


def wait_for(process: Process, runs_dir: Path, step: int) -> RunDirectory:
    """Waits until the command has a checkpoint at `step` or later."""
    deadline = time.monotonic() + 100
    while time.monotonic() < deadline and process.poll() is None:
        for run in find_runs(runs_dir):
            if (latest := run.latest_checkpoint()) is not None and int(latest.name[5:]) >= step:
                return run
        time.sleep(0.01)
    process.kill()
    raise AssertionError(process.communicate())


def finish(process: Process) -> tuple[int, str, str]:
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
