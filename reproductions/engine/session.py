"""From a recipe and a seed to a finished run: finds or begins the run, trains what is left of it, evaluates once."""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import torch

from reproductions.engine import distributed, energy, failures, machine, provenance, trainer
from reproductions.engine.identity import Identity, open_run
from reproductions.engine.interrupts import Interrupts
from reproductions.engine.recipe import Recipe, to_dict
from reproductions.engine.task import Task, TaskFactory
from reproductions.engine.trained import TOKENIZER
from reproductions.run_directory import Recorder, RunDirectory


def train(
    recipe: Recipe[Any, Any, Any],
    seed: int,
    runs_dir: Path,
    *,
    make_task: TaskFactory,
    fingerprint: str,
    data_home: Path,
    now: datetime,
    overrides: Mapping[str, str] | None = None,
    tiers: Sequence[Recipe[Any, Any, Any]] = (),
    device: str = "auto",
    again: bool = False,
    max_seconds: float | None = None,
    stop_after: int | None = None,
    command: Sequence[str] = (),
    talk: Callable[[str], None] = lambda _: None,
    on_run: Callable[[Path], None] = lambda _: None,
    progress: bool = False,
    prediction: Mapping[str, Any] | None = None,
    code: str | None = None,
) -> RunDirectory:
    """Trains `recipe` (overrides applied) to its end, going on with the run of the same identity.

    Returns the finished run, at once where it was finished before.  Raises PreEmpted (exit 75) when asked to
    stop, after step `stop_after` or before `max_seconds` are over, Busy (75) where another process trains it,
    NotReady (4) where the machine lacks something, InvalidInput (3) where code or data changed since the run began.
    `tiers` are offered where this one cannot run; `on_run` learns the run's path as soon as it is known; a new run
    keeps `prediction`, which was said of it before it began, and `code`, the part of the fingerprint that all its
    recipes have in common.
    """
    interrupts = Interrupts(max_seconds)  # from here the time runs
    with failures.explained(runs_dir), contextlib.ExitStack() as leaving:
        world = distributed.join(device)
        leaving.callback(distributed.leave, world)
        talk = talk if world.is_main else lambda _: None
        mine = distributed.share_of(world, recipe.train.accumulate)
        precision = trainer.precision(recipe, world.device)
        identity = Identity(recipe.name, recipe.tier, seed, overrides or {}, to_dict(recipe), fingerprint, again)
        recorder: Recorder | None = None
        source = provenance.Source({})

        def describe() -> dict[str, Any]:
            nonlocal source
            here = machine.here(str(world.device))
            machine.check(recipe, tiers, here, runs_dir)
            source = provenance.code(provenance.ROOT)
            return {
                "reproduction": recipe.reproduction,
                "code": code,
                "command": list(command),
                "predicted": None if recipe.predicted is None else dict(recipe.predicted),
                "prediction": None if prediction is None else dict(prediction),
                "provenance": provenance.describe(
                    here,
                    source,
                    device=str(world.device),
                    threads=torch.get_num_threads(),
                    precision="fp32" if precision is None else "bf16",
                    world_size=world.size,
                ),
            }

        def keep(recorder: Recorder) -> None:
            if source.diff is not None:
                recorder.keep(source.diff, ".diff")

        def find() -> tuple[Path, bool]:
            nonlocal recorder
            opened = open_run(runs_dir, identity, now=now, describe=describe, talk=talk, keep=keep)
            recorder = opened.recorder
            return opened.run.path, recorder is None

        path, is_finished = distributed.on_main(world, find)
        run = RunDirectory(path)
        on_run(path)
        talk(f"{'finished before' if is_finished else 'run'}: {path}")
        if is_finished:
            return run
        if recorder is not None:
            leaving.enter_context(recorder)
            names = energy.gpus(str(world.device), int(os.environ.get("LOCAL_WORLD_SIZE", "1")))
            recorder.meter = leaving.enter_context(energy.metered(energy.library(), names))
        leaving.enter_context(interrupts)
        leaving.enter_context(failures.noted(recorder))
        task = make_task(recipe=recipe, data_home=data_home, device=world.device, seed=seed)
        given = trainer.Given(
            recipe, task, seed, run, recorder, world, mine, precision, interrupts, talk, stop_after=stop_after
        )
        loop = trainer.Loop(given)
        with interrupts.at_once():
            loop.begin()
            if recorder is not None:
                _keep_tokenizer(task, recorder)
        loop.take_steps(progress)
        with interrupts.at_once():
            loop.finish()
        return run


def _keep_tokenizer(task: Task, recorder: Recorder) -> None:
    """A learned tokenizer goes with the run: without it the weights are numbers about unknown tokens."""
    tokenizer = getattr(task, "tokenizer", None)
    if tokenizer is None or not hasattr(tokenizer, "save"):
        return
    if any(kept["name"] == TOKENIZER for kept in RunDirectory(recorder.path).artifacts()):
        return
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / TOKENIZER
        tokenizer.save(path)
        recorder.artifact(TOKENIZER, path.read_bytes())
