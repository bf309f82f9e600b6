"""What the outputs at a position must not depend on, for each reproduction that learns.

A decoder's position sees no later token; no real position sees padding, an encoder's neither.  A bidirectional encoder
has no other blind spot: it may see all that is real.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Any

import torch
from torch import Tensor


@dataclass(frozen=True)
class Trial:
    """``outputs`` maps tokens (B, T) to (B, T, ...).  At ``blind`` (B, T) they must be the same for ``changed`` tokens.

    Elsewhere some must differ, or nothing would have been tried.
    """

    what: str
    outputs: Callable[[Tensor], Tensor]
    tokens: Tensor
    changed: Tensor
    blind: Tensor


def _later(outputs: Callable[[Tensor], Tensor], tokens: Tensor, vocabulary: int) -> Trial:
    middle = tokens.shape[1] // 2
    is_middle = (torch.arange(tokens.shape[1]) == middle).expand_as(tokens)
    before = (torch.arange(tokens.shape[1]) < middle).expand_as(tokens)
    return Trial("a later token", outputs, tokens, _other(tokens, is_middle, vocabulary), before)


def _padding(outputs: Callable[[Tensor], Tensor], tokens: Tensor, real: Tensor, vocabulary: int) -> Trial:
    assert not real.all()
    return Trial("padding", outputs, tokens, _other(tokens, ~real, vocabulary), real)


def _other(tokens: Tensor, where: Tensor, vocabulary: int) -> Tensor:
    return torch.where(where, (tokens + 1) % vocabulary, tokens)


def _first(task: Any, has_padding: Callable[[Any], bool]) -> Any:
    return next(batch for batch in islice(task.batches(None), 200) if has_padding(batch))


def transformer(task: Any, model: Any) -> Iterator[Trial]:
    batch, size = _first(task, lambda batch: batch.source_mask is not None), task.tokenizer.size
    memory = model.encode(batch.source, batch.source_mask)
    yield _later(lambda target: model.decode(target, memory, batch.source_mask), batch.target_in, size)
    real = batch.source_mask[:, 0, 0]
    yield _padding(lambda source: model.encode(source, batch.source_mask), batch.source, real, size)


def gpt(task: Any, model: Any) -> Iterator[Trial]:
    yield _later(model, next(iter(task.batches(None))).tokens, task.tokenizer.size)


def bert(task: Any, model: Any) -> Iterator[Trial]:
    batch = _first(task, lambda batch: not batch.real.all())
    yield _padding(
        lambda tokens: model(tokens, batch.segments, batch.real).masked_lm,
        batch.tokens,
        batch.real,
        task.tokenizer.size,
    )


def finetuning(task: Any, model: Any) -> Iterator[Trial]:
    """What the recipe's Transformer must not see: later tokens and padding in a decoder, padding in an encoder."""
    inputs, size = _first(task, lambda batch: not batch.inputs.real.all()).inputs, task.tokenizer.size

    def outputs(tokens: Tensor) -> Tensor:
        hidden: Tensor = model.hidden(dataclasses.replace(inputs, tokens=tokens))
        return hidden

    yield _padding(outputs, inputs.tokens, inputs.real, size)
    if task.recipe.model.style == "gpt-1":
        yield _later(outputs, inputs.tokens, size)


def applications(task: Any, model: Any) -> Iterator[Trial]:
    """What is written next depends on no later token and on no padding."""
    batch, size = _first(task, lambda batch: not batch.real.all()), task.tokenizer.size
    yield _padding(model.gpt.hidden, batch.tokens, batch.real, size)
    yield _later(model.gpt.hidden, batch.tokens, size)


TRIALS: dict[str, Callable[[Any, Any], Iterator[Trial]]] = {
    "transformer": transformer,
    "gpt": gpt,
    "bert": bert,
    "finetuning": finetuning,
    "applications": applications,
    "llama": gpt,
}
