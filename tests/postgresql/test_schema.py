"""Every migration leads a PostgreSQL database to the tables of schema.py, and back."""

from __future__ import annotations

import pytest
from alembic import command
from alembic.config import Config

from paperlab.store import database, upgrade


@pytest.fixture
def settings(settings_for, on_postgresql, tmp_path):
    from dataclasses import replace

    return replace(settings_for(), database_url=on_postgresql(tmp_path))


def test_alembics_own_check_finds_nothing(settings):
    engine = database.open_database(settings, create=True)
    config = Config()
    config.set_main_option("script_location", str(upgrade.migrations_folder()))
    with engine.begin() as connection:
        config.attributes["connection"] = connection
        command.check(config)
