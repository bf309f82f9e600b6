"""The dashboard on a large home: seconds of the server for each page, cold and warm, and its memory after 200 views.

    python benchmarks/runs.py --home /tmp/large ...          # first: ten thousand runs with fifty million points
    python benchmarks/dashboard.py --home /tmp/large         # then: adds 100,000 papers, and measures

A page's script is run as Streamlit runs it (AppTest): cold in a process of its own whose first page it is, warm in one
process that has drawn it before, under other questions as well.  With a Chromium the real server is started too: how
long until the first page stands, what 200 page views leave in its memory, and what the browser complains about.

Bars: p95 over the pages 1 s warm and 2.5 s cold; Today within 3 s of the start; 1 GB after 200 views.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from benchmarks import large_home, record  # noqa: E402
from paperlab.settings import Settings  # noqa: E402
from paperlab.store import database, papers  # noqa: E402
from paperlab.store import runs as stored_runs  # noqa: E402

QUESTION = "seconds of the server for each page of the dashboard at 100,000 papers, 10,000 runs and 50,000,000 points"
BARS = {"warm_p95_s": 1.0, "cold_p95_s": 2.5, "first_page_s": 3.0, "memory_gb": 1.0}
PAPERS = 100_000
VIEWS = 200
TIMES = 3
_QUERIES = ("language models", '"mixture of experts"', "attention -survey", "au:wang", "has:code")


def main() -> None:
    parser = argparse.ArgumentParser(description="The dashboard on a large home.")
    parser.add_argument("--home", type=Path, required=True, help="as benchmarks/runs.py left it")
    parser.add_argument("--papers", type=int, default=PAPERS)
    parser.add_argument("--views", type=int, default=VIEWS)
    parser.add_argument("--out", type=Path, default=ROOT / "benchmarks" / "results")
    parser.add_argument("--cold", help=argparse.SUPPRESS)
    parser.add_argument("--warm", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    home = arguments.home.resolve()
    os.environ["PAPERLAB_HOME"] = str(home)
    if arguments.cold:
        print(json.dumps(drawn(arguments.cold, {})))
        return
    if arguments.warm:
        print(json.dumps(warm(home)))
        return
    held = large_home.fill(home, arguments.papers)
    cold = {page: _child("--home", str(home), "--cold", page) for page in addresses(home)}
    kept = _child("--home", str(home), "--warm")
    measured = {
        "bars": BARS,
        "home": held,
        "warm_p95_s": quantile([seconds for each in kept.values() for seconds in each["seconds"]], 0.95),
        "cold_p95_s": quantile([each["seconds"] for each in cold.values()], 0.95),
        "pages": {
            page: {
                "cold_s": cold[page]["seconds"],
                "warm_median_s": quantile(each["seconds"], 0.5),
                "warm_worst_s": max(each["seconds"]),
                "errors": each["errors"] + cold[page]["errors"],
            }
            for page, each in kept.items()
        },
        "browser": in_browser(home, arguments.views),
    }
    print(json.dumps(measured, indent=1))
    record.write(arguments.out, "dashboard", QUESTION, measured)


def addresses(home: Path) -> dict[str, list[dict[str, str]]]:
    """Each page with the questions that it is asked."""
    engine = database.open_database(Settings(home, f"sqlite:///{home / 'paperlab.db'}"))
    with database.read_only(engine) as session:
        ids = stored_runs.ids(session)
        found = [paper.arxiv_id for paper in papers.find(session, papers.PaperFilter(), 40)]
    engine.dispose()
    some = ids[:: max(len(ids) // 40, 1)]
    return {
        "today": [{}, {"since": "7 days"}, {"since": "30 days"}],
        "papers": [
            {},
            *(
                {"q": q}
                for q in ("language models", '"mixture of experts"', "attention -survey", "au:wang", "has:code")
            ),
            {"q": "retrieval", "sort": "newest"},
            {"category": "cs.CL"},
            {"profile": "llm", "page": "40"},
        ],
        "paper": [{"id": arxiv_id} for arxiv_id in ("1706.03762", *found[:6])],
        "claims": [{}, {"source": "1706.03762"}],
        "trends": [{}, {"topics": "diffusion; agents; reasoning", "share": "true"}, {"over": "all"}],
        "reproductions": [{}, {"name": "transformer"}],
        "runs": [{}, {"page": "100"}, {"status": "finished"}, {"tier": "smoke"}],
        "run": [{"id": run_id} for run_id in some[:6]],
        "compare": [{"runs": ",".join(some[:12])}, {"runs": ",".join(some[-12:]), "bands": "true"}],
        "samples": [{"runs": ",".join(some[:2])}, {"runs": some[-1]}],
        "leaderboard": [{}],
        "sync": [{}],
        "query": [{"sql": "SELECT primary_category, count(*) FROM papers GROUP BY 1 ORDER BY 2 DESC"}],
    }


def drawn(page: str, state: dict[str, str]) -> dict[str, Any]:
    """Seconds of one run of a page's script, and what it complained about."""
    from streamlit.testing.v1 import AppTest

    import paperlab.dashboard.main  # noqa: F401 - what the server has imported before anybody comes

    view = AppTest.from_string(
        f"from paperlab.dashboard.main import guarded\nfrom paperlab.dashboard.views import {page} as view\n"
        "guarded(view.render)()\n",
        default_timeout=120,
    )
    for key, value in (state or next(iter(addresses(Path(os.environ["PAPERLAB_HOME"]))[page]))).items():
        view.query_params[key] = value
    began = time.perf_counter()
    view.run()
    complaints = [str(each.value) for each in (*view.exception, *view.error)]
    return {"seconds": round(time.perf_counter() - began, 3), "errors": complaints}


