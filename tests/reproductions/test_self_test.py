"""`--self-test-resume`: it says yes where a resume changes nothing, and names what differs first where it does."""

from __future__ import annotations

import json
import shutil

import pytest
import safetensors.torch
import torch

from reproductions.engine import self_test
from reproductions.engine.interrupts import PreEmpted
from reproductions.run_directory import RunDirectory

from .tiny_paper.running import finish, only_run, start, train

WORDS = ("--self-test-resume", "--set", "train.max_steps=100", "--json")


@pytest.fixture(scope="module")
def stretch(tmp_path_factory) -> RunDirectory:
    """The first four of six steps."""
    folder = tmp_path_factory.mktemp("stretch")
    with pytest.raises(PreEmpted, match="the stretch is over, after step 4 of 6"):
        train(folder, stop_after=4)
    return only_run(folder)


@pytest.fixture
def copy(stretch, tmp_path) -> RunDirectory:
    return RunDirectory(shutil.copytree(stretch.path, tmp_path / stretch.id))


def test_a_stretch_ends_with_a_checkpoint_and_leaves_the_test_split_alone(stretch):
    assert stretch.latest_checkpoint().name == "step-000004"
    assert "evaluating" not in [event["event"] for event in stretch.events()]


def test_equal_runs_are_equal_generators_included(stretch, copy):
    differs, compared = self_test.compare(stretch, copy, self_test.EXACT)
    assert differs is None
    assert compared["values"] > 5
    assert compared["tensors"] > 10


def test_the_first_differing_value_is_named_with_its_step(stretch, copy):
    file = copy.path / "metrics.jsonl"
    lines = [json.loads(line) for line in file.read_text().splitlines()]
    for line in lines:
        if line["name"] == "train/loss" and line["step"] >= 2:
            line["value"] *= 1 + 1e-9
    file.write_text("".join(json.dumps(line) + "\n" for line in lines))
    differs, _ = self_test.compare(stretch, copy, self_test.EXACT)
    assert (differs["step"], differs["name"]) == (2, "train/loss")
    assert self_test.compare(stretch, copy, self_test.ON_CPU)[0] is None


def test_a_missing_value_differs_whatever_the_rule(stretch, copy):
    file = copy.path / "metrics.jsonl"
    file.write_text("".join(line for line in file.read_text().splitlines(keepends=True)[:-1]))
    assert self_test.compare(stretch, copy, self_test.ON_GPU)[0]["resumed"] is None


@pytest.mark.parametrize(("change", "exact", "loose"), [(0.0, True, True), (1e-6, False, True), (0.5, False, False)])
def test_tensors_are_compared_bit_for_bit_or_by_their_distance(stretch, copy, change, exact, loose):
    file = copy.latest_checkpoint() / "model.safetensors"
    tensors = {name: value * (1 + change) for name, value in safetensors.torch.load(file.read_bytes()).items()}
    file.write_bytes(safetensors.torch.save(tensors, metadata={"format": "pt"}))  # of the same size, so still whole
    for rule, same in ((self_test.EXACT, exact), (self_test.ON_CPU, loose)):
        differs, _ = self_test.compare(stretch, copy, rule)
        assert (differs is None) == same
        assert same or differs["tensor"].startswith("model: ")


def test_what_can_be_asked_for_depends_on_device_ranks_and_threads():
    assert self_test.rule("cpu", 2, 1) is self_test.EXACT
    assert self_test.rule("cpu", 1, 4) is self_test.ON_CPU
    assert self_test.rule("cpu", 4, 1) is self_test.ON_CPU
    assert self_test.rule("cuda", 1, 1) is self_test.ON_GPU
    assert torch.get_num_threads() == 1


@pytest.mark.soak
@pytest.mark.timeout(600)
@pytest.mark.parametrize("ranks", ["1", "2"])
def test_the_real_command_kills_resumes_compares_and_leaves_nothing_behind(tmp_path, ranks):
    code, said, errors = finish(start(tmp_path, *WORDS, "--device", "cpu", "--gpus", ranks))
    found = json.loads(said)
    assert (code, found["same"], found["rule"]) == (0, True, "bit for bit"), errors
    assert found["went_on_from"] == found["killed_after_checkpoint"] < found["steps"]
    assert list(tmp_path.glob("*")) == list(tmp_path.glob(".self-test-*")) == []


@pytest.mark.soak
@pytest.mark.timeout(600)
def test_a_recipe_that_forgets_where_its_data_stood_is_found_out(tmp_path):
    code, said, errors = finish(start(tmp_path, *WORDS, "--set", "data.fail=forget"))
    found = json.loads(said)
    assert (code, found["same"]) == (1, False), errors
    assert found["first_difference"]["step"] == found["went_on_from"] + 1
