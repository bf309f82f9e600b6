from __future__ import annotations

import pytest

from paperlab.dashboard.follow import Progress, curves_of
from paperlab.entities import MetricPoint, RunStatus
from paperlab.errors import NotReady
from reproductions.run_directory import Recorder, RunDirectory
from tests.paperlab.dashboard import filled

RUN = filled.TRAINING


def losses(view):
    return next(curve for curve in view.curves if curve.name == "train/loss")


def test_a_second_look_reads_on_from_the_first(tmp_path):
    with filled.begin(tmp_path, RUN) as recorder:
        progress = Progress(RunDirectory(tmp_path / RUN))
        filled.learn(recorder, range(1, 26))
        recorder.flush()
        first = progress.look()
        offset = progress.state["metrics"]
        filled.learn(recorder, range(26, 31))
        recorder.flush()
        second = progress.look()
    assert first.run.status is RunStatus.RUNNING
    assert list(losses(first).steps) == list(range(1, 26))
    assert list(losses(second).steps) == list(range(1, 31))
    assert progress.state["metrics"] > offset
    assert len(second.samples) == 2


def test_what_a_resume_supersedes_disappears_from_the_curve(tmp_path):
    with filled.begin(tmp_path, RUN) as recorder:
        filled.learn(recorder, range(1, 31))
    progress = Progress(RunDirectory(tmp_path / RUN))
    assert max(losses(progress.look()).steps) == 30
    with Recorder(tmp_path / RUN) as recorder:
        recorder.resumed(20)
        recorder.metrics({"train/loss": 0.5}, 21)
    view = progress.look()
    assert list(losses(view).steps) == list(range(1, 22))
    assert losses(view).values[-1] == 0.5
    assert view.samples == ()


def test_a_run_that_ends_is_seen_with_its_result(tmp_path):
    filled.write_run(tmp_path, RUN, steps=30, finished=True)
    view = Progress(RunDirectory(tmp_path / RUN)).look()
    assert view.run.status is RunStatus.FINISHED
    assert [item.value for item in view.measurements] == [0.994]
    assert [event["event"] for event in view.events] == ["started", "finished"]


def test_a_damaged_directory_is_an_error_that_names_it(tmp_path):
    filled.write_run(tmp_path, RUN, steps=5, finished=False)
    (tmp_path / RUN / "run.json").write_text('{"format": 1}')
    with pytest.raises(NotReady, match=RUN):
        Progress(RunDirectory(tmp_path / RUN)).look()


def test_stored_points_become_one_curve_a_metric():
    points = [MetricPoint(1, 10.0, "train/loss", 3.0), MetricPoint(2, 11.0, "train/loss", 2.0)]
    assert curves_of("r", [*points, MetricPoint(2, 11.0, "val/loss", 2.5)])[0].values == [3.0, 2.0]
