"""What a replay compares, and what follows from it for runs of older code."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from paperlab.entities import Replay, Run, RunStatus
from paperlab.errors import InvalidInput
from paperlab.runs import launch, replay
from reproductions import registry
from reproductions.run_directory import RunDirectory
from tests.paperlab.runs import directories

NOW = datetime(2026, 11, 24, 9, 30, tzinfo=UTC)
RECIPE = "transformer-base"


def run_of(runs_dir: Path, token: str, *, weights: bytes = b"weights", value: float = 1.0, **options: Any) -> Path:
    path = directories.finished(
        runs_dir, token=token, measurements=[directories.measured("ours:exact-match", value)], **options
    )
    if weights:
        directories.weights(path, weights)
    return path


def parts_at(runs_dir: Path, **changes: Any) -> str:
    before, after = run_of(runs_dir, "0001"), run_of(runs_dir, "0002", **changes)
    found = replay.compare(RunDirectory(before), RunDirectory(after), now=NOW)
    assert found.equal is (found.details["parts_at"] == "")
    return str(found.details["parts_at"])


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, ""),
        ({"offset": 1e-9}, "step 1, train/loss: 9.0 then, 9.000000001 now"),
        ({"weights": b"weightS"}, "final weights, step-000010"),
        (
            {"value": 0.998},
            "measurement ours:exact-match translation number-words test exact_match: 1.0 then, 0.998 now",
        ),
        (
            {"offset": 0.5, "provenance": {"threads": 2}},
            "step 1, train/loss: 9.0 then, 9.5 now; changed besides the code: threads",
        ),
    ],
)
def test_two_runs_part_at_the_first_value_or_weight_that_differs(
    runs_dir: Path, changes: dict[str, Any], expected: str
) -> None:
    assert parts_at(runs_dir, **changes) == expected


def test_without_final_weights_nothing_is_said(runs_dir: Path) -> None:
    with pytest.raises(InvalidInput, match="the final weights of .*-0002 are not there any more"):
        parts_at(runs_dir, weights=b"")


# --- what follows -----------------------------------------------------------------------------------------------


def shown(before: str, after: str, equal: bool = True, recipe: str = RECIPE) -> Replay:
    details = {"code_before": before, "code_after": after, "parts_at": "" if equal else "step 3, train/loss"}
    return Replay(recipe, f"run of {before}", f"run of {after}", equal, "first", f"{before} as {after}", details, NOW)


def equal_codes(*replays: Replay, today: str = "c") -> set[str]:
    equal, _ = replay.known(replays, {RECIPE: today})
    return {code for recipe, code in equal if recipe == RECIPE and len(code) == 1}


def test_equality_goes_on_from_replay_to_replay_and_back() -> None:
    assert equal_codes(shown("a", "b"), shown("b", "c")) == {"a", "b"}
    assert equal_codes(shown("c", "b"), shown("b", "a")) == {"a", "b"}
    assert equal_codes(shown("a", "b"), shown("x", "y")) == set()
    assert equal_codes(shown("a", "c", recipe="transformer-big")) == set()


def test_the_last_replay_of_two_states_of_the_code_counts_and_no_detour_mends_one_that_parts() -> None:
    assert equal_codes(shown("a", "c"), shown("a", "c", equal=False)) == set()
    assert equal_codes(shown("a", "c", equal=False), shown("a", "c")) == {"a"}
    assert equal_codes(shown("a", "b"), shown("b", "c"), shown("a", "c", equal=False)) == {"b"}


def test_what_equals_a_state_that_parts_from_today_s_parts_as_well() -> None:
    equal, parted = replay.known([shown("a", "b"), shown("b", "c", equal=False)], {RECIPE: "c"})
    assert {code for _, code in parted if len(code) == 1} == {"a", "b"}
    assert equal == {}


def test_a_replay_at_the_smoke_tier_speaks_for_runs_of_every_tier_with_the_numbers_of_today() -> None:
    equal, parted = replay.known([shown("a", "c"), shown("b", "c", equal=False)], {RECIPE: "c"})
    for tier in registry.TIERS:
        assert (RECIPE, registry.fingerprint(RECIPE, tier, code="a")) in equal
        assert (RECIPE, registry.fingerprint(RECIPE, tier, code="b")) in parted
    assert (RECIPE, registry.fingerprint(RECIPE, "mini", code="x")) not in equal | parted


# --- training it again --------------------------------------------------------------------------------------------


def smoke_run(tmp_path: Path, threads: int) -> Run:
    return Run(
        id="first",
        path=tmp_path,
        reproduction="transformer",
        recipe=RECIPE,
        tier="smoke",
        seed=7,
        overrides={},
        fingerprint="f",
        status=RunStatus.FINISHED,
        created_at=NOW,
        updated_at=None,
        step=10,
        max_steps=10,
        device="cpu",
        attempts=1,
        seconds=1.0,
        record={"provenance": {"threads": threads}},
    )


def test_a_finished_run_of_today_s_code_is_taken_if_it_was_made_the_same_way(tmp_path: Path, runs_dir: Path) -> None:
    there = run_of(runs_dir, "0001", seed=7, provenance={"threads": 2})
    afresh = run_of(runs_dir, "0002", seed=7, provenance={"threads": 1})
    asked: list[launch.Request] = []

    def train(request: launch.Request) -> launch.Ended:
        asked.append(request)
        path = afresh if request.again else there
        return launch.Ended(0, path.name, path, "finished")

    assert replay.repeat(smoke_run(tmp_path, threads=2), train)[1].path == there  # type: ignore[union-attr]
    assert [request.again for request in asked] == [False]
    assert replay.repeat(smoke_run(tmp_path, threads=1), train)[1].path == afresh  # type: ignore[union-attr]
    assert [(each.seed, each.threads, each.again) for each in asked[1:]] == [(7, 1, False), (7, 1, True)]
