from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from paperlab.settings import Settings
from paperlab.store.database import Engine


@pytest.fixture
def shared_settings(settings_for: Callable[..., Settings], on_postgresql: Callable[[Path], str]) -> Settings:
    """Settings of a home whose database is on a server, and empty."""
    settings = settings_for()
    return replace(settings, database_url=on_postgresql(settings.home))


@pytest.fixture
def engine(shared_settings: Settings, engine_for: Callable[[Settings], Engine]) -> Engine:
    """A database of the current schema on a server, without papers."""
    return engine_for(shared_settings)
