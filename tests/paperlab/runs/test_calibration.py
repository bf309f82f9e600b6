"""Predicted against measured."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from scipy import stats

from paperlab.runs import calibration, indexer, predict
from paperlab.store.database import Engine, read_only
from tests.paperlab.runs import directories

INTERVAL = {
    "claim": "a",
    "task": "translation",
    "dataset": "number-words",
    "split": "test",
    "metric": "exact_match",
    "unit": "share",
    "low": 0.9,
    "high": 1.0,
    "basis": "3 seeds",
    "n": 3,
    "protocol": {"beam": 4},
}


def kept(**changes: Any) -> dict[str, Any]:
    return {"kind": predict.EARLIER, "seconds": 25.0, "at_least": False, "memory_bytes": 100, **changes}


def found(engine: Engine, runs_dir: Path) -> calibration.Calibration:
    indexer.index(engine, runs_dir)
    with read_only(engine) as reading:
        return calibration.calibration(reading)


def run_of(runs_dir: Path, seed: int, prediction: Any, value: float = 0.95, **changes: Any) -> None:
    measurements = [directories.measured("a", value, **changes)]
    directories.finished(runs_dir, seed=seed, measurements=measurements, prediction=prediction)


def test_a_run_is_laid_beside_what_was_said_of_it(engine: Engine, runs_dir: Path) -> None:
    run_of(runs_dir, 1, kept(metrics=[INTERVAL]))
    run_of(runs_dir, 2, kept(kind=predict.MEASURED, seconds=5.0, metrics=[INTERVAL]), value=0.8)
    run_of(runs_dir, 3, None)
    got = found(engine, runs_dir)
    assert [(each.kind, each.time_ratio) for each in got.runs] == [(predict.MEASURED, 2.5), (predict.EARLIER, 0.5)]
    assert (got.intervals, got.held, got.share) == (2, 1, 0.5)
    assert got.time[predict.EARLIER].typical == 0.5
    assert got.says == "2 times and 2 metric intervals are too few to tell how good the predictions are"


def test_lower_bounds_and_resumed_runs_do_not_count_for_time(engine: Engine, runs_dir: Path) -> None:
    run_of(runs_dir, 1, kept(at_least=True, metrics=[]))
    with directories.begin(runs_dir, seed=2, prediction=kept(metrics=[])) as recorder:
        recorder.resumed(1)
        recorder.event("finished")
        recorder.result([], seconds=12.5)
    got = found(engine, runs_dir)
    assert got.time == {}
    assert [each.left_out for each in got.runs] == [
        "2 attempts: some steps were taken twice",
        "a lower bound was predicted",
    ]


@pytest.mark.parametrize(
    ("interval", "measured"),
    [
        ({}, {"protocol": {"beam": 1}}),
        ({}, {"split": "valid"}),
        ({"n": 0}, {"protocol": {"beam": 1}}),
        ({"low": None, "high": None}, {}),
    ],
)
def test_an_interval_is_held_against_the_same_quantity_and_protocol_only(
    engine: Engine, runs_dir: Path, interval: dict[str, Any], measured: dict[str, Any]
) -> None:
    run_of(runs_dir, 1, kept(metrics=[{**INTERVAL, **interval}]), **measured)
    got = found(engine, runs_dir)
    assert (got.intervals, got.without_basis) == (0, int(interval.get("low", 0) is None))


def test_a_reference_states_a_part_of_the_protocol(engine: Engine, runs_dir: Path) -> None:
    run_of(runs_dir, 1, kept(metrics=[{**INTERVAL, "n": 0}]), protocol={"beam": 4, "steps": 10})
    assert found(engine, runs_dir).held == 1


@pytest.mark.parametrize(
    "prediction",
    [
        {"seconds": "soon", "memory_bytes": True, "metrics": "none", "kind": "\x1b[2J"},
        {"seconds": "NaN", "metrics": [1, {"low": "a", "high": "b"}, {}], "kind": ["x"]},
        ["a list"],
        "a text",
    ],
)
def test_a_run_from_elsewhere_that_kept_nonsense_hides_no_other(
    engine: Engine, runs_dir: Path, prediction: Any
) -> None:
    run_of(runs_dir, 1, prediction)
    run_of(runs_dir, 2, kept(metrics=[INTERVAL]))
    got = found(engine, runs_dir)
    assert got.held == 1
    assert {each.kind for each in got.runs} <= {predict.EARLIER, predict.NONE}


@pytest.mark.parametrize(("held", "n"), [(0, 3), (3, 3), (19, 20), (500, 1000)])
def test_the_interval_of_a_share_is_wilson_s(held: int, n: int) -> None:
    expected = stats.binomtest(held, n).proportion_ci(0.95, method="wilson")
    assert calibration.wilson(held, n) == pytest.approx((expected.low, expected.high), abs=1e-12)


@pytest.mark.parametrize(
    ("held", "expected"),
    [(19, "the intervals hold as often as meant"), (10, "the intervals hold less often than meant")],
)
def test_with_enough_runs_it_is_said_whether_the_intervals_hold_as_often_as_meant(
    engine: Engine, runs_dir: Path, held: int, expected: str
) -> None:
    for seed in range(1, 21):
        run_of(runs_dir, seed, kept(metrics=[INTERVAL]), value=0.95 if seed <= held else 0.5)
    assert found(engine, runs_dir).says.startswith(expected)
