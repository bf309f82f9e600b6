"""What the pages read.  Every read goes through a read-only session and is kept until someone commits a write.

What only a run directory knows (a run that is training now) is read from there; nothing here writes, trains or fetches.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import wraps
from pathlib import Path
from typing import Any, Concatenate, ParamSpec, TypeVar

import streamlit as st

from paperlab import settings as settings_module
from paperlab.arxiv_id import ArxivId
from paperlab.dashboard.follow import Progress, RunView, curves_of
from paperlab.entities import Claim, Paper, ProfileMatch, Receipt, Run, RunStatus, Verdict
from paperlab.errors import InvalidInput, UnknownName
from paperlab.library import claims as claims_library
from paperlab.library import papers as papers_library
from paperlab.library.papers import PaperDetails
from paperlab.runs import changes, judging, structure
from paperlab.settings import Settings
from paperlab.store import database, matches, papers, receipts, upgrade, verdicts
from paperlab.store import runs as stored_runs
from paperlab.store.papers import PaperFilter
from paperlab.store.runs import RunFilter
from paperlab.store.verdicts import LoggedVerdict
from reproductions import registry
from reproductions.run_directory import ReproductionError, RunDirectory

P = ParamSpec("P")
T = TypeVar("T")
_CHECKS_KEPT_S = 30.0


@dataclass(frozen=True)
class PaperPage:
    """Some papers, why they are relevant, and how many there are in all; `is_more` where no more were counted."""

    papers: tuple[Paper, ...]
    matches: dict[str, list[ProfileMatch]]
    total: int
    is_more: bool


@dataclass(frozen=True)
class JudgedClaim:
    claim: Claim
    verdict: Verdict


def settings() -> Settings:
    return settings_module.load()


def now() -> datetime:
    return datetime.now(UTC)


# --- the database -----------------------------------------------------------------------------------------------


def open_database() -> tuple[database.Engine, tuple[str | int, ...]]:
    """The engine, and a value that changes with every write of anyone.  Raises NotReady where a command is needed."""
    loaded = settings()
    engine = _engine(loaded.database_url, _inode(loaded), loaded)
    with database.storage_errors(engine):
        status = upgrade.check(engine)
        if status.state != "current":
            raise upgrade.refusal(engine, status)
        return engine, (loaded.database_url, _inode(loaded), database.data_version(engine))


@st.cache_resource(show_spinner=False, max_entries=4)
def _engine(url: str, inode: int, _settings: Settings) -> database.Engine:
    """One engine per address and file: a file put in its place is another one."""
    del url, inode  # they are the cache's key
    return database.connect(_settings)


def _inode(loaded: Settings) -> int:
    scheme, _, path = loaded.database_url.partition(":///")
    file = Path(path)
    return file.stat().st_ino if scheme.startswith("sqlite") and file.is_file() else 0


def _cached(read: Callable[Concatenate[database.Session, P], T]) -> Callable[P, T]:
    """The read without its session: opened read-only, and done again only after a write."""

    @st.cache_data(show_spinner=False, max_entries=256)
    def remembered(name: str, state: tuple[str | int, ...], words: Any, options: Any, _engine: database.Engine) -> T:
        del name, state  # they are the cache's key
        with database.read_only(_engine) as session:
            return read(session, *words, **options)

    @wraps(read)
    def call(*words: P.args, **options: P.kwargs) -> T:
        engine, state = open_database()
        result: T = remembered(read.__name__, state, words, options, engine)
        return result

    return call


@_cached
def find_papers(session: database.Session, wanted: PaperFilter, limit: int, offset: int = 0) -> PaperPage:
    found = papers_library.list_papers(session, wanted, limit, offset)
    why = matches.of_papers(session, [paper.arxiv_id for paper in found.papers])
    return PaperPage(found.papers, why, found.total, found.is_more)


@_cached
def paper(session: database.Session, arxiv_id: ArxivId) -> PaperDetails:
    return papers_library.show(session, arxiv_id)


@_cached
def categories(session: database.Session) -> dict[str, int]:
    return papers.category_counts(session)


@_cached
def latest_receipts(session: database.Session, limit: int) -> list[Receipt]:
    return receipts.latest(session, limit)


@_cached
def verdict_changes(session: database.Session, limit: int) -> list[LoggedVerdict]:
    """The newest entries of the log, newest first."""
    return verdicts.history(session)[-limit:][::-1]


@_cached
def _indexed_runs(session: database.Session, wanted: RunFilter, limit: int) -> list[Run]:
    return stored_runs.find(session, wanted, limit=limit)


@_cached
def _stored_run(session: database.Session, run_id: str) -> RunView | None:
    run = stored_runs.get(session, run_id)
    if run is None:
        return None
    return RunView(
        run=run,
        curves=curves_of(run_id, stored_runs.points(session, run_id)),
        samples=tuple(stored_runs.samples(session, run_id)),
        measurements=tuple(stored_runs.measurements(session, run_id=run_id)),
        events=(),
        is_live=False,
    )


# --- runs: the directory first, the tables where it has gone ------------------------------------------------------


def runs(wanted: RunFilter | None = None, limit: int = 50) -> list[Run]:
    """Newest first.  Those that are not indexed yet, or have gone on since, as their directories tell them."""
    wanted = wanted or RunFilter()
    held = {run.id: run for run in _indexed_runs(wanted, limit)}
    for directory in _newest_directories(limit):
        run = held.get(directory.id)
        if run is not None and run.status is RunStatus.FINISHED:
            continue
        fresh = _described(directory)
        if fresh is not None and _passes(fresh, wanted):
            held[fresh.id] = fresh
    return sorted(held.values(), key=lambda run: (run.created_at, run.id), reverse=True)[:limit]


def run(run_id: str) -> RunView:
    """One run with all that is known of it.  Raises UnknownName."""
    if not run_id or Path(run_id).name != run_id or run_id.startswith("."):
        raise InvalidInput(f'"{run_id}" is not the id of a run', "paperlab runs list")
    stored = _stored_run(run_id)
    path = settings().runs_dir / run_id if stored is None else stored.run.path
    if (path / "run.json").is_file():
        return _progress(str(path)).look()
    if stored is None:
        raise UnknownName("run", run_id, [known.id for known in runs()], "paperlab runs list")
    return stored


@st.cache_resource(show_spinner=False, max_entries=24)
def _progress(path: str) -> Progress:
    return Progress(RunDirectory(Path(path)))


def _newest_directories(limit: int) -> list[RunDirectory]:
    """The newest run directories of the home: their names begin with the time they were made at."""
    folder = settings().runs_dir
    names = sorted((path.name for path in folder.iterdir()), reverse=True) if folder.is_dir() else []
    return [RunDirectory(folder / name) for name in names if (folder / name / "run.json").is_file()][:limit]


def _described(directory: RunDirectory) -> Run | None:
    """The run, or None where the directory is damaged: the page of that run says why."""
    try:
        return changes.describe(directory, directory.events(), directory.result)
    except (ReproductionError, *changes.UNREADABLE):
        return None


def _passes(run: Run, wanted: RunFilter) -> bool:
    return (
        wanted.reproduction in (None, run.reproduction)
        and wanted.recipe in (None, run.recipe)
        and wanted.tier in (None, run.tier)
        and wanted.status in (None, run.status)
    )


# --- claims -------------------------------------------------------------------------------------------------------


def reproductions() -> tuple[registry.Reproduction, ...]:
    return registry.all()


def judged(wanted: Callable[[Claim], bool] = lambda _: True) -> list[JudgedClaim]:
    """Claims with what holds of them now, in the order of the claims' files.  Checks and trains nothing for it."""
    engine, state = open_database()
    checks = _checks(str(settings().home))
    known = tuple((name, check.fingerprint, len(check.measurements), check.failure) for name, check in checks.items())
    return [item for item in _judged((*state, *_claim_files()), known, checks, engine) if wanted(item.claim)]


