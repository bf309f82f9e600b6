"""How steps are taken, how a run begins and ends, and what it says when it cannot."""

from __future__ import annotations

import math
from datetime import timedelta

import pytest
import torch
from torch import nn

from reproductions.engine import machine, optimizers
from reproductions.engine.interrupts import PreEmpted
from reproductions.engine.machine import Machine
from reproductions.engine.recipe import Needs, Optim, Schedule
from reproductions.registry import InvalidInput, NotReady, ReproductionError
from reproductions.run_directory import Busy, Recorder, find_runs

from .tiny_paper.recipes import RECIPES
from .tiny_paper.running import NOW, only_run, outcome, train
from .tiny_paper.task import Task

LONGER = {"train.max_steps": "150", "train.checkpoint_every": "0", "train.log_every": "50", "train.sample_every": "0"}


def values(run, name):
    return [point["value"] for point in run.metrics() if point["name"] == name]


def test_it_learns(tmp_path):
    run = train(tmp_path, changes={**LONGER, "train.average_last": "0"})
    assert run.status() == "finished"
    assert run.result["measurements"][0]["value"] > 0.95
    assert values(run, "val/loss")[-1] < 1 < values(run, "val/loss")[0]


def test_a_run_says_where_it_comes_from(tmp_path):
    record = train(tmp_path, command=["python", "-m", "reproductions", "tiny-next"]).run
    assert (record["recipe"], record["tier"], record["seed"]) == ("tiny-next", "smoke", 1)
    assert record["id"].startswith("20261124-093012-tiny-next-smoke-")
    assert record["overrides"] == {"data.pause": "0"}
    assert record["predicted"] == {"accuracy": 0.5}
    provenance = record["provenance"]
    assert len(provenance["data"]["tiny"]["sha256"]) == 64
    assert provenance["packages"]["torch"].startswith(torch.__version__.split("+")[0])
    assert provenance["threads"] == 1
    assert provenance["device"] == "cpu"
    assert provenance["precision"] == "fp32"
    assert provenance["hardware"]["cores"] >= 1
    assert provenance["hardware"]["cpu"]


def test_records_come_at_the_steps_that_the_recipe_says(tmp_path):
    run = train(tmp_path)
    by_name = {}
    for point in run.metrics():
        by_name.setdefault(point["name"], []).append(point["step"])
    assert by_name["train/loss"] == [1, 2, 4, 6]
    assert by_name["train/lr"] == [1, 2, 4, 6]
    assert by_name["train/grad_norm"] == [1, 2, 4, 6]
    assert by_name["val/loss"] == [3, 6]
    assert [sample["step"] for sample in run.samples()] == [6]
    assert [path.name for path in run.checkpoints()] == ["step-000004", "step-000006"]
    assert run.result["averaged"] == ["step-000004", "step-000006"]
    assert run.result["step"] == 6


def test_two_micro_batches_are_one_batch_of_twice_the_size(tmp_path):
    common = {"model.dropout": "0", "data.examples": "48"}
    twice = train(tmp_path / "a", changes={**common, "train.accumulate": "2", "data.batch": "8"})
    once = train(tmp_path / "b", changes={**common, "train.accumulate": "1", "data.batch": "16"})
    assert values(twice, "train/loss") == pytest.approx(values(once, "train/loss"), rel=1e-6)
    assert values(twice, "train/grad_norm") == pytest.approx(values(once, "train/grad_norm"), rel=1e-5)


def test_the_loss_is_the_mean_over_all_tokens_since_the_last_log(tmp_path):
    each = train(tmp_path / "a", changes={"train.log_every": "1", "train.max_steps": "4"})
    window = train(tmp_path / "b", changes={"train.log_every": "4", "train.max_steps": "4"})
    # batches of 8, 8 | 8, 8 | 8, 8 | 2, 8 examples
    losses, weights = values(each, "train/loss")[1:], [16, 16, 10]
    expected = sum(loss * weight for loss, weight in zip(losses, weights, strict=True)) / sum(weights)
    assert values(window, "train/loss")[1] == pytest.approx(expected, rel=1e-12)


def test_sums_that_a_task_adds_are_recorded_per_token(tmp_path):
    class WithPlainLoss(Task):
        def loss(self, model, batch):
            nats, tokens, _ = super().loss(model, batch)
            return nats, tokens, {"nll": nats.detach() / 2}

    run = train(tmp_path, make_task=WithPlainLoss)
    assert values(run, "train/nll") == pytest.approx([value / 2 for value in values(run, "train/loss")])


def test_the_rate_of_equation_3_peaks_where_the_warm_up_ends():
    schedule = Schedule("inverse-sqrt", warmup_steps=4000, d_model=512)
    rates = [optimizers.factor(schedule, step, 100_000) for step in range(1, 20_001)]
    assert max(rates) == rates[3999] == pytest.approx(512**-0.5 * 4000**-0.5)
    assert rates[1999] == pytest.approx(rates[3999] / 2)
    assert rates[15_999] == pytest.approx(rates[3999] / 2)


