"""Which run a command line means: the one to go on with, the one that is finished, or a new one.

A run is recipe, tier, overrides, seed and the fingerprint of the code.  Looking and creating happen under one lock
on the runs folder, so that the same command started twice makes one run, and the second says that it is busy.
"""

from __future__ import annotations

import contextlib
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from reproductions.registry import InvalidInput, NotReady
from reproductions.run_directory import Recorder, RunDirectory, find_runs, new_run_id
from reproductions.run_files import only_one


@dataclass(frozen=True)
class Identity:
    """`recipe_values` with the overrides applied; `again`: one of several runs on purpose (`--again`)."""

    recipe: str
    tier: str
    seed: int
    overrides: Mapping[str, str]
    recipe_values: Mapping[str, Any]
    fingerprint: str
    again: bool = False


@dataclass(frozen=True)
class Opened:
    """A run and, unless it is finished, the right to write it."""

    run: RunDirectory
    recorder: Recorder | None
    is_new: bool


def open_run(
    runs_dir: Path,
    identity: Identity,
    *,
    now: datetime,
    describe: Callable[[], Mapping[str, Any]],
    talk: Callable[[str], None],
    keep: Callable[[Recorder], None] = lambda _: None,
) -> Opened:
    """Finds or creates the run.  `describe` gives the rest of run.json for a new one, `keep` its first artifacts.

    Raises Busy (exit 75) where another process is writing it, InvalidInput (exit 3) where the code has changed since
    an unfinished run began.
    """
    _make(runs_dir)
    with only_one(runs_dir):
        found = find_runs(runs_dir, on_skip=lambda path, why: talk(f"left aside as incomplete: {path} ({why})"))
        run = _match(found, identity)
        if run is not None and run.result is not None:
            return Opened(run, None, is_new=False)
        if run is not None:
            return Opened(run, Recorder(run.path), is_new=False)
        new_id = new_run_id(now.astimezone(UTC), identity.recipe, identity.tier, secrets.token_hex(2))
        content = {
            "id": new_id,
            "recipe": identity.recipe,
            "tier": identity.tier,
            "seed": identity.seed,
            "overrides": dict(identity.overrides),
            "recipe_values": identity.recipe_values,
            "fingerprint": identity.fingerprint,
            "again": identity.again,
            "created_at": f"{now.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}",
            **describe(),
        }
        run = RunDirectory(runs_dir / new_id)
        run.path.mkdir()
        with contextlib.ExitStack() as on_failure:
            recorder = on_failure.enter_context(Recorder(run.path))
            keep(recorder)  # before run.json, which names them
            recorder.describe(content)
            on_failure.pop_all()  # described: the lock is now the caller's to let go
        return Opened(run, recorder, is_new=True)


def _make(runs_dir: Path) -> None:
    try:
        runs_dir.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        hint = "choose a folder with --runs-dir, or set PAPERLAB_HOME"
        raise NotReady(f"cannot write {runs_dir} ({error.strerror})", hint) from error


def _match(found: list[RunDirectory], identity: Identity) -> RunDirectory | None:
    """The newest run that the command line means, or None for a new one."""
    alike = [run for run in reversed(found) if _same_command(run.run, identity)]
    unfinished = [run for run in alike if run.result is None]
    if identity.again:
        # what --again began is gone on with by the same command; it never goes back to a run begun without it
        return next((run for run in unfinished if run.run.get("again") and _same_code(run.run, identity)), None)
    same = next((run for run in alike if _same_code(run.run, identity)), None)
    if same is None and unfinished:
        raise InvalidInput(
            f"{unfinished[0].path} is unfinished, and the code or the recipe has changed since it began",
            "--again starts another run; to go on with this one, go back to its code",
        )
    return same


def _same_command(run: Mapping[str, Any], identity: Identity) -> bool:
    wanted = (identity.recipe, identity.tier, identity.seed, dict(identity.overrides))
    return (run["recipe"], run["tier"], run["seed"], run["overrides"]) == wanted


def _same_code(run: Mapping[str, Any], identity: Identity) -> bool:
    return bool(run["fingerprint"] == identity.fingerprint and run["recipe_values"] == identity.recipe_values)
