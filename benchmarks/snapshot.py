"""How fast does the public metadata dump come into the store, and how much memory does that take?

    python benchmarks/snapshot.py --papers 100000
    python benchmarks/snapshot.py --papers 0 --memory 250000 1000000

Ours is measured against a plain loader written for this: orjson, executemany, one transaction a batch, papers with
their links to authors and categories and an FTS5 index over the same columns.  Both take the same rows, slice by slice
in turns, in one process, by its processor time; wall time stands beside it.  Memory is the peak of the real command,
run in a process of its own.  Papers are resampled from real ones (corpus.py).  Writes
benchmarks/results/snapshot.json and snapshot-memory.json.
"""

from __future__ import annotations

import argparse
import gc
import json
import os
import random
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import orjson

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from benchmarks import corpus, record  # noqa: E402
from paperlab.library import snapshot  # noqa: E402
from paperlab.settings import Settings  # noqa: E402
from paperlab.store import database  # noqa: E402

WHOLE_DUMP = 3_080_000
"""Records of the public dump in late 2026."""
SLICE = 20_000

_PLAIN_SCHEMA = """
PRAGMA journal_mode = WAL;
PRAGMA synchronous = NORMAL;
PRAGMA cache_size = -98304;
PRAGMA wal_autocheckpoint = 16384;
CREATE TABLE papers (key INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, title TEXT NOT NULL, abstract TEXT NOT NULL,
  authors TEXT NOT NULL, categories TEXT NOT NULL, comments TEXT, journal_ref TEXT, doi TEXT, created TEXT NOT NULL,
  updated TEXT NOT NULL, versions INTEGER NOT NULL);
CREATE TABLE authors (key INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE);
CREATE TABLE paper_authors (paper INTEGER NOT NULL, position INTEGER NOT NULL, author INTEGER NOT NULL,
  PRIMARY KEY (paper, position)) WITHOUT ROWID;
CREATE INDEX by_author ON paper_authors (author);
CREATE TABLE paper_categories (paper INTEGER NOT NULL, category TEXT NOT NULL, PRIMARY KEY (paper, category))
  WITHOUT ROWID;
CREATE INDEX by_category ON paper_categories (category, paper);
CREATE VIRTUAL TABLE full_text USING fts5(title, abstract, authors, comments, categories, content='',
  tokenize='ascii');
"""


class PlainLoader:
    """What a good script does: parse, insert, link, index.  No checks, no history, no resuming."""

    def __init__(self, path: Path) -> None:
        self.connection = sqlite3.connect(path, isolation_level=None)
        self.connection.executescript(_PLAIN_SCHEMA)
        self.next_key = 1
        self.authors: dict[str, int] = {}

    def load(self, file: Path) -> None:
        with file.open("rb") as lines:
            while batch := list(islice(lines, snapshot.BATCH)):
                self._load_batch([orjson.loads(line) for line in batch])

    def _load_batch(self, records: list[dict[str, Any]]) -> None:
        papers, links, categories, texts, new_authors = [], [], [], [], []
        for key, each in enumerate(records, start=self.next_key):
            names = [f"{first} {last}" for last, first, *_ in each["authors_parsed"]]
            joined, abstract, versions = ", ".join(names), each["abstract"].strip(), each["versions"]
            first, newest = versions[0]["created"], versions[-1]["created"]
            told = (each["comments"], each["journal-ref"], each["doi"], first, newest, len(versions))
            papers.append((key, each["id"], each["title"], abstract, joined, each["categories"], *told))
            for position, name in enumerate(names):
                author = self.authors.get(name)
                if author is None:
                    author = self.authors[name] = len(self.authors) + 1
                    new_authors.append((author, name))
                links.append((key, position, author))
            categories.extend((key, category) for category in each["categories"].split())
            texts.append((key, each["title"], abstract, joined, each["comments"], each["categories"]))
        self.next_key += len(records)
        run = self.connection.executemany
        self.connection.execute("BEGIN")
        run("INSERT INTO papers VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", papers)
        run("INSERT INTO authors VALUES (?, ?)", new_authors)
        run("INSERT INTO paper_authors VALUES (?, ?, ?)", links)
        run("INSERT OR IGNORE INTO paper_categories VALUES (?, ?)", categories)
        run(
            "INSERT INTO full_text (rowid, title, abstract, authors, comments, categories) VALUES (?, ?, ?, ?, ?, ?)",
            texts,
        )
        self.connection.execute("COMMIT")


