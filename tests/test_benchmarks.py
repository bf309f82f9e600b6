"""The measuring scripts are rehearsed in miniature: what waits for a GPU or an hour of a machine must run at once."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks import polling, recorder
from paperlab import settings as settings_module

ROOT = Path(__file__).parents[1]
SCRIPT = ROOT / "benchmarks" / "gpu.py"


def run(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, str(SCRIPT), *words], capture_output=True, text=True, check=False)


def test_every_part_that_does_not_train_runs_in_miniature_on_the_cpu():
    done = run("--rehearse")
    assert done.returncode == 0, done.stderr
    measured = dict(line.split(" ", 1) for line in done.stdout.splitlines())
    assert set(measured) == {"rates", "step", "beam"}
    assert json.loads(measured["beam"])["sentences_per_s"] > 0


def test_every_part_says_what_is_predicted_before_it_runs():
    lines = run("--list").stdout.splitlines()
    assert len(lines) == 4
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