@pytest.mark.parametrize("name", ["constant", "cosine", "linear"])
def test_other_rates_warm_up_and_end_at_their_floor(name):
    schedule = Schedule(name, warmup_steps=10, factor=2.0, floor=0.1)
    rates = [optimizers.factor(schedule, step, 100) for step in range(1, 101)]
    assert rates[:10] == pytest.approx([0.2 * step for step in range(1, 11)])
    assert rates[-1] == pytest.approx(2.0 if name == "constant" else 0.2)
    assert rates[10:] == sorted(rates[10:], reverse=True)
    assert rates[54] == pytest.approx(2.0 if name == "constant" else 1.1)


def test_weight_decay_can_leave_out_vectors():
    model = nn.Sequential(nn.Linear(3, 2), nn.LayerNorm(2))
    decayed, free = optimizers.build(Optim(lr=1, weight_decay=0.1, decay="matrices"), model).param_groups
    assert [tuple(p.shape) for p in decayed["params"]] == [(2, 3)]
    assert (len(free["params"]), free["weight_decay"]) == (3, 0.0)
    (everything,) = optimizers.build(Optim(lr=1, weight_decay=0.1), model).param_groups
    assert len(everything["params"]) == 4


@pytest.mark.parametrize("name", ["adam", "adamw"])
def test_the_fused_optimiser_takes_the_steps_of_the_plain_one(name):
    def steps(make) -> torch.Tensor:
        torch.manual_seed(0)
        model = nn.Linear(5, 3)
        optimizer = make(model)
        for _ in range(5):
            model(torch.randn(2, 5)).square().mean().backward()
            optimizer.step()
            optimizer.zero_grad()
        return model.weight.detach()

    optim = Optim(lr=0.01, name=name, betas=(0.9, 0.98), eps=1e-9, weight_decay=0.1)
    plain = {"adam": torch.optim.Adam, "adamw": torch.optim.AdamW}[name]
    settings = {"lr": 0.01, "betas": (0.9, 0.98), "eps": 1e-9, "weight_decay": 0.1, "foreach": False}
    ours = steps(lambda model: optimizers.build(optim, model))
    assert torch.allclose(ours, steps(lambda model: plain(model.parameters(), **settings)), atol=1e-6)


def test_a_finished_run_is_returned_at_once_and_again_makes_another(tmp_path):
    first = train(tmp_path)

    class Untouched(Task):
        def prepare(self, log):
            raise AssertionError("a finished run needs no data")

    assert train(tmp_path, make_task=Untouched).path == first.path
    second = train(tmp_path, again=True, now=NOW + timedelta(days=1))
    assert second.path != first.path
    assert outcome(second) == outcome(first)


def test_another_seed_tier_or_override_is_another_run(tmp_path):
    train(tmp_path)
    train(tmp_path, seed=2)
    train(tmp_path, changes={"optim.lr": "0.02"})
    assert len(find_runs(tmp_path)) == 3


def test_an_interrupted_again_is_gone_on_with_by_the_same_command(tmp_path):
    first = train(tmp_path)
    with pytest.raises(PreEmpted):
        train(tmp_path, again=True, max_seconds=0, now=NOW + timedelta(days=1))
    second = train(tmp_path, again=True, now=NOW + timedelta(days=2))
    assert len(find_runs(tmp_path)) == 2
    assert outcome(second) == outcome(first)


def test_an_unfinished_run_of_other_code_is_refused_and_again_leaves_it(tmp_path):
    with pytest.raises(PreEmpted):
        train(tmp_path, max_seconds=0)
    unfinished = only_run(tmp_path)
    with pytest.raises(InvalidInput, match="the code or the recipe has changed") as raised:
        train(tmp_path, fingerprint="1" * 64)
    assert raised.value.exit_code == 3
    assert "--again" in raised.value.hint
    assert train(tmp_path, fingerprint="1" * 64, again=True).path != unfinished.path
    assert unfinished.status() == "interrupted"


def test_a_finished_run_of_other_code_makes_way_for_a_new_one(tmp_path):
    assert train(tmp_path).path != train(tmp_path, fingerprint="1" * 64).path


def test_a_resume_with_other_data_is_refused(tmp_path):
    class Interrupted(Task):
        def evaluate(self, model):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(tmp_path, make_task=Interrupted)

    class OtherData(Task):
        def prepare(self, log):
            hashes = super().prepare(log)
            hashes["data"]["tiny"]["sha256"] = "0" * 64
            return hashes

    with pytest.raises(InvalidInput, match="the data or the tokenizer has changed"):
        train(tmp_path, make_task=OtherData)
    assert train(tmp_path).status() == "finished"


def test_a_run_that_another_process_trains_is_left_alone(tmp_path):
    with pytest.raises(PreEmpted):
        train(tmp_path, max_seconds=0)
    with Recorder(only_run(tmp_path).path), pytest.raises(Busy) as raised:
        train(tmp_path)
    assert raised.value.exit_code == 75
    assert train(tmp_path).status() == "finished"


