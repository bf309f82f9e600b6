"""The measurements of a run: each number with its protocol and, where the tier may judge one, its claim."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from reproductions.bert.recipes import Data, Evaluation
from reproductions.bert.sizes import Model
from reproductions.engine.recipe import Recipe

# The claims of claims.toml that a recipe's numbers are laid beside, by metric.
_CLAIMS = {
    ("bert-base", "smoke"): {
        "masked-lm-loss": "paperlab:smoke:bert-base:masked-lm-loss",
        "next-sentence-accuracy": "paperlab:smoke:bert-base:next-sentence-accuracy",
    },
}


@dataclass(frozen=True)
class HeldOut:
    """Over a validation split: ``words`` masked tokens and ``pairs``, mean nats and shares that are right of each."""

    words: int
    pairs: int
    masked_lm: float
    right_words: float
    next_sentence: float
    right_pairs: float


def on_validation(recipe: Recipe[Model, Data, Evaluation], held: HeldOut) -> list[dict[str, Any]]:
    """Loss and accuracy of both objectives."""
    data = recipe.data
    common = {"dataset": data.dataset, "split": "val"}
    protocol = {
        "coverage": "whole split",
        "context": data.context,
        "masks": f"{data.mask_rate:.0%}, {data.masked:.0%} [MASK], {data.replaced:.0%} random; one draw",
        "steps": recipe.train.max_steps,
    }
    words = {**common, "task": "masked language modelling", "n": held.words, "protocol": {**protocol, "per": "token"}}
    pairs = {**common, "task": "next sentence prediction", "n": held.pairs, "protocol": protocol}
    claims = _CLAIMS.get((recipe.name, recipe.tier), {})
    found = [
        {**words, "metric": "masked-lm-loss", "value": held.masked_lm, "unit": "nats"},
        {**words, "metric": "masked-lm-accuracy", "value": 100 * held.right_words, "unit": "%"},
        {**pairs, "metric": "next-sentence-loss", "value": held.next_sentence, "unit": "nats"},
        {**pairs, "metric": "next-sentence-accuracy", "value": 100 * held.right_pairs, "unit": "%"},
    ]
    return [{"claim": claims.get(str(item["metric"])), **item} for item in found]


def on_benchmark(
    recipe: Recipe[Model, Data, Evaluation], measured: Sequence[Mapping[str, Any]]
) -> list[dict[str, Any]]:
    """Benchmarks with what they were trained on; no claim is about these models."""
    trained = {"trained_on": recipe.data.dataset, "steps": recipe.train.max_steps}
    return [{"claim": None, **item, "protocol": {**item["protocol"], **trained}} for item in measured]
