"""The tables hold what the run directories hold."""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from alembic import command
from alembic.config import Config

from paperlab import settings
from paperlab.entities import RunStatus
from paperlab.errors import InvalidInput
from paperlab.runs import indexer
from paperlab.store import runs as store
from paperlab.store import upgrade
from paperlab.store.database import Engine, open_database, read_only
from reproductions.run_directory import Recorder, RunDirectory
from tests.paperlab.runs import directories


def points(engine: Engine, run_id: str) -> list[tuple[str, int, float]]:
    with read_only(engine) as reading:
        return [(point.name, point.step, point.value) for point in store.points(reading, run_id)]


def everything(engine: Engine) -> str:
    """All that is indexed, as text, so that two indexings can be compared."""
    with read_only(engine) as reading:
        return repr(
            [(run, store.points(reading, run.id), store.samples(reading, run.id)) for run in store.find(reading)]
            + store.measurements(reading)
        )


def test_a_finished_run_is_indexed_with_points_samples_and_measurements(engine: Engine, runs_dir: Path) -> None:
    path = directories.finished(runs_dir, measurements=[directories.measured("a:b"), directories.measured(None)])
    counts = indexer.index(engine, runs_dir)
    assert (counts.runs, counts.changed, counts.points, counts.samples) == (1, 1, 20, 3)
    with read_only(engine) as reading:
        run = store.get(reading, path.name)
        assert run is not None
        assert run.status is RunStatus.FINISHED
        assert [item.claim_id for item in store.measurements(reading)] == ["a:b", None]
        assert [sample.output for sample in store.samples(reading, path.name)] == ["zwei 3", "zwei 6", "zwei 9"]
        assert {point.name: point.step for point in store.last_points(reading, path.name)} == {
            "train/loss": 10,
            "train/lr": 10,
        }


def test_indexing_again_changes_nothing_and_reads_nothing(engine: Engine, runs_dir: Path) -> None:
    directories.finished(runs_dir, measurements=[directories.measured("a:b")])
    directories.begin(runs_dir, seed=2).close()
    indexer.index(engine, runs_dir)
    before = everything(engine)
    again = indexer.index(engine, runs_dir)
    assert (again.changed, again.points, again.samples) == (0, 0, 0)
    assert everything(engine) == before


