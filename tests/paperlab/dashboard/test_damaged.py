"""Where a database or a run directory is damaged, each page says what is the matter and names a command."""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest

from paperlab.dashboard import main, notices
from paperlab.dashboard.data import cache
from paperlab.runs import indexer
from paperlab.store import database
from tests.paperlab.dashboard import filled
from tests.paperlab.dashboard.test_reading import press
from tests.paperlab.dashboard.test_views import said

PAGES = tuple(address for pages in main.PAGES.values() for _, address in pages)
STATES = {
    "paper": {"id": "1706.03762"},
    "run": {"id": filled.FINISHED},
    "compare": {"runs": f"{filled.FINISHED},{filled.STOPPED}"},
    "samples": {"runs": filled.FINISHED},
    "query": {"sql": "SELECT count(*) FROM runs"},
}


@pytest.fixture(scope="module")
def whole(tmp_path_factory) -> Path:
    home = tmp_path_factory.mktemp("whole") / "home"
    filled.fill(home, n_papers=20)
    sql(home, "PRAGMA wal_checkpoint(TRUNCATE)")
    return home


@pytest.fixture
def home(whole, tmp_path) -> Path:
    return Path(shutil.copytree(whole, tmp_path / "home"))


def sql(home: Path, *statements: str) -> None:
    connection = sqlite3.connect(home / "paperlab.db", isolation_level=None)
    for statement in statements:
        connection.execute(statement)
    connection.close()


