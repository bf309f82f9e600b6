"""A run as one file, and back: whole, in part, while it goes on."""

from __future__ import annotations

import shutil
import subprocess
import tarfile
import threading
from pathlib import Path

import pytest

from paperlab.errors import InvalidInput, NotReady
from paperlab.runs import bundle, importer
from paperlab.runs.importer import Outcome
from paperlab.runs.snapshot import Checkpoints
from reproductions.run_directory import Recorder, RunDirectory
from tests.paperlab.runs import directories, whole_runs


def brought(source: Path, runs_dir: Path) -> Outcome | str:
    """The outcome of the one run in `source`, or why it was refused."""
    (run,) = importer.bring(source, runs_dir)
    return run.outcome or run.why


def test_a_bundle_brings_the_same_run_to_another_home(tmp_path: Path) -> None:
    path = whole_runs.finished(tmp_path / "there")
    bundle.write(path, tmp_path / "run.tar", Checkpoints.ALL)
    assert brought(tmp_path / "run.tar", tmp_path / "here") is Outcome.NEW
    assert whole_runs.content(tmp_path / "here" / path.name) == whole_runs.content(path)
    assert brought(tmp_path / "run.tar", tmp_path / "here") is Outcome.UNCHANGED
    assert whole_runs.content(tmp_path / "here" / path.name) == whole_runs.content(path)
    assert sorted(p.name for p in (tmp_path / "here").iterdir()) == [".lock", path.name]


def test_the_same_content_gives_the_same_bytes(tmp_path: Path) -> None:
    path = whole_runs.finished(tmp_path / "there")
    bundle.write(path, tmp_path / "one.tar", Checkpoints.ALL)
    shutil.copytree(path, tmp_path / "copy" / path.name, copy_function=shutil.copyfile)
    bundle.write(tmp_path / "copy" / path.name, tmp_path / "other.tar", Checkpoints.ALL)
    assert (tmp_path / "one.tar").read_bytes() == (tmp_path / "other.tar").read_bytes()


def test_any_tar_can_read_a_bundle(tmp_path: Path) -> None:
    path = whole_runs.finished(tmp_path / "there")
    bundle.write(path, tmp_path / "run.tar", Checkpoints.ALL)
    with tarfile.open(tmp_path / "run.tar") as archive:
        archive.extractall(tmp_path / "unpacked", filter="data")
    unpacked = whole_runs.content(tmp_path / "unpacked" / path.name)
    assert unpacked.pop("manifest.json")
    assert unpacked == whole_runs.content(path)
    subprocess.run(["tar", "-tf", tmp_path / "run.tar"], check=True, capture_output=True)
    assert brought(tmp_path / "unpacked" / path.name, tmp_path / "here") is Outcome.NEW


@pytest.mark.parametrize(
    ("wanted", "kept"),
    [(Checkpoints.NONE, []), (Checkpoints.LAST, ["step-000010"]), (Checkpoints.ALL, ["step-000005", "step-000010"])],
)
def test_checkpoints_go_along_as_asked(tmp_path: Path, wanted: Checkpoints, kept: list[str]) -> None:
    path = whole_runs.finished(tmp_path / "there")
    bundle.write(path, tmp_path / "run.tar", wanted)
    importer.bring(tmp_path / "run.tar", tmp_path / "here")
    assert [p.name for p in RunDirectory(tmp_path / "here" / path.name).checkpoints()] == kept


