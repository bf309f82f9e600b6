"""Several processes train what one process trains."""

from __future__ import annotations

import multiprocessing
import os
import shutil
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from reproductions.engine import distributed
from reproductions.engine.distributed import World
from reproductions.engine.interrupts import PreEmpted
from reproductions.registry import InvalidInput

from .tiny_paper.running import PACKAGE, ROOT, only_run, outcome, series, train
from .tiny_paper.task import Task

SHARED = {"train.accumulate": "4", "train.max_steps": "6"}
# dropout draws other masks on other ranks, so equality with one process can only be asked for without it
CHANGES = {"model.dropout": "0", **SHARED}


class StopsOneRank(Task):
    """Only rank 1 gets the signal, at its second micro-batch of step 3."""

    def loss(self, model, batch):
        if model.training and os.environ.get("RANK") == "1":
            self.taken = getattr(self, "taken", 0) + 1
            if self.taken == 6:
                signal.raise_signal(signal.SIGTERM)
        return super().loss(model, batch)


def rank_of(rank: int, port: int, runs_dir: Path, changes: dict[str, str], make_task: type[Task]) -> None:
    os.environ.update(
        RANK=str(rank), LOCAL_RANK=str(rank), WORLD_SIZE="2", MASTER_ADDR="127.0.0.1", MASTER_PORT=str(port)
    )
    try:
        train(runs_dir, changes=changes, device="cpu", make_task=make_task)
    except PreEmpted as error:
        sys.exit(error.exit_code)


def two_ranks(runs_dir: Path, changes: dict[str, str], make_task: type[Task] = Task) -> list[int | None]:
    """Trains with two gloo processes and returns their exit codes.

    They are forked from a server that has imported torch and run nothing: threads of this process can't be left behind
    in them holding a lock.
    """
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    clean = multiprocessing.get_context("forkserver")
    clean.set_forkserver_preload(["reproductions.engine.trainer"])
    ranks = [clean.Process(target=rank_of, args=(rank, port, runs_dir, changes, make_task)) for rank in (0, 1)]
    for process in ranks:
        process.start()
    for process in ranks:
        process.join(60)
        process.kill()
    return [process.exitcode for process in ranks]


pytestmark = [
    # a remark on in-place changes of a model's output, of which there are none
    pytest.mark.filterwarnings("ignore:FSDP2-wrapped module .* returned a view tensor:UserWarning"),
]


@pytest.fixture(scope="module")
def alone(tmp_path_factory):
    return train(tmp_path_factory.mktemp("alone"), changes=CHANGES)


def assert_equal_up_to_order_of_additions(run, reference):
    found, expected = series(run), series(reference)
    assert [(step, name) for step, name, _ in found] == [(step, name) for step, name, _ in expected]
    assert [value for *_, value in found] == pytest.approx([value for *_, value in expected], rel=1e-5)


@pytest.mark.parametrize("parallel", ["ddp", "fsdp2"])
def test_two_ranks_give_one_ranks_losses(tmp_path, alone, parallel):
    assert two_ranks(tmp_path, {**CHANGES, "train.parallel": parallel}) == [0, 0]
    run = only_run(tmp_path)
    assert run.run["provenance"]["world_size"] == 2
    assert_equal_up_to_order_of_additions(run, alone)
    assert run.result["measurements"] == alone.result["measurements"]


@pytest.mark.parametrize("parallel", ["ddp", pytest.param("fsdp2", marks=pytest.mark.soak)])
def test_a_signal_to_one_rank_stops_both_and_both_go_on_bit_for_bit(tmp_path, parallel):
    changes = {**SHARED, "train.parallel": parallel}  # with dropout: each rank has generators of its own
    assert two_ranks(tmp_path / "undisturbed", changes) == [0, 0]
    assert two_ranks(tmp_path / "stopped", changes, StopsOneRank) == [75, 75]
    run = only_run(tmp_path / "stopped")
    assert run.latest_checkpoint().name == "step-000003"
    assert run.status() == "interrupted"
    shutil.copytree(tmp_path / "stopped", tmp_path / "alone")
    assert two_ranks(tmp_path / "stopped", changes) == [0, 0]
    assert outcome(run) == outcome(only_run(tmp_path / "undisturbed"))
    assert run.events()[-1]["event"] == "finished"

    said: list[str] = []
    other = train(tmp_path / "alone", changes=changes, talk=said.append)
    assert other.status() == "finished"
    assert "2 processes before, now 1: dropout draws other numbers than it would have drawn" in said
    (resumed,) = [event for event in other.events() if event["event"] == "resumed"]
    assert (resumed["world_size"], resumed["same_draws"]) == (1, False)


def test_micro_batches_that_cannot_be_shared_evenly_are_refused():
    import torch

    worlds = [World(torch.device("cpu"), rank, 3) for rank in range(3)]
    assert [list(distributed.share_of(world, 6)) for world in worlds] == [[0, 3], [1, 4], [2, 5]]
    with pytest.raises(InvalidInput, match="3 processes cannot share train.accumulate=4"):
        distributed.share_of(worlds[0], 4)


@pytest.mark.soak
def test_torchrun_starts_the_same_command_on_two_ranks(tmp_path, alone):
    words = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    words += ["-m", "reproductions", "tiny-next", "--tier", "smoke", "--device", "cpu", "--threads", "1"]
    words += [word for change in CHANGES.items() for word in ("--set", "=".join(change))]
    environment = {**os.environ, "PAPERLAB_REPRODUCTIONS": PACKAGE}
    done = subprocess.run(
        [*words, "--runs-dir", str(tmp_path)], cwd=ROOT, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    run = only_run(tmp_path)
    assert done.stdout == f"{run.path}\n"
    assert_equal_up_to_order_of_additions(run, alone)