def test_a_run_that_died_while_evaluating_evaluates_and_takes_no_further_step(tmp_path):
    undisturbed = train(tmp_path / "undisturbed")

    class Dies(Task):
        def evaluate(self, model):
            raise RuntimeError("the lights went out")

    with pytest.raises(RuntimeError, match="the lights went out"):
        train(tmp_path / "runs", make_task=Dies)
    run = only_run(tmp_path / "runs")
    assert run.status() == "failed"
    assert run.events()[-1]["why"] == "RuntimeError: the lights went out"

    class TakesNoStep(Task):
        def loss(self, model, batch):
            if model.training:
                raise AssertionError("there is no step left")
            return super().loss(model, batch)

    assert outcome(train(tmp_path / "runs", make_task=TakesNoStep)) == outcome(undisturbed)
    evaluations = [event for event in run.events() if event["event"] == "evaluating"]
    assert len(evaluations) == 2  # each decoding of the test split is on record
    assert run.events()[-1]["event"] == "finished"


def test_a_loss_that_is_not_finite_stops_the_run_and_says_where(tmp_path):
    with pytest.raises(ReproductionError, match="the loss is not finite at step 2") as raised:
        train(tmp_path, changes={"optim.lr": "1e30", "optim.clip_norm": "none"})
    assert raised.value.exit_code == 1
    assert only_run(tmp_path).status() == "failed"


@pytest.mark.parametrize(
    "error",
    [
        MemoryError(),
        torch.OutOfMemoryError("CUDA out of memory"),
        RuntimeError("... DefaultCPUAllocator: can't allocate memory"),
    ],
    ids=["python", "cuda", "cpu"],
)
def test_running_out_of_memory_is_recorded_and_says_what_helps(tmp_path, error):
    class Greedy(Task):
        def loss(self, model, batch):
            raise error

    with pytest.raises(NotReady, match="out of memory") as raised:
        train(tmp_path, make_task=Greedy)
    assert raised.value.exit_code == 4
    assert only_run(tmp_path).events()[-1]["event"] == "out-of-memory"
    assert only_run(tmp_path).status() == "failed"
    assert train(tmp_path).status() == "finished"


def test_time_that_is_used_up_ends_with_a_checkpoint_and_exit_75(tmp_path):
    with pytest.raises(PreEmpted, match="time allowed is used up") as raised:
        train(tmp_path, changes={"data.pause": "0.1"}, max_seconds=0.7)
    assert raised.value.exit_code == 75
    run = only_run(tmp_path)
    assert run.events()[-1]["event"] == "pre-empted"
    assert run.status() == "interrupted"
    assert run.latest_checkpoint() is not None


def test_an_unwritable_folder_is_named(tmp_path):
    (tmp_path / "runs").write_text("a file, not a folder")
    with pytest.raises(NotReady, match=r"cannot write .*runs") as raised:
        train(tmp_path / "runs")
    assert raised.value.exit_code == 4
    (tmp_path / "runs").unlink()
    denied = PermissionError(13, "Permission denied", str(tmp_path / "runs"))

    def prepare(self, log):
        raise denied

    with pytest.raises(NotReady, match=r"cannot write .*runs"):
        train(tmp_path / "runs", make_task=type("Denied", (Task,), {"prepare": prepare}))


HERE = Machine("a CPU", 2, memory=8 * 10**9)
H100 = Machine("a CPU", 16, memory=128 * 10**9, gpu="H100", gpu_memory=80 * 10**9)


@pytest.mark.parametrize(
    ("needs", "where", "missing"),
    [
        (Needs(device="cuda", gpu_memory_gb=40), HERE, ["a CUDA GPU with 40 GB"]),
        (Needs(device="cuda", gpu_memory_gb=40), H100, []),
        (Needs(device="cuda", gpu_memory_gb=90), H100, ["90 GB of GPU memory, here are 80.0"]),
        (Needs(memory_gb=16), HERE, ["16 GB of memory, here are 8.0"]),
        (Needs(disk_gb=8, download_gb=3), HERE, ["11 GB of disk, here are 10.0 free"]),
        (Needs(device="cuda", memory_gb=9), HERE, ["a CUDA GPU", "9 GB of memory"]),
        (Needs(), HERE, []),
    ],
)
def test_what_a_machine_lacks_is_said_in_words(needs, where, missing):
    found = machine.lacks(needs, where, free_disk=10 * 10**9)
    assert len(found) == len(missing)
    assert all(text.startswith(start) for text, start in zip(found, missing, strict=True))


def test_a_tier_that_cannot_run_names_what_it_takes_and_the_one_that_fits(tmp_path):
    full, smoke = RECIPES["tiny-next", "full"], RECIPES["tiny-next", "smoke"]
    with pytest.raises(NotReady) as raised:
        machine.check(full, [full, smoke], HERE, tmp_path / "not" / "there")
    assert raised.value.exit_code == 4
    assert "a CUDA GPU with 80 GB" in str(raised.value)
    assert "about 3 h on an H100" in str(raised.value)
    assert "--tier smoke" in raised.value.hint


def test_bf16_is_left_alone_where_the_device_does_not_compute_in_it(tmp_path):
    run = train(tmp_path, changes={"train.precision": "bf16-if-capable"})
    assert run.run["provenance"]["precision"] == "fp32"
    assert math.isfinite(values(run, "train/loss")[-1])
