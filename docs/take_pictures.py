"""The pictures of the dashboard in docs/: python docs/take_pictures.py HOME

HOME becomes, where it is empty, a home with the landmark papers and the runs that benchmarks/results keeps, every claim
checked against them (two minutes); an existing home is shown as it is.  A Chromium draws the pages, 1440 pixels wide.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from PIL import Image

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from paperlab.cli.dashboard import free_port  # noqa: E402
from tests import browser  # noqa: E402

if TYPE_CHECKING:
    from playwright.sync_api import Page

FOLDER = ROOT / "docs" / "pictures"
WIDTH = 1440
KEPT = ROOT / "benchmarks" / "results"


def main() -> None:
    parser = argparse.ArgumentParser(description="Take the pictures of the dashboard that docs/ shows.")
    parser.add_argument("home", type=Path, help="a PAPERLAB_HOME; an empty folder is filled first")
    home = parser.parse_args().home.resolve()
    if not (home / "paperlab.db").is_file():
        fill(home)
    FOLDER.mkdir(exist_ok=True)
    with browser.serve(home, free_port(18960)) as url, browser.headless((WIDTH, 1000)) as opened:
        for name, (address, height) in shown(home).items():
            page = opened.new_page()
            page.set_viewport_size({"width": WIDTH, "height": height})
            page.goto(f"{url}/{address}")
            drawn(page)
            page.screenshot(path=FOLDER / f"{name}.png")
            page.close()
            sys.stdout.write(f"{name}: {compressed(FOLDER / f'{name}.png'):,} bytes\n")


def fill(home: Path) -> None:
    """Landmark papers, the kept runs under their ids, and a verdict on every claim."""
    home.mkdir(parents=True, exist_ok=True)
    for folder in sorted(KEPT.glob("*/")):
        run_id = json.loads((folder / "run.json").read_text(encoding="utf-8"))["id"]
        shutil.copytree(folder, home / "runs" / run_id)
    for words in (["db", "upgrade"], ["runs", "index"], ["claims", "check"]):
        subprocess.run(
            [sys.executable, "-m", "paperlab", *words],
            cwd=ROOT,
            env={**os.environ, "PAPERLAB_HOME": str(home)},
            stdout=subprocess.DEVNULL,
            check=True,
        )


def shown(home: Path) -> dict[str, tuple[str, int]]:
    """Address and height of each picture, by name."""
    runs = sorted(folder.name for folder in (home / "runs").iterdir())
    of = {name: [run for run in runs if name in run] for name in ("nanogpt-char-mini", "-gpt-char-mini", "base-mini")}
    compared = ",".join([*of["nanogpt-char-mini"], *of["-gpt-char-mini"]])
    return {
        "paper": ("paper?id=1706.03762", 1120),
        "claims": ("claims", 960),
        "run": (f"run?id={of['base-mini'][-1]}", 1010),
        "compare": (f"compare?runs={compared}&metric=train/loss&bands=true", 940),
        "reproductions": ("reproductions", 900),
    }


def drawn(page: Page) -> None:
    """Wait until every figure stands: plotly draws after Streamlit has finished."""
    browser.settle(page)
    figures = page.locator("[data-testid=stPlotlyChart]").count()
    for _ in range(60):
        unfinished = page.locator("[data-testid=stSkeleton]").count()
        if not unfinished and page.locator("[data-testid=stPlotlyChart] .main-svg").count() >= figures:
            break
        page.wait_for_timeout(500)
    page.wait_for_timeout(500)


def compressed(path: Path) -> int:
    """Writes the picture without transparency; returns its size."""
    with Image.open(path) as picture:
        picture.convert("RGB").save(path, optimize=True)
    return path.stat().st_size


if __name__ == "__main__":
    main()
