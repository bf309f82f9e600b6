"""How an application is trained and measured: GPT-1, sections 3.2 and 4.1; SciTLDR's and GSM8K's released code."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from reproductions.applications import decoding, measures, rouge, scores
from reproductions.applications.inputs import Batch, Layout, Row, RowStream, by_length, stack
from reproductions.applications.model import ConditionalGPT, objective
from reproductions.applications.recipes import AnyRecipe, Model
from reproductions.applications.scores import Number
from reproductions.applications.structure import structure
from reproductions.data import manifest
from reproductions.data.prompted import Examples, Prompted
from reproductions.engine import metrics
from reproductions.finetuning import parents
from reproductions.gpt.model import GPT
from reproductions.gpt.sizes import Model as Sizes
from reproductions.registry import InvalidInput
from reproductions.tokenizers import byte_level
from reproductions.tokenizers.byte_level import ByteLevelEncoding

__all__ = ["Task", "structure"]

_SIZES = ("num_layers", "d_model", "num_heads", "context")
_LEAST_CONTEXT = 16
_MOST_CHOSEN_ON = 1000  # examples of the validation split, from all over it
_GREEDY = {"temperature": 0, "beam": 1}


class Task:
    """One application of one recipe.  ``prepare`` comes first; everything else stands on it."""

    examples: Examples
    tokenizer: ByteLevelEncoding
    sizes: Sizes
    parent: parents.Parent | None
    rows: dict[str, list[Row]]
    bare: dict[str, list[Row]]

    def __init__(self, *, recipe: AnyRecipe, data_home: Path, device: torch.device, seed: int) -> None:
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
            self.sizes = own_sizes(model)
            texts = [text for example in self._of("train") for text in (example.source, example.target)]
            self.tokenizer = byte_level.train(texts, data.vocabulary)
        else:
            self.parent = parents.find(model.parent, self.data_home.parent, mirror=mirror, log=log)
            self.sizes, self.tokenizer = _sizes_of(self.parent, model), _tokenizer_of(self.parent, model)
        if not _LEAST_CONTEXT <= data.context <= self.sizes.context:
            what = f"rows of {data.context} tokens do not fit a model of {self.sizes.context} positions"
            raise InvalidInput(what, f"set data.context to {_LEAST_CONTEXT} or more, and at most {self.sizes.context}")
        layout = Layout(self.tokenizer, self.examples.set.cue, data.context)
        splits = {split: self._of(split) for split in ("train", "val", "test")}
        self.rows = {split: layout.rows(examples) for split, examples in splits.items()}
        without = {split: [replace(example, source="") for example in examples] for split, examples in splits.items()}
        self.bare = {split: layout.rows(examples) for split, examples in without.items()} if data.drop_source else {}
        parent = self._parent_record()
        return {
            "data": self.examples.provenance(),
            "tokenizer": {
                "sha256": self.tokenizer.sha256,
                "kind": self.tokenizer.kind,
                "size": self.tokenizer.size,
            },
            **({"parent": parent} if parent else {}),
        }

    def _parent_record(self) -> dict[str, Any]:
        """With the sizes, without which the weights could not be opened once the parent is gone."""
        if self.parent is None:
            return {}
        return {**self.parent.record, "weights": self.recipe.model.weights, "sizes": asdict(self.sizes)}

    def build_model(self) -> ConditionalGPT:
        """The parent's weights, or new ones.  Nothing is added to them."""
        gpt = GPT(self.sizes, self.tokenizer.size)
        if self.parent is not None and self.recipe.model.weights == "parent":
            gpt.load_state_dict(self.parent.model.state_dict())
        return ConditionalGPT(gpt, self.recipe.model.auxiliary)

    def batches(self, position: dict[str, Any] | None) -> RowStream:
        data = self.recipe.data
        rows, bare = self.rows["train"], self.bare.get("train", [])
        return RowStream(rows, bare, drop=data.drop_source, size=data.batch_size, seed=self.seed, position=position)

    def loss(self, model: torch.nn.Module, batch: Batch) -> tuple[Tensor, int, dict[str, Any]]:
        """Equation (5) of GPT-1, negated; "nll" is the part of the targets alone."""
        batch = batch.to(self.device)
        nats = model(batch)
        return objective(nats, batch, self.recipe.model.auxiliary), len(batch.targets), {"nll": nats.target.detach()}

    def validate(self, model: ConditionalGPT) -> dict[str, float]:
        """Loss per token of the targets of the split that choices are made on, and bits per byte of their text."""
        nats, tokens, size = self._nats(model, self.rows["val"])
        return {"val/loss": nats / tokens, "val/bpb": metrics.bits_per_byte(nats, size)}

    def samples(self, model: ConditionalGPT, step: int) -> list[dict[str, Any]]:  # noqa: ARG002 - the same each time
        """What is written for a few sources from all over the validation split."""
        examples, rows = self._of("val"), self.rows["val"]
        count = min(self.recipe.evaluation.samples, len(rows))
        numbers = [number * len(rows) // count for number in range(count)]
        written = self._written(model, [rows[number] for number in numbers])
        return [
            {
                "source": examples[number].source,
                "output": text,
                "reference": examples[number].target,
                "decoding": _GREEDY,
            }
            for number, text in zip(numbers, written, strict=True)
        ]

    def evaluate(self, model: ConditionalGPT) -> list[dict[str, Any]]:
        """The application's measures on the split that is measured, once."""
        rows, examples = self.rows["test"], self._of("test")
        nats, tokens, size = self._nats(model, rows)
        given = {"of": "the target, given the source"}
        numbers = [
            Number("bits-per-byte", metrics.bits_per_byte(nats, size), "bits", len(rows), given),
            Number("perplexity", metrics.perplexity(nats / tokens), "ppl", len(rows), {**given, "per": "token"}),
            *(self._without(model, nats, tokens) if self.bare else []),
            *_MEASURES[self.examples.set.application](examples, self._written(model, rows)),
        ]
        trained_on = "none" if self.parent is None else self.recipe.model.weights
        return scores.measured(self.recipe, self.examples.set, trained_on, numbers)

    def _without(self, model: ConditionalGPT, given: float, tokens: int) -> list[Number]:
        """The same targets behind nothing, and behind the source of another example."""
        examples = self._of("test")
        moved = [replace(each, source=examples[n - 1].source) for n, each in enumerate(examples)]
        layout = Layout(self.tokenizer, self.examples.set.cue, self.recipe.data.context)
        numbers = []
        for what, name, rows in (
            ("nothing", "perplexity-ratio", self.bare["test"]),
            ("another source", "perplexity-ratio-to-another", layout.rows(moved)),
        ):
            nats, count, size = self._nats(model, rows)
            of = {"of": f"the target, given {what}"}
            per_token = metrics.perplexity(nats / count)
            ratio = metrics.perplexity(given / tokens) / per_token
            numbers += [
                Number("bits-per-byte", metrics.bits_per_byte(nats, size), "bits", len(rows), of),
                Number("perplexity", per_token, "ppl", len(rows), {**of, "per": "token"}),
                Number(name, ratio, "times", len(rows), {"of": "the target, given the source", "to": f"given {what}"}),
            ]
        return numbers

    @torch.inference_mode()
    def _nats(self, model: ConditionalGPT, rows: Sequence[Row]) -> tuple[float, int, int]:
        """Nats of all targets, the ends of the texts among them; their tokens; the bytes of their texts."""
        model.eval()
        nats = 0.0
        for _, some in by_length(rows, self.recipe.evaluation.batch_size):
            nats += float(model.target_nats(stack(some).to(self.device)).sum())
        tokens = sum(len(row.tokens) - row.begins for row in rows)
        return nats, tokens, sum(row.target_bytes for row in rows)

    def _written(self, model: ConditionalGPT, rows: Sequence[Row]) -> list[str]:
        model.eval()
        evaluation = self.recipe.evaluation
        pen = decoding.Pen(model.gpt, self.tokenizer, self.device, evaluation.batch_size, evaluation.new_tokens)
        prompts = [row.prompt for row in rows]
        if self.examples.set.application == "question answering":
            return decoding.solve(pen, prompts)
        return [found.text for found in pen.write(prompts)]

    def _of(self, split: str) -> list[Prompted]:
        examples = self.examples.splits[split]  # type: ignore[index]
        if split == "val":
            return examples[:: -(-len(examples) // _MOST_CHOSEN_ON)]
        most = self.recipe.data.examples if split == "train" else self.recipe.data.measured
        return examples[:most] if most else examples


def _of_summaries(examples: Sequence[Prompted], written: Sequence[str]) -> list[Number]:
    """ROUGE of the summaries, and of the first one and three sentences of the sources."""
    references = [example.references for example in examples]
    protocol = {
        "references": "the one with the highest ROUGE-1",
        "stemming": "none",
        "score": "F1, mean over the texts",
        "sentences": "end with . ! or ? and white space",
    }
    numbers = []
    systems = {"the model": list(written), "lead-1": measures.lead(examples, 1), "lead-3": measures.lead(examples, 3)}
    for system, summaries in systems.items():
        is_model = system == "the model"
        of = {**protocol, "system": system, **({"decoding": "greedy"} if is_model else {})}
        for name, value in rouge.mean(summaries, references).items():
            numbers.append(Number(name, value, "%", len(examples), of, is_baseline=not is_model))
    return numbers


def _of_answers(examples: Sequence[Prompted], written: Sequence[str]) -> list[Number]:
    share = measures.exact_answers(written, [example.target for example in examples])
    protocol = {"decoding": "greedy", "calculator": "overrides", "solutions": 1, "answer": "behind ####, as text"}
    return [Number("exact-answer", share.percent, "%", share.n, protocol, share.interval)]


def _of_functions(examples: Sequence[Prompted], written: Sequence[str]) -> list[Number]:
    share = measures.parsed([example.source for example in examples], written)
    protocol = {"decoding": "greedy", "prompt": "def and docstring", "empty_bodies": "not accepted", "executed": False}
    return [Number("parse-rate", share.percent, "%", share.n, protocol, share.interval)]


def _of_replies(examples: Sequence[Prompted], written: Sequence[str]) -> list[Number]:  # noqa: ARG001 - samples
    """Nobody can say which reply is right: perplexity is all that is measured."""
    return []


_MEASURES: dict[str, Callable[[Sequence[Prompted], Sequence[str]], list[Number]]] = {
    "summarization": _of_summaries,
    "question answering": _of_answers,
    "dialogue": _of_replies,
    "code generation": _of_functions,
}


def own_sizes(model: Model) -> Sizes:
    """Without a parent.  Raises InvalidInput where a size is missing."""
    given = {name: getattr(model, name) for name in _SIZES}
    if missing := [name for name, value in given.items() if value is None]:
        what = f"without a parent the model has no {', '.join(missing)}"
        raise InvalidInput(what, "give them (--set model.num_layers=4 ...), or a parent: --set model.parent=RUN")
    if model.weights == "scratch":
        raise InvalidInput('model.weights "scratch" means a parent\'s sizes, and there is none', "leave it out")
    return Sizes(**given, dropout=model.dropout or 0.0, initialisation="fan-in")


def _sizes_of(parent: parents.Parent, model: Model) -> Sizes:
    """The parent's, with the recipe's dropout.  Raises InvalidInput where the recipe says something else."""
    if not isinstance(parent.model, GPT):
        what = f"{model.parent} is no GPT, and only a GPT is trained for an application here"
        raise InvalidInput(what, "name another parent: --set model.parent=RUN")
    sizes = parent.model.model
    for name in _SIZES:
        if getattr(model, name) not in (None, getattr(sizes, name)):
            what = f"model.{name} is {getattr(model, name)}, and the parent's is {getattr(sizes, name)}"
            raise InvalidInput(what, f"take the parent's: --set model.{name}=none")
    return sizes if model.dropout is None else replace(sizes, dropout=model.dropout)


def _tokenizer_of(parent: parents.Parent, model: Model) -> ByteLevelEncoding:
    tokenizer = parent.tokenizer
    if not isinstance(tokenizer, ByteLevelEncoding) or tokenizer.end_of_text is None:
        what = f"the tokenizer of {model.parent} has no token that ends a text"
        raise InvalidInput(what, 'take a parent that was trained with data.tokenizer "bpe" or "gpt-2"')
    return tokenizer
