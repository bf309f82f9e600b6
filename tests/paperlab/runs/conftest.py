from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from paperlab import settings
from paperlab.store.database import Engine, open_database


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    """An empty database with the current schema."""
    opened = open_database(settings.load({"PAPERLAB_HOME": str(tmp_path / "home")}, tmp_path), create=True)
    yield opened
    opened.dispose()


@pytest.fixture
def runs_dir(tmp_path: Path) -> Path:
    return tmp_path / "runs"
