"""The real `paperlab reproduce`, stopped in every way there is: a checkpoint, exit 75, and the same command goes on."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from reproductions.run_directory import RunDirectory, find_runs

pytestmark = [pytest.mark.soak, pytest.mark.timeout(600), pytest.mark.sqlite]

WORDS = ("reproduce", "claimed-next", "--tier", "smoke", "--threads", "1", "--device", "cpu", "--json", "--quiet")
SLOW = ("--set", "data.pause=0.05", "--set", "train.max_steps=300")

Start = Callable[..., subprocess.Popen[str]]


@pytest.fixture
def start(home: Path) -> Start:
    def begin(*words: str) -> subprocess.Popen[str]:
        command = [sys.executable, "-m", "paperlab", *WORDS, *words]
        return subprocess.Popen(command, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=os.environ)

    return begin


def finish(process: subprocess.Popen[str]) -> tuple[int, Any, str]:
    said, errors = process.communicate(timeout=200)
    return process.returncode, json.loads(said) if said else None, errors


def under_way(process: subprocess.Popen[str], home: Path) -> RunDirectory:
    """The run, once it has a checkpoint."""
    deadline = time.monotonic() + 120
    while process.poll() is None and time.monotonic() < deadline:
        for run in find_runs(home / "runs"):
            if run.latest_checkpoint() is not None:
                return run
        time.sleep(0.02)
    process.kill()
    raise AssertionError(process.communicate())


@pytest.mark.parametrize("gpus", ["1", "2"])
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGUSR1])
def test_a_signal_writes_a_checkpoint_and_exits_75(start: Start, home: Path, gpus: str, number: signal.Signals) -> None:
    process = start(*SLOW, "--gpus", gpus)
    run = under_way(process, home)
    process.send_signal(number)
    code, said, errors = finish(process)
    assert code == 75, errors
    assert (said["run"], said["status"], said["exit"]) == (run.id, "interrupted", 75)
    assert [event["event"] for event in run.events()][-2:] == ["checkpointed", "pre-empted"]


@pytest.mark.parametrize("gpus", ["1", "2"])
def test_the_checkpoint_is_there_before_the_time_is_up(start: Start, home: Path, gpus: str) -> None:
    began, allowed = time.time(), 60.0
    code, said, errors = finish(start(*SLOW, "--set", "train.max_steps=100000", "--gpus", gpus, "--max-wall", "1m"))
    assert code == 75, errors
    assert said["status"] == "interrupted"
    (run,) = find_runs(home / "runs")
    saved = [event["time"] for event in run.events() if event["event"] == "checkpointed"]
    assert began + allowed / 2 < saved[-1] < began + allowed
    assert run.events()[-1]["why"].startswith("the time allowed is used up")


@pytest.mark.parametrize("gpus", ["1", "2"])
def test_killing_it_ends_its_training_and_the_same_command_goes_on(start: Start, home: Path, gpus: str) -> None:
    quick = ("--set", "data.pause=0.02", "--set", "train.max_steps=100", "--gpus", gpus)
    process = start(*quick)
    run = under_way(process, home)
    process.kill()
    process.communicate()
    deadline = time.monotonic() + 10
    while run.status() == "running":
        assert time.monotonic() < deadline
        time.sleep(0.02)
    code, said, errors = finish(start(*quick))
    assert code == 0, errors
    assert (said["run"], said["status"], said["details"]["attempts"]) == (run.id, "finished", 2)
