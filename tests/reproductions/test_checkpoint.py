"""Checkpoints: complete or not there, exact, and nothing in them is executed."""

from __future__ import annotations

import json
import random

import numpy as np
import pytest
import torch
from torch import nn

from reproductions.engine import checkpoint, optimizers, randomness
from reproductions.engine.recipe import Optim
from reproductions.run_directory import RunDirectory


def trained(steps: int = 2, tied: bool = False) -> tuple[nn.Module, torch.optim.Optimizer]:
    """A small model and its optimiser after a few updates."""
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(4, 4), nn.Linear(4, 4))
    if tied:
        model[1].weight = model[0].weight
    optimizer = optimizers.build(Optim(lr=0.1, weight_decay=0.1, decay="matrices"), model)
    for _ in range(steps):
        model(torch.randn(3, 4)).square().sum().backward()
        optimizer.step()
        optimizer.zero_grad()
    return model, optimizer


def save(run: RunDirectory, step: int, *, scheduled: bool = True, fill: float | None = None):
    model, optimizer = trained()
    weights = model.state_dict()
    if fill is not None:
        weights = {name: torch.full_like(tensor, fill) for name, tensor in weights.items()}
    return checkpoint.save(
        run.path / "checkpoints",
        step=step,
        model=weights,
        optimizer=optimizer.state_dict(),
        rng=[randomness.state()],
        data={"epoch": 1, "index": 16},
        counters={"seconds": 0.1, "window": {"loss": 1 / 3}},
        scheduled=scheduled,
    )


@pytest.fixture
def run(tmp_path) -> RunDirectory:
    return RunDirectory(tmp_path)


def names(run: RunDirectory) -> list[str]:
    return sorted(path.name for path in (run.path / "checkpoints").iterdir())


@pytest.mark.parametrize("tied", [False, True])
def test_model_and_optimiser_come_back_bit_for_bit_and_go_on_alike(run, tied):
    model, optimizer = trained(tied=tied)
    path = checkpoint.save(
        run.path / "checkpoints",
        step=2,
        model=model.state_dict(),
        optimizer=optimizer.state_dict(),
        rng=[randomness.state()],
        data={"index": 3},
        counters={"window": {"loss": 1 / 3}},
    )
    again, its_optimizer = trained(steps=0, tied=tied)
    saved = checkpoint.load(path)
    again.load_state_dict(saved.model)
    its_optimizer.load_state_dict(saved.optimizer)
    assert saved.step == 2
    assert saved.state["data"] == {"index": 3}
    assert saved.state["counters"]["window"]["loss"] == 1 / 3
    x = torch.randn(3, 4)
    for one, its in ((model, optimizer), (again, its_optimizer)):
        one(x).square().sum().backward()
        its.step()
    assert all(torch.equal(a, b) for a, b in zip(model.parameters(), again.parameters(), strict=True))


def test_a_shared_weight_is_stored_once(run):
    tied, _ = trained(tied=True)
    free, _ = trained(tied=False)
    parts, shared = checkpoint.weights_parts(tied.state_dict())
    assert shared == {"1.weight": "0.weight"}
    whole = checkpoint.weights_parts(free.state_dict())[0]["model.safetensors"]
    assert len(whole) - len(parts["model.safetensors"]) >= 4 * 4 * 4


def test_parts_of_one_storage_are_not_taken_for_one_weight():
    both = torch.arange(8.0)
    parts, shared = checkpoint.weights_parts({"first": both[:4], "second": both[4:], "all": both})
    assert parts["model.safetensors"].count(b'"dtype"') == 3
    assert shared == {}


def test_every_generator_goes_on_where_it_stood(run):
    randomness.seed_everything(3)
    random.gauss(0, 1)
    np.random.standard_normal()
    path = save(run, 1)

    def draw() -> tuple[float, ...]:
        return (torch.rand(()).item(), np.random.standard_normal(), random.gauss(0, 1), random.random())

    (state,) = checkpoint.load(path).rng
    randomness.restore(state)
    expected = [draw() for _ in range(700)]  # past the end of a Mersenne twister's block
    randomness.seed_everything(4)
    randomness.restore(state)
    assert [draw() for _ in range(700)] == expected


def test_a_checkpoint_holds_tensors_and_json_only(run):
    path = save(run, 5)
    assert sorted(file.name for file in path.iterdir()) == [
        "model.safetensors",
        "optimizer.safetensors",
        "rng.safetensors",
        "state.json",
    ]
    assert json.loads((path / "state.json").read_bytes())["step"] == 5