def test_a_run_that_was_interrupted_is_passed_over_unopened_until_somebody_goes_on_with_it(
    engine: Engine, runs_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    interrupted = directories.begin(runs_dir)
    interrupted.close()
    indexer.index(engine, runs_dir)
    with monkeypatch.context() as patch:
        patch.setattr(indexer.changes, "read", lambda *_: pytest.fail("it was opened"))
        assert indexer.index(engine, runs_dir).runs == 1
    with Recorder(interrupted.path):
        assert indexer.index(engine, runs_dir).changed == 1
    with read_only(engine) as reading:
        assert [run.status for run in store.find(reading)] == [RunStatus.RUNNING]
    assert indexer.index(engine, runs_dir).changed == 1


def test_a_rebuild_comes_to_the_same_tables(engine: Engine, runs_dir: Path) -> None:
    with directories.begin(runs_dir) as recorder:
        directories.learn(recorder, range(1, 8))
        recorder.flush()
        indexer.index(engine, runs_dir)
        recorder.resumed(4)
        directories.learn(recorder, range(5, 11), offset=0.25)
    indexer.index(engine, runs_dir)
    before = everything(engine)
    rebuilt = indexer.index(engine, runs_dir, rebuild=True)
    assert rebuilt.points > 0
    assert everything(engine) == before


def test_points_that_a_resume_superseded_disappear(engine: Engine, runs_dir: Path) -> None:
    with directories.begin(runs_dir) as recorder:
        directories.learn(recorder, range(1, 8))
    indexer.index(engine, runs_dir)
    with Recorder(recorder.path) as resumed:
        resumed.resumed(4)
        resumed.metric("train/loss", 5.5, 5)
    indexer.index(engine, runs_dir)
    losses = [(step, value) for name, step, value in points(engine, recorder.path.name) if name == "train/loss"]
    assert losses == [(1, 9.0), (2, 8.0), (3, 7.0), (4, 6.0), (5, 5.5)]


def test_a_live_run_is_followed_line_by_line(engine: Engine, runs_dir: Path) -> None:
    with directories.begin(runs_dir) as recorder:
        directories.learn(recorder, range(1, 3))
        recorder.flush()
        assert indexer.index(engine, runs_dir).points == 4
        directories.learn(recorder, range(3, 4))
        recorder.flush()
        assert indexer.index(engine, runs_dir).points == 2
        with read_only(engine) as reading:
            (run,) = store.find(reading, store.RunFilter(status=RunStatus.RUNNING))
    indexer.index(engine, runs_dir)
    with read_only(engine) as reading:
        again = store.get(reading, run.id)
        assert again is not None
        assert again.status is RunStatus.INTERRUPTED


def test_half_a_line_is_left_for_the_next_reading(engine: Engine, runs_dir: Path) -> None:
    with directories.begin(runs_dir) as recorder:
        directories.learn(recorder, range(1, 3))
    line = b'{"step": 3, "time": 1.0, "name": "train/loss", "value": 7.0}\n'
    with (recorder.path / "metrics.jsonl").open("ab") as file:
        file.write(line[:20])
        file.flush()
        assert indexer.index(engine, runs_dir).points == 4
        file.write(line[20:])
    assert indexer.index(engine, runs_dir).points == 1


def test_folders_that_are_no_runs_are_left_aside_with_the_reason(engine: Engine, runs_dir: Path) -> None:
    directories.finished(runs_dir)
    (runs_dir / "notes").mkdir()
    broken = directories.finished(runs_dir, seed=2)
    (broken / "run.json").write_text('{"format": 1, "recipe": "x"}')
    strange = directories.finished(runs_dir, seed=3)
    (strange / "result.json").write_text(json.dumps({"measurements": [{"metric": "bleu"}], "step": 1}))
    counts = indexer.index(engine, runs_dir)
    assert counts.changed == 1
    assert [path.name for path, _ in counts.skipped] == [broken.name, strange.name, "notes"]
    assert all(reason for _, reason in counts.skipped)


def test_a_run_whose_directory_has_gone_is_forgotten(engine: Engine, runs_dir: Path) -> None:
    gone, kept = directories.finished(runs_dir), directories.finished(runs_dir, seed=2)
    indexer.index(engine, runs_dir)
    shutil.rmtree(gone)
    assert indexer.index(engine, runs_dir).removed == 1
    with read_only(engine) as reading:
        assert store.ids(reading) == [kept.name]


def test_a_folder_that_is_not_there_removes_nothing(engine: Engine, runs_dir: Path) -> None:
    directories.finished(runs_dir)
    indexer.index(engine, runs_dir)
    runs_dir.rename(runs_dir.with_name("unmounted"))
    assert indexer.index(engine, runs_dir).removed == 0


def test_one_run_directory_can_be_indexed_alone(engine: Engine, runs_dir: Path) -> None:
    one, _ = directories.finished(runs_dir), directories.finished(runs_dir, seed=2)
    assert indexer.index(engine, one).runs == 1
    with read_only(engine) as reading:
        assert store.ids(reading) == [one.name]


def test_a_copy_of_an_indexed_run_is_left_aside_and_a_moved_run_is_followed(
    engine: Engine, runs_dir: Path, tmp_path: Path
) -> None:
    original = directories.finished(runs_dir)
    indexer.index(engine, runs_dir)
    elsewhere = tmp_path / "copies"
    shutil.copytree(runs_dir, elsewhere)
    assert "a copy of" in indexer.index(engine, elsewhere).skipped[0][1]
    shutil.rmtree(original)
    assert indexer.index(engine, elsewhere).skipped == ()
    with read_only(engine) as reading:
        run = store.get(reading, original.name)
        assert run is not None
        assert run.path == elsewhere / original.name


def test_a_file_is_no_folder_of_runs(engine: Engine, tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_text("")
    with pytest.raises(InvalidInput, match="not a folder"):
        indexer.index(engine, file)


def test_a_long_run_is_read_in_parts(engine: Engine, runs_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("paperlab.runs.changes._BYTES_AT_ONCE", 500)
    with directories.begin(runs_dir) as recorder:
        directories.learn(recorder, range(1, 101))
    assert indexer.index(engine, runs_dir).points == 200
    assert len(points(engine, recorder.path.name)) == 200


def test_twenty_thousand_points_are_indexed_in_seconds(engine: Engine, runs_dir: Path) -> None:
    with directories.begin(runs_dir) as recorder:
        for step in range(10_000):
            recorder.metrics({"train/loss": 1.0, "train/lr": 1.0}, step)
    began = time.process_time()
    assert indexer.index(engine, runs_dir).points == 20_000
    assert time.process_time() - began < 5.0
    assert len(points(engine, RunDirectory(recorder.path).id)) == 20_000


def test_a_value_that_was_not_finite_replaces_the_one_before_it_and_is_counted(engine: Engine, runs_dir: Path) -> None:
    with directories.begin(runs_dir) as recorder:
        for step, value in ((1, 2.0), (2, 1.0), (2, float("nan")), (3, float("inf")), (4, 0.5)):
            recorder.metric("train/loss", value, step)
    indexer.index(engine, runs_dir)
    assert points(engine, recorder.path.name) == [("train/loss", 1, 2.0), ("train/loss", 4, 0.5)]
    with read_only(engine) as reading:
        (series,) = store.series(reading, [recorder.path.name])
    assert (series.total, series.not_finite) == (4, 2)


def test_after_an_upgrade_of_the_tables_every_run_is_read_again_wherever_it_lies(
    tmp_path: Path, runs_dir: Path
) -> None:
    """A database of revision 0002, in which a row was a point, knows two runs: of the home, and from elsewhere."""
    loaded = settings.load({"PAPERLAB_HOME": str(tmp_path / "home")}, tmp_path)
    engine = open_database(loaded, create=True)
    elsewhere = tmp_path / "from-the-cluster"
    ids = [directories.finished(runs_dir).name, directories.finished(elsewhere, seed=2).name]
    for folder in (runs_dir, elsewhere):
        indexer.index(engine, folder)
    before = everything(engine)
    engine.dispose()
    to_revision(engine, command.downgrade, "0002")
    to_revision(engine, command.upgrade, "head")
    with read_only(engine) as reading:
        assert [store.points(reading, run_id) for run_id in ids] == [[], []]
    assert indexer.index(engine, runs_dir).changed == 2
    assert everything(engine) == before
    assert indexer.index(engine, runs_dir).changed == 0
    engine.dispose()


def to_revision(engine: Engine, move: Callable[[Config, str], None], revision: str) -> None:
    config = Config()
    config.set_main_option("script_location", str(upgrade.migrations_folder()))
    with engine.begin() as connection:
        config.attributes["connection"] = connection
        move(config, revision)


@pytest.mark.parametrize(
    ("file", "content"),
    [
        ("run.json", '{"format": "one"}'),
        ("run.json", '{"format": null}'),
        ("metrics.jsonl", '{"step": 1, "time": 1.0, "name": "train/loss", "value": 1' + "0" * 400 + "}\n"),
        ("metrics.jsonl", '{"step": 1e30, "time": 1.0, "name": "train/loss", "value": 1.0}\n'),
        ("result.json", '{"measurements": [], "step": 1, "seconds": {}}'),
        ("heartbeat", '{"time": 1e20}'),
    ],
)
def test_one_damaged_run_does_not_hide_the_others(engine: Engine, runs_dir: Path, file: str, content: str) -> None:
    directories.finished(runs_dir)
    damaged = directories.finished(runs_dir, seed=2)
    (damaged / file).write_text(content)
    counts = indexer.index(engine, runs_dir)
    assert counts.changed >= 1


def test_a_folder_of_runs_under_two_names_is_one_folder(engine: Engine, runs_dir: Path, tmp_path: Path) -> None:
    original = directories.finished(runs_dir)
    indexer.index(engine, runs_dir)
    other_name = tmp_path / "link"
    other_name.symlink_to(runs_dir)
    again = indexer.index(engine, other_name)
    assert (again.changed, again.skipped) == (0, ())
    shutil.rmtree(original)
    assert indexer.index(engine, other_name).removed == 1
