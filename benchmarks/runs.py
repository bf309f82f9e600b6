"""Ten thousand runs with fifty million points: how fast are they indexed, listed and laid over each other?

    python benchmarks/runs.py --home /tmp/many-runs --minutes 8        # again and again, until it says it is done

`--home` becomes a PAPERLAB_HOME of about 5 GB.  Its run directories are made, then `paperlab runs index` reads them
into an empty database; when the minutes are over the command is terminated and the next call goes on, which loses the
run that it was reading and no more.  Then lists and overlays are timed, by the functions that the command line and the
dashboard call.  Bars: a list of the runs in 0.5 s, an overlay of 50 of them in 1 s.

Writes benchmarks/results/runs.json, and leaves the home for whoever wants to look at it.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from benchmarks import record, run_directories  # noqa: E402
from paperlab import settings as settings_module  # noqa: E402
from paperlab.store import database  # noqa: E402
from paperlab.store import runs as store  # noqa: E402

QUESTION = (
    "10,000 runs and 50,000,000 points: seconds to list runs and to lay 50 of them over each other; rate of indexing"
)
BARS = {"list_s": 0.5, "overlay_s": 1.0}
OVERLAID, SHOWN = 50, 1000
TIMES = 7
_NOTES = "benchmark.json"


def main() -> None:
    parser = argparse.ArgumentParser(description="Indexing, listing and overlays of very many runs.")
    parser.add_argument("--home", type=Path, required=True, help="a folder for 5 GB; calls that follow go on with it")
    parser.add_argument("--runs", type=int, default=10_000)
    parser.add_argument("--points", type=int, default=5000, help="so many a run, on average")
    parser.add_argument("--minutes", type=float, default=8.0, help="so long at once")
    parser.add_argument("--out", type=Path, default=ROOT / "benchmarks" / "results")
    parser.add_argument("--ask", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.ask:
        print(json.dumps(ask()))
        return
    home = arguments.home.resolve()
    home.mkdir(parents=True, exist_ok=True)
    until = time.monotonic() + 60 * arguments.minutes
    notes = _noted(home)
    done = make(home, notes, arguments.runs, arguments.points, until) and index(home, notes, until)
    if not done:
        print("not done: the same command goes on", file=sys.stderr)
        raise SystemExit(75)
    measured = {
        "runs": arguments.runs,
        "points": arguments.runs * arguments.points,
        "bars": BARS,
        "made": _sum(notes["make"]),
        "indexed": _sum(notes["index"]) | {"pieces": len(notes["index"])},
        "bytes": sizes(home),
        **_ask(home),
    }
    print(record.write(arguments.out, "runs", QUESTION, measured).read_text(encoding="utf-8"))


# --- pieces that can be gone on with ------------------------------------------------------------------------------


def make(home: Path, notes: dict[str, list[dict[str, Any]]], runs: int, points: int, until: float) -> bool:
    """Makes run directories until all are there (true) or the time is over (false)."""
    if notes["index"]:
        return True
    began, processor, made = time.perf_counter(), time.process_time(), 0
    for _ in run_directories.make(home / "runs", runs, points):
        made += 1
        if time.monotonic() > until:
            break
    _note(home, notes, "make", {"wall_s": time.perf_counter() - began, "cpu_s": time.process_time() - processor})
    return made == runs


def index(home: Path, notes: dict[str, list[dict[str, Any]]], until: float) -> bool:
    """Runs the real command until it has ended (true) or the time is over (false), and notes what it did."""
    if notes["index"] and notes["index"][-1]["ended"]:
        return True
    before = held(home)
    began = time.perf_counter()
    with subprocess.Popen(
        _command("runs", "index", "--json"), cwd=ROOT, env=_environ(home), stdout=subprocess.DEVNULL
    ) as child:
        ended = False
        while not ended and time.monotonic() < until:
            time.sleep(0.05)
            ended = os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None
        if not ended:
            child.terminate()
        _, status, used = os.wait4(child.pid, 0)
        child.returncode = os.waitstatus_to_exitcode(status)
    if ended and child.returncode != 0:
        raise SystemExit(f"error: paperlab runs index ended with {child.returncode}")
    piece = {
        "points": held(home) - before,
        "wall_s": time.perf_counter() - began,
        "cpu_s": used.ru_utime + used.ru_stime,
        "peak_mb": round(used.ru_maxrss / 1024),
        "ended": ended,
    }
    _note(home, notes, "index", piece)
    return ended


def held(home: Path) -> int:
    """How many points the database has."""
    if not (home / "paperlab.db").exists():
        return 0
    engine = database.open_database(_place(home))
    with database.read_only(engine) as session:
        number = session.connection().exec_driver_sql("SELECT coalesce(sum(points), 0) FROM run_series").scalar_one()
    engine.dispose()
    return int(number)


def sizes(home: Path) -> dict[str, Any]:
    files = sum(file.stat().st_size for file in (home / "runs").glob("*/metrics.jsonl"))
    tables = sum(file.stat().st_size for file in home.glob("paperlab.db*"))
    return {"metrics_jsonl": files, "database": tables, "database_per_point": round(tables / max(1, held(home)), 2)}


def _noted(home: Path) -> dict[str, list[dict[str, Any]]]:
    file = home / _NOTES
    return json.loads(file.read_text(encoding="utf-8")) if file.exists() else {"make": [], "index": []}


def _note(home: Path, notes: dict[str, list[dict[str, Any]]], stage: str, piece: dict[str, Any]) -> None:
    notes[stage].append({**piece, "load": round(os.getloadavg()[0], 1)})
    (home / _NOTES).write_text(json.dumps(notes, indent=2), encoding="utf-8")


def _sum(pieces: list[dict[str, Any]]) -> dict[str, Any]:
    total = {key: round(sum(piece[key] for piece in pieces), 1) for key in ("wall_s", "cpu_s")}
    if points := sum(piece.get("points", 0) for piece in pieces):
        total["points"] = points
        total["points_per_s"] = round(points / sum(piece["wall_s"] for piece in pieces))
        total["points_per_cpu_s"] = round(points / sum(piece["cpu_s"] for piece in pieces))
        total["peak_mb"] = max(piece["peak_mb"] for piece in pieces)
    return total | {"load": [piece["load"] for piece in pieces]}


# --- questions ----------------------------------------------------------------------------------------------------


def _ask(home: Path) -> dict[str, Any]:
    """The questions, in a process that has not indexed, and the list by the whole command, its start included."""
    done = subprocess.run(
        [sys.executable, __file__, "--ask", "--home", str(home)],
        cwd=ROOT,
        env=_environ(home),
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    answers = dict(json.loads(done.stdout.splitlines()[-1]))
    before, began = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    subprocess.run(
        _command("runs", "list", "--json"), cwd=ROOT, env=_environ(home), stdout=subprocess.DEVNULL, check=True
    )
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    answers["whole_command_runs_list"] = {
        "wall_s": round(time.perf_counter() - began, 3),
        "cpu_s": round(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime, 3),
    }
    return answers


def ask(times: int = TIMES) -> dict[str, Any]:
    """Lists and overlays in PAPERLAB_HOME, each several times; the first one meets nothing that was read before."""
    import streamlit as st
    from streamlit.logger import set_log_level

    from paperlab.cli.runs import refreshed
    from paperlab.dashboard import charts, data

    set_log_level("ERROR")  # without a browser it warns of every read
    place = settings_module.load()
    engine = database.open_database(place)

    def command() -> int:
        with database.read_only(refreshed(place)) as session:
            return min(len(store.find(session, limit=50)), store.count(session))

    def page() -> int:
        st.cache_data.clear()
        return min(len(data.run_page(store.RunFilter(), 50).runs), len(data.recipes_run()) * 50)

    def overlay(chosen: list[str]) -> Callable[[], int]:
        def draw() -> int:
            st.cache_data.clear()
            curves = data.overlay(tuple(chosen), "train/loss", SHOWN)
            charts.overlay(curves, {curve.run_id: list(curve.steps) for curve in curves}, against="step")
            return sum(curve.recorded or 0 for curve in curves)

        return draw

    with database.read_only(engine) as session:
        newest = store.ids(session)[:OVERLAID]
        longest = [run.id for run in sorted(store.find(session), key=lambda run: -run.step)[:OVERLAID]]
    answers = {
        "list": {"command_line": timed(command, times), "dashboard": timed(page, times)},
        "overlay": {
            "newest": timed(overlay(newest), times),
            "longest": timed(overlay(longest), times),
            "longest_every_point": timed(every_point(engine, longest), 1),
        },
        "peak_mb": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024),
    }
    asked = {"list": answers["list"].values(), "overlay": [answers["overlay"][name] for name in ("newest", "longest")]}
    answers["found"] = {
        f"{name}{of}_s": max(each[f"median{of}_s"] for each in of_each)
        for name, of_each in asked.items()
        for of in ("", "_cpu")
    }
    return answers


def every_point(engine: database.Engine, chosen: list[str]) -> Callable[[], int]:
    """What the pyramid saves: the same series, unthinned."""

    def read() -> int:
        with database.read_only(engine) as session:
            return sum(len(each.values) for each in store.series(session, chosen, ["train/loss"]))

    return read


def timed(work: Callable[[], int], times: int) -> dict[str, Any]:
    """Wall seconds of the first time and the median, processor seconds of the median, and how much was found."""
    wall, processor, number = [], [], 0
    for _ in range(times):
        began, cpu = time.perf_counter(), time.process_time()
        number = work()
        wall.append(time.perf_counter() - began)
        processor.append(time.process_time() - cpu)
    return {
        "first_s": round(wall[0], 3),
        "median_s": round(statistics.median(wall), 3),
        "median_cpu_s": round(statistics.median(processor), 3),
        "number": number,
    }


def _place(home: Path) -> settings_module.Settings:
    return settings_module.Settings(home, f"sqlite:///{home / 'paperlab.db'}")


def _environ(home: Path) -> dict[str, str]:
    return os.environ | {"PAPERLAB_HOME": str(home), "PAPERLAB_DATABASE_URL": _place(home).database_url}


def _command(*words: str) -> list[str]:
    return [sys.executable, "-m", "paperlab", *words]


if __name__ == "__main__":
    main()
