"""A look at a recipe before it runs: what is counted, what is left out, and that nothing is left behind."""

from __future__ import annotations

import json
import time
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import pytest

from reproductions.__main__ import main
from reproductions.engine import prediction
from reproductions.engine.recipe import override
from reproductions.registry import NotReady

from .tiny_paper import running
from .tiny_paper.recipes import RECIPES
from .tiny_paper.task import Task

SMOKE = RECIPES["tiny-next", "smoke"]


def measured(tmp_path: Path, *, task: Any = Task, recipe: Any = SMOKE, budget: float = 0.5) -> dict[str, Any]:
    return prediction.measure(
        recipe, make_task=task, data_home=tmp_path / "data", device="cpu", folder=tmp_path, budget=budget
    )


def test_the_whole_time_is_the_measured_parts_times_their_counts(tmp_path):
    recipe = override(SMOKE, {"data.pause": "0.01", "train.max_steps": "600"})
    found = measured(tmp_path, recipe=recipe, budget=2.0)
    rates, parts = found["rates"], found["seconds_by_part"]
    assert 0.02 <= rates["step"] < 0.2  # two micro-batches of 0.01 s and their arithmetic
    assert parts["steps"] == pytest.approx(600 * rates["step"], rel=1e-3)
    assert parts["validate"] == pytest.approx(200 * rates["validate"], abs=1e-3)  # every third step
    assert found["seconds"] == pytest.approx(sum(parts.values()), abs=0.01)
    assert found["at_least"] == []


def test_weights_gradients_and_optimizer_are_counted_in_bytes(tmp_path):
    rates = measured(tmp_path)["rates"]
    weights = 4 * (13 * 8 + 8 * 8 + 8 + 13)  # the output layer shares the embedding
    assert (rates["parameters"], rates["gradients"]) == (weights, weights)
    assert 2 * weights <= rates["optimizer"] < 2 * weights + 64  # Adam's two moments, and its step counts
    assert rates["activations"] > 0


def test_nothing_is_left_behind_and_prepared_data_are_used(tmp_path):
    prepared = tmp_path / "data" / "files" / "prepared"
    prepared.parent.mkdir(parents=True)
    prepared.write_text("kept")

    class Writing(Task):
        def __init__(self, **given: Any) -> None:
            super().__init__(**given)
            assert (given["data_home"] / "files" / "prepared").read_text() == "kept"
            (given["data_home"] / "files" / "new").write_text("written")

    before = sorted(tmp_path.rglob("*"))
    measured(tmp_path, task=Writing)
    assert sorted(tmp_path.rglob("*")) == before


def test_what_takes_too_long_is_left_out_and_named(tmp_path):
    class Slow(Task):
        def evaluate(self, model):
            time.sleep(30)

    found = measured(tmp_path, task=Slow)
    assert found["at_least"] == ["evaluate"]
    assert "the evaluation takes more than" in " ".join(found["rates"]["notes"])


def test_data_that_take_too_long_leave_the_time_unknown(tmp_path):
    class Slow(Task):
        def prepare(self, log):
            time.sleep(30)

    found = measured(tmp_path, task=Slow, budget=0.2)
    assert found["seconds"] is None
    assert "bringing in the data takes more than" in found["rates"]["notes"][0]


def test_a_batch_that_is_too_big_is_taken_in_part_and_that_is_said(tmp_path, monkeypatch):
    monkeypatch.setattr(prediction, "_CPU_FLOP", 1.0)
    seen: list[int] = []

    class Counting(Task):
        def loss(self, model, batch):
            seen.append(len(batch))
            return super().loss(model, batch)

    recipe = override(SMOKE, {"data.batch": "32", "data.examples": "320"})
    whole = measured(tmp_path, task=Counting, recipe=recipe)
    assert whole["rates"]["scaled"] == 16
    assert 2 in seen
    assert 32 not in seen
    assert "1/16 of the batch" in " ".join(whole["rates"]["notes"])
    assert whole["memory_bytes"] == whole["rates"]["peak"] + 15 * whole["rates"]["activations"]


def test_a_run_that_would_not_fit_into_memory_is_refused(tmp_path, monkeypatch):
    small = replace(prediction.machine.here("cpu"), memory=200_000_000)  # torch alone takes more
    monkeypatch.setattr(prediction.machine, "here", lambda device: small)
    with pytest.raises(NotReady, match=r"tiny-next --tier smoke needs about .* GB of memory, here are 0.2"):
        measured(tmp_path)


def test_a_tier_that_needs_a_gpu_is_refused_with_the_one_that_fits(tmp_path):
    with pytest.raises(NotReady, match="needs a CUDA GPU") as refused:
        prediction.measure(
            RECIPES["tiny-next", "full"],
            make_task=Task,
            data_home=tmp_path,
            device="cpu",
            tiers=tuple(RECIPES.values()),
            folder=tmp_path,
        )
    assert "--tier smoke" in refused.value.hint


@pytest.mark.parametrize(("steps", "every", "times"), [(6, 0, 0), (6, 3, 2), (7, 3, 3), (1800, 300, 6)])
def test_what_is_due_also_comes_after_the_last_step(steps, every, times):
    assert prediction._times(steps, every) == times


def test_the_command_line_prints_one_object_and_makes_no_run(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("PAPERLAB_REPRODUCTIONS", running.PACKAGE)
    monkeypatch.setenv("PAPERLAB_HOME", str(tmp_path / "home"))
    monkeypatch.setattr(prediction, "BUDGET_SECONDS", 1.0)
    assert main(["tiny-next", "--tier", "smoke", "--device", "cpu", "--predict", "--json", "--quiet"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert set(found["rates"]) == {field.name for field in fields(prediction.Rates)}
    assert found["packages"]["torch"]
    assert not (tmp_path / "home").exists()


def test_a_run_keeps_what_was_said_of_it_and_the_memory_it_took(tmp_path):
    run = running.train(tmp_path, prediction={"time": {"seconds": 3.0}})
    assert run.run["prediction"] == {"time": {"seconds": 3.0}}
    assert run.result["peak_memory_bytes"] > 50_000_000  # torch alone is more
