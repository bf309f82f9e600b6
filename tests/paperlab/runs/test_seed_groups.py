"""Which runs are repetitions of one another, and what a run cost."""

from __future__ import annotations

import json
from datetime import timedelta

import pytest

from paperlab.entities import MetricPoint, RunStatus
from paperlab.runs import seed_groups
from tests.paperlab.runs import recorded


def test_runs_that_differ_in_the_seed_alone_are_one_group():
    runs = [recorded.run(seed) for seed in (3, 1, 2)]
    (group,) = seed_groups.group(runs)
    assert group.seeds == (1, 2, 3)
    assert group.label == "transformer-base smoke"


def test_what_is_computed_parts_runs_and_what_is_only_written_down_does_not():
    plain, logged = recorded.run(1), recorded.run(2, overrides={"train.log_every": "5"})
    faster, recoded = recorded.run(1, overrides={"optim.lr": "2"}), recorded.run(1, fingerprint="e" * 64)
    groups = seed_groups.group([plain, logged, faster, recoded])
    assert sorted(group.seeds for group in groups) == [(1,), (1,), (1, 2)]


def test_a_seed_counts_once_by_its_first_finished_run():
    late = recorded.run(1, id="late", created_at=recorded.BEGAN + timedelta(hours=1))
    torn = recorded.run(1, id="torn", status=RunStatus.INTERRUPTED, created_at=recorded.BEGAN - timedelta(hours=1))
    (group,) = seed_groups.group([late, recorded.run(1, id="first"), torn])
    assert [run.id for run in group.runs] == ["first"]


def test_a_run_stands_for_its_seed_even_unfinished():
    running = recorded.run(2, id="running", status=RunStatus.RUNNING)
    group = seed_groups.of(running, [recorded.run(1), recorded.run(2), recorded.run(3), running])
    assert [run.id for run in group.runs][1] == "running"
    assert group.seeds == (1, 2, 3)


def test_a_run_costs_its_hours_times_its_devices(tmp_path):
    (tmp_path / "result.json").write_text(json.dumps({"peak_memory_bytes": 5}))
    gpu = {"hardware": {"cpu": "a CPU", "gpu": "a GPU"}, "threads": 8, "world_size": 4}
    cost = seed_groups.cost(recorded.run(device="cuda:0", provenance=gpu, seconds=1800.0, path=tmp_path))
    assert (cost.hardware, cost.unit, cost.hours, cost.device_hours) == ("4 x a GPU", "GPU-hours", 0.5, 2.0)
    assert cost.peak_memory == 5
    cost = seed_groups.cost(recorded.run(seconds=1800.0))
    assert (cost.hardware, cost.unit, cost.device_hours) == ("a CPU, 2 threads", "CPU-hours", 1.0)
    assert cost.peak_memory is None


def test_the_time_of_a_step_leaves_pauses_out():
    times = [0, 1, 2, 100, 101, 102]  # an evaluation after the third point
    points = [MetricPoint(10 * (at + 1), float(time), "train/loss", 1.0) for at, time in enumerate(times)]
    assert seed_groups.seconds_per_step(points) == pytest.approx(0.1)
    assert seed_groups.seconds_per_step(points[:1]) is None
