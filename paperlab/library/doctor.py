"""Everything that paperlab stands on, looked at once: environment, clock, database, arXiv, and whether it still syncs.

Every check ends in a finding; what one runs into never keeps the others from being made.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from paperlab import settings as configuration
from paperlab.arxiv import reachability
from paperlab.arxiv.client import Client
from paperlab.errors import NotReady, PaperlabError, TryAgain
from paperlab.library import environment
from paperlab.library.findings import Check, State
from paperlab.library.status import SILENCE
from paperlab.settings import Settings
from paperlab.store import database, full_text, health, receipts, upgrade
from paperlab.store.database import Engine

MAX_SKEW_S = 60.0
LARGE_WAL_BYTES = 512 * 2**20
ARXIV_ZONE = "America/New_York"
"""arXiv's announcements keep to it."""


@dataclass(frozen=True)
class Examination:
    checks: tuple[Check, ...]

    def count(self, state: State) -> int:
        return sum(check.state is state for check in self.checks)


def examine(
    environ: Mapping[str, str],
    cwd: Path,
    now: datetime,
    *,
    offline: bool = False,
    torch: Callable[[], Check] = environment.torch,
) -> Examination:
    """Look at everything, asking each of arXiv's interfaces at most once, and not at all where `offline`."""
    return Examination(tuple(_checks(environ, cwd, now, offline, torch)))


def _checks(
    environ: Mapping[str, str], cwd: Path, now: datetime, offline: bool, torch: Callable[[], Check]
) -> Iterator[Check]:
    yield environment.python()
    yield from environment.packages()
    yield torch()
    yield from environment.variables(environ)
    yield environment.data_mirror(environ.get("PAPERLAB_DATA_MIRROR"))
    yield time_zones()
    try:
        settings = configuration.load(environ, cwd)
    except PaperlabError as error:
        yield Check("environment", "settings", State.PROBLEM, error.message, error.hint)
        return
    file = settings.config_file
    yield Check("environment", "settings", State.OK, str(file) if file else "no paperlab.toml: the defaults hold")
    writable = environment.home(settings.home)
    yield writable
    yield environment.disk(settings.home)
    yield from data(settings, now)
    if offline:
        yield Check("arxiv", "interfaces", State.SKIPPED, "--offline")
        yield Check("clock", "clock", State.SKIPPED, "--offline: nobody to compare with")
    elif writable.state is State.PROBLEM:
        yield Check("arxiv", "interfaces", State.SKIPPED, "the time of the last request can't be kept")
    else:
        yield from arxiv(settings)


# --- database -------------------------------------------------------------------------------------------------


def data(settings: Settings, now: datetime) -> Iterator[Check]:
    """The database's schema, whether it is whole, its index, its log; and when a sync last succeeded."""
    try:
        engine = database.connect(settings)
        with database.storage_errors(engine):
            status = upgrade.check(engine)
            if status.state == "missing":
                found = f"there is none yet at {database.location(engine)}"
                yield Check("database", "schema", State.WARNING, found, "paperlab sync")
                return
            if status.state != "current":
                raise upgrade.refusal(engine, status)
        yield Check("database", "schema", State.OK, f"{status.current} at {database.location(engine)}")
    except PaperlabError as error:
        yield _failed("database", "schema", error)
        return
    yield from _guarded("database", "integrity", lambda: _integrity(engine))
    yield from _guarded("database", "full text", lambda: _full_text(engine))
    yield from _guarded("sync", "last sync", lambda: _last_sync(engine, now))


def _integrity(engine: Engine) -> Iterator[Check]:
    with database.storage_errors(engine):
        found = health.check(engine)
    if found.complaints:
        yield Check(
            "database",
            "integrity",
            State.PROBLEM,
            "; ".join(found.complaints)[:500],
            "move the database away and bring back a backup",
        )
        return
    size = "" if found.bytes is None else f"whole, {found.bytes / 2**20:.1f} MiB"
    yield Check("database", "integrity", State.OK, size or "left to its server")
    log = f"{found.wal_bytes / 2**20:.1f} MiB"
    if found.wal_bytes > LARGE_WAL_BYTES:
        what_helps = "end what reads it for hours, such as a dashboard, and run any command that writes"
        yield Check("database", "write-ahead log", State.WARNING, log, what_helps)
    elif found.bytes is not None:
        yield Check("database", "write-ahead log", State.OK, log)


