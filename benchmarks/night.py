"""What a night costs: 1,000 new and 1,000 replaced papers, by the real command, at arXiv's own pace.

The local arXiv runs in a process of its own and the command keeps three seconds between requests.  Bars: at most 6
requests, 3 s of processor time beyond the start of the interpreter, 60 s of wall time.

    python -m benchmarks.night
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
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

from benchmarks import record

ROOT = record.ROOT
QUESTION = "a night of 1,000 new and 1,000 replaced papers; bars: 6 requests, 3 s of processor time, 60 s of wall time"


def main() -> None:
    parser = argparse.ArgumentParser(description="Requests, processor time and wall time of one night.")
    parser.add_argument("--held", type=int, default=8000, help="how many papers there are before")
    parser.add_argument("--new", type=int, default=1000)
    parser.add_argument("--replaced", type=int, default=1000)
    parser.add_argument("--interval", type=float, default=3.0, help="seconds between requests at night")
    parser.add_argument("--out", type=Path, default=ROOT / "benchmarks" / "results")
    arguments = parser.parse_args()
    words = [sys.executable, "-m", "tests.fakes", "--generate", str(arguments.held)]
    with subprocess.Popen(words, cwd=ROOT, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        try:
            url = server.stdout.readline().rpartition("=")[2].strip()
            address = url.removesuffix("/api/query")
            with tempfile.TemporaryDirectory() as home:
                environ = environment(Path(home), address, 0.0)
                run(environ, "sync", "--json")
                urlopen(Request(f"{address}/night?new={arguments.new}&replaced={arguments.replaced}", method="POST"))
                environ = environment(Path(home), address, arguments.interval)
                night = measure(environ)
                again = measure(environ)
        finally:
            server.terminate()
    measured = {
        "held_before": arguments.held,
        "interval_s": arguments.interval,
        "interpreter_start_cpu_s": interpreter_start(),
        "night": night,
        "the_same_night_again": again,
    }
    path = record.write(arguments.out, "night", QUESTION, measured)
    print(path.read_text(encoding="utf-8"))


def environment(home: Path, address: str, interval_s: float) -> dict[str, str]:
    """A home of its own and a local arXiv."""
    return os.environ | {
        "PAPERLAB_HOME": str(home),
        "PAPERLAB_ARXIV_API_URL": f"{address}/api/query",
        "PAPERLAB_ARXIV_RSS_URL": f"{address}/rss",
        "PAPERLAB_ARXIV_OAI_URL": f"{address}/oai",
        "PAPERLAB_ARXIV_INTERVAL": str(interval_s),
    }


def run(environ: dict[str, str], *words: str) -> Any:
    done = subprocess.run(
        [sys.executable, "-m", "paperlab", *words], cwd=ROOT, env=environ, stdout=subprocess.PIPE, text=True, check=True
    )
    return json.loads(done.stdout)


def processor_time() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def interpreter_start() -> float:
    """Processor seconds of an interpreter that does nothing: the least of five."""
    took = []
    for _ in range(5):
        before = processor_time()
        subprocess.run([sys.executable, "-c", "pass"], check=True)
        took.append(processor_time() - before)
    return round(min(took), 3)


def measure(environ: dict[str, str]) -> dict[str, Any]:
    """One nightly sync: the whole command, interpreter start included, by wall clock and its own processor time."""
    before, began = processor_time(), time.perf_counter()
    got = run(environ, "sync", "--json")
    wall, used = time.perf_counter() - began, processor_time() - before
    walk, feed = got["receipt"], got["feed"]
    return {
        "requests": walk["requests"] + feed["requests"],
        "cpu_s": round(used, 2),
        "wall_s": round(wall, 2),
        "waited_s": round(walk["waited_s"] + feed["waited_s"], 2),
        "walk": {name: walk[name] for name in ("status", "announced", "new", "revised", "unchanged", "open")},
        "feed": {name: feed[name] for name in ("status", "announced", "held", "open", "reason")}
        | {"kinds": feed["details"]["kinds"]},
    }


if __name__ == "__main__":
    main()
