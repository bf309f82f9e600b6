"""What is said of a run before it begins: from earlier runs, from measured rates, from references, or nothing."""

from __future__ import annotations

import functools
import json
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from scipy import stats

from paperlab.entities import ClaimKind, Tolerance
from paperlab.errors import NotReady
from paperlab.runs import indexer, launch, predict
from paperlab.store.database import Engine, read_only
from reproductions import registry
from tests.paperlab.runs import directories
from tests.paperlab.runs.test_judging import CLAIM

NOW = datetime(2026, 11, 24, 9, 30, tzinfo=UTC)
REQUEST = launch.Request("transformer-base", "smoke", seed=9, threads=2, device="cpu")
HERE = registry.machine()
CACHED = functools.cache(registry.fingerprint)


@pytest.fixture(autouse=True)
def code_is_read_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registry, "fingerprint", CACHED)


def provenance(threads: int = 2, **hardware: Any) -> dict[str, Any]:
    return {"device": "cpu", "threads": threads, "hardware": {**HERE, **hardware}}


def run_of(runs_dir: Path, seed: int, value: float = 1.0, seconds: float = 12.5, **options: Any) -> Path:
    given = {
        "fingerprint": registry.fingerprint("transformer-base", "smoke"),
        "provenance": provenance(),
        "command": ["paperlab", "--threads", "2"],
        **options,
    }
    path = directories.finished(
        runs_dir, seed=seed, token=f"{seed:04d}", measurements=[directories.measured(CLAIM.id, value)], **given
    )
    result = json.loads((path / "result.json").read_text())
    (path / "result.json").write_text(json.dumps({**result, "seconds": seconds, "peak_memory_bytes": 3e8}))
    return path


def said(engine: Engine, runs_dir: Path, request: launch.Request = REQUEST, **options: Any) -> predict.Prediction:
    indexer.index(engine, runs_dir)
    with read_only(engine) as reading:
        return predict.predict(
            reading, request, options.pop("claims", []), home=runs_dir.parent / "home", now=NOW, **options
        )


# --- time and memory --------------------------------------------------------------------------------------------


def test_time_and_memory_are_the_medians_of_earlier_runs_on_this_hardware(engine: Engine, runs_dir: Path) -> None:
    for seed, seconds in enumerate([10.0, 40.0, 12.0], start=1):
        run_of(runs_dir, seed, seconds=seconds)
    found = said(engine, runs_dir)
    assert (found.kind, found.seconds, found.memory_bytes) == (predict.EARLIER, 12.0, 300_000_000)
    assert found.device_hours == pytest.approx(2 * 12.0 / 3600)
    assert found.unit == "CPU-hours"
    assert found.basis.startswith("the median of 3 earlier runs on ")
    assert found.made_at == "2026-11-24T09:30:00Z"


@pytest.mark.parametrize(
    "other",
    [
        {"fingerprint": "e" * 64},
        {"overrides": {"train.max_steps": "5"}},
        {"tier": "mini"},
        {"provenance": provenance(cpu="another")},
        {"provenance": provenance(threads=1)},
        {"provenance": {**provenance(), "device": "cuda:0"}},
    ],
)
def test_a_run_of_other_code_numbers_or_hardware_is_no_basis(
    engine: Engine, runs_dir: Path, other: dict[str, Any]
) -> None:
    run_of(runs_dir, 1, **other)
    found = said(engine, runs_dir)
    assert (found.kind, found.seconds, found.device_hours) == (predict.NONE, None, None)
    assert found.basis.endswith("paperlab reproduce transformer-base --tier smoke --predict")


def test_an_override_that_only_records_is_the_same_recipe(engine: Engine, runs_dir: Path) -> None:
    run_of(runs_dir, 1, overrides={"train.log_every": "1"})
    assert said(engine, runs_dir).kind == predict.EARLIER


RATES = {
    "device": "cpu",
    "threads": 4,
    "seconds": 90.0,
    "at_least": ["evaluate"],
    "memory_bytes": 5e8,
    "machine": {"cpu": "a CPU", "gpu": None},
    "measured_at": "2026-11-24T09:00:00Z",
    "rates": {"steps": 20, "notes": ["the evaluation takes more than 8 s, and is left out"]},
    "packages": {},
}


def test_rates_that_were_measured_say_what_they_leave_out(engine: Engine, runs_dir: Path) -> None:
    found = said(engine, runs_dir, rates=RATES)
    assert (found.kind, found.at_least) == (predict.MEASURED, True)
    assert found.device_hours == pytest.approx(4 * 90 / 3600)
    assert found.basis == "20 steps measured on a CPU, 4 threads at 2026-11-24T09:00:00Z; without evaluate"
    assert found.notes == ("the evaluation takes more than 8 s, and is left out",)


