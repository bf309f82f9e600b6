"""What does recording cost the training thread, and how fast do points reach a table and come back?

    python benchmarks/recorder.py --peers /tmp/peers/bin/python

Ours beside MLflow (its SQLite store) and Trackio under one workload: rounds in which each tracker, in a drawn order,
has a process and a folder of its own.  The peers need an environment of their own:

    python3 -m venv /tmp/peers && /tmp/peers/bin/pip install mlflow trackio

Bars: 50 microseconds a point in the training thread, 1 % of the time at 10 steps a second, 50,000 points a second
indexed, 100,000 points read back in 0.15 s.  Writes benchmarks/results/recorder.json.
"""

from __future__ import annotations

import argparse
import json
import random
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from benchmarks import record  # noqa: E402
from benchmarks.recorder_peers import METRICS, values  # noqa: E402
from paperlab.runs import indexer  # noqa: E402
from paperlab.settings import Settings  # noqa: E402
from paperlab.store import database, runs  # noqa: E402
from reproductions.run_directory import Recorder  # noqa: E402

PEERS = ("mlflow", "trackio")
STEPS_A_SECOND = 10
BARS = {
    "loop_us_per_point": 50.0,
    "share_of_time_at_10_steps_per_s": 0.01,
    "index_points_per_s": 50_000,
    "read_back_s_per_100000_points": 0.15,
}
QUESTION = "what recording costs the training thread, and how fast points are stored and come back, beside two trackers"
_RUN = {
    "reproduction": "transformer",
    "recipe": "transformer-base",
    "tier": "smoke",
    "seed": 1,
    "fingerprint": "f" * 64,
    "created_at": "2026-11-24T09:30:12Z",
}


