"""`paperlab queue fill`, on the tiny paper: one claim that runs can settle, and some that they can't."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from paperlab.runs import predict
from tests.paperlab.cli.test_claims import run_of

FILL = ("queue", "fill", "--budget")


@pytest.fixture(autouse=True)
def known(monkeypatch: pytest.MonkeyPatch) -> None:
    """A run is expected to take half a CPU-hour."""
    said = predict.Resources(predict.MEASURED, "measured", seconds=1800.0, device_hours=0.5, unit="CPU-hours")
    monkeypatch.setattr(predict, "known", lambda *_, **__: said)


def test_the_seeds_that_can_decide_are_queued_together_with_why(paperlab: Any, home: Path) -> None:
    filled = paperlab(*FILL, "2cpuh", "--json")
    assert filled.code == 0, filled.err
    (group,) = filled.json["groups"]
    assert [run["seed"] for run in group["runs"]] == [1, 2, 3]
    assert (group["hours"], group["value"], filled.json["hours"]) == (1.5, 0.5, 1.5)
    assert [(each["claim"], each["doubt"]) for each in group["claims"]] == [("claimed:accuracy", 1.0)]
    assert filled.json["entries"][0]["run"] == "claimed-next --tier smoke --seed 1"
    left = {each["claim_id"]: each["why"] for each in filled.json["left_out"]}
    assert left["claimed:parameters"] == "it needs no run: paperlab claims check"
    assert left["claimed:heard-of"].startswith("not confirmed in a text")
    (entry, *_) = paperlab("queue", "ls", "--json").json["entries"]
    assert (entry["why"]["by"], entry["why"]["claims"]) == ("fill", ["claimed:accuracy"])
    assert entry["why"]["reason"] == "claimed:accuracy is not-attempted, doubt 1: 3 seeds decide with chance 0.5"
    assert "doubt 1: 3 seeds decide" in paperlab("queue", "ls").out


def test_a_dry_run_queues_nothing_and_filling_twice_queues_once(paperlab: Any, home: Path) -> None:
    dry = paperlab(*FILL, "2cpuh", "--dry-run")
    assert "claimed-next --tier smoke, seeds 1 to 3" in dry.out
    assert "3 runs would be queued: 1.5 of 2 CPU-hours" in dry.err
    assert paperlab("queue", "ls", "--json").json["total"] == 0
    first = paperlab(*FILL, "2cpuh")
    assert "nothing is taking work from the queue: paperlab queue run" in first.err
    again = paperlab(*FILL, "2cpuh", "--json").json
    assert (again["groups"], again["entries"]) == ([], [])
    assert "its runs wait in the queue already" in {each["why"] for each in again["left_out"]}


def test_a_budget_that_the_whole_group_does_not_fit_into_queues_no_part_of_it(paperlab: Any, home: Path) -> None:
    filled = paperlab(*FILL, "1.4cpuh", "--json").json
    assert filled["groups"] == []
    left = {each["claim_id"]: (each["why"], each["hours"]) for each in filled["left_out"]}
    assert left["claimed:accuracy"] == ("more than the 1.4 CPU-hours that are left", 1.5)


def test_what_costs_another_device_is_left_out(paperlab: Any, home: Path) -> None:
    filled = paperlab(*FILL, "6gpuh")
    assert "claimed-next --tier smoke costs CPU-hours here, not GPU-hours" in filled.out
    assert "0 runs are queued" in filled.err


def test_seeds_that_have_run_count_and_a_settled_claim_asks_for_nothing(paperlab: Any, home: Path) -> None:
    run_of(home, 1, 0.5)
    (group,) = paperlab(*FILL, "2cpuh", "--dry-run", "--json").json["groups"]
    assert [run["seed"] for run in group["runs"]] == [2, 3]
    run_of(home, 2, 0.51)
    run_of(home, 3, 0.52)
    settled = paperlab(*FILL, "2cpuh", "--dry-run", "--json").json
    assert settled["groups"] == []
    assert "claimed:accuracy" not in {each["claim_id"] for each in settled["left_out"]}


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (("--budget", "6h"), 3, "--budget 6gpuh"),
        (("--budget", "6gpuh", "--tier", "huge"), 3, "one of: full, mini, smoke"),
        ((), 2, "--budget"),
    ],
)
def test_a_budget_that_can_not_be_read_is_refused(
    paperlab: Any, home: Path, words: tuple[str, ...], code: int, said: str
) -> None:
    refused = paperlab("queue", "fill", *words)
    assert refused.code == code
    assert said in refused.err


def test_only_claims_of_the_tier_that_is_asked_for(paperlab: Any, home: Path) -> None:
    filled = paperlab(*FILL, "2cpuh", "--tier", "full", "--dry-run", "--json").json
    assert filled["groups"] == []
    assert "its recipe is of another tier" in {each["why"] for each in filled["left_out"]}