def child(tmp_path: Path, answer: dict[str, Any], code: int = 0) -> str:
    """A Python that answers instead of looking."""
    python = tmp_path / "python"
    python.write_text(f"#!/bin/sh\necho talk\ncat <<'E'\n{json.dumps(answer)}\nE\nexit {code}\n")
    python.chmod(0o755)
    return str(python)


def test_what_was_looked_at_is_kept_for_this_code_request_and_environment(engine: Engine, runs_dir: Path) -> None:
    home = runs_dir.parent / "home"
    python = child(runs_dir.parent, RATES)
    predict.measure(REQUEST, home=home, now=NOW, python=python)
    assert said(engine, runs_dir).seconds == 90.0
    for other in (
        replace(REQUEST, threads=1),
        replace(REQUEST, overrides=("optim.lr=1",)),
        replace(REQUEST, tier="mini"),
    ):
        assert said(engine, runs_dir, other).kind == predict.NONE
    (kept,) = (home / "rates").iterdir()
    kept.write_text(kept.read_text().replace('"packages": {}', '"packages": {"pytest": "0"}'))
    assert said(engine, runs_dir).kind == predict.NONE  # measured with other packages
    kept.write_text("{")
    assert said(engine, runs_dir).kind == predict.NONE


def test_a_recipe_that_can_not_run_here_is_refused_as_its_run_would_be(tmp_path: Path) -> None:
    python = child(tmp_path, {"error": "it needs a GPU", "hint": "--tier smoke"}, code=4)
    with pytest.raises(NotReady, match="it needs a GPU") as refused:
        predict.measure(REQUEST, home=tmp_path, now=NOW, python=python)
    assert refused.value.hint == "--tier smoke"


# --- metrics ----------------------------------------------------------------------------------------------------


def test_the_interval_for_one_more_seed_is_the_t_prediction_interval_of_the_others(
    engine: Engine, runs_dir: Path
) -> None:
    values = [0.97, 0.99, 0.95]
    for seed, value in enumerate(values, start=1):
        run_of(runs_dir, seed, value)
    (interval,) = said(engine, runs_dir).metrics
    mean, sd = sum(values) / 3, stats.tstd(values)
    half = stats.t.ppf(0.975, 2) * sd * (1 + 1 / 3) ** 0.5
    assert (interval.low, interval.high) == pytest.approx((mean - half, mean + half))
    assert (interval.n, interval.claim) == (3, CLAIM.id)
    assert interval.basis == "95 % t prediction interval over 3 seeds"


def test_the_seed_that_is_asked_for_does_not_predict_itself(engine: Engine, runs_dir: Path) -> None:
    run_of(runs_dir, 9, 0.5)
    run_of(runs_dir, 1, 0.9)
    (interval,) = said(engine, runs_dir).metrics
    assert (interval.low, interval.n) == (None, 1)
    assert interval.basis == "no basis: 1 seed without a spread"


def test_before_any_seed_the_claims_and_the_recipe_say_what_is_expected(
    engine: Engine, runs_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    value = replace(CLAIM, id="a", kind=ClaimKind.VALUE, value=0.9, relation=None, tolerance=Tolerance(0.02, "ours"))
    loose = replace(value, id="b", tolerance=None)
    bound = replace(CLAIM, id="c")
    other = replace(value, id="d", tier="mini")
    expected = {item.claim: item for item in said(engine, runs_dir, claims=[value, loose, bound, other]).metrics}
    assert set(expected) == {"a", "b"}  # a bound says where a value is not
    assert (expected["a"].low, expected["a"].high) == pytest.approx((0.88, 0.92))
    assert (expected["b"].low, expected["b"].basis[:8]) == (None, "no basis")
    recipe = registry.recipe("transformer-base", "smoke")
    monkeypatch.setattr(registry, "recipe", lambda *_: replace(recipe, predicted={"a": 0.95}))
    (told,) = said(engine, runs_dir, claims=[value]).metrics
    assert (told.low, told.high) == pytest.approx((0.93, 0.97))
    assert told.basis.startswith("what the recipe predicts")


def test_what_is_said_of_a_recipe_is_not_said_of_a_changed_one(engine: Engine, runs_dir: Path) -> None:
    value = replace(CLAIM, id="a", kind=ClaimKind.VALUE, value=0.9, relation=None, tolerance=Tolerance(0.02, "ours"))
    assert said(engine, runs_dir, replace(REQUEST, overrides=("optim.lr=1",)), claims=[value]).metrics == ()


def test_a_prediction_is_json_as_run_json_keeps_it(engine: Engine, runs_dir: Path) -> None:
    run_of(runs_dir, 1)
    content = said(engine, runs_dir).as_json()
    assert json.loads(json.dumps(content)) == content
    assert content["metrics"][0]["protocol"] == {"beam": 4}
