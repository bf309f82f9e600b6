"""A run that is written at full rate while it is indexed and looked at: is a point lost, does a lock get in the way?

    python -m benchmarks.polling --seconds 300

Each part has a process of its own: one records as fast as it can, two index its directory (a second `paperlab runs
list` is as likely as the first), one reads what the dashboard's pages read and draws their curves.  All but the first
come back every second.  At the end every point is held exactly once.  Writes benchmarks/results/polling.json.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from array import array
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from benchmarks import record  # noqa: E402
from benchmarks.recorder import begin  # noqa: E402
from benchmarks.recorder_peers import METRICS, values  # noqa: E402
from paperlab import settings as settings_module  # noqa: E402
from paperlab.runs import indexer  # noqa: E402
from paperlab.store import database  # noqa: E402
from paperlab.store import runs as store  # noqa: E402

EVERY_S = 1.0
QUESTION = "a writer at full rate, two indexers and the dashboard's reads every second: errors, lost points"
_STEPS_AT_ONCE = 100_000


def main() -> None:
    parser = argparse.ArgumentParser(description="A writer at full rate under the eyes of indexers and a dashboard.")
    parser.add_argument("--seconds", type=float, default=300.0)
    parser.add_argument("--home", type=Path, help="a folder for some gigabytes (default: a temporary one)")
    parser.add_argument("--out", type=Path, default=ROOT / "benchmarks" / "results")
    parser.add_argument("--part", choices=["write", "index", "look"], help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.part is not None:
        parts: dict[str, Callable[[], dict[str, Any]]] = {
            "write": lambda: write(settings_module.load().home, arguments.seconds),
            "index": lambda: poll(index),
            "look": lambda: poll(looker()),
        }
        print(json.dumps(parts[arguments.part]()))
        return
    with tempfile.TemporaryDirectory(dir=arguments.home) as folder:
        measured = together(Path(folder), arguments.seconds)
    path = record.write(arguments.out, "polling", QUESTION, measured)
    print(path.read_text(encoding="utf-8"))


def together(home: Path, seconds: float) -> dict[str, Any]:
    """All parts at once, until the writer has ended; then what is held against what was recorded."""
    place = settings_module.Settings(home, f"sqlite:///{home / 'paperlab.db'}")
    engine = database.open_database(place, create=True)
    stop = home / "stop"
    environ = os.environ | {"PAPERLAB_HOME": str(home), "PAPERLAB_DATABASE_URL": place.database_url}
    parts: dict[str, subprocess.Popen[str]] = {}
    for name in ("write", "index", "index 2", "look"):
        words = [sys.executable, __file__, "--part", name.partition(" ")[0], "--seconds", str(seconds)]
        parts[name] = subprocess.Popen(words, cwd=ROOT, env=environ, stdout=subprocess.PIPE, text=True)
    told = {"write": _end(parts.pop("write"))}
    stop.touch()
    told |= {name: _end(part) for name, part in parts.items()}
    behind = time.perf_counter()
    left = indexer.index(engine, place.runs_dir).points
    caught_up = time.perf_counter() - behind
    file = home / "runs" / told["write"]["run"] / "metrics.jsonl"
    with file.open("rb") as lines:
        number_of_lines = sum(1 for _ in lines)
    recorded = told["write"]["steps"] * len(METRICS)
    held = check(engine, told["write"]["run"], told["write"]["steps"])
    errors: Counter[str] = Counter()
    for name in parts:
        errors.update(told[name].pop("errors"))
    return {
        "seconds": round(told["write"]["seconds"], 1),
        "points": {"recorded": recorded, "lines": number_of_lines, **held},
        "lost": recorded - held["right"],
        "errors": dict(errors),
        "recorded_points_per_s": round(recorded / told["write"]["seconds"]),
        "after_the_end": {"points": left, "seconds": round(caught_up, 2)},
        "database_bytes": sum(each.stat().st_size for each in home.glob("paperlab.db*")),
        "parts": told,
    }


def check(engine: database.Engine, run_id: str, steps: int) -> dict[str, int]:
    """How many points are held, and how many of them are those that were recorded: each step once, its value."""
    held = right = 0
    with database.read_only(engine) as session:
        for first in range(0, steps, _STEPS_AT_ONCE):
            last = min(first + _STEPS_AT_ONCE, steps) - 1
            expected = [values(step) for step in range(first, last + 1)]
            for each in store.series(session, [run_id], after_step=first - 1, up_to_step=last):
                wanted = array("d", [at_step[each.name] for at_step in expected])
                if array("q", each.steps) == array("q", range(first, last + 1)) and array("d", each.values) == wanted:
                    right += len(wanted)
        for each in store.series(session, [run_id], most=6):
            held += each.total
    return {"held": held, "right": right}


def _end(part: subprocess.Popen[str]) -> dict[str, Any]:
    assert part.stdout is not None
    with part:
        said = part.stdout.read()
    if part.returncode != 0:
        raise SystemExit(f"error: a part ended with {part.returncode}")
    return dict(json.loads(said.splitlines()[-1]))


# --- the parts ----------------------------------------------------------------------------------------------------


def write(home: Path, seconds: float) -> dict[str, Any]:
    """Records four values a step, step after step, without a pause."""
    step, slowest = 0, 0.0
    with begin(home) as recorder:
        began = now = time.perf_counter()
        while now - began < seconds:
            recorder.step = step
            recorder.metrics(values(step), step)
            step += 1
            before, now = now, time.perf_counter()
            slowest = max(slowest, now - before)
        took = now - began
        recorder.event("finished")
        recorder.result([])
    return {"run": recorder.path.name, "steps": step, "seconds": took, "slowest_step_s": round(slowest, 3)}


def poll(look: Callable[[Path, database.Engine], int]) -> dict[str, Any]:
    """Comes back every second until the file `stop` is there; an error is counted, and the next look is taken."""
    place = settings_module.load()
    engine = database.open_database(place)
    times: list[float] = []
    errors: Counter[str] = Counter()
    seen = 0
    while not (place.home / "stop").exists():
        began = time.perf_counter()
        try:
            seen = look(place.home, engine)
        except Exception as error:  # noqa: BLE001 - what it is belongs to the result
            errors[f"{type(error).__name__}: {error}"] += 1
        times.append(time.perf_counter() - began)
        time.sleep(max(0.0, EVERY_S - times[-1]))
    times.sort()
    return {
        "polls": len(times),
        "slowest_s": round(times[-1], 3) if times else None,
        "median_s": round(times[len(times) // 2], 3) if times else None,
        "points_at_the_last": seen,
        "peak_mb": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024),
        "errors": dict(errors),
    }


def index(home: Path, engine: database.Engine) -> int:
    """What `paperlab runs index` does.  How many points are held then."""
    indexer.index(engine, home / "runs")
    with database.read_only(engine) as session:
        return sum(each.total for run_id in store.ids(session) for each in store.series(session, [run_id], most=6))


def looker() -> Callable[[Path, database.Engine], int]:
    """What the pages Runs and Run read and draw, from the directory and from the tables."""
    from streamlit.logger import set_log_level

    from paperlab.dashboard import charts  # here: the other parts need no Streamlit
    from paperlab.dashboard.data.runs import run, runs, stored_run
    from paperlab.store.runs import RunFilter

    set_log_level("ERROR")  # without a browser it warns of every read
    most_seen: Counter[str] = Counter()

    def look(_home: Path, _engine: database.Engine) -> int:
        seen = 0
        for each in runs(RunFilter(recipe="transformer-base")):
            for where, view in (("directory", run(each.id)), ("tables", stored_run(each.id))):
                if view is None:
                    continue  # not indexed yet
                for family, curves in charts.panels(view.curves):
                    charts.lines(family, curves)
                number = sum(curve.recorded or 0 for curve in view.curves)
                if number < most_seen[where]:
                    raise AssertionError(f"the {where} had {most_seen[where]} points and now {number}")
                most_seen[where] = number
                seen = max(seen, number)
        return seen

    return look


if __name__ == "__main__":
    main()