def test_a_run_comes_in_while_it_goes_on(tmp_path: Path) -> None:
    here = tmp_path / "here"
    recorder = whole_runs.begin(tmp_path / "there")
    run_id = recorder.path.name
    with (recorder.path / "metrics.jsonl").open("ab") as file:
        file.write(b'{"step": 7, "time": 1')  # a line that is being written
        bundle.write(recorder.path, tmp_path / "early.tar", Checkpoints.ALL)
        file.truncate(file.tell() - 21)
    assert brought(tmp_path / "early.tar", here) is Outcome.NEW
    assert [p["step"] for p in RunDirectory(here / run_id).metrics()][-1] == 6
    assert RunDirectory(here / run_id).status() == "running"
    whole_runs.finish(recorder)
    bundle.write(recorder.path, tmp_path / "late.tar", Checkpoints.NONE)
    assert brought(tmp_path / "late.tar", here) is Outcome.GROWN
    assert RunDirectory(here / run_id).status() == "finished"
    assert [p.name for p in RunDirectory(here / run_id).checkpoints()] == ["step-000005"], "nothing is taken away"
    after = whole_runs.content(here / run_id)
    assert brought(tmp_path / "early.tar", here) is Outcome.OLDER
    assert whole_runs.content(here / run_id) == after
    assert brought(recorder.path, here) is Outcome.GROWN, "the directory itself has the newer checkpoint"
    assert whole_runs.content(here / run_id) == whole_runs.content(recorder.path)
    assert brought(recorder.path, here) is Outcome.UNCHANGED


def test_a_resumed_run_replaces_what_it_took_again(tmp_path: Path) -> None:
    here = tmp_path / "here"
    with whole_runs.begin(tmp_path / "there") as recorder:
        pass
    assert brought(recorder.path, here) is Outcome.NEW
    with (recorder.path / "metrics.jsonl").open("ab") as file:
        file.write(b'{"step": 7, "ti')  # killed within a line
    with Recorder(recorder.path) as second:
        second.attempt = 2
        second.resumed(3)
        directories.learn(second, range(4, 7), offset=0.25)
        whole_runs.checkpoint(second, 5, seconds=2.0)
    assert brought(second.path, here) is Outcome.GROWN
    assert RunDirectory(here / second.path.name).metrics() == RunDirectory(second.path).metrics()
    assert whole_runs.content(here / second.path.name) == whole_runs.content(second.path)


def test_another_history_under_the_same_name_is_refused(tmp_path: Path) -> None:
    here = tmp_path / "here"
    one = whole_runs.begin(tmp_path / "one")
    other = whole_runs.begin(tmp_path / "other")
    assert brought(whole_runs.finish(one), here) is Outcome.NEW
    before = whole_runs.content(here)
    directories.learn(other, range(7, 12), offset=0.5)
    other.close()
    refused = brought(other.path, here)
    assert isinstance(refused, str)
    assert "is here with another history" in refused
    assert whole_runs.content(here) == before
    record = (one.path / "run.json").read_text().replace('"seed": 1', '"seed": 3')
    (one.path / "run.json").write_text(record)
    (one.path / "result.json").unlink()
    assert "run.json differs" in str(brought(one.path, here))
    assert whole_runs.content(here) == before


def test_a_run_that_is_written_here_is_left_alone(tmp_path: Path) -> None:
    recorder = whole_runs.begin(tmp_path / "runs")
    bundle.write(recorder.path, tmp_path / "early.tar", Checkpoints.NONE)
    shutil.copytree(recorder.path, tmp_path / "elsewhere" / recorder.path.name)
    with Recorder(tmp_path / "elsewhere" / recorder.path.name) as ahead:
        directories.learn(ahead, range(7, 9))
    before = whole_runs.content(recorder.path)
    (busy,) = importer.bring(ahead.path, tmp_path / "runs")
    assert busy.is_busy
    assert "is written by a process here" in busy.why
    assert brought(tmp_path / "early.tar", tmp_path / "runs") in (Outcome.UNCHANGED, Outcome.OLDER)
    assert whole_runs.content(recorder.path) == before
    assert brought(recorder.path, tmp_path / "runs") is Outcome.UNCHANGED, "it lies where it belongs"
    recorder.close()


def test_a_folder_of_runs_comes_in_as_a_whole_but_for_what_is_refused(tmp_path: Path) -> None:
    whole_runs.finished(tmp_path / "there")
    broken = whole_runs.finished(tmp_path / "there", seed=2)
    (tmp_path / "there" / "notes").mkdir()
    (broken / "run.json").write_text("{")
    outcomes = [run.outcome for run in importer.bring(tmp_path / "there", tmp_path / "here")]
    assert outcomes == [Outcome.NEW, None]
    with pytest.raises(InvalidInput, match="there is no run in"):
        importer.bring(tmp_path / "there" / "notes", tmp_path / "here")