def main() -> None:
    parser = argparse.ArgumentParser(description="Cost of recording, beside MLflow and Trackio.")
    parser.add_argument("--peers", type=Path, help="a Python that has mlflow and trackio")
    parser.add_argument("--points", type=int, default=100_000, help="how many a round")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--paced", type=int, default=300, help="so many steps at 10 a second, once")
    parser.add_argument("--seed", type=int, default=0, help="draws the order of the trackers")
    parser.add_argument("--out", type=Path, default=ROOT / "benchmarks" / "results")
    parser.add_argument("--ours", nargs=2, metavar=("FOLDER", "STEPS"), help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.ours:
        print(json.dumps(ours(Path(arguments.ours[0]), int(arguments.ours[1]))))
        return
    commands = {"paperlab": [sys.executable, __file__, "--ours"], **peers(arguments.peers)}
    measured = compare(commands, arguments.points // len(METRICS), arguments.rounds, random.Random(arguments.seed))
    with tempfile.TemporaryDirectory() as folder:
        at_pace = paced(Path(folder), arguments.paced)
    own = measured["paperlab"]["median"]
    found = {
        "loop_us_per_point": own["loop_us_per_point"],
        "share_of_time_at_10_steps_per_s": at_pace["share_of_time"],
        "index_points_per_s": own["index_points_per_s"],
        "read_back_s_per_100000_points": round(own["read_back_s"] / own["read_points"] * 100_000, 4),
    }
    content = {"bars": BARS, "found": found, "trackers": measured, "at_10_steps_per_s": at_pace}
    path = record.write(arguments.out, "recorder", QUESTION, content)
    print(path.read_text(encoding="utf-8"))


def peers(python: Path | None) -> dict[str, list[str]]:
    """How each peer is run; says what is missing on stderr."""
    if python is None:
        print("measured alone: --peers PYTHON names a Python with mlflow and trackio", file=sys.stderr)
        return {}
    found = {}
    for name in PEERS:
        has = subprocess.run([python, "-c", f"import {name}"], capture_output=True, text=True, check=False)
        if has.returncode == 0:
            found[name] = [str(python), str(ROOT / "benchmarks" / "recorder_peers.py"), name]
        else:
            why = has.stderr.strip().splitlines()[-1:] or ["it can't be imported"]
            print(f"without {name}: {why[0]}; {python} -m pip install {name}", file=sys.stderr)
    return found


def compare(commands: dict[str, list[str]], steps: int, rounds: int, draw: random.Random) -> dict[str, Any]:
    """Of each tracker every round, and the median of each number."""
    found: dict[str, list[dict[str, Any]]] = {name: [] for name in commands}
    for _ in range(rounds):
        for name in draw.sample(sorted(commands), k=len(commands)):
            with tempfile.TemporaryDirectory() as folder:
                done = subprocess.run(
                    [*commands[name], folder, str(steps)], cwd=ROOT, stdout=subprocess.PIPE, text=True, check=True
                )
            told = [line for line in done.stdout.splitlines() if line.startswith("{")]  # the trackers talk there too
            found[name].append(json.loads(told[-1]))
            assert found[name][-1]["read_points"] == steps * len(METRICS), "points were lost"
    return {
        name: {
            "median": {
                key: statistics.median(each[key] for each in results) if not isinstance(value, str) else value
                for key, value in results[0].items()
            },
            "rounds": [{key: value for key, value in each.items() if not isinstance(value, str)} for each in results],
        }
        for name, results in found.items()
    }


# --- ours ---------------------------------------------------------------------------------------------------------


def begin(folder: Path) -> Recorder:
    """A run that has just started."""
    path = folder / "runs" / "20261124-093012-transformer-base-smoke-7f3a"
    path.mkdir(parents=True)
    recorder = Recorder(path)
    recorder.describe({"id": path.name, **_RUN})
    recorder.event("started")
    recorder.keep_beating()
    return recorder


def ours(folder: Path, steps: int) -> dict[str, Any]:
    """Recorded by the training thread, indexed into SQLite, read back: as columns, and as one object a point."""
    settings = Settings(folder / "home", f"sqlite:///{folder / 'home' / 'paperlab.db'}")
    settings.home.mkdir()
    engine = database.open_database(settings, create=True)
    recorder = begin(folder)
    began, thread = time.perf_counter(), time.thread_time()
    for step in range(steps):
        recorder.metrics(values(step), step)
    in_loop, in_thread = time.perf_counter() - began, time.thread_time() - thread
    recorder.result([])
    recorder.close()
    recorded, processor = time.perf_counter(), time.process_time()
    indexed = indexer.index(engine, folder / "runs").points
    stored, processor = time.perf_counter(), time.process_time() - processor
    with database.read_only(engine) as session:
        columns = runs.series(session, [recorder.path.name])
        read = time.perf_counter()
        points = runs.points(session, recorder.path.name)
        as_objects = time.perf_counter()
    number = sum(len(each.values) for each in columns)
    assert number == len(points) == indexed
    return {
        "version": "this checkout",
        "way": "Recorder.metrics; indexer.index into SQLite; store.runs.series",
        "stored_points_per_s": round(indexed / (stored - began)),
        "read_back_s": round(read - stored, 4),
        "read_points": number,
        "loop_us_per_point": round(in_loop / number * 1e6, 2),
        "loop_stored_us_per_point": round((recorded - began) / number * 1e6, 2),
        "loop_thread_cpu_us_per_point": round(in_thread / number * 1e6, 2),
        "index_points_per_s": round(indexed / (stored - recorded)),
        "index_points_per_cpu_s": round(indexed / processor),
        "read_back_as_objects_s": round(as_objects - read, 4),
        "bytes_per_point_in_the_file": round((recorder.path / "metrics.jsonl").stat().st_size / number, 1),
    }


def paced(folder: Path, steps: int) -> dict[str, Any]:
    """Of a loop of 10 steps a second, each with four values: the share of the time that recording takes."""
    calls = []
    with begin(folder) as recorder:
        began = time.perf_counter()
        for step in range(steps):
            time.sleep(max(0.0, began + step / STEPS_A_SECOND - time.perf_counter()))
            recorder.step = step
            called = time.perf_counter()
            recorder.metrics(values(step), step)
            calls.append(time.perf_counter() - called)
        took = max(time.perf_counter() - began, steps / STEPS_A_SECOND)
    calls.sort()
    return {
        "steps": steps,
        "points": steps * len(METRICS),
        "share_of_time": round(sum(calls) / took, 5),
        "us_per_point": {
            name: round(calls[min(int(part * steps), steps - 1)] / len(METRICS) * 1e6, 1)
            for name, part in (("median", 0.5), ("99th", 0.99), ("slowest", 1.0))
        },
    }


if __name__ == "__main__":
    main()
