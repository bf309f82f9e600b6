"""How long does a sync of thousands of papers take beyond waiting for arXiv?

    python benchmarks/sync.py                                   # 8,000 made-up papers, pages of 2,000
    python benchmarks/sync.py --papers ../shared/data/arxiv/papers --since 1990-01-01    # real ones

The real command runs against a local server in a process of its own, without an interval between requests.  The first
sync brings everything, the second finds nothing changed.  Writes benchmarks/results/sync.json.
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

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from benchmarks import record  # noqa: E402


def main() -> None:
    parser = argparse.ArgumentParser(description="Time of a sync beyond the limiter's waits.")
    parser.add_argument("--generate", type=int, default=8000, help="how many papers to make up")
    parser.add_argument("--papers", type=Path, help="real papers instead: JSON lines, a file or a folder")
    parser.add_argument("--since", help="a window instead of the last seven days")
    parser.add_argument("--page-size", type=int, default=2000)
    parser.add_argument("--out", type=Path, default=ROOT / "benchmarks" / "results")
    arguments = parser.parse_args()
    source = ["--papers", str(arguments.papers)] if arguments.papers else ["--generate", str(arguments.generate)]
    window = ["--since", arguments.since] if arguments.since else []
    words = [sys.executable, "-m", "tests.fakes", *source]
    with subprocess.Popen(words, cwd=ROOT, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        try:
            url = server.stdout.readline().rpartition("=")[2].strip()
            with tempfile.TemporaryDirectory() as home:
                environ = environment(Path(home), url, arguments.page_size)
                run(environ, "db", "upgrade", "--json")
                first = measure(environ, window)
                second = measure(environ, window)
        finally:
            server.terminate()
    measured = {
        "papers": "real" if arguments.papers else "made up",
        "page_size": arguments.page_size,
        "first_sync": first,
        "second_sync": second,
    }
    path = record.write(arguments.out, "sync", "seconds per 1,000 papers beyond the limiter's waits; bar: 2", measured)
    print(path.read_text(encoding="utf-8"))


def environment(home: Path, url: str, page_size: int) -> dict[str, str]:
    """A home of its own and a local arXiv that is asked without a pause."""
    return os.environ | {
        "PAPERLAB_HOME": str(home),
        "PAPERLAB_ARXIV_API_URL": url,
        "PAPERLAB_ARXIV_RSS_URL": url.replace("/api/query", "/rss"),
        "PAPERLAB_ARXIV_OAI_URL": url.replace("/api/query", "/oai"),
        "PAPERLAB_ARXIV_INTERVAL": "0",
        "PAPERLAB_ARXIV_PAGE_SIZE": str(page_size),
    }


def run(environ: dict[str, str], *words: str) -> Any:
    done = subprocess.run(
        [sys.executable, "-m", "paperlab", *words], cwd=ROOT, env=environ, stdout=subprocess.PIPE, text=True, check=True
    )
    return json.loads(done.stdout)


def measure(environ: dict[str, str], window: list[str]) -> dict[str, Any]:
    """One sync: the whole command, interpreter start included, by wall clock and by its own processor time."""
    before, began = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    receipt = run(environ, "sync", "--json", *window)["receipt"]
    wall = time.perf_counter() - began
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    processor = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    thousands = receipt["announced"] / 1000
    return {
        "announced": receipt["announced"],
        "new": receipt["new"],
        "revised": receipt["revised"],
        "unchanged": receipt["unchanged"],
        "open": receipt["open"],
        "requests": receipt["requests"],
        "wall_s": round(wall, 2),
        "waited_s": receipt["waited_s"],
        "cpu_s": round(processor, 2),
        "wall_beyond_waits_s_per_1000": round((wall - receipt["waited_s"]) / thousands, 3),
        "cpu_s_per_1000": round(processor / thousands, 3),
    }


if __name__ == "__main__":
    main()
