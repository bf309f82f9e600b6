"""What several packages' tests share."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from paperlab.settings import LLM_PROFILE, ArxivSettings, Settings

ROOT = Path(__file__).parents[1]


@pytest.fixture
def settings_for(tmp_path: Path) -> Callable[..., Settings]:
    """Settings of a home of its own: `settings_for(url, interval_s=0.0, timeout_s=5.0, page_size=50)`."""

    def make(
        api_url: str = "http://127.0.0.1:9/api/query",
        *,
        home: Path | None = None,
        interval_s: float = 0.0,
        timeout_s: float = 5.0,
        page_size: int = 50,
    ) -> Settings:
        folder = home or tmp_path / "home"
        return Settings(
            home=folder,
            database_url=f"sqlite:///{folder / 'paperlab.db'}",
            arxiv=ArxivSettings(api_url=api_url, interval_s=interval_s, timeout_s=timeout_s, page_size=page_size),
            profiles={"llm": LLM_PROFILE},
        )

    return make


@pytest.fixture(scope="session")
def test_data() -> Path:
    """The folder of real captured answers and papers, which is no part of the repository."""
    folder = Path(os.environ.get("PAPERLAB_TEST_DATA", ROOT.parent / "shared" / "data"))
    if not folder.is_dir():
        pytest.skip(f"no test data at {folder}; set PAPERLAB_TEST_DATA")
    return folder
