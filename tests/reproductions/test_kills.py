"""A hundred SIGKILLs of the real command, over all recipes, alone and on two ranks: none of them costs a bit."""

from __future__ import annotations

import json
import math
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from benchmarks import record
from reproductions.run_directory import RunDirectory

from .test_contract import LEARNING, SMOKES, TINY, series, timeless
from .tiny_paper.running import ROOT, only_run, weights

KILLS = 100
CASES = [(name, ranks) for name in SMOKES for ranks in (1, 2) if ranks == 1 or name in LEARNING]
SHARE = math.ceil(KILLS / len(CASES))
QUESTION = (
    f"Does it change a loss series or a final weight if the real command is killed {KILLS} times, at uniformly drawn "
    "moments, over all recipes' tiny variants, alone and, where they learn, on two gloo ranks?"
)
# Enough steps that training takes about as long as starting does, with every kind of record on the way.
CHANGES = {
    "train.max_steps": "100",
    "train.accumulate": "2",
    "train.log_every": "5",
    "train.eval_every": "25",
    "train.sample_every": "50",
    "train.checkpoint_every": "5",
    "train.average_last": "2",
}


def outcome(run: RunDirectory) -> tuple[Any, ...]:
    """What a kill must not change: all that is recorded and measured and is no time, and the final weights."""
    return series(run), weights(run), timeless(run)


def command(name: str, ranks: int, runs_dir: Path) -> list[str]:
    words = [sys.executable, "-m", "reproductions", name, "--tier", "smoke", "--device", "cpu", "--threads", "1"]
    changes = {**TINY[name], **CHANGES}
    if name not in LEARNING:  # it measures, on one process
        changes["train.accumulate"] = "1"
    for key, value in changes.items():
        words += ["--set", f"{key}={value}"]
    return [*words, "--quiet", "--gpus", str(ranks), "--runs-dir", str(runs_dir)]


def killed_after(words: Sequence[str], seconds: float, home: Path) -> bool:
    """Starts the command and kills it after so long.  Returns False where it had ended by itself."""
    environment = {**os.environ, "PAPERLAB_HOME": str(home)}
    process = subprocess.Popen(words, cwd=ROOT, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    try:
        errors = process.communicate(timeout=seconds)[1]
    except subprocess.TimeoutExpired:
        process.kill()
        process.communicate()
        assert process.returncode in (-signal.SIGKILL, 0)
        return process.returncode != 0
    assert process.returncode == 0, errors.decode()
    return False


def at_rest(runs_dir: Path) -> RunDirectory | None:
    """The run, once no rank holds it any more; None where it was killed before there was one."""
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        folders = [path for path in runs_dir.glob("2*") if (path / "run.json").exists()]
        if not folders:
            return None
        if only_run(runs_dir).status() != "running":
            return only_run(runs_dir)
        time.sleep(0.02)
    raise AssertionError(f"{runs_dir} is still held")


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    """Shared, so that the data are prepared once."""
    return tmp_path_factory.mktemp("home")


@pytest.mark.soak
@pytest.mark.timeout(3000)
@pytest.mark.parametrize(("name", "ranks"), CASES)
def test_kills_at_uniformly_drawn_moments_change_nothing(name, ranks, home, tmp_path):
    seed = random.SystemRandom().randrange(2**32)
    print(f"{name} on {ranks}: seed {seed}")  # noqa: T201 - to draw the same moments again
    rng = random.Random(seed)
    assert not killed_after(command(name, ranks, tmp_path / "data"), 600, home)  # prepares the data, and is thrown away
    began = time.monotonic()
    assert not killed_after(command(name, ranks, tmp_path / "undisturbed"), 600, home)
    seconds = time.monotonic() - began
    expected = outcome(only_run(tmp_path / "undisturbed"))

    met: list[int] = []  # the step of the newest checkpoint that each kill met
    early, compared, unlike = 0, 0, 0
    while len(met) < SHARE:
        runs_dir = tmp_path / f"killed-{compared}"
        if killed_after(command(name, ranks, runs_dir), rng.uniform(0, seconds), home):
            run = at_rest(runs_dir)
            latest = None if run is None else run.latest_checkpoint()
            if latest is None:
                early += 1
            else:
                met.append(int(latest.name[5:]))
            if len(met) < SHARE:
                continue
            assert not killed_after(command(name, ranks, runs_dir), 600, home)
        unlike += outcome(only_run(runs_dir)) != expected
        compared += 1
    keep(
        f"{name} on {ranks}",
        {
            "seed": seed,
            "kills": len(met),
            "kills_before_the_first_checkpoint": early,
            "newest_checkpoints_met": met,
            "runs_compared": compared,
            "runs_that_differ": unlike,
            "undisturbed_seconds": round(seconds, 1),
        },
    )
    assert unlike == 0, f"seed {seed}"


def keep(case: str, measured: dict[str, Any]) -> None:
    """Beside the other cases' results, where `make soak` asks for it."""
    folder = os.environ.get("PAPERLAB_SOAK_RESULTS")
    if not folder:
        return
    file = ROOT / folder / "hundred-kills.json"
    before = json.loads(file.read_text(encoding="utf-8"))["cases"] if file.exists() else {}
    known = {f"{name} on {ranks}" for name, ranks in CASES}
    cases = {name: found for name, found in before.items() if name in known}
    cases[case] = {**measured, "commit": record.commit()}
    totals = {
        "kills": sum(found["kills"] for found in cases.values()),
        "runs_that_differ": sum(found["runs_that_differ"] for found in cases.values()),
    }
    record.write(ROOT / folder, "hundred-kills", QUESTION, {**totals, "changes": CHANGES, "cases": cases})