def warm(home: Path) -> dict[str, dict[str, Any]]:
    """Every page once, then each with all of its questions."""
    asked = addresses(home)
    for page, states in asked.items():
        drawn(page, states[0])
    found: dict[str, dict[str, Any]] = {}
    for page, states in asked.items():
        looks = [drawn(page, state) for _ in range(TIMES) for state in states]
        found[page] = {
            "seconds": [look["seconds"] for look in looks],
            "errors": sorted({error for look in looks for error in look["errors"]}),
        }
    return found


def in_browser(home: Path, views: int) -> dict[str, Any] | str:
    """The real server under a real browser."""
    from paperlab.cli.dashboard import free_port
    from tests import browser

    if browser.chromium() is None:
        return "not measured: no Chromium here"
    complaints: dict[str, int] = {}
    port = free_port(18950)
    began = time.perf_counter()
    with browser.serve(home, port) as url, browser.headless() as opened:
        page = opened.new_page()
        page.on("pageerror", lambda error: complaints.update({str(error): complaints.get(str(error), 0) + 1}))
        page.goto(url)
        browser.settle(page)
        first = time.perf_counter() - began
        outside: set[str] = set()
        page.on("request", lambda request: outside.add(request.url) if not _is_inside(request.url, url) else None)
        seen = 0
        for address in _rounds(home):
            if seen >= views:
                break
            page.goto(f"{url}/{address}")
            browser.settle(page)
            seen += 1
        return {
            "first_page_s": round(first, 2),
            "views": seen,
            "memory_gb": round(_memory(port) / 1e9, 3),
            "page_errors": complaints,
            "requests_elsewhere": sorted(outside),
        }


def _rounds(home: Path) -> Iterator[str]:
    asked = addresses(home)
    while True:
        for page, states in asked.items():
            for state in states:
                yield f"{'' if page == 'today' else page}?{urlencode(state)}"


def _is_inside(address: str, url: str) -> bool:
    return address.startswith((url, url.replace("http", "ws"), "data:", "blob:"))


def _memory(port: int) -> int:
    """Resident bytes of the process that listens on the port: Streamlit's."""
    for folder in Path("/proc").iterdir():
        try:
            words = (folder / "cmdline").read_bytes().split(b"\0")
            if folder.name.isdigit() and f"--server.port={port}".encode() in words:
                pages = int((folder / "statm").read_text(encoding="utf-8").split()[1])
                return pages * os.sysconf("SC_PAGE_SIZE")
        except OSError:
            continue
    raise LookupError(f"nothing serves port {port}")


def quantile(values: list[float], share: float) -> float:
    ordered = sorted(values)
    return ordered[min(int(share * len(ordered)), len(ordered) - 1)]


def _child(*words: str) -> dict[str, Any]:
    """What this script says in a process of its own."""
    command = [sys.executable, str(Path(__file__)), *words]
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    if ended.returncode:
        raise SystemExit(f"{' '.join(command)} ended with {ended.returncode}: {ended.stderr[-2000:]}")
    answer: dict[str, Any] = json.loads(ended.stdout.splitlines()[-1])
    return answer


if __name__ == "__main__":
    main()
