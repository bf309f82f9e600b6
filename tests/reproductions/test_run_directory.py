"""The run directory: one writer, readers at any moment, nothing half written is believed."""

from __future__ import annotations

import hashlib
import json
import shutil
from datetime import UTC, datetime
from pathlib import Path

import pytest

from reproductions import run_directory
from reproductions.run_directory import Busy, Recorder, RunDirectory, find_runs


@pytest.fixture
def run(tmp_path) -> RunDirectory:
    path = tmp_path / "20261124-093012-tiny-smoke-7f3a"
    path.mkdir()
    return RunDirectory(path)


def steps(lines) -> list[int]:
    return [line["step"] for line in lines]


def test_an_id_sorts_by_time_and_says_what_it_is():
    now = datetime(2026, 11, 24, 9, 30, 12, tzinfo=UTC)
    assert run_directory.new_run_id(now, "transformer-base", "smoke", "7f3a") == (
        "20261124-093012-transformer-base-smoke-7f3a"
    )


@pytest.mark.parametrize(
    ("platform", "environ", "expected"),
    [
        ("linux", {"PAPERLAB_HOME": "/data/lab"}, "/data/lab"),
        ("linux", {"XDG_DATA_HOME": "/xdg"}, "/xdg/paperlab"),
        ("linux", {}, f"{Path.home()}/.local/share/paperlab"),
        ("darwin", {}, f"{Path.home()}/Library/Application Support/paperlab"),
        ("win32", {"LOCALAPPDATA": "/local"}, "/local/paperlab"),
    ],
)
def test_state_lives_in_the_users_data_folder(platform, environ, expected):
    assert run_directory.home(environ, platform) == Path(expected)


def test_what_is_recorded_is_read_back(run):
    with Recorder(run.path, clock=lambda: 5.0) as recorder:
        recorder.describe({"id": run.id, "seed": 1})
        recorder.metric("val/loss", 3.41, step=100)
        recorder.sample(step=100, source="one", output="eins – zwei", reference=None, decoding={"beam": 4}, score=-1.5)
        recorder.event("started")
        recorder.result([{"metric": "bleu", "value": 39.0}], seconds=1.5)
    assert run.run == {"format": 1, "id": run.id, "seed": 1}
    assert run.metrics() == [{"step": 100, "time": 5.0, "name": "val/loss", "value": 3.41}]
    (sample,) = run.samples()
    assert (sample["output"], sample["decoding"], sample["score"]) == ("eins – zwei", {"beam": 4}, -1.5)
    assert [event["event"] for event in run.events()] == ["started"]
    assert run.result is not None
    assert run.result["measurements"] == [{"metric": "bleu", "value": 39.0}]
    assert run.result["finished_at"] == "1970-01-01T00:00:05Z"


def test_a_value_that_json_has_no_word_for_becomes_null(run):
    with Recorder(run.path) as recorder:
        recorder.metrics({"train/loss": float("nan"), "val/ppl": float("inf")}, step=1)
    assert [point["value"] for point in run.metrics()] == [None, None]


def test_lines_wait_for_a_second_and_an_event_brings_them_to_the_disk(run):
    now = [0.0]
    with Recorder(run.path, clock=lambda: now[0]) as recorder:
        recorder.metric("a", 1, step=1)
        assert run.metrics() == []
        now[0] = 1.5
        recorder.metric("a", 2, step=2)
        assert steps(run.metrics()) == [1, 2]
        recorder.metric("a", 3, step=3)
        recorder.event("checkpointed")
        assert steps(run.metrics()) == [1, 2, 3]


def test_a_second_writer_is_turned_away_while_the_first_holds_the_run(run, monkeypatch):
    with Recorder(run.path):
        with pytest.raises(Busy, match="written by another process") as raised:
            Recorder(run.path)
        assert raised.value.exit_code == 75
    Recorder(run.path).close()


def test_a_readers_probe_does_not_turn_a_writer_away(run):
    Recorder(run.path).close()
    for _ in range(50):
        run.status()
        Recorder(run.path).close()