@st.cache_data(show_spinner=False, max_entries=4)
def _judged(
    state: tuple[str | int, ...],
    known: tuple[tuple[str, str, int, str], ...],
    _checks: dict[str, structure.Check],
    _engine: database.Engine,
) -> list[JudgedClaim]:
    del state, known  # they are the cache's key
    claims = claims_library.load()
    with database.read_only(_engine) as session:
        verdict_of = {verdict.claim_id: verdict for verdict in judging.verdicts(session, claims, _checks)}
    return [JudgedClaim(claim, verdict_of[claim.id]) for claim in claims]


def _claim_files() -> list[int]:
    """When each claims.toml was last written: an edit is seen at the next look."""
    files = [registry.folder(name) / "claims.toml" for name in registry.names()]
    return [file.stat().st_mtime_ns if file.is_file() else 0 for file in files]


@st.cache_data(show_spinner=False, ttl=_CHECKS_KEPT_S)
def _checks(home: str) -> dict[str, structure.Check]:
    """Structural checks that `paperlab claims check` left on this machine, for the code of now."""
    return structure.known(registry.names(), Path(home))


def claims_of_paper(arxiv_id: str) -> list[JudgedClaim]:
    """What this paper reports."""
    return judged(lambda claim: claim.source == arxiv_id)


def reproductions_of(arxiv_id: str) -> list[registry.Reproduction]:
    return [each for each in reproductions() if any(source.id == arxiv_id for source in each.sources)]


def own_bars(names: set[str]) -> list[JudgedClaim]:
    """What paperlab itself asks of these reproductions: smaller tiers have references of their own."""
    return judged(lambda claim: claim.reproduction in names and claim.source == "paperlab")
