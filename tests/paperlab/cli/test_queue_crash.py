"""A worker that dies in the middle of a training, with the real commands and the paper that trains in seconds."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from reproductions.run_directory import RunDirectory, find_runs

ROOT = Path(__file__).parents[3]
CHANGES = ("--set", "data.pause=0.1", "--set", "train.max_steps=30")

pytestmark = pytest.mark.soak


def worker(home: Path) -> subprocess.Popen[bytes]:
    words = [sys.executable, "-m", "paperlab", "queue", "run", "--threads", "1", "--quiet"]
    return subprocess.Popen(words, cwd=ROOT, env={**os.environ, "PAPERLAB_HOME": str(home)})


def wait_for_checkpoint(home: Path) -> RunDirectory:
    deadline = time.monotonic() + 120
    while True:
        assert time.monotonic() < deadline
        for run in find_runs(home / "runs"):
            if run.checkpoints() and run.status() == "running":
                return run
        time.sleep(0.05)


def events(run: RunDirectory) -> list[str]:
    return [event["event"] for event in run.events() if event["event"] in {"started", "resumed", "finished"}]


@pytest.mark.parametrize(("number", "code"), [(signal.SIGKILL, -9), (signal.SIGTERM, 75)])
def test_what_a_dead_worker_held_is_gone_on_with_and_nothing_is_made_twice(
    paperlab: Any, home: Path, number: signal.Signals, code: int
) -> None:
    paperlab("queue", "add", "claimed-next", "--tier", "smoke", "--seeds", "3", *CHANGES)
    first = worker(home)
    run = wait_for_checkpoint(home)
    first.send_signal(number)
    assert first.wait(60) == code
    assert run.status() != "finished"
    both = [worker(home), worker(home)]  # at once, on what waits and on what the dead one held
    assert [each.wait(300) for each in both] == [0, 0]
    entries = paperlab("queue", "ls", "--all", "--json").json["entries"]
    assert [entry["state"] for entry in entries] == ["finished"] * 3
    runs = find_runs(home / "runs")
    assert sorted(json.loads((each.path / "run.json").read_text())["seed"] for each in runs) == [1, 2, 3]
    assert events(run) == ["started", "resumed", "finished"]
    assert [events(each) for each in runs if each.id != run.id] == [["started", "finished"]] * 2
