"""Reading a run directory piece by piece comes to the same as reading it at the end."""

from __future__ import annotations

import math
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from paperlab.entities import RunStatus
from paperlab.runs import changes
from reproductions.run_directory import Recorder, RunDirectory
from tests.paperlab.runs import directories


class Reader:
    """Applies changes as the indexer does, in memory."""

    def __init__(self) -> None:
        self.state: Mapping[str, Any] = {}
        self.points: dict[tuple[str, int], float] = {}
        self.samples: dict[int, tuple[int, str]] = {}

    def read(self, directory: RunDirectory) -> None:
        while True:
            new = changes.read(directory, self.state)
            if new.afresh:
                self.points, self.samples = {}, {}
            if new.drop_points_after is not None:
                self.points = {key: v for key, v in self.points.items() if key[1] <= new.drop_points_after}
            if new.drop_samples_after is not None:
                self.samples = {at: v for at, v in self.samples.items() if v[0] <= new.drop_samples_after}
            for name, columns in new.points.items():
                self.points |= {(name, step): v for step, v in zip(columns.steps, columns.values, strict=True)}
            self.samples |= {at: (sample.step, sample.output) for at, sample in new.samples}
            self.state = new.state
            if not new.more:
                return


def expected(directory: RunDirectory) -> tuple[dict[tuple[str, int], float], list[tuple[int, str]]]:
    points = {(p["name"], p["step"]): p["value"] for p in directory.metrics()}  # of two at one step the last one
    finite = {key: value for key, value in points.items() if value is not None}
    return finite, [(s["step"], s["output"]) for s in directory.samples()]


act = st.one_of(
    st.tuples(st.just("learn"), st.integers(1, 5)),
    st.tuples(st.just("resume"), st.integers(0, 6)),
    st.tuples(st.just("tear"), st.just(0)),
    st.tuples(st.just("diverge"), st.just(0)),
    st.tuples(st.just("read"), st.just(0)),
)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(acts=st.lists(act, max_size=14), at_once=st.sampled_from([200, 1000, 10**6]))
def test_reading_in_between_never_changes_what_is_read_in_the_end(acts: list[tuple[str, int]], at_once: int) -> None:
    with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        patch.setattr(changes, "_BYTES_AT_ONCE", at_once)
        recorder = directories.begin(Path(folder))
        directory, reader = RunDirectory(recorder.path), Reader()
        for number, (what, amount) in enumerate(acts):
            if what == "learn":
                directories.learn(recorder, range(recorder.step + 1, recorder.step + amount + 1), offset=number)
                recorder.flush()
            elif what == "diverge":
                recorder.metric("train/loss", float("nan"), recorder.step)
                recorder.flush()
            elif what == "read":
                reader.read(directory)
            else:
                path, step = recorder.path, max(0, recorder.step - amount)
                recorder.close()
                if what == "tear":
                    with (path / "metrics.jsonl").open("ab") as file:
                        file.write(b'{"step": 9, "na')
                recorder = Recorder(path)
                recorder.resumed(step)
        recorder.close()
        reader.read(directory)
        finite = {key: value for key, value in reader.points.items() if math.isfinite(value)}
        assert (finite, list(reader.samples.values())) == expected(directory)


def test_a_copy_that_was_made_file_by_file_is_read_afresh(tmp_path: Path) -> None:
    """The copy of the metrics is newer than that of the events: lines of a resume are there, the resume is not."""
    recorder = directories.begin(tmp_path)
    directories.learn(recorder, range(1, 7))
    recorder.flush()
    before = (recorder.path / "events.jsonl").read_bytes()
    recorder.resumed(3)
    directories.learn(recorder, range(4, 6), offset=0.5)
    recorder.close()
    after = (recorder.path / "events.jsonl").read_bytes()
    directory, reader = RunDirectory(recorder.path), Reader()
    (recorder.path / "events.jsonl").write_bytes(before)
    reader.read(directory)
    (recorder.path / "events.jsonl").write_bytes(after)
    reader.read(directory)
    assert reader.points == expected(directory)[0]
    assert ("train/loss", 6) not in reader.points


def test_a_directory_that_was_replaced_is_read_afresh(tmp_path: Path) -> None:
    recorder = directories.begin(tmp_path)
    directories.learn(recorder, range(1, 7))
    recorder.close()
    directory, reader = RunDirectory(recorder.path), Reader()
    reader.read(directory)
    lines = (recorder.path / "metrics.jsonl").read_bytes().splitlines(keepends=True)
    (recorder.path / "metrics.jsonl").write_bytes(b"".join(lines[:4]))
    new = changes.read(directory, reader.state)
    assert new.afresh
    assert new.number_of_points == 4


def test_the_run_is_described_as_its_directory_tells_it(tmp_path: Path) -> None:
    path = directories.finished(tmp_path, seed=3, measurements=[directories.measured("a:b", 0.99)])
    new = changes.read(RunDirectory(path), {})
    run = new.run
    assert (run.recipe, run.tier, run.seed, run.device) == ("transformer-base", "smoke", 3, "cpu")
    assert (run.status, run.step, run.max_steps, run.attempts) == (RunStatus.FINISHED, 10, 10, 1)
    assert run.seconds == 12.5
    assert run.created_at.isoformat() == "2026-11-24T09:30:12+00:00"
    (measurement,) = new.measurements
    assert (measurement.claim_id, measurement.value, measurement.seed) == ("a:b", 0.99, 3)


def test_a_live_run_is_running_and_a_dead_one_interrupted(tmp_path: Path) -> None:
    recorder = directories.begin(tmp_path)
    directory = RunDirectory(recorder.path)
    assert changes.read(directory, {}).run.status is RunStatus.RUNNING
    recorder.close()
    assert changes.read(directory, {}).run.status is RunStatus.INTERRUPTED


def test_a_measurement_that_is_not_finite_is_refused() -> None:
    with pytest.raises(ValueError, match="not finite"):
        changes.measurement(directories.measured("a", float("nan")), fingerprint="f")
