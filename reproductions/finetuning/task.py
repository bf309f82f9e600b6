"""How a pre-trained model is fine-tuned and measured: GPT-1, sections 3.2, 3.3 and 4.1; BERT, sections 3.2 and 4.1."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from reproductions.bert.model import BERT
from reproductions.bert.sizes import Model as BERTModel
from reproductions.data import manifest
from reproductions.data.classification import Example, Examples
from reproductions.engine.recipe import Recipe
from reproductions.finetuning import parents, scores
from reproductions.finetuning.inputs import NEW_TOKENS, Batch, ExampleStream, Layout, Split
from reproductions.finetuning.model import BERTClassifier, GPTClassifier, adapt, grow_embedding, objective
from reproductions.finetuning.recipes import Data, Evaluation, Model
from reproductions.finetuning.structure import structure
from reproductions.gpt.model import GPT
from reproductions.gpt.sizes import GPT_1
from reproductions.gpt.sizes import Model as GPTModel
from reproductions.llama.model import Llama
from reproductions.llama.sizes import Model as LlamaModel
from reproductions.registry import InvalidInput
from reproductions.tokenizers import byte_level, wordpiece
from reproductions.tokenizers.text_tokenizer import TextTokenizer

__all__ = ["Task", "structure"]

Sizes = GPTModel | LlamaModel | BERTModel
_SIZES = ("num_layers", "d_model", "num_heads", "context")
_LEAST_CONTEXT = 8


class Task:
    """Fine-tuning of one recipe.  ``prepare`` comes first; everything else stands on it."""

    examples: Examples
    tokenizer: TextTokenizer
    sizes: Sizes
    parent: parents.Parent | None
    splits: dict[str, Split]

    def __init__(
        self, *, recipe: Recipe[Model, Data, Evaluation], data_home: Path, device: torch.device, seed: int
    ) -> None:
        self.recipe = recipe
        self.data_home = data_home
        self.device = device
        self.seed = seed

    def prepare(self, log: Callable[[str], None]) -> dict[str, Any]:
        """Fetches the texts, opens the parent, and lays out the rows of all three splits."""
        data, model, mirror = self.recipe.data, self.recipe.model, os.environ.get(manifest.MIRROR)
        self.examples = Examples(data.dataset, self.data_home, mirror, log)
        self.parent = None
        if model.parent == parents.NONE:
            self.sizes = _own_sizes(model)
            self.tokenizer = self._learned_tokenizer()
        else:
            self.parent = parents.find(model.parent, self.data_home.parent, mirror=mirror, log=log)
            self.sizes, self.tokenizer = _sizes_of(self.parent, model), self.parent.tokenizer
        if not _LEAST_CONTEXT <= data.context <= self.sizes.context:
            what = f"rows of {data.context} tokens do not fit a model of {self.sizes.context} positions"
            raise InvalidInput(what, f"set data.context to {_LEAST_CONTEXT} or more, and at most {self.sizes.context}")
        self._lay_out()
        parent = {} if self.parent is None else {"parent": {**self.parent.record, "weights": model.weights}}
        return {
            "data": self.examples.provenance(),
            "tokenizer": {
                "sha256": self.tokenizer.sha256,
                "kind": self.tokenizer.kind,
                "size": self.tokenizer.size,
            },
            **parent,
        }

    def _lay_out(self) -> None:
        data, labelled = self.recipe.data, self.examples.labelled
        layout = Layout(self.recipe.model.style, labelled.relation, self.tokenizer, data.context, data.keep)
        scored = np.array([example.label for example in self._of("train")])
        # Scores are learned as deviations from their mean, in units of their spread; correlations do not see it.
        self._mean, self._spread = (0.0, 1.0) if labelled.classes else (float(scored.mean()), float(scored.std()))
        self.splits = {}
        for split in ("train", "val", "test"):
            examples = self._of(split)
            labels = [(example.label - self._mean) / self._spread for example in examples]
            self.splits[split] = Split(layout, examples, labels, torch.long if labelled.classes else torch.float32)

    def build_model(self) -> GPTClassifier | BERTClassifier:
        """The parent's weights, or new ones; the head, and GPT-1's three new tokens, are new in any case."""
        model, outputs = self.recipe.model, max(1, len(self.examples.labelled.classes))
        transformer = self._transformer()
        if not isinstance(transformer, BERT):
            grow_embedding(transformer, NEW_TOKENS, std=0.02)
        if model.lora_rank:
            adapt(transformer, model.lora_rank, model.lora_alpha)
        if isinstance(transformer, BERT):
            return BERTClassifier(transformer, outputs, model.head_dropout)
        return GPTClassifier(transformer, outputs, model.head_dropout, model.auxiliary)

    def _transformer(self) -> GPT | Llama | BERT:
        sizes, vocabulary = self.sizes, self.tokenizer.size
        new: GPT | Llama | BERT
        if isinstance(sizes, BERTModel):
            new = BERT(sizes, vocabulary)
        else:
            new = GPT(sizes, vocabulary) if isinstance(sizes, GPTModel) else Llama(sizes, vocabulary)
        if self.parent is not None and self.recipe.model.weights == "parent":
            new.load_state_dict(self.parent.model.state_dict())
        return new

    def batches(self, position: dict[str, Any] | None) -> ExampleStream:
        size = self.recipe.data.batch_size
        return ExampleStream(self.splits["train"], batch_size=size, seed=self.seed, position=position)

    def loss(self, model: nn.Module, batch: Batch) -> tuple[Tensor, int, dict[str, Any]]:
        """Equation (5) of GPT-1, negated and summed over the examples; "nll" is the part of the labels alone."""
        batch = batch.to(self.device)
        loss, supervised = objective(model(batch.inputs), batch.labels, self.recipe.model.auxiliary)
        return loss, len(batch.labels), {"nll": supervised.detach()}

    def validate(self, model: nn.Module) -> dict[str, float]:
        """Loss per example and the set's metrics on the split that choices are made on."""
        predicted = self._predicted(model, "val")
        values = scores.of(self.recipe.data.dataset, predicted.labels, self._right("val"))
        return {"val/loss": predicted.loss, **{f"val/{name}": value for name, value in values.items()}}

    def samples(self, model: nn.Module, step: int) -> list[dict[str, Any]]:  # noqa: ARG002 - the same at every step
        """The first examples of the validation split with what is predicted of them."""
        count = self.recipe.evaluation.samples
        predicted, examples = self._predicted(model, "val").labels[:count], self._of("val")[:count]
        return [
            {
                "source": example.first if example.second is None else f"{example.first}\n{example.second}",
                "output": self._named(label),
                "reference": self._named(example.label),
                "decoding": {"label": "the most probable one" if self.examples.labelled.classes else "regressed"},
            }
            for example, label in zip(examples, predicted, strict=True)
        ]

    def evaluate(self, model: nn.Module) -> list[dict[str, Any]]:
        """The set's metrics on the split that is measured, once."""
        values = scores.of(self.recipe.data.dataset, self._predicted(model, "test").labels, self._right("test"))
        trained_on = "none" if self.parent is None else self.recipe.model.weights
        return scores.measured(self.recipe, self.examples.labelled, values, len(self._of("test")), trained_on)

    @torch.inference_mode()
    def _predicted(self, model: nn.Module, name: str) -> scores.Predictions:
        """Of every example of a split, in its order."""
        model.eval()
        split, nats = self.splits[name], 0.0
        labels = [0.0] * len(split)
        for numbers, batch in split.in_order_of_length(self.recipe.evaluation.batch_size):
            moved = batch.to(self.device)
            predicted = model(moved.inputs)
            nats += float(objective(predicted, moved.labels, 0.0)[1])
            if self.examples.labelled.classes:
                found = predicted.outputs.argmax(dim=-1).tolist()
            else:
                found = (predicted.outputs.squeeze(-1).float() * self._spread + self._mean).tolist()
            for number, label in zip(numbers, found, strict=True):
                labels[number] = float(label)
        return scores.Predictions(labels, nats / len(split))

    def _of(self, split: str) -> list[Example]:
        examples = self.examples.splits[split]  # type: ignore[index]
        most = self.recipe.data.examples
        return examples[:most] if most and split == "train" else examples

    def _right(self, split: str) -> list[float]:
        return [example.label for example in self._of(split)]

    def _named(self, label: float) -> str:
        classes = self.examples.labelled.classes
        return classes[int(label)] if classes else f"{label:.2f}"

    def _learned_tokenizer(self) -> TextTokenizer:
        """Of the training texts: there is nothing else to learn it from."""
        texts = [text for example in self._of("train") for text in (example.first, example.second) if text]
        vocabulary = self.recipe.data.vocabulary
        if self.recipe.model.style == "bert":
            return wordpiece.train(lambda: texts, vocabulary)
        return byte_level.train(texts, vocabulary)