def test_the_generators_of_every_rank_are_kept_by_rank(run):
    states = []
    for rank in range(3):
        randomness.seed_rank(7, 0, rank)
        states.append(randomness.state())
    model, optimizer = trained()
    weights, folder = model.state_dict(), run.path / "checkpoints"
    path = checkpoint.save(
        folder, step=4, model=weights, optimizer=optimizer.state_dict(), rng=states, data=None, counters={}
    )
    assert [file.name for file in sorted(path.glob("rng*"))] == [
        "rng-00001.safetensors",
        "rng-00002.safetensors",
        "rng.safetensors",
    ]
    assert checkpoint.world_size(path) == 3
    loaded = checkpoint.load(path).rng
    assert all(torch.equal(found["torch"], kept["torch"]) for found, kept in zip(loaded, states, strict=True))
    assert not torch.equal(loaded[0]["torch"], loaded[1]["torch"])


def test_a_checkpoint_from_before_there_were_ranks_in_it_still_loads(run):
    path = save(run, 5)
    state = json.loads((path / "state.json").read_bytes())
    del state["world_size"]
    (path / "state.json").write_text(json.dumps(state), encoding="utf-8")
    assert checkpoint.world_size(path) == 1
    assert len(checkpoint.load(path).rng) == 1


def truncate(path):
    path.write_bytes(path.read_bytes()[:-1])


def flip_a_bit(path):
    content = bytearray(path.read_bytes())
    content[-3] ^= 1
    path.write_bytes(content)


@pytest.mark.parametrize("damage", [truncate, flip_a_bit, lambda path: path.unlink()], ids=["cut", "bit", "gone"])
@pytest.mark.parametrize("file", ["model.safetensors", "optimizer.safetensors", "rng.safetensors", "state.json"])
def test_a_torn_checkpoint_is_noticed_and_the_one_before_it_is_used(run, damage, file):
    save(run, 5)
    newer = save(run, 10)
    damage(newer / file)
    found, passed_over = checkpoint.newest(run)
    assert found is not None
    assert found.name == "step-000005"
    assert [torn["checkpoint"] for torn in passed_over] == ["step-000010"]
    assert passed_over[0]["why"]


def test_without_a_whole_checkpoint_there_is_none_to_go_on_from(run):
    assert checkpoint.newest(run) == (None, [])
    (save(run, 5) / "model.safetensors").unlink()
    found, passed_over = checkpoint.newest(run)
    assert found is None
    assert len(passed_over) == 1


@pytest.mark.parametrize("failing_call", range(1, 7))
def test_a_disk_that_fills_while_writing_leaves_what_was_there(run, monkeypatch, failing_call):
    import os

    save(run, 5)
    before = {path.name: path.read_bytes() for path in (run.path / "checkpoints" / "step-000005").iterdir()}
    calls = [0]
    real = os.fsync

    def full(descriptor: int) -> None:
        calls[0] += 1
        if calls[0] == failing_call:
            raise OSError(28, "No space left on device")
        real(descriptor)

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space left"):
        save(run, 10)
    monkeypatch.undo()
    after = {path.name: path.read_bytes() for path in (run.path / "checkpoints" / "step-000005").iterdir()}
    assert after == before
    # only the last call, which makes the rename durable, comes when the new one is whole
    assert names(run) == (["step-000005", "step-000010"] if failing_call == 6 else ["step-000005"])
    checkpoint.verify(run.checkpoints()[-1])


def test_leftovers_of_a_kill_are_removed_and_never_counted(run):
    save(run, 5)
    half = run.path / "checkpoints" / ".step-000010.0a1b2c3d.tmp"
    half.mkdir()
    (half / "model.safetensors").write_bytes(b"half")
    assert [path.name for path in run.checkpoints()] == ["step-000005"]
    checkpoint.remove_leftovers(run)
    assert names(run) == ["step-000005"]


def test_a_step_can_be_written_again(run):
    save(run, 5, fill=1.0)
    save(run, 5, fill=2.0)
    assert names(run) == ["step-000005"]
    assert checkpoint.load_weights(run.checkpoints()[0])["0.bias"][0] == 2.0


def test_pruning_keeps_the_last_scheduled_ones_and_the_newest(run):
    for step in (2, 4, 6):
        save(run, step)
    (run.path / "checkpoints" / "step-000002" / "rng.safetensors").unlink()
    save(run, 7, scheduled=False)
    checkpoint.prune(run, keep=1)
    assert names(run) == ["step-000006", "step-000007"]
    save(run, 8)
    checkpoint.prune(run, keep=2)
    assert names(run) == ["step-000006", "step-000008"]


def test_steps_beyond_six_digits_sort_by_number(run):
    save(run, 999_999)
    save(run, 1_000_000)
    assert [path.name for path in run.checkpoints()] == ["step-999999", "step-1000000"]


def test_the_average_is_the_mean_of_the_last_scheduled_weights(run):
    for step, fill in ((2, 9.0), (4, 1.0), (6, 4.0)):
        save(run, step, fill=fill)
    save(run, 7, fill=100.0, scheduled=False)
    mean, averaged = checkpoint.average(run, last=2)
    assert averaged == ["step-000004", "step-000006"]
    assert all(bool((tensor == 2.5).all()) for tensor in mean.values())
    assert mean["0.bias"].dtype == torch.float32
