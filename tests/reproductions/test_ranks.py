"""`--gpus N`: which machines can, what the ranks' ends come to, and that none outlives its parent."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import pytest

from reproductions.engine import ranks
from reproductions.registry import InvalidInput, NotReady, TryAgain
from reproductions.run_directory import RunDirectory

from .tiny_paper.recipes import RECIPES
from .tiny_paper.running import ROOT, finish, only_run, outcome, series, start, wait_for

SMOKE = RECIPES["tiny-next", "smoke"]


@dataclass
class Failure:
    exitcode: int
    timestamp: int = 100
    local_rank: int = 0


def test_a_machine_with_fewer_gpus_says_how_many_it_has(monkeypatch):
    import torch

    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(NotReady, match="needs 2 CUDA GPUs that torch can use, and this machine has none") as raised:
        ranks.check(SMOKE, 2, "auto")
    assert raised.value.exit_code == 4
    assert "--device cpu trains with 2 processes" in raised.value.hint
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda index: "NVIDIA H100")
    with pytest.raises(NotReady, match=r"this machine has 1 \(NVIDIA H100\)"):
        ranks.check(SMOKE, 2, "cuda")
    ranks.check(SMOKE, 2, "cpu")
    ranks.check(SMOKE, 1, "cuda")


def test_ranks_that_cannot_share_a_step_are_refused_before_any_starts():
    with pytest.raises(InvalidInput, match="--gpus 3 cannot share train.accumulate=2"):
        ranks.check(SMOKE, 3, "cpu")


@pytest.mark.parametrize(
    ("failures", "code"),
    [
        ([Failure(75), Failure(75)], 75),
        ([Failure(1), Failure(4)], 4),  # the disk was full on one, and the other's connection broke
        ([Failure(3), Failure(3)], 3),
        ([Failure(1), Failure(-signal.SIGTERM)], 1),  # torchrun ends the others
        ([Failure(75, 100), Failure(1, 100)], 75),
        ([Failure(1, 100), Failure(-signal.SIGKILL, 131)], 1),  # one hung in an exchange until torchrun lost patience
        ([Failure(-signal.SIGTERM), Failure(-signal.SIGTERM)], 75),
    ],
)
def test_what_came_first_decides_the_exit_code(failures, code):
    assert ranks.outcome(failures) == code


def test_a_rank_that_was_killed_is_named_and_means_try_again():
    with pytest.raises(TryAgain, match="rank 1 was ended by SIGKILL") as raised:
        ranks.outcome([Failure(1), Failure(-signal.SIGKILL, local_rank=1)])
    assert raised.value.exit_code == 75


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells a child that its parent was killed")
def test_a_process_whose_parent_has_gone_already_does_not_begin():
    ranks.stay_with_parent({})
    program = "from reproductions.engine import ranks; ranks.stay_with_parent({'PAPERLAB_PARENT': '1000000000'})"
    assert subprocess.run([sys.executable, "-c", program], cwd=ROOT, check=False).returncode == 75


TWO = ("--device", "cpu", "--gpus", "2")
SLOW = ("--set", "data.pause=0.02", "--set", "train.max_steps=60")


@pytest.mark.soak
@pytest.mark.timeout(600)
@pytest.mark.parametrize("parallel", ["ddp", "fsdp2"])
def test_the_real_command_on_two_ranks_gives_one_ranks_losses_to_a_hundred_thousandth(tmp_path, parallel):
    words = ("--set", "model.dropout=0", "--set", "train.accumulate=4", "--device", "cpu", "--json")
    code, said, errors = finish(start(tmp_path / "one", *words))
    assert code == 0, errors
    code, said, errors = finish(start(tmp_path / "two", *words, "--gpus", "2", "--set", f"train.parallel={parallel}"))
    assert code == 0, errors
    run, alone = RunDirectory(Path(json.loads(said)["path"])), only_run(tmp_path / "one")
    assert run.run["provenance"]["world_size"] == 2
    assert [point[:2] for point in series(run)] == [point[:2] for point in series(alone)]
    assert [point[2] for point in series(run)] == pytest.approx([point[2] for point in series(alone)], rel=1e-5)


@pytest.mark.soak
@pytest.mark.timeout(600)
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGUSR1])
def test_two_ranks_that_are_asked_to_stop_write_a_checkpoint_exit_75_and_go_on_bit_for_bit(tmp_path, number):
    process = start(tmp_path / "stopped", *TWO, *SLOW, "--json")
    wait_for(process, tmp_path / "stopped", step=4)
    process.send_signal(number)
    code, said, errors = finish(process)
    assert code == 75, errors
    assert (json.loads(said)["status"], json.loads(said)["exit"]) == ("interrupted", 75)
    assert errors.count("error: stopped early: SIGTERM, after step") == 1
    assert "Traceback" not in errors
    for folder in ("stopped", "undisturbed"):
        code, _, errors = finish(start(tmp_path / folder, *TWO, *SLOW))
        assert code == 0, errors
    assert outcome(only_run(tmp_path / "stopped")) == outcome(only_run(tmp_path / "undisturbed"))


@pytest.mark.soak
@pytest.mark.timeout(600)
def test_ranks_die_with_the_command_that_started_them(tmp_path):
    process = start(tmp_path, *TWO, *SLOW)
    run = wait_for(process, tmp_path, step=4)
    process.kill()
    finish(process)
    deadline = time.monotonic() + 10
    while run.status() == "running":  # the lock of rank 0 is let go of
        assert time.monotonic() < deadline
        time.sleep(0.02)
    assert run.status() == "interrupted"
