"""Runs with everything that a run can have, for what carries and checks them: real files, no training."""

from __future__ import annotations

import hashlib
import json
import shutil
from pathlib import Path
from typing import Any

from reproductions.run_directory import Recorder
from tests.paperlab.runs import directories

TENSORS = (2).to_bytes(8, "little") + b"{}"
"""The smallest safetensors file."""


def checkpoint(recorder: Recorder, step: int, *, seconds: float = 1.0) -> Path:
    """A checkpoint as the engine writes one, under a hidden name first, and its event."""
    folder = recorder.path / "checkpoints" / f".step-{step:06d}.tmp"
    folder.mkdir(parents=True)
    files = {}
    for name in ("model", "optimizer", "rng"):
        (folder / f"{name}.safetensors").write_bytes(TENSORS)
        digest = hashlib.sha256(TENSORS).hexdigest()
        files[f"{name}.safetensors"] = {"bytes": len(TENSORS), "sha256": digest}
    state = {"format": 1, "step": step, "scheduled": True, "counters": {"seconds": seconds}, "files": files}
    (folder / "state.json").write_text(json.dumps(state))
    place = folder.with_name(f"step-{step:06d}")
    discard(place)
    folder.rename(place)
    recorder.event("checkpointed", checkpoint=place.name, scheduled=True)
    return place


def discard(checkpoint: Path) -> None:
    """Removes a checkpoint as the engine does: it is gone before its first file is."""
    if checkpoint.exists():
        doomed = checkpoint.rename(checkpoint.with_name(f".{checkpoint.name}.doomed.tmp"))
        shutil.rmtree(doomed)


def begin(runs_dir: Path, **options: Any) -> Recorder:
    """A run that has learned for six steps, with a checkpoint, an artifact and samples."""
    recorder = directories.begin(runs_dir, **options)
    directories.learn(recorder, range(1, 7))
    checkpoint(recorder, 5)
    recorder.artifact("attention.svg", b"<svg/>")
    recorder.flush()
    return recorder


def finish(recorder: Recorder) -> Path:
    """Takes a begun run to its end."""
    directories.learn(recorder, range(7, 11))
    checkpoint(recorder, 10)
    recorder.event("evaluating", averaged=[])
    recorder.result([directories.measured(None, 0.5)], seconds=12.5, averaged=[])
    recorder.event("finished")
    recorder.close()
    return recorder.path


def finished(runs_dir: Path, **options: Any) -> Path:
    return finish(begin(runs_dir, **options))


def content(folder: Path) -> dict[str, bytes]:
    """Every file below a folder."""
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
