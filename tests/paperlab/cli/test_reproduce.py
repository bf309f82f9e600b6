"""`paperlab reproduce`, with the real child and a paper that trains in a second."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import Any

import pytest

from paperlab.runs import cluster, launch
from reproductions import registry
from reproductions.run_directory import find_runs
from tests.paperlab.cli.test_claims import accuracy
from tests.paperlab.runs import directories

SMOKE = ("reproduce", "claimed-next", "--tier", "smoke", "--threads", "1")


def test_a_run_is_trained_indexed_and_judged(paperlab: Any, home: Path) -> None:
    """The real child, once; what it does with signals and a finished run is tested with the engine."""
    trained = paperlab(*SMOKE)
    assert trained.code == 0, trained.err
    (run,) = find_runs(home / "runs")
    for expected in (run.id, str(run.path), "finished", "train/loss", "1 seed: one gives no spread"):
        assert expected in trained.out
    shown = paperlab("runs", "show", run.id, "--json").json
    assert (shown["status"], shown["step"], shown["measurements"][0]["claim_id"]) == ("finished", 6, "claimed:accuracy")


@pytest.fixture
def trained(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Runs end at once, with the run directory that the request asks for."""

    def run(request: launch.Request, *, home: Path) -> launch.Ended:
        path = directories.finished(
            home / "runs",
            recipe=request.recipe,
            seed=request.seed,
            fingerprint=registry.fingerprint("claimed-next", "smoke"),
            overrides=dict(word.split("=") for word in request.overrides),
            measurements=[accuracy(0.5 + request.seed / 100)],
        )
        return launch.Ended(0, path.name, path, "finished")

    monkeypatch.setattr(launch, "run", run)


def test_three_seeds_reach_the_bound(paperlab: Any, trained: None) -> None:
    for seed in "123":
        last = paperlab(*SMOKE, "--seed", seed, "--json", "--quiet")
    (verdict,) = last.json["verdicts"]
    assert (verdict["verdict"], verdict["seeds"]) == ("reproduced", 3)
    assert last.err == ""


def test_an_override_is_not_the_recipe_that_the_claim_names(paperlab: Any, trained: None) -> None:
    said = paperlab(*SMOKE, "--set", "optim.lr=0.02", "--json").json
    (verdict,) = said["verdicts"]
    assert (verdict["verdict"], verdict["differing_fields"]) == ("not-comparable", ["optim.lr"])


@pytest.mark.sqlite
def test_a_run_that_can_not_be_indexed_is_safe_and_says_so(paperlab: Any, home: Path, trained: None) -> None:
    home.mkdir()
    with sqlite3.connect(home / "paperlab.db") as database:
        database.execute("CREATE TABLE alembic_version (version_num TEXT)")
        database.execute("INSERT INTO alembic_version VALUES ('9999')")
    database.close()
    refused = paperlab(*SMOKE)
    (run,) = find_runs(home / "runs")
    assert refused.code == 4
    assert run.status() == "finished"
    assert f"the run is safe in {run.path}" in refused.err
    assert "paperlab runs index" in refused.err


