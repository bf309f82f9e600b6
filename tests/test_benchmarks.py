"""The measuring scripts are rehearsed in miniature: what waits for a GPU or an hour of a machine must run at once."""

from __future__ import annotations

import json
import subprocess
import sys
from collections import Counter
from itertools import islice
from pathlib import Path

import pytest

from benchmarks import gpu, polling, recorder, run_directories, runs
from paperlab import settings as settings_module
from paperlab.runs import indexer
from reproductions.run_directory import RunDirectory

ROOT = Path(__file__).parents[1]
SCRIPT = ROOT / "benchmarks" / "gpu.py"


def test_every_part_that_does_not_train_runs_in_miniature_on_the_cpu(monkeypatch, capsys):
    pytest.importorskip("transformers", reason="needs transformers, which ours is measured beside")
    monkeypatch.setattr(sys, "argv", ["gpu.py", "--rehearse"])
    assert gpu.main() == 0
    measured = dict(line.split(" ", 1) for line in capsys.readouterr().out.splitlines())
    assert set(measured) == {"rates", "gpt2", "step", "decode", "beam"}
    assert json.loads(measured["gpt2"])["tokens_per_s"] > 0
    decoded = json.loads(measured["decode"])
    assert decoded["float32"]["equal_tokens_before_the_first_difference"] == decoded["new_tokens"]
    assert json.loads(measured["beam"])["sentences_per_s"] > 0


def test_every_part_says_what_is_predicted_before_it_runs():
    done = subprocess.run([sys.executable, str(SCRIPT), "--list"], capture_output=True, text=True, check=True)
    lines = done.stdout.splitlines()
    assert [line.split()[0] for line in lines] == [part.name for part in gpu.PARTS]
    assert all('"why"' in line for line in lines)


@pytest.fixture
def main_of(monkeypatch, tmp_path):
    """Runs a script's main with these words, and gives what it wrote."""

    def call(script, *words: object) -> dict[str, object]:
        monkeypatch.setattr(sys, "argv", ["script", *map(str, words), "--out", str(tmp_path / "results")])
        script.main()
        (written,) = (tmp_path / "results").iterdir()
        return dict(json.loads(written.read_text(encoding="utf-8")))

    return call


def test_recording_is_measured_alone_and_says_so_where_the_peers_are_missing(main_of, capsys):
    written = main_of(recorder, "--points", 400, "--rounds", 1, "--paced", 2, "--peers", sys.executable)
    assert set(written["found"]) == set(written["bars"])
    assert written["trackers"]["paperlab"]["median"]["read_points"] == 400
    said = capsys.readouterr().err
    assert "without mlflow" in said
    assert "-m pip install trackio" in said


def test_what_a_writer_records_at_full_rate_is_indexed_and_seen_and_counted(tmp_path, monkeypatch, engine_for):
    monkeypatch.setenv("PAPERLAB_HOME", str(tmp_path))
    engine = engine_for(settings_module.load())
    written = polling.write(tmp_path, 0.05)
    points = 4 * written["steps"]
    assert polling.index(tmp_path, engine) == points
    assert polling.looker()(tmp_path, engine) == points
    assert polling.check(engine, written["run"], written["steps"]) == {"held": points, "right": points}
    assert polling.check(engine, written["run"], written["steps"] + 1)["right"] == 0, "a lost point is found"


@pytest.mark.soak
def test_no_point_is_lost_and_no_lock_held_up_while_a_run_is_watched(tmp_path):
    measured = polling.together(tmp_path, 20.0)
    assert (measured["lost"], measured["errors"]) == (0, {})


def test_runs_are_made_as_the_recorder_writes_them_and_a_stopped_call_is_gone_on_with(tmp_path):
    whole = list(run_directories.make(tmp_path / "whole", 50, 40))
    list(islice(run_directories.make(tmp_path / "parts", 50, 40), 20))
    (tmp_path / "parts" / f".{whole[20].name}").mkdir()
    parts = list(run_directories.make(tmp_path / "parts", 50, 40))
    assert [tree(path) for path in parts] == [tree(path) for path in whole]
    read = [RunDirectory(path) for path in whole]
    assert sum(len(run.metrics()) for run in read) == 50 * 40
    assert Counter(run.status() for run in read) == {"finished": 48, "interrupted": 1, "failed": 1}
    lines = (whole[0] / "metrics.jsonl").read_text(encoding="utf-8").splitlines()
    assert lines == [json.dumps(json.loads(line), ensure_ascii=False) for line in lines], "as json.dumps writes them"


def test_many_runs_are_asked_for_by_the_functions_of_command_line_and_dashboard(tmp_path, monkeypatch, engine_for):
    monkeypatch.setenv("PAPERLAB_HOME", str(tmp_path))
    made = list(run_directories.make(tmp_path / "runs", 50, 40))
    indexer.index(engine_for(settings_module.load()), tmp_path / "runs")
    answers = runs.ask(times=1)
    assert [each["number"] for each in answers["list"].values()] == [50, 50]
    assert answers["overlay"]["longest"]["number"] == sum(
        line["name"] == "train/loss" for path in made for line in RunDirectory(path).metrics()
    )
    assert set(runs.BARS) < set(answers["found"])


def test_indexing_that_was_terminated_is_gone_on_with(tmp_path):
    list(run_directories.make(tmp_path / "runs", 2, 40))
    notes = {"make": [], "index": []}
    assert not runs.index(tmp_path, notes, until=0.0)
    assert runs.index(tmp_path, notes, until=float("inf"))
    assert sum(piece["points"] for piece in notes["index"]) == sum(run_directories.length(p, 40) for p in range(2))


def tree(path):
    """Every file of a folder with its content."""
    return {str(file.relative_to(path)): file.read_bytes() for file in path.rglob("*") if file.is_file()}