def test_a_reader_sees_only_whole_lines_wherever_a_crash_cut_the_file(run):
    with Recorder(run.path) as recorder:
        for step in range(1, 5):
            recorder.metric("train/loss", step / 3, step=step)
    file = run.path / "metrics.jsonl"
    whole = file.read_bytes()
    for cut in range(len(whole) + 1):
        file.write_bytes(whole[:cut])
        survivors = list(range(1, whole[:cut].count(b"\n") + 1))
        assert steps(run.metrics()) == survivors
        with Recorder(run.path) as recorder:
            recorder.metric("train/loss", 0.5, step=9)
        # a line that lacked nothing but its end is whole once the next writer has closed it
        lacked_its_end = [len(survivors) + 1] if whole[cut : cut + 1] == b"\n" else []
        assert steps(run.metrics()) == [*survivors, *lacked_its_end, 9]


def test_a_resume_supersedes_what_lies_after_its_checkpoint(run):
    with Recorder(run.path) as recorder:
        recorder.event("started")
        for step in (1, 2, 3, 4, 5):
            recorder.metric("train/loss", step, step=step)
            recorder.sample(step=step, source=None, output=str(step), reference=None, decoding={})
    with Recorder(run.path) as recorder:
        recorder.attempt = 2
        recorder.resumed(2)
        assert steps(run.metrics()) == [1, 2]
        recorder.metric("train/loss", 30, step=3)
    with Recorder(run.path) as recorder:
        recorder.attempt = 3
        recorder.resumed(2)
        recorder.metric("train/loss", 31, step=3)
        recorder.sample(step=3, source=None, output="31", reference=None, decoding={})
    assert [(point["step"], point["value"]) for point in run.metrics()] == [(1, 1), (2, 2), (3, 31)]
    assert [sample["output"] for sample in run.samples()] == ["1", "2", "31"]
    assert steps(run.read_metrics()[0]) == [1, 2, 3, 4, 5, 3, 3]


def test_a_page_follows_a_run_from_where_it_stopped_reading(run):
    with Recorder(run.path) as recorder:
        recorder.metric("a", 1, step=1)
        recorder.flush()
        points, offset = run.read_metrics(0)
        assert steps(points) == [1]
        assert run.read_metrics(offset) == ([], offset)
        with (run.path / "metrics.jsonl").open("ab") as file:
            file.write(b'{"step": 2, "na')
        assert run.read_metrics(offset) == ([], offset)
        with (run.path / "metrics.jsonl").open("ab") as file:
            file.write(b'me": "a"}\n')
        assert steps(run.read_metrics(offset)[0]) == [2]


def test_status_follows_the_lock_the_events_and_the_result(run):
    recorder = Recorder(run.path)
    assert run.status() == "running"
    recorder.event("pre-empted")
    recorder.close()
    assert run.status() == "interrupted"
    with Recorder(run.path) as recorder:
        recorder.event("failed", why="it broke")
    assert run.status() == "failed"
    with Recorder(run.path) as recorder:
        recorder.resumed(0)
    assert run.status() == "interrupted"
    with Recorder(run.path) as recorder:
        recorder.result([])
        assert run.status() == "finished"


def test_a_killed_run_is_interrupted_at_once_and_a_copy_of_a_live_one_runs_until_its_heartbeat_is_old(run, tmp_path):
    with Recorder(run.path, clock=lambda: 1000.0):
        copy = RunDirectory(shutil.copytree(run.path, tmp_path / "copy"))
    assert run.status(now=1001.0) == "interrupted"
    assert copy.status(now=1001.0) == "running"
    assert copy.status(now=1000.0 + run_directory.STALE_AFTER_SECONDS) == "interrupted"


def test_the_heartbeat_goes_on_while_the_main_thread_is_busy(run):
    now = [10.0]
    with Recorder(run.path, clock=lambda: now[0]) as recorder:
        recorder.step = 7
        recorder.metric("a", 1, step=7)
        now[0] = 20.0
        recorder.keep_beating(seconds=0.01)
        for _ in range(500):
            beat = run.heartbeat()
            if beat and beat["time"] == 20.0 and run.metrics():
                break
            recorder._beating.wait(0.01)
    assert run.heartbeat()["step"] == 7
    assert run.heartbeat()["time"] == 20.0