def main() -> None:
    parser = argparse.ArgumentParser(description="Rate and memory of the import of the metadata dump.")
    parser.add_argument("--papers", type=int, default=100_000, help="compare at so many papers; 0: do not")
    parser.add_argument("--memory", type=int, nargs="*", default=[], help="peaks of the real command at so many papers")
    parser.add_argument("--file", type=Path, help="a dump made before by corpus.py with at least so many papers")
    parser.add_argument("--data", type=Path, help="the folder of real papers (default: PAPERLAB_TEST_DATA)")
    parser.add_argument("--out", type=Path, default=ROOT / "benchmarks" / "results")
    arguments = parser.parse_args()
    # Memory first: a child's peak is said to be at least what its parent held when it was started.
    if arguments.memory:
        peaks = []
        for number in arguments.memory:
            with tempfile.TemporaryDirectory() as folder:
                peaks.append(peak(Path(folder), number, dump(number, arguments.file, arguments.data)))
        show(
            record.write(arguments.out, "snapshot-memory", "peak memory of the command (bar: 400 MB)", {"runs": peaks})
        )
    if arguments.papers:
        with tempfile.TemporaryDirectory() as folder:
            measured = compare(Path(folder), arguments.papers, arguments.file, arguments.data)
        question = "records per second beside a plain loader with links and full text (bar: 0.6 of it)"
        show(record.write(arguments.out, "snapshot", question, measured))


def show(path: Path) -> None:
    print(path.read_text(encoding="utf-8"))


def dump(number: int, file: Path | None, data: Path | None) -> Iterator[bytes]:
    if file is None:
        yield from (line.encode() + b"\n" for line in corpus.lines(number, data=data))
        return
    with file.open("rb") as lines:
        yield from islice(lines, number)


# --- rate -----------------------------------------------------------------------------------------------------


