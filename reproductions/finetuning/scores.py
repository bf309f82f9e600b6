"""The measurements of a run: each number with its protocol and, where the tier may judge one, its claim."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from reproductions.data.classification import Labelled
from reproductions.engine.recipe import Recipe
from reproductions.finetuning.metrics import METRICS, OF_SET
from reproductions.finetuning.recipes import Data, Evaluation, Model

# The claims of claims.toml that a recipe's numbers are laid beside, by metric.
_CLAIMS = {
    ("gpt-1-cola", "smoke"): {"accuracy": "paperlab:smoke:gpt-1-cola:accuracy"},
    ("bert-sst-2", "smoke"): {"accuracy": "paperlab:smoke:bert-sst-2:accuracy"},
}


@dataclass(frozen=True)
class Predictions:
    """``labels``: a class or score for each example; ``loss``: nats, or squared deviations, an example."""

    labels: Sequence[float]
    loss: float


def of(dataset: str, predicted: Sequence[float], right: Sequence[float]) -> dict[str, float]:
    """The values of the set's metrics, by name."""
    return {name: METRICS[name](predicted, right) for name in OF_SET[dataset]}


def measured(
    recipe: Recipe[Model, Data, Evaluation], labelled: Labelled, values: Mapping[str, float], n: int, weights: str
) -> list[dict[str, Any]]:
    """``weights`` the training began with: "parent" (pre-trained), "scratch" (a parent's sizes), "none" (no parent)."""
    model, data, optim = recipe.model, recipe.data, recipe.optim
    protocol = {
        "started_from": weights,
        "method": f"LoRA, rank {model.lora_rank}" if model.lora_rank else "all weights",
        "auxiliary_objective": model.auxiliary > 0,
        "chosen_on": labelled.chosen,
        "context": data.context,
        "steps": recipe.train.max_steps,
        "batch_size": data.batch_size * recipe.train.accumulate,
        "lr": optim.lr,
    }
    claims = _CLAIMS.get((recipe.name, recipe.tier), {})
    return [
        {
            "claim": claims.get(name),
            "task": f"fine-tuning: {labelled.task}",
            "dataset": labelled.name,
            "split": labelled.measured,
            "metric": name,
            "value": value,
            "unit": "score",
            "n": n,
            "protocol": protocol,
        }
        for name, value in values.items()
    ]
