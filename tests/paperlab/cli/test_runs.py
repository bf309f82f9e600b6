"""`paperlab runs`: what is shown of runs, live ones included."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from paperlab.cli import run_names
from paperlab.errors import InvalidInput, UnknownName
from tests.paperlab.runs import directories


def test_runs_are_listed_with_the_status_that_they_have_now(paperlab: Any, home: Path) -> None:
    done = directories.finished(home / "runs").name
    with directories.begin(home / "runs", seed=2) as recorder:
        listed = paperlab("runs", "list", "--json").json
        assert {run["id"]: run["status"] for run in listed["runs"]} == {done: "finished", recorder.path.name: "running"}
        assert listed["total"] == 2
    after = paperlab("runs", "list", "--json", "--status", "interrupted").json
    assert [run["id"] for run in after["runs"]] == [recorder.path.name]
    table = paperlab("runs", "list").out
    assert done in table
    assert "interrupted" in table


def test_runs_that_differ_in_their_seed_alone_are_listed_together(paperlab: Any, home: Path) -> None:
    for seed, loss in ((1, 2.0), (2, 4.0)):
        with directories.begin(home / "runs", seed=seed, overrides={"optim.lr": "2"}) as recorder:
            recorder.metrics({"val/loss": loss}, 1)
            recorder.result([], seconds=1.0)
    directories.begin(home / "runs", seed=3, overrides={"optim.lr": "2"}).close()
    directories.finished(home / "runs", seed=4)
    listed = paperlab("runs", "list", "--group", "--json").json
    plain, swept = listed["groups"]
    assert (listed["total"], plain["seeds"], plain["validation"]) == (2, [4], None)
    assert (swept["overrides"], swept["seeds"], swept["unfinished"]) == ({"optim.lr": "2"}, [1, 2], 1)
    assert (swept["validation"]["mean"], swept["validation"]["n"]) == (3.0, 2)
    table = paperlab("runs", "list", "--group", "--limit", "1")
    assert "transformer-base smoke" in table.out
    assert "shown: 1 of 2" in table.err


def test_an_empty_list_says_what_to_run(paperlab: Any) -> None:
    empty = paperlab("runs", "list")
    assert empty.code == 0
    assert "paperlab reproduce transformer-base --tier smoke" in empty.err


def test_one_run_is_shown_by_how_its_id_begins(paperlab: Any, home: Path) -> None:
    path = directories.finished(home / "runs", measurements=[directories.measured("claimed:accuracy", 0.5)])
    shown = paperlab("runs", "show", path.name[:16], "--json").json
    assert shown["id"] == path.name
    assert shown["status"] == "finished"
    assert shown["metrics"]["train/loss"] == {"value": 0.0, "step": 10}
    assert shown["measurements"][0]["claim_id"] == "claimed:accuracy"
    assert [event["event"] for event in shown["events"]] == ["started", "finished"]
    assert shown["record"]["format"] == 1
    text = paperlab("runs", "show", path.name).out
    for expected in ("zwei 9", "train/loss", "claimed:accuracy", "10 of 10"):
        assert expected in text


def test_a_word_must_fit_one_run() -> None:
    ids = ["20261124-093001-a-smoke-7f3a", "20261124-093002-a-smoke-7f3b", "20261125-093002-b-mini-7f3c"]
    assert run_names.match("20261125", ids) == ids[2]
    assert run_names.match("mini", ids) == ids[2]
    assert run_names.match(ids[0], ids) == ids[0]
    with pytest.raises(InvalidInput, match='"20261124" fits 2 runs'):
        run_names.match("20261124", ids)
    with pytest.raises(UnknownName, match='no run is called "2027"'):
        run_names.match("2027", ids)


def test_an_unknown_run_ends_in_3(paperlab: Any) -> None:
    refused = paperlab("runs", "show", "nothing")
    assert refused.code == 3
    assert "paperlab runs list" in refused.err


def test_another_folder_can_be_indexed_and_all_be_rebuilt(paperlab: Any, tmp_path: Path) -> None:
    directories.finished(tmp_path / "elsewhere")
    (tmp_path / "elsewhere" / "notes").mkdir()
    counts = paperlab("runs", "index", str(tmp_path / "elsewhere"), "--json").json
    assert (counts["runs"], counts["changed"], counts["points"]) == (1, 1, 20)
    assert counts["skipped"][0]["path"].endswith("notes")
    assert "0 changed" in paperlab("runs", "index", str(tmp_path / "elsewhere")).out
    assert "1 changed" in paperlab("runs", "index", str(tmp_path / "elsewhere"), "--rebuild").out
    assert paperlab("runs", "index", str(tmp_path / "nowhere")).code == 3


def test_a_run_of_another_home_is_no_longer_listed_when_it_has_gone(paperlab: Any, home: Path, tmp_path: Path) -> None:
    directories.finished(home / "runs")
    directories.finished(tmp_path / "elsewhere", seed=2)
    paperlab("runs", "index", str(tmp_path / "elsewhere"))
    assert paperlab("runs", "list", "--json").json["total"] == 2


def test_listing_runs_and_claims_imports_nothing_heavy(home: Path) -> None:
    program = """
import sys
from paperlab.cli import main
assert main.exit_code(["runs", "list"]) == 0
assert main.exit_code(["claims", "list"]) == 0
assert main.exit_code(["reproduce", "--list"]) == 0
heavy = {"torch", "numpy", "pandas", "streamlit", "scipy"} & set(sys.modules)
sys.exit(f"imported {heavy}" if heavy else 0)
"""
    subprocess.run([sys.executable, "-c", program], check=True, stdout=subprocess.DEVNULL)


@pytest.mark.parametrize(("form", "begins"), [("csv", b"run,recipe"), ("parquet", b"PAR1"), ("model-card", b"---\n")])
def test_a_run_is_exported(paperlab: Any, home: Path, tmp_path: Path, form: str, begins: bytes) -> None:
    measured = [directories.measured("claimed:accuracy", 0.5, task="next symbol")]
    name = directories.finished(home / "runs", recipe="claimed-next", measurements=measured).name
    done = paperlab("runs", "export", name, "--format", form, "--out", "file", "--json")
    assert done.code == 0, done.err
    assert done.json["values"] == (1 if form == "model-card" else 21)
    content = (tmp_path / "file").read_bytes()
    assert content.startswith(begins)
    assert (b"verdict" in content) == (form == "model-card")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file", "home"]


def test_an_export_goes_to_a_file_only(paperlab: Any, home: Path, tmp_path: Path) -> None:
    name = directories.finished(home / "runs").name
    assert paperlab("runs", "export", name, "--format", "csv", "--out", str(tmp_path)).code == 3
    assert paperlab("runs", "export", name, "--format", "csv", "--out", "nowhere/file").code == 4
    assert paperlab("runs", "export", name, "--format", "html", "--out", "file").code == 2
