"""Opens a model that was trained for an application, for what `paperlab generate` asks of it."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import torch

from reproductions.applications.model import ConditionalGPT
from reproductions.applications.task import own_sizes
from reproductions.engine.trained import Trained
from reproductions.gpt import hf
from reproductions.gpt.graphed import GraphedGPT
from reproductions.gpt.model import GPT
from reproductions.gpt.sizes import Model as Sizes
from reproductions.gpt.writing import Writer
from reproductions.registry import InvalidInput
from reproductions.tokenizers import byte_level


def open_run(
    trained: Trained,
    data_home: Path,  # noqa: ARG001 - as the others are asked; a run keeps its tokenizer
    *,
    mirror: str | None,  # noqa: ARG001
    log: Callable[[str], None],  # noqa: ARG001
    device: torch.device,
) -> Writer[GPT]:
    """The model of a run.  A prompt is a source with its cue; the token that stands before it is put there."""
    if trained.tokenizer is None:
        raise InvalidInput(f"{trained.run.id} has lost its tokenizer", "bring the run in again, artifacts and all")
    tokenizer = byte_level.load(trained.tokenizer)
    trained.check_tokenizer(tokenizer.sha256)
    sizes = _sizes(trained)
    with torch.device("meta"):
        model = ConditionalGPT(GPT(sizes, tokenizer.size), trained.recipe.model.auxiliary)
    model.to_empty(device=device)
    trained.fill(model)
    assert tokenizer.end_of_text is not None
    steps = GraphedGPT(model.gpt) if device.type == "cuda" else None
    return Writer(
        model.gpt,
        tokenizer,
        tokenizer.end_of_text,
        device,
        sizes.context,
        partial(hf.save, model.gpt),
        begin=(tokenizer.end_of_text,),
        steps=steps,
    )


def _sizes(trained: Trained) -> Sizes:
    """The recipe's own, or the parent's, which the run kept."""
    parent: dict[str, Any] = (trained.run.run.get("provenance") or {}).get("parent") or {}
    if not parent:
        return own_sizes(trained.recipe.model)
    try:
        return Sizes(**parent["sizes"])
    except (KeyError, TypeError) as error:
        raise InvalidInput(f"run.json of {trained.run.id} does not say its parent's sizes", "look at it") from error
