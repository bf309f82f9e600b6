"""Measuring attention against sequence length: what is counted, where a stopped run goes on, what is drawn."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest
import torch

from reproductions import registry
from reproductions.attention import measure
from reproductions.attention.measure import FORMS, Shape
from reproductions.attention.task import Lengths, Task, exponent
from reproductions.engine import session
from reproductions.engine.interrupts import PreEmpted
from reproductions.engine.recipe import override
from reproductions.run_directory import find_runs

TINY = {"data.lengths": "[8, 16, 32]", "data.additive_up_to": "16", "evaluation.fit_from": "8"}
SIX = {"train.max_steps": "6", "train.sample_every": "6", "train.eval_every": "6"}
NOW = datetime(2026, 11, 24, 9, 30, 12, tzinfo=UTC)


def tensors_of(length, width=16):
    generator = torch.Generator().manual_seed(0)
    return measure.inputs(Shape(1, 1, length, width), torch.device("cpu"), torch.float32, generator)


TIME_OF_FUSED = ("time-exponent", "fused")


def seconds(run):
    return [(p["step"], p["name"], p["value"]) for p in run.metrics() if p["name"].endswith("/seconds")]


def train(folder, **options):
    changes = {**TINY, **SIX}
    recipe = override(registry.recipe("attention", "smoke"), changes)
    given = {"make_task": Task, "fingerprint": "0" * 64, "data_home": folder / "data", "now": NOW, "seed": 3}
    return session.train(recipe, runs_dir=folder / "runs", overrides=changes, device="cpu", **{**given, **options})


@pytest.mark.parametrize("copies", [1, 2, 5])
def test_memory_is_counted_to_the_byte(copies):
    """So many copies are held at once, and the array of ones that the backward pass begins with."""
    q = tensors_of(250)[0]  # 4,000 numbers of four bytes each

    def copied(q):
        held = [q.detach().clone() for _ in range(copies - 1)]
        output = q.clone()
        del held
        return output

    assert measure.peak_memory(copied, [q]) == 16_000 * max(copies, 2)


def test_stored_scores_take_quadratic_memory_and_fused_ones_linear():
    memory = {
        form: {n: measure.peak_memory(FORMS[form], tensors_of(n, 64)) for n in (512, 1024)}
        for form in ("materialised", "fused")
    }
    assert exponent(memory["materialised"]) > 1.8
    assert exponent(memory["fused"]) < 1.5
    assert memory["fused"][1024] < memory["materialised"][1024] / 4


def test_additive_attention_keeps_a_hidden_layer_for_every_pair():
    held = measure.peak_memory(FORMS["additive"], tensors_of(64, 32))
    assert held > 2 * 64 * 64 * 32 * 4


def test_the_time_is_that_of_one_pass():
    calls = 0

    def counted(q, k, v):
        nonlocal calls
        calls += 1
        return q + k + v

    seconds = measure.seconds(counted, tensors_of(16), least=0.005)
    assert calls > 2  # the one that does not count, and several that do
    assert 0 < seconds <= 0.01


@pytest.mark.parametrize("power", [0.5, 1.0, 2.0])
def test_an_exponent_is_the_slope_over_logarithms(power):
    assert exponent({n: 3.0 * n**power for n in (64, 128, 512)}) == pytest.approx(power)


def test_each_round_visits_every_length_once_in_an_order_of_its_own():
    stream = Lengths((1, 2, 3, 4), seed=0, position=None)
    rounds = [[next(stream) for _ in range(4)] for _ in range(6)]
    assert all(sorted(each) == [1, 2, 3, 4] for each in rounds)
    assert len({tuple(each) for each in rounds}) > 1
    going_on = Lengths((1, 2, 3, 4), seed=0, position={"taken": 5, "table": [{"form": "fused"}]})
    assert [next(going_on) for _ in range(3)] == rounds[1][1:]
    assert going_on.table == [{"form": "fused"}]


def test_a_stopped_run_goes_on_with_what_it_had_measured(tmp_path):
    class Stopping(Task):
        taken = 0

        def loss(self, model, length):
            Stopping.taken += 1
            if Stopping.taken == 4:
                raise RuntimeError("the machine went away")
            return super().loss(model, length)

    with pytest.raises(RuntimeError):
        train(tmp_path, make_task=Stopping)
    first = [
        (p["step"], p["value"]) for p in find_runs(tmp_path / "runs")[0].metrics() if p["name"].endswith("seconds")
    ]
    run = train(tmp_path)
    seconds = [(p["step"], p["value"]) for p in run.metrics() if p["name"].endswith("/seconds")]
    assert seconds[:6] == [point for point in first if point[0] <= 3][:6]  # measured once, and kept
    assert {p["value"] for p in run.metrics() if p["name"] == "train/length"} == {8.0, 16.0, 32.0}
    (measured,) = (m for m in run.result["measurements"] if (m["metric"], m["protocol"]["form"]) == TIME_OF_FUSED)
    assert measured["n"] == 2 * (3 + 3 + 2)  # two rounds of three forms, the additive one at two lengths


def test_a_run_leaves_its_curves_as_drawings(tmp_path):
    run = train(tmp_path)
    by_name = {item["name"]: (run.path / item["file"]).read_text() for item in run.artifacts()}
    assert set(by_name) == {"seconds.svg", "bytes.svg"}
    for text in by_name.values():
        assert all(form in text for form in FORMS)
    assert [set(sample["artifacts"]) for sample in run.samples()] == [{"seconds.svg"}, {"bytes.svg"}]


def test_what_does_not_fit_is_left_out_and_said_so(tmp_path, monkeypatch):
    def full(q, k, v):
        if q.shape[2] > 8:
            raise torch.OutOfMemoryError("no more")
        return q + k + v

    monkeypatch.setitem(FORMS, "additive", full)
    run = train(tmp_path)
    names = {p["name"] for p in run.metrics() if p["name"].startswith("train/additive")}
    assert names == {"train/additive/seconds", "train/additive/bytes"}
    assert "additive: 8 " in run.samples()[0]["output"]
    assert "16" not in run.samples()[0]["output"].split("additive: ")[1]


def test_a_measurement_answers_the_claim_of_its_tier(tmp_path):
    claims = {claim["id"]: claim for claim in registry.claims("attention")}
    for tier in registry.tiers("attention"):
        recipe = override(registry.recipe("attention", tier), {**TINY, "data.dtype": "float32"})
        task = Task(recipe=recipe, data_home=tmp_path, device=torch.device("cpu"), seed=0)
        answers = {item["claim"]: item for item in task.evaluate(task.build_model()) if item["claim"]}
        of_tier = {name for name, claim in claims.items() if claim.get("tier") == tier}
        assert set(answers) == of_tier
        for name, item in answers.items():
            stated = {**claims[name]["protocol"], "device": "cpu"} if tier == "full" else claims[name]["protocol"]
            assert {key: item["protocol"].get(key) for key in stated} == stated
            assert (item["metric"], item["unit"]) == (claims[name]["metric"], claims[name]["unit"])


def test_a_pre_empted_run_says_that_the_same_command_goes_on(tmp_path):
    with pytest.raises(PreEmpted):
        train(tmp_path, max_seconds=0.0)
    assert train(tmp_path).result is not None


def test_what_measures_is_not_shared_by_several_processes(tmp_path):
    recipe = registry.recipe("attention", "smoke")
    several = replace(recipe, train=replace(recipe.train, accumulate=2))
    with pytest.raises(registry.InvalidInput, match="measures one length a step"):
        registry.task("attention")(recipe=several, data_home=tmp_path, device=torch.device("cpu"), seed=1)
