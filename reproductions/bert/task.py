"""How BERT is pre-trained and measured: sections 3.1 and appendix A.1, A.2."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from reproductions.bert import evaluation, scores
from reproductions.bert.model import BERT, Losses
from reproductions.bert.recipes import Data, Evaluation
from reproductions.bert.sizes import Model
from reproductions.bert.structure import structure
from reproductions.data import manifest
from reproductions.data.corpus import Corpus
from reproductions.data.masking import Masking
from reproductions.data.sentence_pairs import PairMaker, Pairs, PairStream, whole_row
from reproductions.engine import metrics
from reproductions.engine.recipe import Recipe
from reproductions.registry import InvalidInput
from reproductions.tokenizers.wordpiece import WordPiece

__all__ = ["Task", "structure"]

_LEAST_CONTEXT = 8


class Task:
    """Both objectives of one recipe.  ``prepare`` comes first; everything else stands on it."""

    tokenizer: WordPiece
    train_pairs: PairMaker
    valid_pairs: PairMaker

    def __init__(
        self, *, recipe: Recipe[Model, Data, Evaluation], data_home: Path, device: torch.device, seed: int
    ) -> None:
        self.recipe = recipe
        self.data_home = data_home
        self.device = device
        self.seed = seed
        self._log: Callable[[str], None] = lambda _: None

    def prepare(self, log: Callable[[str], None]) -> dict[str, Any]:
        """Fetches the text, learns the vocabulary and encodes both splits, each only where it is not there yet."""
        data, self._log = self.recipe.data, log
        contexts = {data.first_context or data.context, data.context}
        if min(contexts) < _LEAST_CONTEXT or max(contexts) > self.recipe.model.context:
            lengths = " and ".join(map(str, sorted(contexts)))
            what = f"pairs of {lengths} tokens do not fit {self.recipe.model.context} positions"
            raise InvalidInput(what, f"set data.context to {_LEAST_CONTEXT} or more, and model.context to as much")
        corpus = Corpus(data, self.data_home, os.environ.get(manifest.MIRROR), log)
        tokenizer = corpus.tokenizer()
        if not isinstance(tokenizer, WordPiece):
            raise InvalidInput(f'data.tokenizer "{data.tokenizer}" knows no [MASK]', 'take "wordpiece" or "bert"')
        self.tokenizer = tokenizer
        masking = Masking(data.mask_rate, data.masked, data.replaced)
        self.train_pairs = PairMaker(corpus.tokens("train", tokenizer), tokenizer, masking)
        self.valid_pairs = PairMaker(corpus.tokens("val", tokenizer), tokenizer, masking)
        return {
            "data": corpus.provenance(),
            "tokenizer": {"sha256": tokenizer.sha256, "kind": tokenizer.kind, "size": tokenizer.size},
        }

    def build_model(self) -> BERT:
        return BERT(self.recipe.model, self.tokenizer.size)

    def batches(self, position: dict[str, Any] | None) -> PairStream:
        data, train = self.recipe.data, self.recipe.train
        return PairStream(
            self.train_pairs,
            context=data.context,
            first_context=data.first_context,
            first_batches=round(data.first_share * train.max_steps) * train.accumulate,
            short_share=data.short_share,
            batch_size=data.sequences_per_batch,
            seed=self.seed,
            position=position,
        )

    def loss(self, model: nn.Module, batch: Pairs) -> tuple[Tensor, int, dict[str, Any]]:
        """Appendix A.2: mean masked LM loss plus mean next sentence loss, times the number of masked tokens.

        The engine divides by that number, over all micro-batches of a step: the first mean is then exact, and in the
        second a micro-batch weighs as much as it has masked tokens.
        """
        batch = batch.to(self.device)
        losses: Losses = model(
            batch.tokens,
            batch.segments,
            batch.real,
            places_N=batch.places,
            targets_N=batch.targets,
            is_random_B=batch.is_random,
        )
        count = len(batch.targets)
        next_sentence = losses.next_sentence * (count / len(batch.is_random))
        parts = {"masked_lm": losses.masked_lm.detach(), "next_sentence": next_sentence.detach()}
        return losses.masked_lm + next_sentence, count, parts

    @torch.inference_mode()
    def validate(self, model: nn.Module) -> dict[str, float]:
        """Both losses and both accuracies over the whole validation split."""
        held = self._held_out(model)
        return {
            "val/loss": held.masked_lm + held.next_sentence,
            "val/masked_lm": held.masked_lm,
            "val/ppl": metrics.perplexity(held.masked_lm),
            "val/masked_accuracy": held.right_words,
            "val/next_sentence": held.next_sentence,
            "val/next_sentence_accuracy": held.right_pairs,
        }

    def _held_out(self, model: nn.Module) -> scores.HeldOut:
        """The validation split, whose pairs and masks are the same every time."""
        assert isinstance(model, BERT)
        model.eval()
        context = self.recipe.data.context
        sums = torch.zeros(4, dtype=torch.float64)
        words = pairs = 0
        for held in whole_row(self.valid_pairs, context, max(1, self.recipe.evaluation.batch_tokens // context)):
            sums += _sums(model, held.to(self.device)).cpu()
            words, pairs = words + len(held.targets), pairs + len(held.is_random)
        nats, right_words, pair_nats, right_pairs = sums.tolist()
        return scores.HeldOut(words, pairs, nats / words, right_words / words, pair_nats / pairs, right_pairs / pairs)

    def samples(self, model: nn.Module, step: int) -> list[dict[str, Any]]:  # noqa: ARG002 - the same at every step
        """The recipe's prompts with the most probable word at each [MASK]."""
        assert isinstance(model, BERT)
        prompts = self.recipe.evaluation.prompts
        how = {"fill": "the most probable piece", "masks": "each by itself"}
        return [
            {"source": prompt, "output": filled, "reference": None, "decoding": how}
            for prompt, filled in zip(prompts, self._filled(model, prompts), strict=True)
        ]

    def _filled(self, model: BERT, prompts: tuple[str, ...]) -> list[str]:
        filled = []
        tokenizer, most = self.tokenizer, self.recipe.model.context - 2
        for ids in tokenizer.encode(prompts, special=True):
            tokens_1T = torch.tensor([[tokenizer.classify, *ids[:most], tokenizer.separator]], device=self.device)
            best_T = model.words(model.hidden(tokens_1T, torch.zeros_like(tokens_1T))[0]).argmax(dim=-1)
            chosen_T = torch.where(tokens_1T[0] == tokenizer.mask, best_T, tokens_1T[0])
            filled.append(tokenizer.decode(chosen_T[1:-1].tolist()))
        return filled

    def evaluate(self, model: nn.Module) -> list[dict[str, Any]]:
        """The validation split, whole, and the recipe's benchmarks."""
        assert isinstance(model, BERT)
        found = scores.on_validation(self.recipe, self._held_out(model))
        bench = evaluation.Bench(
            model=model,
            tokenizer=self.tokenizer,
            data_home=self.data_home,
            mirror=os.environ.get(manifest.MIRROR),
            device=self.device,
            batch_tokens=self.recipe.evaluation.batch_tokens,
            log=self._log,
        )
        for name in self.recipe.evaluation.benchmarks:
            self._log(f"measuring {name}")
            with torch.inference_mode():
                found += scores.on_benchmark(self.recipe, evaluation.BENCHMARKS[name](bench))
        return found


def _sums(model: BERT, pairs: Pairs) -> Tensor:
    """(4,): nats of the masked tokens, how many of them are right, nats of the pairs, how many of them are right."""
    hidden_BTD = model.hidden(pairs.tokens, pairs.segments, pairs.real)
    words_NV, follows_B2 = model.words(hidden_BTD.flatten(0, 1)[pairs.places]), model.follows(hidden_BTD)
    found = []
    for logits, right in ((words_NV, pairs.targets), (follows_B2, pairs.is_random)):
        found.append(nn.functional.cross_entropy(logits.float(), right, reduction="sum").double())
        found.append((logits.argmax(dim=-1) == right).sum().double())
    return torch.stack(found)
