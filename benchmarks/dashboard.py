"""The dashboard on a large home: seconds of the server for each page, cold and warm, and what a browser finds.

    python benchmarks/runs.py --home /tmp/large ...           # first: ten thousand runs with fifty million points
    python benchmarks/dashboard.py --home /tmp/large fill     # 100,000 papers, receipts, stars, judged claims
    python benchmarks/dashboard.py --home /tmp/large server   # these two wish for a machine without other work,
    python benchmarks/dashboard.py --home /tmp/large start    # a minute each
    python benchmarks/dashboard.py --home /tmp/large views    # 200 views of a Chromium, and every page of three homes
    python benchmarks/dashboard.py --home /tmp/large record

A page's script is run as Streamlit runs it (AppTest): cold in a process of its own whose first page it is; warm in one
process that has drawn it before, under other questions as well; and after a write of somebody, which makes every kept
answer old.  Beside the seconds of the clock stand those of the processor: on a shared machine the others' work is in
the first and not in the second.  What a browser finds is in benchmarks/dashboard_browser.py.

Bars: p95 over the pages 1 s warm and 2.5 s cold; Today within 3 s of the start; a live run's page behind its directory
by 5 s at most; 1 GB after 200 views; no exception, nothing in the browser's console, no request elsewhere.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from benchmarks import dashboard_browser, large_home, record  # noqa: E402
from paperlab.arxiv_id import ArxivId  # noqa: E402
from paperlab.library import reading  # noqa: E402
from paperlab.settings import Settings  # noqa: E402
from paperlab.store import database, papers  # noqa: E402
from paperlab.store import runs as stored_runs  # noqa: E402

QUESTION = "seconds of the server for each page of the dashboard at 100,000 papers, 10,000 runs and 50,000,000 points"
BARS = {
    **{"warm_p95_s": 1.0, "cold_p95_s": 2.5, "first_page_s": 3.0, "behind_a_run_s": 5.0, "memory_gb": 1.0},
    **{"exceptions": 0, "console": 0, "requests_elsewhere": 0},
}
PAPERS = 100_000
TIMES = 2
AFTER_A_WRITE = 3
"""So many of a page's questions are asked again after a write."""
PARTS = ("fill", "server", "start", "views", "record")
_NOTES = "dashboard-benchmark.json"
_READ = ArxivId.parse("1706.03762")


