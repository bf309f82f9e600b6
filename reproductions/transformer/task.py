"""How the Transformer is trained and tested: sections 5 and 6.1 of arXiv 1706.03762."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from reproductions.data import manifest
from reproductions.data.parallel import Batch, BatchStream, Pairs, in_order
from reproductions.engine import metrics
from reproductions.engine.recipe import Recipe
from reproductions.tokenizers.bpe import BytePairEncoding
from reproductions.transformer import attention_maps
from reproductions.transformer.corpus import NUMBER_WORDS, Corpus
from reproductions.transformer.model import Transformer
from reproductions.transformer.recipes import TABLE_3_COUNTED, TABLE_3_VOCABULARY, Data, Evaluation, Model
from reproductions.transformer.scores import measurements as measurements_of
from reproductions.transformer.search import Hypothesis, translate


class Task:
    """Translation of one recipe.  ``prepare`` comes first; everything else stands on it."""

    corpus: Corpus
    tokenizer: BytePairEncoding
    train_pairs: Pairs
    val_pairs: Pairs

    def __init__(
        self, *, recipe: Recipe[Model, Data, Evaluation], data_home: Path, device: torch.device, seed: int
    ) -> None:
        self.recipe = recipe
        self.data_home = data_home
        self.device = device
        self.seed = seed

    def prepare(self, log: Callable[[str], None]) -> dict[str, Any]:
        """Fetches the data, learns the vocabulary and encodes the pairs, each only where it is not there yet."""
        data = self.recipe.data
        self.corpus = Corpus(data, self.data_home, os.environ.get(manifest.MIRROR), log)
        self.tokenizer = self.corpus.tokenizer()
        self.train_pairs = self.corpus.pairs("train", self.tokenizer, data.max_length)
        # Nothing is left out of what is measured: only the model's room for positions bounds it.
        self.val_pairs = self.corpus.pairs("val", self.tokenizer, self.recipe.model.max_positions)
        self._val_lines = list(self.corpus.lines("val"))
        return {
            "data": self.corpus.provenance(),
            "tokenizer": {"sha256": self.tokenizer.sha256, "kind": "byte-level BPE", "size": self.tokenizer.size},
        }

    def build_model(self) -> Transformer:
        return Transformer(self.recipe.model, self.tokenizer.size)

    def batches(self, position: dict[str, Any] | None) -> BatchStream:
        return BatchStream(
            self.train_pairs,
            tokens_per_batch=self.recipe.data.tokens_per_batch,
            seed=self.seed,
            pad=self.tokenizer.pad,
            bos=self.tokenizer.bos,
            position=position,
        )

    def loss(self, model: nn.Module, batch: Batch) -> tuple[Tensor, int, dict[str, Any]]:
        """The label-smoothed loss, and beside it the plain one as ``nll``: both summed over real target tokens."""
        smoothed, plain = self._losses(model, batch)
        return smoothed, len(batch.target_out), {"nll": plain}

    @torch.inference_mode()
    def validate(self, model: nn.Module) -> dict[str, float]:
        """Loss per token without label smoothing, over the whole split; BLEU of a quick search beside it."""
        model.eval()
        nats, tokens = 0.0, 0
        tokens_per_batch = self.recipe.data.tokens_per_batch
        for batch in in_order(self.val_pairs, tokens_per_batch, self.tokenizer.pad, self.tokenizer.bos):
            nats += float(self._losses(model, batch)[1])
            tokens += len(batch.target_out)
        sources = [source for source, _ in self._val_lines]
        outputs = self._outputs(model, sources, self.recipe.evaluation.validation_beam)
        references = [target for _, target in self._val_lines]
        values = {"val/loss": nats / tokens, "val/ppl": metrics.perplexity(nats / tokens)}
        if self.recipe.data.dataset == NUMBER_WORDS:
            values["val/exact_match"] = metrics.exact_match(outputs, references)
        else:
            values["val/bleu"] = metrics.bleu(outputs, references).value
        return values

    def samples(self, model: nn.Module, step: int) -> list[dict[str, Any]]:  # noqa: ARG002 - the same at every step
        """Translations of a few validation sentences, evenly spread over the split; the same ones at every step.

        The first of them come with a map of the attention over their source.
        """
        count = min(self.recipe.evaluation.samples, len(self._val_lines))
        chosen = [self._val_lines[index * len(self._val_lines) // count] for index in range(count)]
        beam = self.recipe.evaluation.beam
        found = self._search(model, [source for source, _ in chosen], beam)
        decoding = {"beam": beam, "length_penalty": self.recipe.evaluation.length_penalty}
        samples: list[dict[str, Any]] = []
        for (source, target), hypothesis in zip(chosen, found, strict=True):
            output = self.tokenizer.decode(hypothesis.tokens)
            samples.append({"source": source, "output": output, "reference": target, "decoding": decoding})
            if len(samples) <= self.recipe.evaluation.attention_maps:
                samples[-1] |= self._attention_map(model, source, hypothesis)
        return samples

    def evaluate(self, model: nn.Module) -> list[dict[str, Any]]:
        """Perplexity on the validation split, and the scores of the recipe's split: the test split, where it is that,
        is read here and nowhere else."""
        values = self.validate(model)
        lines = list(self.corpus.lines(self.recipe.evaluation.split))
        outputs = self._outputs(model, [source for source, _ in lines], self.recipe.evaluation.beam)
        return measurements_of(self.recipe, self.corpus, outputs, [target for _, target in lines], values)

    def score_validation(self, model: nn.Module) -> dict[str, Any]:
        """The scores of the final search on the validation split: what recipes are chosen by."""
        outputs = self._outputs(model, [source for source, _ in self._val_lines], self.recipe.evaluation.beam)
        references = [target for _, target in self._val_lines]
        return {
            "bleu": metrics.bleu(outputs, references).value,
            "bleu_lowercase": metrics.bleu(outputs, references, lowercase=True).value,
        }

    def _losses(self, model: nn.Module, batch: Batch) -> tuple[Tensor, Tensor]:
        batch = batch.to(self.device)
        # Through forward, whatever wraps the model: gradients are exchanged there when several processes train.
        losses: tuple[Tensor, Tensor] = model(
            batch.source, batch.target_in, batch.source_mask, batch.target_out, batch.real
        )
        return losses

    def _attention_map(self, model: nn.Module, source: str, hypothesis: Hypothesis) -> dict[str, Any]:
        assert isinstance(model, Transformer)
        drawn = attention_maps.draw(model, self.tokenizer, self._encode([source])[0], hypothesis.tokens)
        return {} if drawn is None else {"artifacts": {"attention.svg": drawn}}

    def _encode(self, sources: Sequence[str]) -> list[list[int]]:
        """Ids of the sources, their end token included, as far as the model has room for them."""
        room = self.recipe.model.max_positions - self.recipe.evaluation.extra_length - 1
        return [[*ids[:room], self.tokenizer.eos] for ids in self.tokenizer.encode(sources)]

    def _outputs(self, model: nn.Module, sources: Sequence[str], beam: int) -> list[str]:
        return [self.tokenizer.decode(found.tokens) for found in self._search(model, sources, beam)]

    def _search(self, model: nn.Module, sources: Sequence[str], beam: int) -> list[Hypothesis]:
        assert isinstance(model, Transformer)
        evaluation = self.recipe.evaluation
        return translate(
            model,
            self._encode(sources),
            pad=self.tokenizer.pad,
            bos=self.tokenizer.bos,
            eos=self.tokenizer.eos,
            beam=beam,
            alpha=evaluation.length_penalty,
            extra_length=evaluation.extra_length,
            batch_tokens=evaluation.batch_tokens,
            device=self.device,
        )


def structure() -> list[dict[str, Any]]:
    """The parameter counts of Table 3, in millions, measured on models without storage."""
    measurements = []
    for row, model in TABLE_3_COUNTED.items():
        with torch.device("meta"):
            count = sum(parameter.numel() for parameter in Transformer(model, TABLE_3_VOCABULARY).parameters())
        measurements.append(
            {
                "claim": f"1706.03762:table-3:{row}:parameters",
                "task": "translation",
                "dataset": "wmt14-en-de",
                "split": "-",
                "metric": "parameters",
                "value": count / 1e6,
                "unit": "million",
                "n": 1,
                "protocol": {
                    "vocabulary": TABLE_3_VOCABULARY,
                    "vocabulary_fitted_to": "table 3: base, (B), (C)",
                    "shared_embeddings": True,
                },
            }
        )
    return measurements
