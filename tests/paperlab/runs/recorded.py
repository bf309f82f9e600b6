"""Runs and measurements as entities, for what is computed from them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from paperlab.entities import Measurement, Run, RunStatus

BEGAN = datetime(2026, 11, 24, 9, 30, tzinfo=UTC)


def run(seed: int = 1, recipe: str = "transformer-base", **changes: Any) -> Run:
    """A finished run.  `values` and `provenance` go into its record."""
    values: Mapping[str, Any] = changes.pop("values", {"optim": {"lr": 1.0}, "data": {"dataset": "number-words"}})
    provenance: Mapping[str, Any] = changes.pop(
        "provenance", {"hardware": {"cpu": "a CPU"}, "threads": 2, "world_size": 1, "commit": "abc"}
    )
    made = Run(
        id=f"{recipe}-{seed}-{len(changes.get('overrides', {}))}",
        path=Path("/nowhere"),
        reproduction="transformer",
        recipe=recipe,
        tier="smoke",
        seed=seed,
        overrides={},
        fingerprint="f" * 64,
        status=RunStatus.FINISHED,
        created_at=BEGAN,
        updated_at=BEGAN,
        step=10,
        max_steps=10,
        device="cpu",
        attempts=1,
        seconds=3600.0,
        record={"id": "x", "recipe": recipe, "seed": seed, "recipe_values": values, "provenance": provenance},
    )
    return replace(made, **changes)


def measurement(of: Run, value: float, **changes: Any) -> Measurement:
    made = Measurement(
        claim_id=None,
        run_id=of.id,
        recipe=of.recipe,
        tier=of.tier,
        seed=of.seed,
        fingerprint=of.fingerprint,
        task="translation",
        dataset="number-words",
        split="test",
        metric="bleu",
        value=value,
        unit="BLEU",
        n=500,
        protocol={"beam": 4},
        overrides=of.overrides,
    )
    return replace(made, **changes)
