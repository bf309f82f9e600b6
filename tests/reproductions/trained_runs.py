"""Runs of real recipes at sizes that train in a second, for tests that open what was trained."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

from reproductions import registry
from reproductions.engine import session
from reproductions.engine.recipe import override
from reproductions.run_directory import RunDirectory

NOW = datetime(2026, 11, 24, 9, 30, 12, tzinfo=UTC)
TINY = {
    "gpt-2": {
        "model.num_layers": "2",
        "model.d_model": "32",
        "model.num_heads": "2",
        "model.context": "32",
        "data.dataset": "pydoc-topics",
        "data.characters": "20000",
        "data.vocabulary": "300",
        "data.context": "16",
        "data.tokens_per_batch": "96",
        "evaluation.sample_tokens": "2",
        "train.max_steps": "3",
    },
    "llama": {
        "model.num_layers": "1",
        "model.d_model": "16",
        "model.num_heads": "2",
        "model.d_ff": "24",
        "model.context": "32",
        "data.dataset": "pydoc-topics",
        "data.characters": "20000",
        "data.vocabulary": "300",
        "data.context": "16",
        "data.tokens_per_batch": "64",
        "evaluation.sample_tokens": "2",
        "train.max_steps": "2",
    },
    "bert-base": {
        "model.num_layers": "1",
        "model.d_model": "16",
        "model.num_heads": "2",
        "model.context": "32",
        "data.characters": "200000",
        "data.vocabulary": "300",
        "data.context": "16",
        "data.sequences_per_batch": "4",
        "train.max_steps": "2",
    },
    "transformer-base": {
        "model.num_layers": "1",
        "model.d_model": "32",
        "model.d_ff": "32",
        "data.numbers": "300",
        "data.tokens_per_batch": "256",
        "evaluation.extra_length": "2",
        "evaluation.beam": "1",
        "train.max_steps": "4",
        "train.checkpoint_every": "2",
        "train.average_last": "2",
    },
}


def train(name: str, folder: Path, **more: str) -> RunDirectory:
    """A finished run of the tiny recipe under ``folder``/runs, its data in ``folder``/data."""
    changes = {**TINY[name], **{key.replace("__", "."): value for key, value in more.items()}}
    (folder / "runs").mkdir(parents=True, exist_ok=True)
    return session.train(
        override(registry.recipe(name, "smoke"), changes),
        1,
        folder / "runs",
        make_task=registry.task(name),
        fingerprint="f" * 64,
        data_home=folder / "data",
        now=NOW,
        overrides=changes,
        device="cpu",
    )