def _own_sizes(model: Model) -> GPTModel | BERTModel:
    """Without a parent.  Raises InvalidInput where a size is missing."""
    given = {name: getattr(model, name) for name in _SIZES}
    if missing := [name for name, value in given.items() if value is None]:
        what = f"without a parent the model has no {', '.join(missing)}"
        raise InvalidInput(what, "give them (--set model.num_layers=4 ...), or a parent: --set model.parent=RUN")
    if model.weights == "scratch":
        raise InvalidInput('model.weights "scratch" means a parent\'s sizes, and there is none', "leave it out")
    if model.dropout is not None:
        given["dropout"] = model.dropout
    return replace(GPT_1, **given) if model.style == "gpt-1" else BERTModel(**given)


def _sizes_of(parent: parents.Parent, model: Model) -> Sizes:
    """The parent's, with the recipe's dropout.  Raises InvalidInput where the recipe says something else."""
    wanted: tuple[type, ...] = (GPT, Llama) if model.style == "gpt-1" else (BERT,)
    if not isinstance(parent.model, wanted):
        able = " or a ".join(kind.__name__ for kind in wanted)
        what = f'the style "{model.style}" fine-tunes a {able}, and {model.parent} is none'
        raise InvalidInput(what, "name another parent: --set model.parent=RUN")
    sizes: Sizes = parent.model.model
    for name in _SIZES:
        if getattr(model, name) not in (None, getattr(sizes, name)):
            what = f"model.{name} is {getattr(model, name)}, and the parent's is {getattr(sizes, name)}"
            raise InvalidInput(what, f"take the parent's: --set model.{name}=none")
    if model.dropout is None or isinstance(sizes, LlamaModel):  # LLaMA has none
        return sizes
    return replace(sizes, dropout=model.dropout)
