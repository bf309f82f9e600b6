"""`paperlab reproduce --predict`, what a run keeps of it, and `paperlab claims calibration`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from paperlab.runs import launch, predict
from reproductions import registry
from reproductions.run_directory import find_runs
from tests.paperlab.cli.test_claims import accuracy
from tests.paperlab.runs import directories
from tests.paperlab.runs.test_predict import RATES

SMOKE = ("reproduce", "claimed-next", "--tier", "smoke", "--threads", "1", "--device", "cpu")


def earlier(home: Path, seed: int, value: float) -> None:
    directories.finished(
        home / "runs",
        recipe="claimed-next",
        seed=seed,
        fingerprint=registry.fingerprint("claimed-next", "smoke"),
        measurements=[accuracy(value)],
        command=["paperlab", "--threads", "1"],
        provenance={"device": "cpu", "threads": 1, "hardware": registry.machine()},
    )


@pytest.fixture
def indexed(paperlab: Any, home: Path) -> None:
    for seed, value in enumerate([0.1, 0.2, 0.3], start=1):
        earlier(home, seed, value)
    assert paperlab("runs", "index").code == 0


def test_what_earlier_runs_took_and_measured_is_told_and_nothing_is_trained(
    paperlab: Any, home: Path, indexed: None
) -> None:
    said = paperlab(*SMOKE, "--seed", "7", "--predict", "--json")
    assert said.code == 0, said.err
    assert (said.json["kind"], said.json["seconds"], said.json["seed"]) == ("earlier-runs", 12.5, 7)
    (metric,) = said.json["metrics"]
    assert metric["low"] < 0.2 < metric["high"]
    words = paperlab(*SMOKE, "--seed", "7", "--predict")
    for expected in ("time    12 s", "cost    0.00347 CPU-hours", "median of 3 earlier runs", "over 3 seeds"):
        assert expected in words.out
    assert len(find_runs(home / "runs")) == 3


def test_before_the_first_run_the_recipe_is_looked_at_and_told_while_it_lasts(
    paperlab: Any, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(predict, "measure", lambda *_, **__: RATES)
    said = paperlab(*SMOKE, "--predict")
    assert said.code == 0, said.err
    assert "looking at claimed-next --tier smoke for some seconds" in said.err
    assert "time    at least 90 s" in said.out
    assert "metrics no basis: no other seed has finished here, and nothing was said beforehand" in said.out
    assert not (home / "paperlab.db").exists()  # looking ahead makes no database


@pytest.mark.soak
def test_before_the_first_run_the_real_recipe_is_looked_at(paperlab: Any, home: Path) -> None:
    """The real child: some steps, a validation and an evaluation of the tiny paper."""
    said = paperlab(*SMOKE, "--predict", "--json", "--quiet")
    assert said.code == 0, said.err
    assert said.json["kind"] == "measured-rates"
    assert 0 < said.json["seconds"] < 60
    assert said.json["metrics"] == []
    assert find_runs(home / "runs") == []
    assert not (home / "paperlab.db").exists()
    assert len(list((home / "rates").iterdir())) == 1


def test_a_run_keeps_what_was_said_of_it_and_calibration_lays_both_side_by_side(
    paperlab: Any, home: Path, indexed: None
) -> None:
    """The real child once more: the prediction goes through its environment into run.json."""
    trained = paperlab(*SMOKE, "--seed", "7", "--json", "--quiet")
    assert trained.code == 0, trained.err
    (run,) = [run for run in find_runs(home / "runs") if run.run["seed"] == 7]
    kept = run.run["prediction"]
    assert (kept["kind"], kept["seconds"]) == ("earlier-runs", 12.5)
    assert kept["metrics"][0]["claim"] == "claimed:accuracy"

    found = paperlab("claims", "calibration", "--json").json
    (only,) = found["runs"]
    assert only["run_id"] == run.id
    assert only["time_ratio"] == pytest.approx(only["measured_seconds"] / 12.5)
    assert (found["intervals"], found["meant"]) == (1, 0.95)
    words = paperlab("claims", "calibration")
    assert words.code == 0
    assert run.id in words.out
    assert "so: 1 time and 1 metric intervals are too few to tell" in words.out


def test_a_database_that_can_not_be_read_keeps_no_run_from_training(
    paperlab: Any, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[launch.Request] = []

    def run(request: launch.Request, *, home: Path) -> launch.Ended:
        asked.append(request)
        return launch.Ended(4)

    monkeypatch.setattr(launch, "run", run)
    (home / "rates").mkdir(parents=True)
    monkeypatch.setattr(registry, "machine", lambda: {"cpu": None, "cores": None})
    assert paperlab(*SMOKE).code == 4
    assert asked[0].prediction is not None
    assert json.loads(json.dumps(asked[0].prediction))["kind"] == "none"


def test_calibration_without_runs_says_so(paperlab: Any) -> None:
    said = paperlab("claims", "calibration")
    assert said.code == 0
    assert said.out == "so: no finished run kept a prediction yet\n"
