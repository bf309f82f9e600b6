"""`paperlab reproduce --seeds`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from paperlab.runs import launch, predict
from reproductions import registry
from tests.paperlab.cli.test_claims import accuracy
from tests.paperlab.runs import directories

WORDS = ("reproduce", "claimed-next", "--tier", "smoke", "--seeds")


@pytest.fixture
def trained(home: Path, monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Runs end at once, and a finished one is found again; seed 9 is interrupted.  The seeds that were trained."""
    made: list[int] = []

    def run(request: launch.Request, *, home: Path) -> launch.Ended:
        options: Any = {
            "recipe": request.recipe,
            "seed": request.seed,
            "fingerprint": registry.fingerprint("claimed-next", "smoke"),
            "overrides": dict(word.split("=") for word in request.overrides),
        }
        found = list((home / "runs").glob(f"*-0930{request.seed:02d}-*"))
        if found:
            return launch.Ended(0, found[0].name, found[0], "finished")
        made.append(request.seed)
        if request.seed == 9:
            with directories.begin(home / "runs", **options) as recorder:
                directories.learn(recorder, range(1, 4))
            return launch.Ended(75, recorder.path.name, recorder.path, "interrupted", refusal={"error": "SIGTERM"})
        measured = [accuracy(0.5 + request.seed / 100)]
        path = directories.finished(home / "runs", measurements=measured, **options)
        return launch.Ended(0, path.name, path, "finished")

    monkeypatch.setattr(launch, "run", run)
    return made


def test_a_run_is_made_for_each_seed_and_all_of_them_are_judged_together(paperlab: Any, trained: list[int]) -> None:
    found = paperlab(*WORDS, "3", "--json")
    assert found.code == 0, found.err
    assert trained == [1, 2, 3]
    assert [run["seed"] for run in found.json["runs"]] == [1, 2, 3]
    (verdict,) = found.json["verdicts"]
    assert (verdict["verdict"], verdict["seeds"]) == ("reproduced", 3)
    summary = {each["quantity"]: each for each in found.json["summary"]}
    measured = summary["accuracy on next symbol/tiny/test"]
    assert (measured["n"], measured["claim"]) == (3, "claimed:accuracy")
    assert (measured["mean"], measured["sd"]) == (pytest.approx(0.52), pytest.approx(0.01))
    assert measured["values"] == {"1": 0.51, "2": 0.52, "3": pytest.approx(0.53)}
    assert summary["train/loss"]["sd"] == 0.0


def test_what_is_finished_is_not_done_again(paperlab: Any, trained: list[int]) -> None:
    paperlab(*WORDS, "2")
    more = paperlab(*WORDS, "1-3")
    assert trained == [1, 2, 3]
    assert more.out.count("finished") == 3
    assert "accuracy on next symbol/tiny/test" in more.out
    assert "reproduced" in more.out


def test_a_run_that_is_stopped_stops_the_command_which_says_how_it_goes_on(paperlab: Any, trained: list[int]) -> None:
    stopped = paperlab(*WORDS, "1,2,9,3", "--json")
    assert stopped.code == 75
    assert trained == [1, 2, 9]
    assert (stopped.json["exit"], stopped.json["seed"], stopped.json["error"]) == (75, 9, "seed 9: SIGTERM")
    assert stopped.json["hint"] == "2 of 4 seeds are finished; the same command goes on"
    assert [run["status"] for run in stopped.json["runs"]] == ["finished", "finished", "interrupted"]
    assert {each["n"] for each in stopped.json["summary"]} == {2}  # the unfinished run's values are no result


def test_asked_to_stop_at_the_end_of_a_run_it_begins_no_other(
    paperlab: Any, trained: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    train = launch.run
    monkeypatch.setattr(
        launch, "run", lambda request, home: launch.Ended(**{**vars(train(request, home=home)), "asked_to_stop": True})
    )
    stopped = paperlab(*WORDS, "2")
    assert (stopped.code, trained) == (75, [1])
    assert "1 of 2 seeds are finished; the same command goes on" in stopped.err


def test_a_failure_ends_with_its_own_code_and_shows_what_there_is(
    paperlab: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(launch, "run", lambda *_, **__: launch.Ended(4, refusal={"error": "no GPU", "hint": "--tier"}))
    refused = paperlab(*WORDS, "3", "--json")
    assert (refused.code, refused.json["error"], refused.json["hint"]) == (4, "seed 1: no GPU", "--tier")
    assert refused.json["summary"] == []


@pytest.mark.parametrize(
    ("more", "code", "said"),
    [
        (("3", "--seed", "2"), 2, "exclude each other"),
        (("3", "--again"), 2, "one run at a time"),
        (("0",), 3, "not between 1 and 1000"),
        (("3", "--set", "optim.lrr=1"), 3, "near: optim.lr"),
        (("3", "--set", "optim.lr=fast"), 3, '"optim.lr" is float'),
    ],
)
def test_what_can_not_be_is_refused_before_anything_is_trained(
    paperlab: Any, trained: list[int], more: tuple[str, ...], code: int, said: str
) -> None:
    refused = paperlab(*WORDS, *more)
    assert refused.code == code
    assert said in refused.err
    assert trained == []


def test_a_prediction_is_also_made_for_all_seeds_together(
    paperlab: Any, trained: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    known = predict.Resources(predict.MEASURED, "measured", seconds=60.0, device_hours=0.5, unit="GPU-hours")
    monkeypatch.setattr(predict, "kept_resources", lambda *_, **__: known)
    said = paperlab(*WORDS, "4", "--predict", "--json").json["all_seeds"]
    assert said == {"seeds": [1, 2, 3, 4], "seconds": 240.0, "device_hours": 2.0}
    assert "seeds 1 to 4: 4 min, 2 GPU-hours" in paperlab(*WORDS, "4", "--predict").out
