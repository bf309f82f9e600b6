"""The long tests of the sync: killed at any moment, and eight thousand papers.

Seeds are printed.  With PAPERLAB_SOAK_RESULTS what was measured is written there.
"""

from __future__ import annotations

import os
import random
import signal
import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from benchmarks import record
from benchmarks.sync import environment, measure
from tests.conftest import ROOT
from tests.fakes import FakeArxiv, make_papers

KILLS = 30
SEED = 20261124
INTERVAL_S = 0.02


def write(name: str, question: str, measured: dict[str, Any]) -> None:
    if folder := os.environ.get("PAPERLAB_SOAK_RESULTS"):
        record.write(ROOT / folder, name, question, measured)


def command() -> list[str]:
    return [sys.executable, "-m", "paperlab", "sync", "--quiet"]


def sync(environ: dict[str, str]) -> float:
    """A sync left alone.  Returns how long it ran once it had its receipt."""
    with subprocess.Popen(command(), cwd=ROOT, env=environ) as process:
        assert wait_for_receipt(environ, process)
        began = time.monotonic()
        assert process.wait() == 0
        return time.monotonic() - began


def wait_for_receipt(environ: dict[str, str], process: subprocess.Popen[bytes]) -> bool:
    """Whether the sync got as far as its receipt before it ended."""
    path = Path(environ["PAPERLAB_HOME"]) / "paperlab.db"
    question = "SELECT 1 FROM receipts WHERE json_extract(process, '$.pid') = ?"
    while True:
        ended = process.poll() is not None
        if path.exists():
            with closing(sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True)) as connection:
                try:
                    if connection.execute(question, [process.pid]).fetchone():
                        return True
                except sqlite3.OperationalError:
                    time.sleep(0.01)  # the tables are being made
        if ended:
            return False
        time.sleep(0.01)


Contents = dict[str, list[tuple[Any, ...]]]


def contents(home: Path) -> Contents:
    """Papers, categories, versions, matches and cursors; not the times at which they came in."""
    kept = {
        "papers": "arxiv_id, version, title, abstract, authors, comment, submitted_at, updated_at, source",
        "paper_categories": "arxiv_id, category, position",
        "paper_versions": "arxiv_id, version, title, abstract, authors, categories, comment, updated_at, source",
        "profile_matches": "profile, arxiv_id, terms",
        "cursors": "name, reached_at",
    }
    with closing(sqlite3.connect(home / "paperlab.db")) as connection:
        return {
            table: connection.execute(f"SELECT {columns} FROM {table} ORDER BY 1, 2").fetchall()
            for table, columns in kept.items()
        }


def statuses(home: Path) -> dict[int, str]:
    """By process id."""
    with closing(sqlite3.connect(home / "paperlab.db")) as connection:
        return dict(connection.execute("SELECT json_extract(process, '$.pid'), status FROM receipts").fetchall())


@pytest.mark.soak
@pytest.mark.timeout(1800)
def test_killed_thirty_times_a_sync_ends_where_an_undisturbed_one_does(tmp_path):
    """Half of the kills meet the first sync of a week, half the walk down to the cursor a night later."""
    rng = random.Random(SEED)
    homes = {name: tmp_path / name for name in ("undisturbed", "killed")}
    moments: list[float] = []
    killed: list[int] = []
    with FakeArxiv(make_papers(4000, datetime.now(UTC) - timedelta(hours=2))) as arxiv:
        environs = {
            name: environment(home, arxiv.url, 100) | {"PAPERLAB_ARXIV_INTERVAL": str(INTERVAL_S)}
            for name, home in homes.items()
        }
        for night in range(2):
            lasts = sync(environs["undisturbed"])
            while len(killed) < KILLS * (night + 1) // 2:
                moment = rng.uniform(0, lasts)
                with subprocess.Popen(command(), cwd=ROOT, env=environs["killed"]) as process:
                    assert wait_for_receipt(environs["killed"], process)
                    time.sleep(moment)
                    process.send_signal(signal.SIGKILL)
                    process.wait()
                if statuses(homes["killed"])[process.pid] == "running":  # otherwise it had ended before the kill
                    killed.append(process.pid)
                    moments.append(round(moment, 3))
            sync(environs["killed"])
            assert contents(homes["killed"]) == contents(homes["undisturbed"])
            for _ in range(300):
                arxiv.arrive()
                arxiv.revise(rng.choice(sorted(arxiv.papers)))
        assert arxiv.shortest_gap() >= INTERVAL_S
    found = statuses(homes["killed"])
    assert {found[pid] for pid in killed} == {"interrupted"}
    kept = contents(homes["killed"])
    sys.stdout.write(f"\nseed {SEED}: killed after {moments} s\n")
    write(
        "sync-kills",
        "Is a sync that is killed at any moment, then run once more, equal to an undisturbed one?",
        {
            "seed": SEED,
            "kills": len(killed),
            "killed_after_s": moments,
            "papers": len(kept["papers"]),
            "versions": len(kept["paper_versions"]),
            "papers_versions_and_cursor_equal": True,
            "cursors": kept["cursors"],
            "interrupted_receipts": sum(found[pid] == "interrupted" for pid in killed),
            "shortest_gap_s": round(arxiv.shortest_gap(), 4),
            "interval_s": INTERVAL_S,
        },
    )


@pytest.mark.soak
@pytest.mark.timeout(600)
def test_eight_thousand_papers_are_stored_once_and_a_second_sync_changes_nothing(tmp_path):
    with subprocess.Popen(
        [sys.executable, "-m", "tests.fakes", "--generate", "8000"], cwd=ROOT, stdout=subprocess.PIPE, text=True
    ) as server:
        assert server.stdout is not None
        environ = environment(tmp_path, server.stdout.readline().rpartition("=")[2].strip(), 2000)
        first = measure(environ, [])
        before = contents(tmp_path)
        second = measure(environ, [])
        server.terminate()
    assert (first["new"], first["open"], second["new"], second["revised"]) == (8000, 0, 0, 0)
    assert len({row[0] for row in before["papers"] if row[-1] != "seed"}) == 8000
    assert len(before["paper_versions"]) == 8000
    assert contents(tmp_path) == before
    sys.stdout.write(f"\n{first}\n{second}\n")
    write("sync-8000", "8,000 papers in pages of 2,000; bar: 2 s per 1,000", {"first": first, "second": second})
    assert first["cpu_s_per_1000"] <= 2  # wall time is kept too; on a shared machine it measures the others
