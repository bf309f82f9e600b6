"""What waits for a GPU must run on the first one that is lent: its parts are rehearsed in miniature."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
SCRIPT = ROOT / "benchmarks" / "gpu.py"


def run(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, str(SCRIPT), *words], capture_output=True, text=True, check=False)


def test_every_part_that_does_not_train_runs_in_miniature_on_the_cpu():
    done = run("--rehearse")
    assert done.returncode == 0, done.stderr
    measured = dict(line.split(" ", 1) for line in done.stdout.splitlines())
    assert set(measured) == {"rates", "step", "beam"}
    assert json.loads(measured["beam"])["sentences_per_s"] > 0


def test_every_part_says_what_is_predicted_before_it_runs():
    lines = run("--list").stdout.splitlines()
    assert len(lines) == 4
    assert all('"why"' in line for line in lines)
