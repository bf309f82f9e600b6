"""The measurements of a finished run: each number with its protocol and, where the tier may judge one, its claim."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from reproductions.engine import metrics
from reproductions.engine.recipe import Recipe
from reproductions.transformer.corpus import NUMBER_WORDS, Corpus
from reproductions.transformer.recipes import Data, Evaluation, Model

# The claims of claims.toml that each data set's measurements answer, by metric.
_CLAIMS = {
    "number-words": {"exact_match": "paperlab:smoke:number-words:exact-match"},
    "multi30k-en-de": {"bleu-lowercase": "2105.14462:table-2:transformer-tiny:multi30k-test2016:bleu"},
    "wmt14-en-de": {
        "bleu-compound-split": "1706.03762:table-2:base:wmt14-en-de:bleu",
        "perplexity": "1706.03762:table-3:base:perplexity",
    },
}


def measurements(
    recipe: Recipe[Model, Data, Evaluation],
    corpus: Corpus,
    outputs: Sequence[str],
    references: Sequence[str],
    validation: Mapping[str, float],
) -> list[dict[str, Any]]:
    """What result.json keeps: scores of the test split's ``outputs``, and the validation values beside them."""
    data = recipe.data
    claims = _CLAIMS.get(data.dataset, {})

    def measurement(metric: str, value: float, unit: str, protocol: Mapping[str, Any], **more: Any) -> dict[str, Any]:
        return {
            "claim": claims.get(metric),
            "task": "translation",
            "dataset": data.dataset,
            "split": corpus.name("test"),
            "metric": metric.partition("-")[0],
            "value": value,
            "unit": unit,
            "n": len(outputs),
            "protocol": {**_protocol(recipe), **protocol},
            **more,
        }

    # A German number is one word, so n-grams are counted over its characters.
    tokenize = "char" if data.dataset == NUMBER_WORDS else "13a"
    cased = metrics.bleu(outputs, references, tokenize=tokenize)
    found = [
        measurement(
            "bleu",
            cased.value,
            "BLEU",
            {"tokenisation": tokenize, "detokenised": True, "casing": "cased", "compound_split": False},
            signature=cased.signature,
        )
    ]
    if data.dataset == NUMBER_WORDS:
        found.insert(0, measurement("exact_match", metrics.exact_match(outputs, references), "share", {}))
    elif data.dataset == "wmt14-en-de":
        split = metrics.compound_split_bleu(outputs, references)
        found.insert(
            0,
            measurement(
                "bleu-compound-split",
                split.value,
                "BLEU",
                {"tokenisation": "tokenised", "tokenizer": "13a", "casing": "cased", "compound_split": True},
                signature=split.signature,
            ),
        )
    else:
        lower = metrics.bleu(outputs, references, lowercase=True)
        found.insert(
            0,
            measurement(
                "bleu-lowercase",
                lower.value,
                "BLEU",
                {"tokenisation": "tokenised", "tokenizer": "13a", "casing": "lowercase", "compound_split": False},
                signature=lower.signature,
            ),
        )
    perplexity = measurement("perplexity", validation["val/ppl"], "ppl", {"per": "word piece", "beam": None})
    return [*found, {**perplexity, "split": corpus.name("val"), "n": sum(1 for _ in corpus.lines("val"))}]


def _protocol(recipe: Recipe[Model, Data, Evaluation]) -> dict[str, Any]:
    return {
        "beam": recipe.evaluation.beam,
        "length_penalty": recipe.evaluation.length_penalty,
        "checkpoint_average": recipe.train.average_last,
        "vocabulary": recipe.data.vocabulary,
        "steps": recipe.train.max_steps,
    }
