"""`paperlab queue`: what is put there, what a worker makes of it, and what is said meanwhile."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import Any

import pytest

from paperlab.cli import arguments
from paperlab.errors import InvalidInput
from paperlab.runs import launch, predict, queue
from reproductions import registry
from tests.paperlab.cli.test_claims import accuracy
from tests.paperlab.runs import directories

ADD = ("queue", "add", "claimed-next", "--tier", "smoke")


@pytest.fixture
def trained(home: Path, monkeypatch: pytest.MonkeyPatch) -> list[launch.Request]:
    """Trainings end at once with a finished run.  What was asked for."""
    asked: list[launch.Request] = []
    fingerprint = registry.fingerprint("claimed-next", "smoke")

    def run(request: launch.Request, *, home: Path) -> launch.Ended:
        asked.append(request)
        path = directories.finished(
            home / "runs",
            recipe=request.recipe,
            seed=request.seed,
            fingerprint=fingerprint,
            overrides=dict(word.split("=") for word in request.overrides),
            measurements=[accuracy(0.5 + request.seed / 100)],
        )
        return launch.Ended(0, path.name, path, "finished")

    monkeypatch.setattr(launch, "run", run)
    return asked


def test_what_is_put_into_the_queue_is_shown_and_trained_and_judged(
    paperlab: Any, trained: list[launch.Request]
) -> None:
    added = paperlab(*ADD, "--seeds", "2", "--reason", "for the talk")
    assert added.code == 0, added.err
    assert added.out.splitlines() == [
        "1  claimed-next --tier smoke --seed 1",
        "2  claimed-next --tier smoke --seed 2",
    ]
    assert "nothing is taking work from the queue: paperlab queue run" in added.err
    listed = paperlab("queue", "ls")
    assert listed.out.count("waiting") == 2
    assert "for the talk" in listed.out
    assert "paperlab queue run" in listed.err
    worked = paperlab("queue", "run", "--threads", "1", "--json").json
    assert [request.seed for request in trained] == [1, 2]
    assert [entry["state"] for entry in worked["taken"]] == ["finished", "finished"]
    assert worked["taken"][1]["verdicts"] == [{"claim": "claimed:accuracy", "verdict": "reproduced"}]
    assert (worked["waiting"], worked["exit"]) == (0, 0)
    assert paperlab("queue", "ls", "--json").json == {"entries": [], "total": 0, "served": False}
    assert paperlab("queue", "ls", "--all", "--json").json["total"] == 2
    assert paperlab("runs", "list", "--json").json["total"] == 2


def test_what_waits_already_is_not_put_there_twice(paperlab: Any, home: Path) -> None:
    paperlab(*ADD, "--set", "optim.lr=0.1")
    again = paperlab(*ADD, "--set", "optim.lr=0.1", "--seeds", "1-2", "--json").json
    assert [(entry["id"], entry["is_new"]) for entry in again["entries"]] == [(1, False), (2, True)]
    assert (again["new"], again["served"]) == (1, False)
    assert again["entries"][0]["overrides"] == {"optim.lr": "0.1"}


def test_an_entry_asks_for_as_many_gpus_as_it_was_given(paperlab: Any, trained: list[launch.Request]) -> None:
    assert paperlab(*ADD, "--gpus", "2").out == "1  claimed-next --tier smoke --seed 1 --gpus 2\n"
    paperlab(*ADD, "--seeds", "2,2")
    paperlab("queue", "run")
    assert [request.gpus for request in trained] == [2, 1]


def test_while_a_worker_is_there_nobody_is_told_to_start_one(paperlab: Any, home: Path) -> None:
    with queue.serving(home):
        assert paperlab(*ADD).err == ""
        assert paperlab("queue", "ls", "--json").json["served"] is True


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (("add", "claimed-nxt"), 3, "did you mean: claimed-next"),
        (("add", "claimed-next", "--tier", "huge"), 3, 'no tier "huge"'),
        (("add", "claimed-next", "--set", "optim.lrr=1"), 3, "near: optim.lr"),
        (("add", "claimed-next", "--set", "optim"), 3, "KEY=VALUE"),
        (("add", "claimed-next", "--seeds", "none"), 3, "--seeds 3 means seeds 1 to 3"),
        (("cancel", "7"), 3, "the queue has no entry 7"),
        (("cancel", str(2**63)), 3, "more than a database can count"),
        (("run", "--max-wall", "soon"), 3, "--max-wall 30m"),
        (("run", "--device", "tpu"), 2, "tpu"),
        (("run", "--most", "0"), 2, "--most"),
    ],
)
def test_what_can_not_be_is_refused_with_what_can(
    paperlab: Any, home: Path, words: tuple[str, ...], code: int, said: str
) -> None:
    refused = paperlab("queue", *words)
    assert refused.code == code
    assert said in refused.err
    assert paperlab("queue", "ls", "--all", "--json").json["total"] == 0


def test_only_what_waits_is_cancelled(paperlab: Any, home: Path) -> None:
    paperlab(*ADD)
    assert paperlab("queue", "cancel", "1", "--json").json["state"] == "cancelled"
    assert "is cancelled already" in paperlab("queue", "cancel", "1").err


def test_a_stopped_worker_ends_in_75_and_leaves_the_entry_waiting(
    paperlab: Any, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    paperlab(*ADD, "--seeds", "2")

    def run(request: launch.Request, *, home: Path) -> launch.Ended:
        with directories.begin(home / "runs", recipe=request.recipe) as recorder:
            directories.learn(recorder, range(1, 4))
        why = {"error": "stopped by SIGTERM after step 3"}
        return launch.Ended(75, recorder.path.name, recorder.path, "interrupted", refusal=why, asked_to_stop=True)

    monkeypatch.setattr(launch, "run", run)
    stopped = paperlab("queue", "run", "--json")
    assert (stopped.code, stopped.json["exit"], stopped.json["reason"]) == (75, 75, "interrupted")
    assert [entry["state"] for entry in stopped.json["taken"]] == ["waiting"]
    assert stopped.json["waiting"] == 2
    (first, second) = paperlab("queue", "ls", "--json").json["entries"]
    assert (first["message"], second["message"]) == ("stopped by SIGTERM after step 3", "")


def test_asked_to_stop_between_two_trainings_a_worker_gives_back_what_it_took(
    paperlab: Any, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    paperlab(*ADD)
    monkeypatch.setattr(launch, "run", lambda *_, **__: os.kill(os.getpid(), signal.SIGTERM))
    stopped = paperlab("queue", "run", "--json")
    assert (stopped.code, stopped.json["error"]) == (75, "stopped by SIGTERM")
    (entry,) = paperlab("queue", "ls", "--json").json["entries"]
    assert (entry["state"], entry["worker"]) == ("waiting", {})
    assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL


def test_asked_to_stop_while_a_prediction_is_looked_up_a_worker_begins_no_training(
    paperlab: Any, trained: list[launch.Request], monkeypatch: pytest.MonkeyPatch
) -> None:
    paperlab(*ADD)
    monkeypatch.setattr(predict, "predict", lambda *_, **__: os.kill(os.getpid(), signal.SIGTERM))
    assert paperlab("queue", "run").code == 75
    assert trained == []
    assert paperlab("queue", "ls", "--json").json["entries"][0]["state"] == "waiting"


@pytest.mark.parametrize(("code", "state"), [(3, "failed"), (4, "waiting")])
def test_an_entry_that_did_not_finish_gives_the_worker_its_exit_code(
    paperlab: Any, home: Path, monkeypatch: pytest.MonkeyPatch, code: int, state: str
) -> None:
    paperlab(*ADD)
    monkeypatch.setattr(launch, "run", lambda *_, **__: launch.Ended(code, refusal={"error": "for a reason"}))
    worked = paperlab("queue", "run", "--json")
    assert worked.code == code
    assert [(entry["state"], entry["exit"]) for entry in worked.json["taken"]] == [(state, code)]


def test_the_time_that_a_worker_has_is_the_time_its_training_gets(paperlab: Any, trained: list[launch.Request]) -> None:
    paperlab(*ADD)
    assert paperlab("queue", "run", "--max-wall", "1h").code == 0
    (request,) = trained
    assert request.max_seconds is not None
    assert 3500 < request.max_seconds <= 3600
    assert request.arguments(Path("runs"))[-5:-3] == ["--max-wall", f"{request.max_seconds:g}"]


@pytest.mark.parametrize(
    ("text", "seconds"), [("90", 90), ("90s", 90), ("30m", 1800), ("1h30m", 5400), (" 2 H ", 7200), ("0.5h", 1800)]
)
def test_a_time_is_written_as_people_write_it(text: str, seconds: float) -> None:
    assert arguments.duration(text, "--max-wall") == seconds


@pytest.mark.parametrize("text", ["", "0", "h", "-1", "1w", "nan", "1e3", "30m2h", "9" * 30])
def test_what_is_no_time_is_refused(text: str) -> None:
    with pytest.raises(InvalidInput, match="is no time"):
        arguments.duration(text, "--max-wall")
