"""The database as commands and pages need it: created when missing, with the landmark papers in it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from paperlab.library import landmarks, profiles
from paperlab.settings import Settings
from paperlab.store import database, full_text, upgrade


@dataclass(frozen=True)
class UpgradeOutcome:
    """`before` is None where there was no database."""

    location: str
    before: str | None
    after: str
    seeded: int
    """Landmark papers written."""


def utc_now() -> datetime:
    return datetime.now(UTC)


def open_or_create(settings: Settings, now: Callable[[], datetime] = utc_now) -> database.Engine:
    """The engine; a missing database is created and given the landmark papers.  Refuses an old or too new one.

    A profile that is new or another than last time is matched with every paper held, so that a list by it is whole.
    """
    if is_missing(settings):
        upgrade_database(settings, now)
    engine = database.open_database(settings)
    profiles.rematch_changed(engine, settings.profiles, now())
    return engine


def is_missing(settings: Settings) -> bool:
    """Whether there is no database yet; looking makes none."""
    engine = database.connect(settings)
    with database.storage_errors(engine):
        return upgrade.check(engine).state == "missing"


def upgrade_database(settings: Settings, now: Callable[[], datetime] = utc_now) -> UpgradeOutcome:
    """Bring the database to the current schema and seed the landmark papers; nothing to do is fine."""
    engine = database.connect(settings)
    with database.storage_errors(engine):
        before = upgrade.upgrade(settings, engine)
    seeded = landmarks.seed(engine, settings, now())
    return UpgradeOutcome(database.location(engine), before.current, before.head, seeded)


def check(settings: Settings) -> upgrade.SchemaStatus:
    """The schema's state.  Raises NotReady, with the command that helps, where it is not current."""
    engine = database.connect(settings)
    with database.storage_errors(engine):
        status = upgrade.check(engine)
    if status.state != "current":
        raise upgrade.refusal(engine, status)
    return status


def reindex(settings: Settings) -> int:
    """Build the full-text index anew from the papers held.  Returns how many are indexed."""
    with database.session(database.open_database(settings)) as session:
        full_text.require(session)
        return full_text.rebuild(session)


def backup(settings: Settings, target: Path) -> int:
    """A consistent copy while others write.  Returns its size in bytes."""
    upgrade.backup(database.connect(settings), target)
    return target.stat().st_size