def test_a_run_that_was_stopped_is_indexed_and_keeps_its_exit_code(
    paperlab: Any, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with directories.begin(home / "runs", recipe="claimed-next") as recorder:
        directories.learn(recorder, range(1, 4))
    path = recorder.path
    monkeypatch.setattr(launch, "run", lambda *_, **__: launch.Ended(75, path.name, path, "interrupted"))
    stopped = paperlab(*SMOKE, "--json")
    assert stopped.code == 75
    assert (stopped.json["status"], stopped.json["exit"]) == ("interrupted", 75)
    assert stopped.json["metrics"]["train/loss"]["step"] == 3


def test_a_refusal_of_the_child_keeps_its_exit_code(paperlab: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(launch, "run", lambda *_, **__: launch.Ended(4))
    refused = paperlab("reproduce", "claimed-next", "--json")
    assert refused.code == 4
    assert (refused.json["run"], refused.json["exit"]) == (None, 4)


@pytest.mark.parametrize(
    ("words", "code", "reason"),
    [
        (("claimed-nxt",), 3, "did you mean: claimed-next"),
        (("claimed-next", "--tier", "huge"), 3, 'no tier "huge"'),
        (("claimed-next", "--device", "tpu"), 2, "tpu"),
        ((), 2, "--list"),
    ],
)
def test_what_can_not_be_run_is_refused_with_the_next_command(
    paperlab: Any, words: tuple[str, ...], code: int, reason: str
) -> None:
    refused = paperlab("reproduce", *words)
    assert refused.code == code
    assert reason in refused.err
    assert refused.out == ""


def test_without_the_packages_of_training_it_ends_in_4(paperlab: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(launch, "TRAINING_PACKAGES", ("no_such_package",))
    refused = paperlab(*SMOKE, "--json")
    assert refused.code == 4
    assert refused.json["hint"] == "pip install 'paperlab[train]'"


def test_a_killed_child_ends_in_75(paperlab: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(launch, "run", lambda *_, **__: launch.Ended(75, stopped_by="SIGKILL"))
    killed = paperlab(*SMOKE, "--json")
    assert killed.code == 75
    assert killed.json["reason"] == "killed"


def test_the_list_names_every_tier_and_what_it_needs(paperlab: Any) -> None:
    said = paperlab("reproduce", "--list", "--json").json
    assert [(row["recipe"], row["tier"]) for row in said["recipes"]] == [
        ("claimed-next", "full"),
        ("claimed-next", "smoke"),
    ]
    assert said["recipes"][0]["needs"]["hours"] == 3
    assert "an H100" in paperlab("reproduce", "--list").out


def test_with_slurm_a_job_is_submitted_a_seed_and_each_is_named_with_its_log(
    paperlab: Any, home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    submitted: list[launch.Request] = []

    def submit(request: launch.Request, *, partition: str, home: Path) -> cluster.Submitted:
        submitted.append(request)
        return cluster.Submitted(f"{partition}-{request.seed}", home / "log")

    monkeypatch.setattr(cluster, "submit", submit)
    said = paperlab(*SMOKE, "--slurm", "long", "--seeds", "2", "--max-wall", "2h", "--gpus", "2", "--json")
    assert said.code == 0
    assert said.json["jobs"] == [
        {"seed": 1, "job": "long-1", "log": str(home / "log")},
        {"seed": 2, "job": "long-2", "log": str(home / "log")},
    ]
    assert [(request.seed, request.max_seconds, request.gpus) for request in submitted] == [(1, 7200, 2), (2, 7200, 2)]
    assert f"job long-1  seed 1  {home / 'log'}" in paperlab(*SMOKE, "--slurm", "long").out


def test_without_slurm_on_the_machine_it_ends_in_4(paperlab: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cluster, "COMMANDS", ("no-such-sbatch",))
    refused = paperlab(*SMOKE, "--slurm", "long", "--json")
    assert refused.code == 4
    assert "no-such-sbatch, not found on this machine" in refused.json["error"]


def test_gpus_that_the_machine_lacks_end_in_4_and_name_what_is_there(paperlab: Any) -> None:
    refused = paperlab(*SMOKE, "--gpus", "64", "--set", "train.accumulate=64", "--json")
    assert refused.code == 4
    assert "--gpus 64 needs 64 CUDA GPUs that torch can use, and this machine has " in refused.json["error"]


def test_the_time_allowed_is_passed_on_and_one_that_is_none_is_refused(paperlab: Any, home: Path) -> None:
    stopped = paperlab(*SMOKE, "--max-wall", "0.001s", "--json")
    assert (stopped.code, stopped.json["status"]) == (75, "interrupted")
    assert paperlab(*SMOKE, "--max-wall", "soon").code == 3


@pytest.mark.parametrize("same", [True, False])
def test_a_self_test_says_what_was_compared_and_what_differs_first(
    paperlab: Any, home: Path, monkeypatch: pytest.MonkeyPatch, same: bool
) -> None:
    first = None if same else {"step": 7, "name": "train/loss", "undisturbed": 1.5, "resumed": 1.6}
    found = {
        **{"steps": 24, "killed_after_checkpoint": 6, "rule": "bit for bit", "same": same, "first_difference": first},
        **{"compared": {"values": 80, "tensors": 22}, "exit": 0 if same else 1},
    }
    monkeypatch.setattr(launch, "self_test", lambda request, home: found)
    said = paperlab(*SMOKE, "--self-test-resume")
    assert said.code == (0 if same else 1)
    assert "80 recorded values, 22 tensors: bit for bit" in said.out
    assert ("first: step 7, name train/loss" in said.err) is not same
    assert paperlab(*SMOKE, "--self-test-resume", "--json").json == found


@pytest.mark.soak
@pytest.mark.timeout(600)
def test_a_self_test_with_the_real_child_leaves_no_run(paperlab: Any, home: Path) -> None:
    said = paperlab(*SMOKE, "--self-test-resume", "--json", "--quiet", "--set", "train.max_steps=60")
    assert (said.code, said.json["same"]) == (0, True), said.err
    assert find_runs(home / "runs") == []
