"""`paperlab runs bundle`, `import` and `verify`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tests.paperlab.runs import whole_runs


def test_a_bundle_comes_home_and_is_listed(paperlab: Any, home: Path, tmp_path: Path) -> None:
    path = whole_runs.finished(tmp_path / "gpu")
    written = paperlab("runs", "bundle", str(path), "--checkpoints", "last", "--out", "result.tar", "--json")
    assert written.code == 0, written.err
    assert written.json["run"] == path.name
    assert written.json["bytes"] == (tmp_path / "result.tar").stat().st_size
    brought = paperlab("runs", "import", "result.tar", "--json")
    assert [(run["run"], run["outcome"]) for run in brought.json["runs"]] == [(path.name, "new")]
    assert paperlab("runs", "show", path.name, "--json").json["path"] == str(home / "runs" / path.name)
    assert paperlab("runs", "import", "result.tar").out == f"unchanged {path.name}\n"
    (home / "runs" / path.name / "artifacts" / "notes.html").write_text("words")
    again = paperlab("runs", "bundle", path.name[:16])
    assert "left aside" in again.err
    assert "artifacts/notes.html" in again.err
    assert again.out == f"{path.name}.tar\n"


def test_a_refused_one_ends_in_3_and_the_others_come_in(paperlab: Any, home: Path, tmp_path: Path) -> None:
    path = whole_runs.finished(tmp_path / "gpu")
    (tmp_path / "bad\x1b[2J.tar").write_bytes(b"\x80\x04.")
    said = paperlab("runs", "import", str(tmp_path / "bad\x1b[2J.tar"), str(tmp_path / "gpu"))
    assert said.code == 3
    assert "it is a pickle" in said.err
    assert "\x1b" not in said.err
    assert path.name in said.out
    assert paperlab("runs", "import", "nowhere.tar").code == 3
    assert [p.name for p in (home / "runs").iterdir() if p.name != ".lock"] == [path.name]


def test_verify_ends_in_3_where_something_differs(paperlab: Any, home: Path) -> None:
    path = whole_runs.finished(home / "runs")
    fine = paperlab("runs", "verify", path.name[:20])
    assert fine.code == 0, fine.out
    assert "can't be checked here" in fine.out
    metrics = path / "metrics.jsonl"
    metrics.write_bytes(metrics.read_bytes().replace(b"9.0", b"8.0", 1))
    changed = paperlab("runs", "verify", path.name, "--json")
    assert changed.code == 3
    assert {check["what"] for check in changed.json["checks"] if check["finding"] == "differs"} == {
        "form",
        "metrics.jsonl",
    }
    assert changed.json["differs"] == 2
