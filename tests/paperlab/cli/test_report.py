"""`paperlab report`: files that say what is known, the same for the same database."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tests.paperlab.cli.test_claims import accuracy
from tests.paperlab.runs import directories


def test_pages_plots_and_an_index_are_written_the_same_each_time(paperlab: Any, home: Path, tmp_path: Path) -> None:
    for seed in (1, 2, 3):
        directories.finished(home / "runs", recipe="claimed-next", seed=seed, measurements=[accuracy(seed / 10)])
    written = paperlab("report", "--out", "report", "--json")
    assert written.code == 0, written.err
    names = written.json["pages"]
    (page,) = {name.removesuffix(".html") for name in names if name.endswith(".html")} - {"index"}
    assert {"index.html", "index.md", f"{page}.md"} <= set(names)
    text = (tmp_path / "report" / f"{page}.html").read_text()
    assert "A tiny paper with claims" in text
    assert "paperlab reproduce claimed-next --tier smoke --seed 3" in text
    assert f"{page}.html" in (tmp_path / "report" / "index.html").read_text()
    assert any(name.endswith(".svg") for name in names)
    first = {name: (tmp_path / "report" / name).read_bytes() for name in names}
    assert paperlab("report", "--out", "report").code == 0
    assert first == {name: (tmp_path / "report" / name).read_bytes() for name in names}


def test_a_report_of_an_empty_home_says_what_to_run(paperlab: Any, tmp_path: Path) -> None:
    assert paperlab("report", "--out", "report", "--source", "https://example.org/claimed").code == 0
    pages = [path.read_text() for path in (tmp_path / "report").glob("*.md")]
    assert any("paperlab reproduce claimed-next --tier smoke --seed 1" in page for page in pages)


def test_an_unknown_source_and_a_file_in_the_way_are_refused(paperlab: Any, tmp_path: Path) -> None:
    assert paperlab("report", "--out", "report", "--source", "nothing").code == 3
    (tmp_path / "report").write_text("mine")
    assert paperlab("report", "--out", "report").code == 3
    assert (tmp_path / "report").read_text() == "mine"
