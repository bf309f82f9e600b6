"""How a GPT is trained and tested: GPT-1, sections 3.1 and 4.1; GPT-2, sections 2 and 3."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import torch
from torch import Tensor, nn

from reproductions.data import manifest
from reproductions.data.corpus import Corpus
from reproductions.data.token_shards import TokenRow
from reproductions.data.token_windows import Windows, WindowStream
from reproductions.engine import generation, metrics
from reproductions.engine.recipe import Recipe
from reproductions.gpt import evaluation, sampled, scores
from reproductions.gpt.model import GPT
from reproductions.gpt.recipes import Data, Evaluation
from reproductions.gpt.sampled import Watched
from reproductions.registry import InvalidInput
from reproductions.tokenizers.text_tokenizer import TextTokenizer


class Task:
    """Language modelling of one recipe.  ``prepare`` comes first; everything else stands on it.

    Papers that cite GPT train and test alike: they replace ``build_model`` and ``claims``.
    """

    claims: scores.Claims = scores.CLAIMS
    corpus: Corpus
    tokenizer: TextTokenizer
    train_row: TokenRow
    valid_row: TokenRow

    def __init__(
        self, *, recipe: Recipe[Any, Data, Evaluation], data_home: Path, device: torch.device, seed: int
    ) -> None:
        self.recipe = recipe
        self.data_home = data_home
        self.device = device
        self.seed = seed
        self.watched: Watched | None = None
        self._log: Callable[[str], None] = lambda _: None

    def prepare(self, log: Callable[[str], None]) -> dict[str, Any]:
        """Fetches the text, learns the vocabulary and encodes both splits, each only where it is not there yet."""
        self._log = log
        self.corpus = Corpus(self.recipe.data, self.data_home, os.environ.get(manifest.MIRROR), log)
        self.tokenizer = self.corpus.tokenizer()
        self.train_row = self.corpus.tokens("train", self.tokenizer)
        self.valid_row = self.corpus.tokens("val", self.tokenizer)
        return {
            "data": self.corpus.provenance(),
            "tokenizer": {
                "sha256": self.tokenizer.sha256,
                "kind": self.tokenizer.kind,
                "size": self.tokenizer.size,
            },
        }

    def build_model(self) -> nn.Module:
        self.check_context()
        return GPT(self.recipe.model, self.tokenizer.size)

    def check_context(self) -> None:
        """Raises InvalidInput where the windows are longer than what the model reads."""
        room, wanted = self.recipe.model.context, self.recipe.data.context
        if wanted > room:
            what = f"data.context is {wanted} and the model has {room} positions"
            raise InvalidInput(what, "set model.context to as much or more")

    def batches(self, position: dict[str, Any] | None) -> WindowStream | Watched:
        stream = WindowStream(
            self.train_row,
            context=self.recipe.data.context,
            batch_size=self._batch_size,
            seed=self.seed,
            position=position,
        )
        if not self.recipe.evaluation.sampled_batches:
            return stream
        self.watched = Watched(stream, position)
        return self.watched

    @property
    def _batch_size(self) -> int:
        data = self.recipe.data
        return max(1, data.tokens_per_batch // data.context)

    def loss(self, model: nn.Module, batch: Windows) -> tuple[Tensor, int, dict[str, Any]]:
        """Equation (1) of GPT-1, negated: nats summed over the next tokens.

        Through forward, whatever wraps the model: gradients are exchanged there when several processes train.
        """
        batch = batch.to(self.device)
        nats: Tensor = model(batch.tokens, batch.targets)
        return nats, len(batch.targets), {}

    @torch.inference_mode()
    def validate(self, model: nn.Module) -> dict[str, float]:
        """Loss per token over the whole validation split, every token once; bits per byte of its text beside it.

        Where the recipe samples, the loss over random batches too.
        """
        model.eval()
        nats, tokens = evaluation.row_loss(
            model,
            self.valid_row,
            context=self.recipe.data.context,
            batch_tokens=self.recipe.evaluation.batch_tokens,
            device=self.device,
        )
        found = {
            "val/loss": nats / tokens,
            "val/ppl": metrics.perplexity(nats / tokens),
            "val/bpb": metrics.bits_per_byte(nats, self.valid_row.text_bytes),
        }
        if self.recipe.evaluation.sampled_batches:
            found["val/sampled_loss"] = self._sampled(model)
        return found

    def _sampled(self, model: nn.Module) -> float:
        """The loss over random batches that belong to where the training is, remembered with the others."""
        taken = self.watched.taken if self.watched else 0
        loss = sampled.estimate(
            model,
            self.valid_row,
            context=self.recipe.data.context,
            batch_size=self._batch_size,
            batches=self.recipe.evaluation.sampled_batches,
            seed=self.seed,
            taken=taken,
            device=self.device,
        )
        if self.watched:
            self.watched.found[taken] = loss
        return loss

    def samples(self, model: nn.Module, step: int) -> list[dict[str, Any]]:  # noqa: ARG002 - the same at every step
        """Continuations of the recipe's prompts, drawn with the same seed at every step."""
        settings = self.recipe.evaluation
        decoding = generation.Decoding(
            max_new_tokens=settings.sample_tokens, temperature=settings.temperature, top_k=settings.top_k
        )
        written = generation.complete(
            cast(generation.LanguageModel, model),
            [ids[-(self.recipe.model.context // 2) :] for ids in self.tokenizer.encode(settings.prompts)],
            decoding,
            context=self.recipe.model.context,
            end=self.tokenizer.end_of_text,
            decode=self.tokenizer.decode,
            device=self.device,
        )
        how = {"temperature": settings.temperature, "top_k": settings.top_k, "seed": decoding.seed}
        return [
            {"source": prompt, "output": found.text, "reference": None, "decoding": how}
            for prompt, found in zip(settings.prompts, written, strict=True)
        ]

    def evaluate(self, model: nn.Module) -> list[dict[str, Any]]:
        """The validation split, whole, and the recipe's benchmarks."""
        values = self.validate(model)
        found = scores.on_validation(self.recipe, values, len(self.valid_row) - 1, self.claims)
        if "val/sampled_loss" in values:
            losses = list(self.watched.found.values()) if self.watched else [values["val/sampled_loss"]]
            found += scores.on_random_batches(self.recipe, losses, self._batch_size, self.claims)
        bench = evaluation.Bench(
            model=cast(evaluation.Reader, model),
            context=self.recipe.model.context,
            tokenizer=self.tokenizer,
            data_home=self.data_home,
            mirror=os.environ.get(manifest.MIRROR),
            device=self.device,
            batch_tokens=self.recipe.evaluation.batch_tokens,
            log=self._log,
        )
        model.eval()
        for name in self.recipe.evaluation.benchmarks:
            self._log(f"measuring {name}")
            with torch.inference_mode():
                found += scores.on_benchmark(self.recipe, evaluation.BENCHMARKS[name](bench))
        return found


def structure() -> list[dict[str, Any]]:
    """The parameter counts of the papers' tables, in millions, measured on models without storage."""
    return scores.parameter_counts()
