"""Run directories as tests need them: written by the real recorder, without training."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from reproductions.run_directory import Recorder

CREATED_AT = "2026-11-24T09:30:12Z"


def begin(
    runs_dir: Path,
    *,
    recipe: str = "transformer-base",
    tier: str = "smoke",
    seed: int = 1,
    token: str = "7f3a",
    fingerprint: str = "f" * 64,
    overrides: Mapping[str, str] | None = None,
    data: Mapping[str, str] | None = None,
    **record: Any,
) -> Recorder:
    """A run that has just started; close the recorder to interrupt it.

    `data` are the hashes of the files that it reads, `record` further keys of run.json.
    """
    run_id = f"20261124-0930{seed:02d}-{recipe}-{tier}-{token}"
    path = runs_dir / run_id
    path.mkdir(parents=True)
    recorder = Recorder(path)
    recorder.describe(
        {
            "id": run_id,
            "reproduction": "transformer",
            "recipe": recipe,
            "tier": tier,
            "seed": seed,
            "overrides": dict(overrides or {}),
            "recipe_values": {"train": {"max_steps": 10}},
            "fingerprint": fingerprint,
            "created_at": CREATED_AT,
            "predicted": None,
            **record,
            "provenance": {"device": "cpu", "commit": "abc", **(record.get("provenance") or {})}
            | ({} if data is None else {"data": {place: {"sha256": found} for place, found in data.items()}}),
        }
    )
    recorder.event("started")
    return recorder


def learn(recorder: Recorder, steps: Sequence[int], *, offset: float = 0.0) -> None:
    """A loss a step, and a sample at every third one."""
    for step in steps:
        recorder.step = step
        recorder.metrics({"train/loss": 10.0 - step + offset, "train/lr": 0.1}, step)
        if step % 3 == 0:
            recorder.sample(step=step, source="two", output=f"zwei {step}", reference="zwei", decoding={"beam": 4})


def measured(claim: str | None, value: float = 1.0, **changes: Any) -> dict[str, Any]:
    """One entry of result.json."""
    return {
        "claim": claim,
        "task": "translation",
        "dataset": "number-words",
        "split": "test",
        "metric": "exact_match",
        "value": value,
        "unit": "share",
        "n": 500,
        "protocol": {"beam": 4},
        **changes,
    }


def finished(
    runs_dir: Path, *, measurements: Sequence[Mapping[str, Any]] = (), offset: float = 0.0, **options: Any
) -> Path:
    """A run of ten steps that came to its end; its losses lie `offset` higher."""
    with begin(runs_dir, **options) as recorder:
        learn(recorder, range(1, 11), offset=offset)
        recorder.event("finished")
        recorder.result(measurements, seconds=12.5)
        return recorder.path


def weights(path: Path, content: bytes, step: int = 10) -> None:
    """A whole checkpoint in a run directory; its weights are these bytes."""
    folder = path / "checkpoints" / f"step-{step:06d}"
    folder.mkdir(parents=True)
    (folder / "model.safetensors").write_bytes(content)
    state = {"step": step, "files": {"model.safetensors": {"bytes": len(content)}}}
    (folder / "state.json").write_text(json.dumps(state), encoding="utf-8")
