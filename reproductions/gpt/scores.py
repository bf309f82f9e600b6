"""The measurements of a run: each number with its protocol and, where the tier may judge one, its claim.

A measurement answers one claim, so a number that several claims are about is there once for each.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch

from reproductions.engine.recipe import Recipe
from reproductions.gpt import GPT_1, GPT_2, GPT_3, NANOGPT, RELEASED_GPT_2, sizes
from reproductions.gpt.model import GPT
from reproductions.gpt.recipes import Data, Evaluation
from reproductions.gpt.sizes import Model

_UNITS = {"characters": "character", "bytes": "byte", "bpe": "token", "gpt-2": "token"}

Claims = Mapping[tuple[str, str], Mapping[str, tuple[str, ...]]]
"""Recipe and tier to the claims of claims.toml that its validation split is laid beside, by what was measured."""

_LAST, _SMALLEST = "last sampled loss", "smallest sampled loss"

CLAIMS: Claims = {
    ("nanogpt-char", "full"): {_SMALLEST: (f"{NANOGPT}:readme:shakespeare-char:gpu:val-loss",)},
    ("nanogpt-char", "mini"): {
        "loss": ("paperlab:mini:nanogpt-char:val-loss",),
        _LAST: (f"{NANOGPT}:readme:shakespeare-char:laptop:val-loss",),
    },
    ("gpt-char", "mini"): {"loss": ("paperlab:mini:gpt-char:val-loss",)},
    ("gpt-2", "full"): {"loss": (f"{NANOGPT}:readme:openwebtext:gpt2-124M:val-loss",)},
    ("gpt-1", "smoke"): {"bits-per-byte": ("paperlab:smoke:gpt-1:bits-per-byte",)},
    ("gpt-2", "smoke"): {"bits-per-byte": ("paperlab:smoke:gpt-2:bits-per-byte",)},
    ("gpt-3-small", "smoke"): {"bits-per-byte": ("paperlab:smoke:gpt-3-small:bits-per-byte",)},
}


def on_validation(
    recipe: Recipe[Any, Data, Evaluation], values: Mapping[str, float], tokens: int, claims: Claims = CLAIMS
) -> list[dict[str, Any]]:
    """Loss and bits per byte of the whole validation split, ``tokens`` of it predicted."""
    context = recipe.data.context
    common = {
        "task": "language modelling",
        "dataset": recipe.data.dataset,
        "split": "val",
        "n": tokens,
    }
    protocol = {
        "coverage": "whole split",
        "context": context,
        "stride": context,
        "steps": recipe.train.max_steps,
    }
    loss = {
        **common,
        "metric": "loss",
        "value": values["val/loss"],
        "unit": "nats",
        "protocol": {**protocol, "per": _UNITS[recipe.data.tokenizer]},
    }
    bits = {
        **common,
        "metric": "bits-per-byte",
        "value": values["val/bpb"],
        "unit": "bits",
        "protocol": protocol,
    }
    answers = claims.get((recipe.name, recipe.tier), {})
    return [{"claim": claim, **item} for item in (loss, bits) for claim in answers.get(str(item["metric"]), (None,))]


def on_random_batches(
    recipe: Recipe[Any, Data, Evaluation], losses: Sequence[float], windows: int, claims: Claims = CLAIMS
) -> list[dict[str, Any]]:
    """The last of the evaluations over random batches of ``windows``, and the smallest of all of them."""
    batches, context = recipe.evaluation.sampled_batches, recipe.data.context
    common = {
        "task": "language modelling",
        "dataset": recipe.data.dataset,
        "split": "val",
        "n": batches * windows * context,
        "metric": "loss",
        "unit": "nats",
    }
    protocol = {
        "per": _UNITS[recipe.data.tokenizer],
        "context": context,
        "steps": recipe.train.max_steps,
        "windows_per_batch": windows,
    }
    drawn = f"{batches} random batches"
    answers = claims.get((recipe.name, recipe.tier), {})
    found = []
    for name, value, coverage in (
        (_LAST, losses[-1], drawn),
        (_SMALLEST, min(losses), f"smallest of the evaluations, each over {drawn}"),
    ):
        item = {**common, "value": value, "protocol": {**protocol, "coverage": coverage, "evaluations": len(losses)}}
        found += [{"claim": claim, **item} for claim in answers.get(name, (None,))]
    return found


def on_benchmark(recipe: Recipe[Any, Data, Evaluation], measured: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Benchmarks with what they were trained on; no claim is about these models."""
    trained = {"trained_on": recipe.data.dataset, "steps": recipe.train.max_steps}
    return [{"claim": None, **item, "protocol": {**item["protocol"], **trained}} for item in measured]


def parameter_counts() -> list[dict[str, Any]]:
    """Every printed count, in millions, of models without storage."""
    gpt_2 = dict(zip(("117M", "345M", "762M", "1542M"), sizes.GPT_2.values(), strict=True))
    released = dict(zip(("124M", "355M", "774M", "1558M"), sizes.GPT_2.values(), strict=True))
    counted = {
        f"{GPT_1}:section-4.1:parameters": (sizes.GPT_1, sizes.GPT_1_VOCABULARY),
        **{f"{GPT_2}:table-2:{row}:parameters": (model, sizes.GPT_2_VOCABULARY) for row, model in gpt_2.items()},
        **{f"{RELEASED_GPT_2}:{row}:parameters": (model, sizes.GPT_2_VOCABULARY) for row, model in released.items()},
        **{
            f"{GPT_3}:table-2.1:{row}:parameters": (size.model, sizes.GPT_2_VOCABULARY)
            for row, size in sizes.GPT_3_TABLE_2_1.items()
        },
    }
    return [_counted(claim, model, vocabulary) for claim, (model, vocabulary) in counted.items()]


def _counted(claim: str, model: Model, vocabulary: int) -> dict[str, Any]:
    with torch.device("meta"):
        count = sum(parameter.numel() for parameter in GPT(model, vocabulary).parameters())
    return {
        "claim": claim,
        "task": "language modelling",
        "dataset": "-",
        "split": "-",
        "metric": "parameters",
        "value": count / 1e6,
        "unit": "million",
        "n": 1,
        "protocol": {"vocabulary": vocabulary, "context": model.context, "shared_embeddings": model.tied},
    }
