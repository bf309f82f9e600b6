"""Runs, points, samples, measurements and the log of verdicts as tables."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from paperlab import settings
from paperlab.entities import Measurement, MetricPoint, Run, RunStatus, Sample, Verdict, VerdictKind
from paperlab.store import runs, verdicts
from paperlab.store.database import Engine, open_database, read_only, session

NOW = datetime(2026, 11, 24, 9, 30, tzinfo=UTC)
RUN = Run(
    id="20261124-093000-transformer-base-smoke-7f3a",
    path=Path("/runs/a"),
    reproduction="transformer",
    recipe="transformer-base",
    tier="smoke",
    seed=1,
    overrides={"optim.lr": "1"},
    fingerprint="f",
    status=RunStatus.RUNNING,
    created_at=NOW,
    updated_at=None,
    step=3,
    max_steps=10,
    device="cpu",
    attempts=1,
    seconds=None,
    record={"format": 1},
)
MEASUREMENT = Measurement(
    claim_id="a:b",
    run_id=RUN.id,
    recipe=RUN.recipe,
    tier=RUN.tier,
    seed=RUN.seed,
    fingerprint=RUN.fingerprint,
    task="translation",
    dataset="number-words",
    split="test",
    metric="exact_match",
    value=0.99,
    unit="share",
    n=500,
    protocol={"beam": 4},
    signature=None,
    overrides=RUN.overrides,
)


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    opened = open_database(settings.load({"PAPERLAB_HOME": str(tmp_path)}, tmp_path), create=True)
    yield opened
    opened.dispose()


def points(*values: tuple[int, float], name: str = "train/loss") -> list[MetricPoint]:
    return [MetricPoint(step, 1.0, name, value) for step, value in values]


def test_a_run_comes_back_as_it_went_in_and_is_replaced_in_place(engine: Engine) -> None:
    with session(engine) as writing:
        runs.put(writing, RUN, {"metrics": 10})
        runs.add_points(writing, RUN.id, points((1, 2.0)))
        runs.put(writing, replace(RUN, status=RunStatus.FINISHED, seconds=1.5), {"metrics": 20})
    with read_only(engine) as reading:
        assert runs.get(reading, RUN.id) == replace(RUN, status=RunStatus.FINISHED, seconds=1.5)
        assert runs.state(reading, RUN.id) == {"metrics": 20}
        assert len(runs.points(reading, RUN.id)) == 1
        assert runs.get(reading, "another") is None
        assert runs.state(reading, "another") is None


def test_of_two_points_at_one_step_the_last_one_holds(engine: Engine) -> None:
    with session(engine) as writing:
        runs.put(writing, RUN, {})
        runs.add_points(writing, RUN.id, points((1, 2.0), (2, 1.5), (2, 1.4)))
        runs.add_points(writing, RUN.id, points((1, 1.9)))
        runs.add_points(writing, RUN.id, points((2, 7.0), name="val/loss"))
    with read_only(engine) as reading:
        assert [(p.name, p.step, p.value) for p in runs.points(reading, RUN.id)] == [
            ("train/loss", 1, 1.9),
            ("train/loss", 2, 1.4),
            ("val/loss", 2, 7.0),
        ]
        assert [p.step for p in runs.points(reading, RUN.id, ["train/loss"], after_step=1)] == [2]
        assert runs.metric_names(reading, RUN.id) == ["train/loss", "val/loss"]
        assert [(p.name, p.value) for p in runs.last_points(reading, RUN.id)] == [
            ("train/loss", 1.4),
            ("val/loss", 7.0),
        ]


def test_what_lies_after_a_step_can_be_dropped(engine: Engine) -> None:
    samples = [(10 * step, Sample(step, "two", f"zwei {step}", None, {})) for step in (1, 2, 3)]
    with session(engine) as writing:
        runs.put(writing, RUN, {})
        runs.add_points(writing, RUN.id, points((1, 2.0), (2, 1.5), (3, 1.4)))
        runs.add_samples(writing, RUN.id, samples)
        runs.drop_points_after(writing, RUN.id, 2)
        runs.drop_samples_after(writing, RUN.id, 1)
    with read_only(engine) as reading:
        assert [p.step for p in runs.points(reading, RUN.id)] == [1, 2]
        assert [sample.output for sample in runs.samples(reading, RUN.id)] == ["zwei 1"]
        assert runs.samples(reading, RUN.id, step=2) == []


def test_runs_are_found_newest_first_by_what_they_are(engine: Engine) -> None:
    later = replace(RUN, id="later", created_at=NOW + timedelta(days=1), status=RunStatus.FINISHED, tier="mini")
    with session(engine) as writing:
        for run in (RUN, later):
            runs.put(writing, run, {})
    with read_only(engine) as reading:
        assert [run.id for run in runs.find(reading)] == ["later", RUN.id]
        assert [run.id for run in runs.find(reading, limit=1, offset=1)] == [RUN.id]
        assert [run.id for run in runs.find(reading, runs.RunFilter(status=RunStatus.FINISHED))] == ["later"]
        assert runs.count(reading) == 2
        assert runs.count(reading, runs.RunFilter(recipe="transformer-base", tier="smoke")) == 1
        assert runs.count(reading, runs.RunFilter(reproduction="bert")) == 0
        assert set(runs.indexed(reading)) == {"later", RUN.id}


def test_measurements_carry_the_run_that_made_them(engine: Engine) -> None:
    with session(engine) as writing:
        runs.put(writing, RUN, {})
        runs.set_measurements(writing, RUN.id, [MEASUREMENT, replace(MEASUREMENT, claim_id=None)])
        runs.set_measurements(writing, RUN.id, [MEASUREMENT, replace(MEASUREMENT, claim_id="c", value=0.5)])
    with read_only(engine) as reading:
        assert runs.measurements(reading, claim_ids=["a:b"]) == [MEASUREMENT]
        assert [item.claim_id for item in runs.measurements(reading, run_id=RUN.id)] == ["a:b", "c"]
        assert runs.measurements(reading, run_id="another") == []


def test_a_removed_run_leaves_nothing(engine: Engine) -> None:
    with session(engine) as writing:
        runs.put(writing, RUN, {})
        runs.add_points(writing, RUN.id, points((1, 2.0)))
        runs.add_samples(writing, RUN.id, [(0, Sample(1, "", "x", None, {}))])
        runs.set_measurements(writing, RUN.id, [MEASUREMENT])
        runs.remove(writing, RUN.id)
    with read_only(engine) as reading:
        assert runs.ids(reading) == []
        assert runs.points(reading, RUN.id) == []
        assert runs.samples(reading, RUN.id) == []
        assert runs.measurements(reading) == []


# --- the log of verdicts -----------------------------------------------------------------------------------------


def test_the_log_keeps_every_change_and_nothing_else(engine: Engine) -> None:
    def log(kind: VerdictKind, grounds: int, minute: int) -> bool:
        with session(engine) as writing:
            verdict = Verdict("a:b", kind, f"because of {grounds}", 1.0)
            return verdicts.append_if_changed(writing, verdict, {"n": grounds}, NOW + timedelta(minutes=minute))

    assert not log(VerdictKind.NOT_ATTEMPTED, 0, 0)
    assert log(VerdictKind.INCONCLUSIVE, 1, 1)
    assert not log(VerdictKind.INCONCLUSIVE, 1, 2)
    assert log(VerdictKind.INCONCLUSIVE, 2, 3)
    assert log(VerdictKind.REPRODUCED, 2, 4)
    assert log(VerdictKind.NOT_ATTEMPTED, 0, 5)  # its runs are gone: that is news
    with read_only(engine) as reading:
        history = verdicts.history(reading, "a:b")
        assert [entry.judged_at.minute - 30 for entry in history] == [1, 3, 4, 5]
        assert verdicts.latest(reading, "a:b") == history[-1]
        assert verdicts.latest(reading, "c") is None
        assert verdicts.history(reading) == history
