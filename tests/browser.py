"""The dashboard in a real browser, for tests and for pictures.

    python -m tests.browser URL FILE.png [WIDTHxHEIGHT]

takes a picture of a page of a running dashboard once it has settled.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from playwright.sync_api import BrowserContext, Page

ROOT = Path(__file__).parents[1]
SIZE = (1400, 1000)
PATIENCE_MS = 100_000  # one to four seconds where the machine is idle
_FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)


def chromium() -> str | None:
    """Where the browser is, or None."""
    return shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")


@contextmanager
def serve(home: Path, port: int, *, cwd: Path = ROOT) -> Iterator[str]:
    """`paperlab dashboard` on this home, as a user starts it.  Gives the address that it prints."""
    server = subprocess.Popen(
        [sys.executable, "-m", "paperlab", "dashboard", "--port", str(port), "--no-browser"],
        cwd=cwd,
        env={**os.environ, "PAPERLAB_HOME": str(home)},
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    try:
        assert server.stdout is not None
        with server.stdout as said:
            yield said.readline().strip()
    finally:
        server.terminate()
        server.wait(20)


@contextmanager
def headless(size: tuple[int, int] = SIZE) -> Iterator[BrowserContext]:
    """A Chromium without a window that calls nobody on its own account; its pages share one cache."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium(), args=list(_FLAGS))
        try:
            context = browser.new_context(viewport={"width": size[0], "height": size[1]})
            context.set_default_timeout(PATIENCE_MS)
            yield context
        finally:
            browser.close()


def settle(page: Page) -> None:
    """Wait until the page has been drawn and nothing on it is running."""
    page.wait_for_selector("[data-testid=stApp][data-test-script-state=notRunning]", timeout=PATIENCE_MS)
    page.wait_for_selector("[data-testid=stMainBlockContainer] h1", timeout=PATIENCE_MS)
    page.wait_for_timeout(200)


def screenshot(url: str, path: Path, size: tuple[int, int] = SIZE) -> None:
    """A picture of a page.  A tall `size` shows more of it: full-page pictures don't work with inner scrolling."""
    with headless(size) as browser:
        page = browser.new_page()
        page.goto(url)
        settle(page)
        page.wait_for_timeout(1500)  # plotly draws after Streamlit has finished
        page.screenshot(path=path)


if __name__ == "__main__":
    address, file, *rest = sys.argv[1:]
    width, _, height = (rest[0] if rest else "1400x1000").partition("x")
    screenshot(address, Path(file), (int(width), int(height)))
