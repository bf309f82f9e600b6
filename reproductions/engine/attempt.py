"""One attempt at a run: where it goes on, and whether it is fed with what the run began with."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from reproductions.engine import checkpoint
from reproductions.registry import InvalidInput
from reproductions.run_directory import Recorder, RunDirectory


def begin(run: RunDirectory, recorder: Recorder, talk: Callable[[str], None], *, world_size: int = 1) -> Path | None:
    """Records that an attempt by `world_size` processes begins.

    Returns the newest whole checkpoint, or None to begin at step 0.
    """
    recorder.keep_beating()
    checkpoint.remove_leftovers(run)
    saved, passed_over = checkpoint.newest(run)
    attempts = [event["attempt"] for event in run.events() if event["event"] in ("started", "resumed")]
    recorder.attempt = max(attempts, default=0) + 1
    for torn in passed_over:
        talk(f"passed over {torn['checkpoint']}: {torn['why']}")
    if attempts:
        step = checkpoint.step_of(saved) if saved is not None else 0
        before = world_size if saved is None else checkpoint.world_size(saved)
        recorder.resumed(step, passed_over=passed_over, world_size=world_size, same_draws=before == world_size)
        talk(f"going on after step {step}")
        if before != world_size:
            talk(f"{_processes(before)} before, now {world_size}: dropout draws other numbers than it would have drawn")
    else:
        recorder.event("started", world_size=world_size)
    return saved


def keep_hashes(run: RunDirectory, recorder: Recorder, found: Mapping[str, Any]) -> None:
    """Notes data, tokenizer and parent in run.json.  Raises InvalidInput where the run began with others."""
    content = run.run
    parts = ("data", "tokenizer", *(("parent",) if "parent" in {*found, *content["provenance"]} else ()))
    before = {part: content["provenance"].get(part) or {} for part in parts}
    now = {part: found.get(part) or {} for part in parts}
    if before == now:
        return
    if any(before.values()):
        is_parent = all(before[part] == now[part] for part in parts[:2])
        what = "the parent, from whose weights it began, has" if is_parent else "the data or the tokenizer has"
        message = f"{what} changed since {run.path} began"
        raise InvalidInput(message, "--again starts another run")
    recorder.describe({**content, "provenance": {**content["provenance"], **now}})


def keep_size(run: RunDirectory, recorder: Recorder, parameters: int) -> None:
    """Notes in run.json how many weights are trained."""
    content = run.run
    if content["provenance"].get("parameters") != parameters:
        recorder.describe({**content, "provenance": {**content["provenance"], "parameters": parameters}})


def _processes(count: int) -> str:
    return f"{count} process{'es' if count != 1 else ''}"
