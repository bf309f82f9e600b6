"""Runs as the pages read them: the directory first, the tables where it has gone."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import streamlit as st

from paperlab.dashboard import charts
from paperlab.dashboard.charts import Curve
from paperlab.dashboard.data import cache
from paperlab.dashboard.data.cache import cached
from paperlab.dashboard.follow import Progress, RunView, curves_of
from paperlab.entities import Run, RunStatus
from paperlab.errors import InvalidInput, UnknownName
from paperlab.runs import changes, compare
from paperlab.runs.compare import Comparison
from paperlab.store import database
from paperlab.store import runs as stored_runs
from paperlab.store.runs import RunFilter
from reproductions.run_directory import ReproductionError, RunDirectory, folder_names

_SPARK_POINTS = 40


@cached
def _indexed_runs(session: database.Session, wanted: RunFilter, limit: int, offset: int = 0) -> list[Run]:
    return stored_runs.find(session, wanted, limit, offset)


@cached
def stored_run(session: database.Session, run_id: str) -> RunView | None:
    """The run as the tables have it, its curves thinned; None where it is not indexed."""
    run = stored_runs.get(session, run_id)
    if run is None:
        return None
    return RunView(
        run=run,
        curves=curves_of(stored_runs.series(session, [run_id], most=charts.POINTS_SHOWN)),
        samples=tuple(stored_runs.samples(session, run_id)),
        measurements=tuple(stored_runs.measurements(session, run_id=run_id)),
        events=(),
        is_live=False,
    )


@dataclass(frozen=True)
class RunPage:
    """Some runs, newest first, and how many are indexed in all.  `sparks`: a few values of each run's training loss."""

    runs: tuple[Run, ...]
    total: int
    sparks: dict[str, tuple[float, ...]]
    last: dict[str, float]
    """The newest validation loss, by run."""


def run_page(wanted: RunFilter, limit: int, offset: int = 0) -> RunPage:
    """One page of the list of runs; the first has those that are not indexed yet, too."""
    found = runs(wanted, limit) if not offset else _indexed_runs(wanted, limit, offset)
    ids = tuple(run.id for run in found)
    sparks, last = _sparks(ids)
    return RunPage(tuple(found), max(_count(wanted), offset + len(found)), sparks, last)


@cached
def _count(session: database.Session, wanted: RunFilter) -> int:
    return stored_runs.count(session, wanted)


@cached
def _sparks(
    session: database.Session, run_ids: tuple[str, ...]
) -> tuple[dict[str, tuple[float, ...]], dict[str, float]]:
    training = stored_runs.series(session, run_ids, ["train/loss"], most=_SPARK_POINTS)
    validation = stored_runs.series(session, run_ids, ["val/loss"], most=_SPARK_POINTS)
    return (
        {series.run_id: tuple(series.values) for series in training},
        {series.run_id: series.values[-1] for series in validation if series.values},
    )


@cached
def recipes_run(session: database.Session) -> list[str]:
    """Names of recipes that there are runs of."""
    return stored_runs.recipes(session)


@cached
def overlay(session: database.Session, run_ids: tuple[str, ...], name: str, most: int) -> list[Curve]:
    """One metric of several runs, thinned to `most` points each with their extremes."""
    return [
        Curve(series.run_id, series.name, series.steps, series.times, series.values, series.total)
        for series in stored_runs.series(session, run_ids, [name], most=most)
    ]


@cached
def metric_names(session: database.Session, run_ids: tuple[str, ...]) -> list[str]:
    """What any of these runs recorded."""
    return sorted({name for run_id in run_ids for name in stored_runs.metric_names(session, run_id)})


@cached
def comparison(session: database.Session, run_ids: tuple[str, ...]) -> tuple[list[Run], Comparison | None]:
    """The runs and, where there are two or more, what differs.  Raises UnknownName for one that is not indexed."""
    sides = compare.load(session, run_ids)
    return [side.run for side in sides], compare.compare(sides) if len(sides) > 1 else None


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
    stored = stored_run(run_id)
    path = cache.settings().runs_dir / run_id if stored is None else stored.run.path
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
    runs_dir = cache.settings().runs_dir
    paths = (runs_dir / name for name in reversed(folder_names(runs_dir)))  # made one by one: there may be very many
    return list(islice((RunDirectory(path) for path in paths if (path / "run.json").is_file()), limit))


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
