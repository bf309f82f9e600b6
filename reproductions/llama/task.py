"""How a LLaMA is trained and tested: section 2.3.  Data, loss, samples and evaluation are GPT's."""

from __future__ import annotations

from typing import Any

from torch import nn

from reproductions.gpt import scores
from reproductions.gpt import task as gpt
from reproductions.llama import structure as structural
from reproductions.llama.model import Llama

_CLAIMS: scores.Claims = {
    ("llama", "smoke"): {"bits-per-byte": ("paperlab:smoke:llama:bits-per-byte",)},
    ("llama-grouped", "smoke"): {"bits-per-byte": ("paperlab:smoke:llama-grouped:bits-per-byte",)},
}


class Task(gpt.Task):
    """Language modelling of one recipe, as of a GPT; the model is the paper's."""

    claims = _CLAIMS

    def build_model(self) -> nn.Module:
        self.check_context()
        return Llama(self.recipe.model, self.tokenizer.size)


def structure() -> list[dict[str, Any]]:
    """What the papers say that needs no training."""
    return structural.structure()