def test_folders_that_are_no_runs_are_skipped_and_named(run, tmp_path):
    with Recorder(run.path) as recorder:
        recorder.describe({"id": run.id})
    (tmp_path / "20261124-093013-killed-at-birth").mkdir()
    (tmp_path / "damaged").mkdir()
    (tmp_path / "damaged" / "run.json").write_text('{"format": 1, "id"')
    (tmp_path / ".lock").touch()
    skipped: list[str] = []
    assert [found.id for found in find_runs(tmp_path, lambda path, why: skipped.append(path.name))] == [run.id]
    assert skipped == ["20261124-093013-killed-at-birth", "damaged"]
    assert find_runs(tmp_path / "nowhere") == []


def test_a_newer_format_is_refused_by_name(run):
    (run.path / "run.json").write_text('{"format": 2}')
    with pytest.raises(run_directory.ReproductionError, match="format 2, newer than 1"):
        run.run  # noqa: B018


def test_a_file_is_replaced_whole_or_not_at_all(tmp_path, monkeypatch):
    path = tmp_path / "run.json"
    run_directory.write_whole(path, b"old")

    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(run_directory.os, "fsync", full)
    with pytest.raises(OSError, match="No space left"):
        run_directory.write_whole(path, b"new")
    assert path.read_bytes() == b"old"
    assert [file.name for file in tmp_path.iterdir()] == ["run.json"]


def test_a_line_that_met_a_full_disk_is_completed_once_there_is_room(run, monkeypatch):
    recorder = Recorder(run.path)
    appender = recorder._appenders["metrics"]
    real = appender._file

    class Full:
        """Takes ten bytes, then has no room."""

        room = 10

        def write(self, content: bytearray) -> int:
            if not self.room:
                raise OSError(28, "No space left on device")
            self.room = 0
            return real.write(content[:10])

    monkeypatch.setattr(appender, "_file", Full())
    recorder.metric("train/loss", 1.5, step=1)
    with pytest.raises(OSError, match="No space left"):
        recorder.flush()
    monkeypatch.setattr(appender, "_file", real)
    recorder.close()
    assert [point["value"] for point in run.metrics()] == [1.5]


def test_an_artifact_is_kept_once_under_its_content(run):
    with Recorder(run.path) as recorder:
        recorder.step = 3
        kept = recorder.artifact("plot.svg", b"<svg/>")
        assert recorder.artifact("plot.svg", b"<svg/>") == kept
        assert recorder.artifact("other.svg", b"<svg/>") == kept
    assert (run.path / kept).read_text() == "<svg/>"
    assert [path.name for path in (run.path / "artifacts").iterdir()] == [Path(kept).name]
    told = {"file": kept, "sha256": hashlib.sha256(b"<svg/>").hexdigest(), "bytes": 6, "step": 3}
    assert run.artifacts() == [{"name": name, **told} for name in ("plot.svg", "other.svg")]


def test_a_sample_brings_its_files_along(run):
    with Recorder(run.path) as recorder:
        given = {"step": 1, "source": "two", "output": "zwei", "reference": None, "decoding": {"beam": 1}}
        recorder.sample(**given, artifacts={"attention.svg": b"<svg/>"})
        recorder.sample(**given)
    with_file, without = run.samples()
    (kept,) = run.artifacts()
    assert with_file["artifacts"] == {"attention.svg": kept["file"]}
    assert "artifacts" not in without


def test_recording_is_cheap(run):
    import time

    with Recorder(run.path) as recorder:
        began = time.process_time()
        for step in range(10_000):
            recorder.metric("train/loss", 1 / (step + 1), step=step)
        seconds = time.process_time() - began
    assert len(run.metrics()) == 10_000
    assert seconds < 2  # 0.1 when written; a database row at a time would take minutes


def test_run_json_is_readable_text(run):
    with Recorder(run.path) as recorder:
        recorder.describe({"id": run.id, "title": "Größe"})
    assert '"title": "Größe"' in (run.path / "run.json").read_text(encoding="utf-8")
    assert json.loads((run.path / "run.json").read_bytes())["format"] == 1
