"""What several packages' tests share."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from paperlab.settings import LLM_PROFILE, ArxivSettings, Settings
from paperlab.store import database
from paperlab.store.database import Engine

ROOT = Path(__file__).parents[1]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The browser first: it waits more than it computes, and at the end one worker would wait alone."""
    items.sort(key=lambda item: "test_browser" not in item.nodeid)


@pytest.fixture
def settings_for(tmp_path: Path) -> Callable[..., Settings]:
    """Settings of a home of its own: `settings_for(url, rss_url=..., interval_s=0.0, timeout_s=5.0, page_size=50)`."""

    def make(
        api_url: str = "http://127.0.0.1:9/api/query",
        *,
        rss_url: str = "http://127.0.0.1:9/rss",
        oai_url: str = "http://127.0.0.1:9/oai",
        home: Path | None = None,
        interval_s: float = 0.0,
        timeout_s: float = 5.0,
        page_size: int = 50,
    ) -> Settings:
        folder = home or tmp_path / "home"
        return Settings(
            home=folder,
            database_url=f"sqlite:///{folder / 'paperlab.db'}",
            arxiv=ArxivSettings(
                api_url=api_url,
                rss_url=rss_url,
                oai_url=oai_url,
                interval_s=interval_s,
                timeout_s=timeout_s,
                page_size=page_size,
            ),
            profiles={"llm": LLM_PROFILE},
        )

    return make


@pytest.fixture(scope="session")
def empty_database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A database of the current schema, made once: migrations take longer than most tests."""
    home = tmp_path_factory.mktemp("empty")
    database.open_database(Settings(home, f"sqlite:///{home / 'paperlab.db'}"), create=True).dispose()
    return home / "paperlab.db"


@pytest.fixture
def engine_for(empty_database: Path) -> Callable[[Settings], Engine]:
    """An engine for the settings' home, with an empty database where there was none."""

    def make(settings: Settings) -> Engine:
        settings.home.mkdir(parents=True, exist_ok=True)
        if not (settings.home / "paperlab.db").exists():
            shutil.copy(empty_database, settings.home / "paperlab.db")
        return database.open_database(settings)

    return make


@pytest.fixture(scope="session")
def test_data() -> Path:
    """The folder of real captured answers and papers, which is no part of the repository."""
    folder = Path(os.environ.get("PAPERLAB_TEST_DATA", ROOT.parent / "shared" / "data"))
    if not folder.is_dir():
        pytest.skip(f"no test data at {folder}; set PAPERLAB_TEST_DATA")
    return folder
