"""What runs of several seeds show together."""

from __future__ import annotations

from pathlib import Path

import pytest

from paperlab.runs import findings, indexer
from paperlab.store import runs as store
from paperlab.store.database import Engine, read_only
from tests.paperlab.runs import directories


def summaries(engine: Engine, runs_dir: Path) -> dict[str, findings.Summary]:
    indexer.index(engine, runs_dir)
    with read_only(engine) as reading:
        return {each.quantity: each for each in findings.summaries(reading, store.find(reading))}


def test_a_loss_that_ran_away_has_no_mean_though_it_was_finite_before(engine: Engine, runs_dir: Path) -> None:
    for seed, last in ((1, 2.0), (2, float("nan"))):
        with directories.begin(runs_dir, seed=seed) as recorder:
            recorder.metrics({"val/loss": 3.0, "train/lr": 0.1}, 1)
            recorder.metrics({"val/loss": last}, 2)
            recorder.result([], seconds=1.0)
    found = summaries(engine, runs_dir)
    assert list(found) == ["val/loss"]
    assert (found["val/loss"].mean, found["val/loss"].sd, found["val/loss"].n) == (None, None, 2)
    assert found["val/loss"].values == {1: 2.0, 2: None}


def test_the_same_metric_under_two_protocols_is_two_quantities(engine: Engine, runs_dir: Path) -> None:
    for seed in (1, 2):
        greedy = directories.measured("a:b", 0.5 + seed / 10, protocol={"beam": 1})
        directories.finished(runs_dir, seed=seed, measurements=[greedy, directories.measured("a:c", 0.9)])
    indexer.index(engine, runs_dir)
    with read_only(engine) as reading:
        found = [each for each in findings.summaries(reading, store.find(reading)) if each.protocol is not None]
    assert [(each.claim, each.mean, each.n) for each in found] == [
        ("a:b", pytest.approx(0.65), 2),
        ("a:c", pytest.approx(0.9), 2),
    ]
    assert found[0].protocol == {"beam": 1, "examples": 500}