def _full_text(engine: Engine) -> Iterator[Check]:
    with database.read_only(engine) as session:
        supported = full_text.is_supported(session)
    if not supported:
        yield Check("database", "full text", State.SKIPPED, "needs SQLite")
        return
    with database.session(engine) as session:
        found = full_text.check(session)
    if found.is_good:
        yield Check("database", "full text", State.OK, f"{found.indexed} papers indexed")
        return
    damage = found.damage or f"{found.missing} papers are not indexed, {found.stray} are indexed and not held"
    yield Check("database", "full text", State.PROBLEM, damage, "paperlab db reindex")


def _last_sync(engine: Engine, now: datetime) -> Iterator[Check]:
    with database.read_only(engine) as session:
        last = receipts.last_success(session)
    if last is None:
        yield Check("sync", "last sync", State.WARNING, "none has succeeded yet", "paperlab sync")
        return
    ended = last.finished_at or last.started_at
    silent = now - ended
    found = (
        f"{last.source}, receipt {last.id}, {ended:%Y-%m-%d %H:%M} UTC, {silent.total_seconds() / 3600:.0f} hours ago"
    )
    if silent > SILENCE:
        what_helps = "paperlab sync     then see that cron or the timer runs: systemctl --user list-timers paperlab-*"
        yield Check("sync", "last sync", State.WARNING, found, what_helps)
    else:
        yield Check("sync", "last sync", State.OK, found)


# --- clock and arXiv ------------------------------------------------------------------------------------------


def time_zones(name: str = ARXIV_ZONE) -> Check:
    """Whether the system's time zones are there."""
    try:
        ZoneInfo(name)
    except ZoneInfoNotFoundError:
        return Check("clock", "time zones", State.WARNING, f"{name} is not known here", "pip install tzdata")
    return Check("clock", "time zones", State.OK, f"{name} is known")


def arxiv(settings: Settings) -> Iterator[Check]:
    """One request to each interface, in turn, and the clock against the first Date that comes back."""
    skew: float | None = None
    with Client.of(settings) as client:
        for interface in reachability.interfaces(settings.arxiv):
            address = interface.url.partition("?")[0]
            try:
                reply = reachability.ask(client.limiter, interface, timeout_s=settings.arxiv.timeout_s)
            except TryAgain as error:
                yield Check("arxiv", interface.name, State.WARNING, error.message, error.hint)
                continue
            except PaperlabError as error:
                yield _failed("arxiv", interface.name, error)
                continue
            skew = reply.skew_s if skew is None else skew
            if reply.problem:
                what_helps = "see https://status.arxiv.org, the network, and the PAPERLAB_ARXIV_*_URL that are set"
                yield Check("arxiv", interface.name, State.PROBLEM, f"{address}: {reply.problem}", what_helps)
            else:
                yield Check("arxiv", interface.name, State.OK, f"{address} answers in {reply.seconds:.1f} s")
    yield clock(skew)


def clock(skew_s: float | None) -> Check:
    """This machine's clock against arXiv's.  Days, cursors and the rate limit go by it."""
    if skew_s is None:
        return Check("clock", "clock", State.SKIPPED, "no answer told the time")
    if abs(skew_s) > MAX_SKEW_S:
        ahead = "ahead of" if skew_s > 0 else "behind"
        found = f"{abs(skew_s):.0f} s {ahead} arXiv's"
        return Check("clock", "clock", State.WARNING, found, "timedatectl set-ntp true")
    return Check("clock", "clock", State.OK, f"within {abs(skew_s):.0f} s of arXiv's")


def _guarded(group: str, name: str, look: Callable[[], Iterator[Check]]) -> Iterator[Check]:
    try:
        yield from look()
    except PaperlabError as error:
        yield _failed(group, name, error)


def _failed(group: str, name: str, error: PaperlabError) -> Check:
    state = State.PROBLEM if isinstance(error, NotReady) or not isinstance(error, TryAgain) else State.WARNING
    return Check(group, name, state, error.message, error.hint)
