"""The measurements of a run: each number with its protocol and, where the tier may judge one, its claim."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from reproductions.applications.recipes import AnyRecipe
from reproductions.data.prompted import PromptedSet

# The claims of claims.toml that a recipe's numbers are laid beside, by metric.
_CLAIMS: Mapping[tuple[str, str], Mapping[str, str]] = {
    ("summarization", "smoke"): {"bits-per-byte": "paperlab:smoke:summarization:bits-per-byte"},
    ("question-answering", "smoke"): {"exact-answer": "paperlab:smoke:question-answering:exact-answer"},
    ("dialogue", "smoke"): {"perplexity-ratio-to-another": "paperlab:smoke:dialogue:perplexity-ratio"},
    ("code-generation", "smoke"): {"parse-rate": "paperlab:smoke:code-generation:parse-rate"},
}


@dataclass(frozen=True)
class Number:
    """``protocol`` is what this number has besides what all of the run have.  A baseline is no claim's."""

    metric: str
    value: float
    unit: str
    n: int
    protocol: Mapping[str, Any] = field(default_factory=dict)
    interval: tuple[float, float] | None = None
    is_baseline: bool = False


def measured(recipe: AnyRecipe, texts: PromptedSet, weights: str, numbers: list[Number]) -> list[dict[str, Any]]:
    """``weights`` the training began with: "parent" (pre-trained), "scratch" (a parent's sizes), "none" (no parent)."""
    trained = {
        "started_from": weights,
        "auxiliary_objective": recipe.model.auxiliary,
        "chosen_on": texts.chosen,
        "context": recipe.data.context,
        "steps": recipe.train.max_steps,
        "batch_size": recipe.data.batch_size * recipe.train.accumulate,
        "lr": recipe.optim.lr,
    }
    claims = _CLAIMS.get((recipe.name, recipe.tier), {})
    return [
        {
            "claim": None if number.is_baseline else claims.get(number.metric),
            "task": texts.application,
            "dataset": texts.name,
            "split": texts.measured,
            "metric": number.metric,
            "value": number.value,
            "unit": number.unit,
            "n": number.n,
            "protocol": dict(number.protocol) if number.is_baseline else {**number.protocol, **trained},
            **({} if number.interval is None else {"interval_95": list(number.interval)}),
        }
        for number in numbers
    ]