def main() -> None:
    parser = argparse.ArgumentParser(description="The dashboard on a large home.")
    parser.add_argument("part", choices=PARTS)
    parser.add_argument("--home", type=Path, required=True, help="as benchmarks/runs.py left it")
    parser.add_argument("--papers", type=int, default=PAPERS)
    parser.add_argument("--views", type=int, default=dashboard_browser.VIEWS)
    parser.add_argument("--demo", type=Path, help="a home as docs/take_pictures.py makes it, for `views`")
    parser.add_argument("--out", type=Path, default=ROOT / "benchmarks" / "results")
    parser.add_argument("--cold", help=argparse.SUPPRESS)
    parser.add_argument("--warm", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    home = arguments.home.resolve()
    os.environ["PAPERLAB_HOME"] = str(home)
    if arguments.cold:
        print(json.dumps(drawn(arguments.cold, first_of(home, arguments.cold))))
    elif arguments.warm:
        print(json.dumps(warm(home)))
    elif arguments.part == "fill":
        note(home, "home", large_home.fill(home, arguments.papers))
    elif arguments.part == "server":
        note(home, "server", server(home))
    elif arguments.part == "start":
        note(home, "start", dashboard_browser.start(home))
    elif arguments.part == "views":
        note(home, "views", dashboard_browser.views(home, arguments.demo, addresses(home), arguments.views))
    else:
        held = noted(home)
        if missing := [part for part in ("home", "server", "start", "views") if part not in held]:
            raise SystemExit(f"error: not measured yet: {', '.join(missing)}")
        print(record.write(arguments.out, "dashboard", QUESTION, {"bars": BARS, **held}))


def noted(home: Path) -> dict[str, Any]:
    file = home / _NOTES
    held: dict[str, Any] = json.loads(file.read_text(encoding="utf-8")) if file.is_file() else {}
    return held


def note(home: Path, part: str, found: dict[str, Any]) -> None:
    """Keeps a part's figures beside the home, with the load of the machine and the commit that they are of."""
    of = {"load": round(os.getloadavg()[0], 1), "commit": record.commit(), "at": f"{datetime.now(UTC):%Y-%m-%dT%H:%MZ}"}
    content = {**noted(home), part: {**found, **of}}
    (home / _NOTES).write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
    print(json.dumps(content[part], indent=1))


def server(home: Path) -> dict[str, Any]:
    cold = {page: _child("--home", str(home), "--cold", page, "server") for page in addresses(home)}
    kept = _child("--home", str(home), "--warm", "server")
    ways = {
        "cold": {page: [each] for page, each in cold.items()},
        "warm": {page: each["warm"] for page, each in kept.items()},
        "after_a_write": {page: each["written"] for page, each in kept.items()},
    }
    return {
        **{f"{way}_p95_s": _p95(of, "seconds") for way, of in ways.items()},
        **{f"{way}_p95_cpu_s": _p95(of, "cpu") for way, of in ways.items()},
        "pages": {
            page: {way: {unit: _worst(of[page], unit) for unit in ("seconds", "cpu")} for way, of in ways.items()}
            | {"errors": sorted({error for of in ways.values() for look in of[page] for error in look["errors"]})}
            for page in cold
        },
    }


def addresses(home: Path) -> dict[str, list[dict[str, str]]]:
    """Each page with the questions that it is asked."""
    engine = database.open_database(Settings(home, f"sqlite:///{home / 'paperlab.db'}"))
    with database.read_only(engine) as session:
        ids = stored_runs.ids(session)
        found = [paper.arxiv_id for paper in papers.find(session, papers.PaperFilter(), 40)]
    engine.dispose()
    some = ids[:: max(len(ids) // 40, 1)]
    queries = ("language models", '"mixture of experts"', "attention -survey", "au:wang", "has:code")
    return {
        "today": [{}, {"since": "7 days"}, {"since": "30 days"}],
        "papers": [
            *({}, *({"q": q} for q in queries), {"q": "retrieval", "sort": "newest"}),
            *({"category": "cs.CL"}, {"profile": "llm", "page": "40"}),
        ],
        "paper": [{"id": arxiv_id} for arxiv_id in ("1706.03762", *found[:6])],
        "claims": [{}, {"source": "1706.03762"}, {"doubt": "true"}],
        "trends": [{}, {"topics": "diffusion; agents; reasoning", "share": "true"}, {"over": "all"}],
        "reproductions": [{}, {"name": "transformer"}],
        "runs": [{}, {"page": "100"}, {"status": "finished"}, {"tier": "smoke"}],
        "run": [{"id": run_id} for run_id in some[:6]],
        "compare": [{"runs": ",".join(some[:12])}, {"runs": ",".join(some[-12:]), "bands": "true"}],
        "samples": [{"runs": ",".join(some[:2])}, {"runs": some[-1]}] if some else [{}],
        "leaderboard": [{}],
        "sync": [{}],
        "query": [{"sql": "SELECT primary_category, count(*) FROM papers GROUP BY 1 ORDER BY 2 DESC"}],
    }


def first_of(home: Path, page: str) -> dict[str, str]:
    return addresses(home)[page][0]


def drawn(page: str, state: dict[str, str]) -> dict[str, Any]:
    """Seconds of one run of a page's script, and what it complained about; that a sync is overdue is no complaint."""
    from streamlit.testing.v1 import AppTest

    import paperlab.dashboard.main  # noqa: F401 - what the server has imported before anybody comes

    view = AppTest.from_string(
        f"from paperlab.dashboard.notices import guarded\nfrom paperlab.dashboard.views import {page} as view\n"
        "guarded(view.render)()\n",
        default_timeout=120,
    )
    for key, value in state.items():
        view.query_params[key] = value
    began, processor = time.perf_counter(), time.process_time()
    view.run()
    spent = {"seconds": round(time.perf_counter() - began, 3), "cpu": round(time.process_time() - processor, 3)}
    complaints = [str(each.value) for each in (*view.exception, *view.error)]
    return {**spent, "errors": [said for said in complaints if not said.startswith("Silent")]}


def warm(home: Path) -> dict[str, dict[str, Any]]:
    """Every page once with all of its questions, then each again and again; at last each after somebody's write."""
    asked = addresses(home)
    for page, states in asked.items():
        for state in states:
            drawn(page, state)
    found: dict[str, dict[str, Any]] = {}
    for page, states in asked.items():
        found[page] = {"warm": [drawn(page, state) for _ in range(TIMES) for state in states], "written": []}
    engine = database.open_database(Settings(home, f"sqlite:///{home / 'paperlab.db'}"))
    for page, states in asked.items():
        for at, state in enumerate(states[:AFTER_A_WRITE]):
            with database.session(engine) as writing:
                reading.set_read(writing, [_READ], datetime.now(UTC), undo=at % 2 == 0)
            found[page]["written"].append(drawn(page, state))
    engine.dispose()
    return found


def _p95(of: dict[str, list[dict[str, Any]]], unit: str) -> float:
    ordered = sorted(look[unit] for looks in of.values() for look in looks)
    return float(ordered[min(int(0.95 * len(ordered)), len(ordered) - 1)])


def _worst(looks: list[dict[str, Any]], unit: str) -> float:
    return max(float(look[unit]) for look in looks)


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
