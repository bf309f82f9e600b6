from __future__ import annotations

import pytest

from paperlab.dashboard import charts
from paperlab.dashboard.follow import Progress, curves_of
from paperlab.entities import RunStatus
from paperlab.errors import NotReady
from paperlab.store.runs import Series
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


def test_a_long_run_is_shown_thinned_with_its_newest_value_and_how_many_were_recorded(tmp_path):
    with filled.begin(tmp_path, RUN) as recorder:
        for step in range(1, 4001):
            recorder.metric("train/loss", 1.0 if step != 777 else 99.0, step)
    curve = losses(Progress(RunDirectory(tmp_path / RUN)).look())
    assert len(curve.values) <= charts.POINTS_SHOWN
    assert (curve.recorded, curve.steps[-1], max(curve.values)) == (4000, 4000, 99.0)
    assert "of 4,000 points" in charts.lines("loss", [curve]).layout.title.text


def test_stored_series_become_one_curve_a_metric():
    stored = Series("r", "train/loss", [1, 2], [1.0, 2.0], [3.0, 2.0], total=9, not_finite=0)
    curve, other = curves_of([stored, Series("r", "val/loss", [2], [2.0], [2.5], total=1, not_finite=0)])
    assert (curve.values, curve.recorded, other.name) == ([3.0, 2.0], 9, "val/loss")
