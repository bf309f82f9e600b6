"""What a browser finds of the dashboard: the time until Today stands, a live run's lag, memory, complaints.

The server is the real one (`paperlab dashboard`), the browser a Chromium without a window that runs already.
"""

from __future__ import annotations

import os
import shutil
import statistics
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from paperlab.cli.dashboard import free_port
from paperlab.dashboard import notices
from reproductions.run_directory import Recorder
from tests import browser

if TYPE_CHECKING:
    from playwright.sync_api import Page

VIEWS = 200
STARTS = 3
FLUSHES = 8
_LIVE = "20261128-120000-transformer-base-smoke-live"
_FAILED = f'[data-testid="stException"], [data-testid="stAlert"]:has-text("{notices.FAULT}")'

Addresses = dict[str, list[dict[str, str]]]


def start(home: Path) -> dict[str, Any]:
    """How long from the command to Today in the browser, and how far a live run's page is behind its directory."""
    with browser.headless() as opened:
        page = opened.new_page()
        page.goto("about:blank")
        starts = [_start(home, page) for _ in range(STARTS)]
        lags = _lags(home, page)
    return {
        **{name: statistics.median(each[name] for each in starts) for name in ("first_page_s", "server_cpu_s")},
        "starts": starts,
        "behind_a_run_s": max(lags),
        "behind_a_run_median_s": round(statistics.median(lags), 2),
    }


def _start(home: Path, page: Page) -> dict[str, float]:
    """`heading_s`: the first text of Today stands; `first_page_s`: all of it does, and nothing is running.

    `server_cpu_s`: what the server's process had worked until then.
    """
    began, port = time.perf_counter(), free_port(18950)
    with browser.serve(home, port) as url:
        page.goto(url)
        page.wait_for_selector("h1:has-text('What changed')")
        heading = time.perf_counter() - began
        page.wait_for_selector("[data-testid=stApp][data-test-script-state=notRunning]")
        whole = time.perf_counter() - began
        return {"heading_s": round(heading, 2), "first_page_s": round(whole, 2), "server_cpu_s": _processor(port)}


def _lags(home: Path, page: Page) -> list[float]:
    """Seconds from what a run writes to its being read in the browser, at other moments of the page's rhythm each."""
    folder = home / "runs" / _LIVE
    lags = []
    try:
        with ExitStack() as stack:
            url = stack.enter_context(browser.serve(home, free_port(18950)))
            folder.mkdir(parents=True)
            recorder = stack.enter_context(Recorder(folder))
            recorder.describe(_description())
            recorder.event("started")
            _write(recorder, 1)
            page.goto(f"{url}/run?id={_LIVE}")
            browser.settle(page)
            for step in range(2, 2 + FLUSHES):
                page.wait_for_timeout(700 * (step % 3) + 130 * step)
                _write(recorder, step)
                began = time.perf_counter()
                page.wait_for_selector(f"text=step {step} of 300")
                lags.append(round(time.perf_counter() - began, 2))
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    return lags


def _write(recorder: Recorder, step: int) -> None:
    recorder.step = step
    recorder.metrics({"train/loss": 4.0 / step}, step)
    recorder.flush()
    recorder.beat()


def _description() -> dict[str, Any]:
    words = ["python", "-m", "reproductions", "transformer-base", "--tier", "smoke"]
    of = {"reproduction": "transformer", "recipe": "transformer-base", "tier": "smoke", "seed": 1, "overrides": {}}
    return {
        **{"id": _LIVE, **of, "recipe_values": {"train": {"max_steps": 300}}, "fingerprint": "f" * 64},
        **{"command": words, "created_at": f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}", "predicted": None},
        "provenance": {"device": "cpu"},
    }


def views(home: Path, demo: Path | None, asked: Addresses, number: int) -> dict[str, Any]:
    """Every page of every home: an empty one, a demo (where one is named), and the large one again and again."""
    with tempfile.TemporaryDirectory() as folder:
        nothing = {page: [{}] for page in asked}
        found = {"empty": _walk(Path(folder), nothing, len(asked))}
        if demo is not None:
            few = {**nothing, **_of_demo(demo)}
            found["demo"] = _walk(demo, few, sum(map(len, few.values())))
        found["large"] = _walk(home, asked, number)
    return found


def _of_demo(demo: Path) -> Addresses:
    runs = sorted(folder.name for folder in (demo / "runs").iterdir())
    return {
        "paper": [{"id": arxiv_id} for arxiv_id in ("1706.03762", "1810.04805", "2205.14135")],
        "run": [{"id": run_id} for run_id in runs],
        "compare": [{"runs": ",".join(runs[:12])}],
        "samples": [{"runs": run_id} for run_id in runs[-2:]],
    }


def _walk(home: Path, asked: Addresses, number: int) -> dict[str, Any]:
    """So many views; what the browser complained about, with how often; bytes of the server after them."""
    complaints: Counter[str] = Counter()
    outside: set[str] = set()
    exceptions: Counter[str] = Counter()
    port = free_port(18950)
    with browser.serve(home, port) as url, browser.headless() as opened:
        page = opened.new_page()
        page.on("pageerror", lambda error: complaints.update([f"error {error}"]))
        page.on("console", lambda said: complaints.update([said.text] if said.type in ("error", "warning") else []))
        page.on("request", lambda request: None if _is_inside(request.url, url) else outside.add(request.url))
        seen = 0
        for address in _rounds(asked):
            if seen >= number:
                break
            page.goto(f"{url}/{address}")
            browser.settle(page)
            failed = page.locator(_FAILED).count()
            exceptions.update({address: failed} if failed else {})
            seen += 1
        memory = _memory(port)
    return {
        "views": seen,
        "memory_gb": round(memory / 1e9, 3),
        "exceptions": dict(exceptions),
        "console": dict(complaints),
        "requests_elsewhere": sorted(outside),
    }


def _rounds(asked: Addresses) -> Iterator[str]:
    while True:
        for page, states in asked.items():
            for state in states:
                yield f"{'' if page == 'today' else page}?{urlencode(state)}"


def _is_inside(address: str, url: str) -> bool:
    return address.startswith((url, url.replace("http", "ws"), "data:", "blob:", "about:"))


def _memory(port: int) -> int:
    """Resident bytes of the server."""
    pages = int((_process(port) / "statm").read_text(encoding="utf-8").split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


def _processor(port: int) -> float:
    """Seconds that the server has worked."""
    ticks = (_process(port) / "stat").read_text(encoding="utf-8").rpartition(")")[2].split()[11:13]
    return round(sum(map(int, ticks)) / os.sysconf("SC_CLK_TCK"), 2)


def _process(port: int) -> Path:
    """The folder in /proc of the process that listens on the port: Streamlit's."""
    for folder in Path("/proc").iterdir():
        try:
            if f"--server.port={port}".encode() in (folder / "cmdline").read_bytes().split(b"\0"):
                return folder
        except OSError:
            continue
    raise LookupError(f"nothing serves port {port}")
