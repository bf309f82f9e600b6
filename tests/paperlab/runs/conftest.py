from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from paperlab.settings import Settings
from paperlab.store.database import Engine


@pytest.fixture
def engine(
    tmp_path: Path, settings_for: Callable[..., Settings], engine_for: Callable[[Settings], Engine]
) -> Iterator[Engine]:
    """An empty database with the current schema."""
    opened = engine_for(settings_for(home=tmp_path / "home"))
    yield opened
    opened.dispose()


@pytest.fixture
def runs_dir(tmp_path: Path) -> Path:
    return tmp_path / "runs"