def compare(folder: Path, number: int, file: Path | None, data: Path | None) -> dict[str, Any]:
    settings = Settings(folder / "home", f"sqlite:///{folder / 'home' / 'paperlab.db'}")
    settings.home.mkdir()
    engine = database.open_database(settings, create=True)
    plain = PlainLoader(folder / "plain.db")
    slice_file = folder / "slice.jsonl"
    options = snapshot.SnapshotOptions(slice_file)
    snapshot.run(engine, settings, snapshot.SnapshotOptions(_write(slice_file, [])))  # landmarks, imports, profiles
    ways: dict[str, Callable[[], object]] = {
        "ours": lambda: snapshot.run(engine, settings, options),
        "plain": lambda: plain.load(slice_file),
    }
    spent: dict[str, list[tuple[float, float]]] = {name: [] for name in ways}
    draw = random.Random(0)
    lines = dump(number, file, data)
    sizes = []
    while batch := list(islice(lines, SLICE)):
        _write(slice_file, batch)
        sizes.append(len(batch))
        for name in draw.sample(sorted(ways), k=len(ways)):
            spent[name].append(timed(ways[name]))
    with database.session(engine) as session:
        assert int(session.connection().exec_driver_sql("SELECT count(*) FROM papers").scalar_one()) >= sum(sizes)
    again = timed(ways["ours"])
    quarter = max(1, len(sizes) // 4)
    cpu = {name: [each[0] for each in times] for name, times in spent.items()}
    wall = {name: [each[1] for each in times] for name, times in spent.items()}
    late = sum(sizes[-quarter:])
    return {
        "papers": sum(sizes),
        "slice": SLICE,
        "ours_per_cpu_s": round(sum(sizes) / sum(cpu["ours"])),
        "plain_per_cpu_s": round(sum(sizes) / sum(cpu["plain"])),
        "ratio_cpu": round(sum(cpu["plain"]) / sum(cpu["ours"]), 3),
        "ratio_cpu_median_of_slices": round(
            statistics.median(p / o for p, o in zip(cpu["plain"], cpu["ours"], strict=True)), 3
        ),
        "ours_per_wall_s": round(sum(sizes) / sum(wall["ours"])),
        "plain_per_wall_s": round(sum(sizes) / sum(wall["plain"])),
        "ratio_wall": round(sum(wall["plain"]) / sum(wall["ours"]), 3),
        "last_quarter": {
            "ours_per_cpu_s": round(late / sum(cpu["ours"][-quarter:])),
            "plain_per_cpu_s": round(late / sum(cpu["plain"][-quarter:])),
            "ratio_cpu": round(sum(cpu["plain"][-quarter:]) / sum(cpu["ours"][-quarter:]), 3),
        },
        "unchanged_per_cpu_s": round(sizes[-1] / again[0]),
        "extrapolated": {
            "records": WHOLE_DUMP,
            "how": "the rate of the last quarter, held",
            "cpu_minutes": round(WHOLE_DUMP / (late / sum(cpu["ours"][-quarter:])) / 60, 1),
            "wall_minutes": round(WHOLE_DUMP / (late / sum(wall["ours"][-quarter:])) / 60, 1),
        },
        "bytes_per_paper": {
            "ours": round(_size(folder / "home" / "paperlab.db") / sum(sizes)),
            "plain": round(_size(folder / "plain.db") / sum(sizes)),
        },
    }


def timed(work: Callable[[], object]) -> tuple[float, float]:
    """Processor and wall seconds."""
    gc.collect()
    wall, cpu = time.perf_counter(), time.process_time()
    work()
    return time.process_time() - cpu, time.perf_counter() - wall


def _write(file: Path, lines: list[bytes]) -> Path:
    file.write_bytes(b"".join(lines))
    return file


def _size(database_file: Path) -> int:
    return sum(each.stat().st_size for each in database_file.parent.glob(f"{database_file.name}*"))


# --- memory ---------------------------------------------------------------------------------------------------


def peak(folder: Path, number: int, lines: Iterator[bytes]) -> dict[str, Any]:
    """The whole command on a dump of `number` papers: its peak in memory, its time."""
    home = folder / f"home-{number}"
    file = folder / f"{number}.jsonl"
    with file.open("wb") as out:
        out.writelines(lines)
    environ = os.environ | {"PAPERLAB_HOME": str(home)}
    command = [sys.executable, "-m", "paperlab"]
    subprocess.run([*command, "db", "upgrade", "--json"], cwd=ROOT, env=environ, stdout=subprocess.DEVNULL, check=True)
    began = time.perf_counter()
    words = [*command, "sync", "--source", "snapshot", str(file), "--json"]
    with subprocess.Popen(words, cwd=ROOT, env=environ, stdout=subprocess.PIPE, text=True) as child:
        assert child.stdout is not None
        said = child.stdout.read()
        _, status, used = os.wait4(child.pid, 0)
        child.returncode = os.waitstatus_to_exitcode(status)
    if child.returncode != 0:
        raise SystemExit(f"error: the command ended with {child.returncode}: {said}")
    receipt = json.loads(said)["receipt"]
    file.unlink()
    return {
        "papers": receipt["held"],
        "open": receipt["open"],
        "peak_mb": round(used.ru_maxrss / 1024, 1),
        "cpu_s": round(used.ru_utime + used.ru_stime, 1),
        "wall_s": round(time.perf_counter() - began, 1),
        "records_per_cpu_s": round(receipt["held"] / (used.ru_utime + used.ru_stime)),
    }


if __name__ == "__main__":
    main()