def cut(home: Path) -> None:
    file = home / "paperlab.db"
    os.truncate(file, file.stat().st_size // 2)


def scribbled(home: Path) -> None:
    """Every second page of the file is rubbish, the header is whole."""
    with (home / "paperlab.db").open("r+b") as file:
        for place in range(4096, (home / "paperlab.db").stat().st_size, 2 * 4096):
            file.seek(place)
            file.write(b"\xde\xad" * 2048)


def no_database(home: Path) -> None:
    (home / "paperlab.db").write_bytes(b"this is no database" * 1000)


def no_file(home: Path) -> None:
    (home / "paperlab.db").unlink()
    (home / "paperlab.db").mkdir()


def without_tables(home: Path) -> None:
    with sqlite3.connect(home / "paperlab.db") as held:
        names = [name for (name,) in held.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
    sql(home, *(f"DROP TABLE IF EXISTS {name}" for name in names if name not in ("alembic_version", "sqlite_sequence")))


def newer(home: Path) -> None:
    sql(home, "UPDATE alembic_version SET version_num = '9999'")


def older(home: Path) -> None:
    sql(home, "UPDATE alembic_version SET version_num = '0001'")


def somebody_elses(home: Path) -> None:
    sql(home, "DROP TABLE alembic_version")


def unreadable_settings(home: Path) -> None:
    (home / "paperlab.toml").write_text("[[")


DAMAGES: dict[Callable[[Path], None], tuple[str, str]] = {
    cut: ("damaged", "paperlab doctor"),
    scribbled: ("damaged", "paperlab doctor"),
    no_database: ("no SQLite database", "paperlab doctor"),
    no_file: ("unable to open", "PAPERLAB_HOME"),
    without_tables: ("no such table", "paperlab doctor"),
    newer: ("newer than this paperlab", "pip install --upgrade paperlab"),
    older: ("this paperlab needs", "paperlab db upgrade"),
    somebody_elses: ("something else", "PAPERLAB_HOME"),
    unreadable_settings: ("paperlab.toml", "paperlab.toml"),
}
"""What the page says, and what helps."""

THOROUGH = (without_tables,)
"""Met by each page in its own reads; what the others are about, all pages meet in the same place."""
CASES = [
    pytest.param(damage, name, id=f"{damage.__name__}-{name}")
    for damage in DAMAGES
    for name in (PAGES if damage in THOROUGH else ("today", "run"))
    if (damage, name) != (without_tables, "query")  # there it is the question that can't be answered
]


@pytest.mark.parametrize(("damage", "name"), CASES)
def test_a_damaged_database_is_a_message_that_names_the_command(view, home, damage, name):
    damage(home)
    page = view(name, home, **STATES.get(name, {}))
    assert not page.exception
    assert page.title
    what, helps = DAMAGES[damage]
    found = [error.value.replace("\\", "") for error in page.error]
    assert found
    assert any(what in each for each in found), found
    assert helps in said(page)


def test_a_lock_that_somebody_holds_is_told_after_a_moment(view, home, monkeypatch):
    monkeypatch.setattr(cache, "_PATIENCE_S", 0.1)
    sql(home, "PRAGMA journal_mode = DELETE")
    holder = sqlite3.connect(home / "paperlab.db", isolation_level=None)
    holder.execute("BEGIN EXCLUSIVE")
    for name in ("today", "papers", "runs"):
        page = view(name, home)
        assert "being written by another process" in said(page)
        assert "load this page again" in said(page)
    holder.execute("ROLLBACK")
    holder.close()
    assert not page.run().error


def test_a_press_that_meets_a_lock_is_told_and_can_be_repeated(view, home, monkeypatch):
    monkeypatch.setattr(cache, "_PATIENCE_S", 0.1)
    page = view("paper", home, id="2611.00001")
    holder = sqlite3.connect(home / "paperlab.db", isolation_level=None)
    holder.execute("BEGIN IMMEDIATE")
    page = press(page, "head-star-2611.00001")
    assert not page.exception
    assert "being written by another process" in said(page)
    assert "study number 1" in said(page), "the page itself is there"
    holder.execute("ROLLBACK")
    holder.close()
    page = press(page, "head-star-2611.00001")
    assert not page.error
    assert any("starred" in button.label for button in page.button)


def test_what_nobody_foresaw_is_told_without_a_traceback(view, home, monkeypatch):
    def broken(*_: object) -> None:
        raise ZeroDivisionError("<b>nobody</b> thought of it")

    monkeypatch.setattr("paperlab.library.status.status", broken)
    with pytest.raises(AssertionError, match="its traceback is in the log"):
        view("sync", home)
    drawn: list[str] = []
    monkeypatch.setattr(notices.st, "error", drawn.append)
    notices.guarded(broken)()
    assert drawn
    assert "ZeroDivisionError" in drawn[0]
    assert "<b>" not in drawn[0]


# --- run directories ------------------------------------------------------------------------------------------


def _record(run: Path, **changes: object) -> None:
    record = json.loads((run / "run.json").read_text())
    (run / "run.json").write_text(json.dumps({**record, **changes}))


RUNS: dict[str, Callable[[Path], object]] = {
    "result-cut": lambda run: (run / "result.json").write_text('{"measurements": [{"value": "x"'),
    "result-odd": lambda run: (run / "result.json").write_text('{"measurements": [{"value": "x"}], "seconds": "long"}'),
    "result-a-list": lambda run: (run / "result.json").write_text("[]"),
    "metrics-a-word": lambda run: (run / "metrics.jsonl").write_text(
        '{"step": 1, "time": 1, "name": "train/loss", "value": "many"}\n'
    ),
    "metrics-junk": lambda run: (run / "metrics.jsonl").write_bytes(b"\x00\xff{{{\n[]\n5\n"),
    "metrics-huge": lambda run: (run / "metrics.jsonl").write_text(
        f'{{"step": {10**30}, "time": 1e300, "name": "train/loss", "value": 1e308}}\n'
    ),
    "samples-odd": lambda run: (run / "samples.jsonl").write_text('{"step": "x", "output": 5}\n{"step": 5}\n'),
    "events-odd": lambda run: (run / "events.jsonl").write_text(
        '{"event": "started", "time": "noon", "step": "x", "attempt": {}}\n{"event": 7}\n{"time": 5}\n'
    ),
    "events-other": lambda run: (run / "events.jsonl").write_text(
        '{"event": "started", "time": "noon", "step": "x", "attempt": {}}\n'
    ),
    "record-cut": lambda run: (run / "run.json").write_text("{"),
    "record-odd": lambda run: (run / "run.json").write_text('{"reproduction": 5, "recipe": [], "seed": "x"}'),
    "record-words": lambda run: _record(
        run,
        recipe_values={"train": {"max_steps": "many"}, "places": {"x": [1]}},
        provenance={"parameters": "x", "device": 5, "packages": [1, 2]},
        overrides={"a": {"b": [1]}},
        command={"x": 1},
    ),
    "record-lists": lambda run: _record(run, recipe_values=[1], provenance=[2], created_at=5),
    "heartbeat-odd": lambda run: (run / "heartbeat").write_text('{"time": "noon"}'),
    "a-folder": lambda run: ((run / "metrics.jsonl").unlink(), (run / "metrics.jsonl").mkdir()),
}


@pytest.fixture(scope="module")
def broken_runs(whole, tmp_path_factory) -> Path:
    """A home with one run for each damage, beside two whole ones; indexed after the damage was done."""
    home = Path(shutil.copytree(whole, tmp_path_factory.mktemp("broken") / "home"))
    for name, damage in RUNS.items():
        run = Path(shutil.copytree(home / "runs" / filled.FINISHED, home / "runs" / f"20261125-093001-{name}"))
        damage(run)
    engine = database.open_database(filled.settings(home))
    indexer.index(engine, home / "runs")
    engine.dispose()
    return home


@pytest.mark.parametrize("name", ["today", "runs", "reproductions", "paper", "samples", "claims", "leaderboard"])
def test_broken_runs_hide_nothing_on_other_pages(view, broken_runs, name):
    page = view(name, broken_runs, **{"paper": {"id": "1706.03762"}}.get(name, {}))
    assert not page.exception
    assert not page.error or name == "samples"  # whose newest run is a broken one
    if name == "runs":
        assert f"run?id={filled.FINISHED}" in list(page.dataframe[0].value["run"])


@pytest.mark.parametrize("name", RUNS)
def test_a_broken_run_is_shown_as_far_as_it_goes_or_told(view, broken_runs, name):
    page = view("run", broken_runs, id=f"20261125-093001-{name}")
    assert not page.exception
    assert page.title
    if page.error:
        assert page.code, "an error names a command"
