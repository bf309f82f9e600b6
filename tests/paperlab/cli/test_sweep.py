"""`paperlab sweep`: the plan, the training, the table and the queue."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from paperlab.cli import forecast
from paperlab.runs import launch
from reproductions import registry
from tests.paperlab.runs import directories

WORDS = ("sweep", "claimed-next", "--set", "optim.lr=0.01,0.1", "--set", "model.dropout=0.1,0.2", "--seeds", "2")


@pytest.fixture
def trained(home: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Trainings end at once, with less loss for a rate of 0.1.  What was trained, in order."""
    made: list[str] = []
    fingerprint = registry.fingerprint("claimed-next", "smoke")
    monkeypatch.setattr(forecast, "kept_with", lambda _, request: request)  # tested with reproduce; here it takes time

    def run(request: launch.Request, *, home: Path) -> launch.Ended:
        label = " ".join([*request.overrides, f"seed={request.seed}"])
        overrides = dict(word.split("=") for word in request.overrides)
        token = f"{'a' if 'optim.lr' in overrides else '0'}{'b' if 'model.dropout' in overrides else '0'}aa"
        made.append(label)
        with directories.begin(
            home / "runs",
            recipe=request.recipe,
            seed=request.seed,
            fingerprint=fingerprint,
            overrides=overrides,
            token=token,
        ) as recorder:
            loss = (1.0 if "optim.lr" in overrides else 2.0) + 0.001 * request.seed
            recorder.metrics({"val/loss": loss, "test/loss": 0.0}, 1)
            recorder.event("finished")
            recorder.result([], seconds=360.0)
        return launch.Ended(0, recorder.path.name, recorder.path, "finished")

    monkeypatch.setattr(launch, "run", run)
    return made


def test_every_cell_is_trained_and_ranked_by_the_validation_loss(paperlab: Any, trained: list[str]) -> None:
    found = paperlab(*WORDS)
    assert found.code == 0, found.err
    assert trained == [
        "seed=1",
        "model.dropout=0.2 seed=1",
        "optim.lr=0.1 seed=1",
        "optim.lr=0.1 model.dropout=0.2 seed=1",
        "seed=2",
        "model.dropout=0.2 seed=2",
        "optim.lr=0.1 seed=2",
        "optim.lr=0.1 model.dropout=0.2 seed=2",
    ]
    first, second = found.out.splitlines()[1:3]
    assert first.startswith("1 to 2  0.1       0.1")
    assert second.startswith("1 to 2  0.1       0.2")
    assert "seeds do not tell it from" in found.out
    assert "paperlab reproduce claimed-next --tier smoke --seeds 3-5 --set optim.lr=0.1" in found.err


def test_what_is_finished_is_shown_again_without_training(paperlab: Any, trained: list[str]) -> None:
    paperlab(*WORDS)
    again = paperlab(*WORDS, "--json")
    assert len(trained) == 8
    best = again.json["cells"][0]
    assert best["values"] == {"optim.lr": "0.1", "model.dropout": "0.1"}
    assert best["changes"] == {"optim.lr": "0.1"}
    assert [run["value"] for run in best["runs"]] == [1.001, 1.002]
    assert (best["ranks"], again.json["exit"]) == ([1, 2], 0)


def test_a_dry_run_shows_what_is_finished_and_trains_nothing(paperlab: Any, home: Path, trained: list[str]) -> None:
    shown = paperlab(*WORDS, "--dry-run")
    assert "8 of 8 runs are left: 8 without a prediction" in shown.out
    assert not home.exists() or not (home / "paperlab.db").exists()
    paperlab(*WORDS[:-1], "1")
    plan = paperlab(*WORDS, "--dry-run", "--json").json
    assert [([run["seed"] for run in cell["finished"]], cell["left"]) for cell in plan["cells"]] == [([1], 1)] * 4
    assert (plan["total"]["runs"], plan["total"]["left"]) == (8, 4)
    assert len(trained) == 4


def test_with_queue_only_what_is_not_finished_waits_there(paperlab: Any, trained: list[str]) -> None:
    paperlab(*WORDS[:-1], "1")
    queued = paperlab(*WORDS, "--queue", "--json").json
    assert [(entry["seed"], entry["overrides"]) for entry in queued["entries"]] == [
        (2, {}),
        (2, {"model.dropout": "0.2"}),
        (2, {"optim.lr": "0.1"}),
        (2, {"optim.lr": "0.1", "model.dropout": "0.2"}),
    ]
    assert queued["entries"][0]["why"]["reason"] == "sweep over optim.lr and model.dropout"
    assert paperlab("queue", "run").code == 0
    assert paperlab(*WORDS, "--json").json["cells"][0]["values"]["optim.lr"] == "0.1"
    assert len(trained) == 8


def test_a_cell_that_fails_is_passed_over_and_named(
    paperlab: Any, trained: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    train = launch.run

    def run(request: launch.Request, *, home: Path) -> launch.Ended:
        if "optim.lr=0.1" in request.overrides:
            return launch.Ended(1, refusal={"error": "the loss is no number"})
        return train(request, home=home)

    monkeypatch.setattr(launch, "run", run)
    found = paperlab("sweep", "claimed-next", "--set", "optim.lr=0.1,0.01", "--json")
    assert (found.code, found.json["exit"]) == (1, 1)
    assert found.json["failed"] == [{"cell": "optim.lr=0.1", "seed": 1, "run": None, "error": "the loss is no number"}]
    assert [cell["remark"] for cell in found.json["cells"]] == ["1 seed shows no spread", "not trained"]


def test_a_training_that_is_stopped_stops_the_sweep_and_what_is_finished_is_shown(
    paperlab: Any, trained: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    train = launch.run

    def run(request: launch.Request, *, home: Path) -> launch.Ended:
        if len(trained) == 3:
            return launch.Ended(75, refusal={"error": "stopped by SIGTERM after step 3"})
        return train(request, home=home)

    monkeypatch.setattr(launch, "run", run)
    stopped = paperlab(*WORDS, "--json")
    assert (stopped.code, stopped.json["reason"]) == (75, "interrupted")
    assert stopped.json["hint"] == "the same command goes on"
    assert [len(cell["runs"]) for cell in stopped.json["cells"]] == [1, 1, 1, 0]


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (("claimed-nxt", "--set", "optim.lr=1"), 3, "did you mean: claimed-next"),
        (("claimed-next",), 2, "--set"),
        (("claimed-next", "--set", "optim.lrr=1,2"), 3, "near: optim.lr"),
        (("claimed-next", "--set", "optim.lr=1,two"), 3, '"optim.lr" is float'),
        (("claimed-next", "--set", "optim.lr=1,2", "--seeds", "501"), 3, "1002 runs, more than 1000"),
        (("claimed-next", "--set", "optim.lr=1", "--metric", "test/loss"), 3, "no ground for choosing"),
        (("claimed-next", "--set", "optim.lr=1", "--dry-run", "--queue"), 2, "exclude each other"),
        (("claimed-next", "--set", "optim.lr=1", "--device", "tpu"), 2, "tpu"),
    ],
)
def test_what_can_not_be_swept_is_refused_before_anything_is_trained(
    paperlab: Any, trained: list[str], words: tuple[str, ...], code: int, said: str
) -> None:
    refused = paperlab("sweep", *words)
    assert refused.code == code
    assert said in refused.err
    assert trained == []