@pytest.mark.parametrize("moves", range(5))
def test_an_import_that_dies_between_two_files_is_completed_by_the_next(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, moves: int
) -> None:
    here, recorder = tmp_path / "here", whole_runs.begin(tmp_path / "there")
    assert brought(recorder.path, here) is Outcome.NEW
    path, left = whole_runs.finish(recorder), [moves]
    whole = importer._replace

    def dying(new: Path, old: Path) -> None:
        left[0] -= 1
        if left[0] < 0:
            raise KeyboardInterrupt
        whole(new, old)

    with monkeypatch.context() as patch:
        patch.setattr(importer, "_replace", dying)
        with pytest.raises(KeyboardInterrupt):
            importer.bring(path, here)
    assert not (here / path.name / "result.json").exists(), "the result comes last"
    assert RunDirectory(here / path.name).run["id"] == path.name
    assert brought(path, here) is Outcome.GROWN
    assert whole_runs.content(here / path.name) == whole_runs.content(path)


def test_bundles_of_a_run_at_full_rate_are_each_a_state_that_it_was_in(tmp_path: Path) -> None:
    """One thread records and replaces checkpoints as fast as it can; every bundle comes in after the one before."""
    here, recorder, stop = tmp_path / "here", whole_runs.begin(tmp_path / "there"), threading.Event()

    def train() -> None:
        step = 10
        while not stop.is_set():
            step += 1
            directories.learn(recorder, [step])
            recorder.flush()
            recorder.beat()
            if step % 20 == 0:
                whole_runs.discard(recorder.path / "checkpoints" / f"step-{step - 20:06d}")
                whole_runs.checkpoint(recorder, step)

    thread = threading.Thread(target=train)
    thread.start()
    try:
        for number in range(12):
            bundle.write(recorder.path, tmp_path / f"{number}.tar", Checkpoints.LAST)
            # Unchanged where the machine is busy and the thread got no turn since the last one.
            expected = {Outcome.GROWN, Outcome.UNCHANGED} if number else {Outcome.NEW}
            assert brought(tmp_path / f"{number}.tar", here) in expected
    finally:
        stop.set()
        thread.join()
        recorder.close()
    assert brought(recorder.path, here) is Outcome.GROWN
    assert RunDirectory(here / recorder.path.name).metrics() == RunDirectory(recorder.path).metrics()
    assert brought(tmp_path / "0.tar", here) is Outcome.OLDER


def test_what_a_killed_import_left_goes_with_the_next(tmp_path: Path) -> None:
    path = whole_runs.finished(tmp_path / "there")
    left = tmp_path / "here" / ".import-abcd"
    left.mkdir(parents=True)
    (left / "half").write_text("half")
    importer.bring(path, tmp_path / "here")
    assert not left.exists()


def test_a_disk_without_room_refuses_before_it_writes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = whole_runs.finished(tmp_path / "there")
    monkeypatch.setattr(importer.shutil, "disk_usage", lambda _: shutil._ntuple_diskusage(10, 9, 1))
    with pytest.raises(NotReady, match="has room for 1"):
        importer.bring(path, tmp_path / "here")
    assert list((tmp_path / "here").iterdir()) == []


def test_a_bundle_is_written_whole_or_not_at_all(tmp_path: Path) -> None:
    path = whole_runs.finished(tmp_path / "there")
    with pytest.raises(NotReady, match="can't be written"):
        bundle.write(path, tmp_path / "nowhere" / "run.tar", Checkpoints.NONE)
    with pytest.raises(InvalidInput, match="is a folder"):
        bundle.write(path, tmp_path, Checkpoints.NONE)
    with pytest.raises(InvalidInput, match="not the name of a run"):
        bundle.write(tmp_path, tmp_path / "run.tar", Checkpoints.NONE)
    assert [p.name for p in tmp_path.iterdir()] == ["there"]
