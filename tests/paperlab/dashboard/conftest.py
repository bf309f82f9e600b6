from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from streamlit.components.v2 import manifest_scanner
from streamlit.testing.v1 import AppTest

from paperlab.dashboard import notices
from paperlab.dashboard.text import escape
from tests.paperlab.dashboard import filled


@pytest.fixture(scope="session", autouse=True)
def packages_searched_once() -> Iterator[None]:
    """Streamlit looks through all installed packages for components, a server once and every AppTest.run() anew.

    It takes ten times as long as a page of ours.
    """
    search = manifest_scanner.scan_component_manifests
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(manifest_scanner, "scan_component_manifests", functools.cache(search))
        yield


@pytest.fixture(scope="session")
def filled_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Read-only for tests: a home with papers and runs."""
    home = tmp_path_factory.mktemp("filled") / "home"
    filled.fill(home)
    return home


@pytest.fixture
def view(monkeypatch: pytest.MonkeyPatch) -> Callable[..., AppTest]:
    """Draws one page on a home: view("papers", home, q="attention")."""

    def draw(name: str, home: Path, /, **state: str) -> AppTest:
        monkeypatch.setenv("PAPERLAB_HOME", str(home))
        script = (
            "from paperlab.dashboard.notices import guarded\n"
            f"from paperlab.dashboard.views import {name} as view\n"
            "guarded(view.render)()\n"
        )
        page = AppTest.from_string(script, default_timeout=100)
        for key, value in state.items():
            page.query_params[key] = value
        page.run()
        faults = [error.value for error in page.error if escape(notices.FAULT) in error.value]
        assert faults == [], "the page has failed: its traceback is in the log"
        return page

    return draw
