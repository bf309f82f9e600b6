"""The measurements of a finished run: each number with its protocol and, where the tier may judge one, its claim."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from reproductions.engine import metrics
from reproductions.engine.recipe import Recipe
from reproductions.transformer.corpus import NUMBER_WORDS, Corpus
from reproductions.transformer.recipes import Data, Evaluation, Model
from reproductions.transformer.table_3 import PREFIX

# The claims of claims.toml that a recipe's first score answers.
_CLAIMS = {
    ("transformer-base", "smoke"): ("paperlab:smoke:number-words:exact-match",),
    ("transformer-base", "mini"): (
        "2105.14462:table-2:transformer-tiny:multi30k-test2016:bleu",
        "paperlab:mini:multi30k-test2016:bleu",
    ),
    ("transformer-base", "full"): (
        "1706.03762:table-2:base:wmt14-en-de:bleu",
        "1706.03762:table-2:base-beats-single-models:wmt14-en-de:bleu",
    ),
    ("transformer-big", "full"): ("1706.03762:table-2:big:wmt14-en-de:bleu",),
}


def measurements(
    recipe: Recipe[Model, Data, Evaluation],
    corpus: Corpus,
    outputs: Sequence[str],
    references: Sequence[str],
    validation: Mapping[str, float],
) -> list[dict[str, Any]]:
    """What result.json keeps: scores of the ``outputs`` of the recipe's split, and perplexity on the validation split.

    A measurement answers one claim, so the score that several claims are about is there once for each.
    """
    protocol = {
        "beam": recipe.evaluation.beam,
        "length_penalty": recipe.evaluation.length_penalty,
        "checkpoint_average": recipe.train.average_last,
        "vocabulary": recipe.data.vocabulary,
        "steps": recipe.train.max_steps,
    }
    common = {"task": "translation", "dataset": recipe.data.dataset}
    scored = {**common, "split": corpus.name(recipe.evaluation.split), "n": len(outputs)}
    row = _row_of_table_3(recipe)
    found: list[dict[str, Any]] = []
    for index, score in enumerate(_scores(recipe.data.dataset, outputs, references)):
        answers = (f"{row}:bleu",) if row else _CLAIMS.get((recipe.name, recipe.tier), (None,))
        claims = answers if index == 0 else (None,)
        found += [
            {"claim": claim, **scored, **score, "protocol": {**protocol, **score["protocol"]}} for claim in claims
        ]
    perplexity = {
        "claim": f"{row}:perplexity" if row else None,
        **common,
        "split": corpus.name("val"),
        "metric": "perplexity",
        "value": validation["val/ppl"],
        "unit": "ppl",
        "n": sum(1 for _ in corpus.lines("val")),
        "protocol": {**protocol, "beam": None, "length_penalty": None, "per": "word piece"},
    }
    return [*found, perplexity]


def _row_of_table_3(recipe: Recipe[Model, Data, Evaluation]) -> str | None:
    """What the ids of the claims begin with that this recipe answers; None where it is no row at the paper's size."""
    if recipe.tier != "full" or not recipe.name.startswith(PREFIX):
        return None
    return f"1706.03762:table-3:{recipe.name.removeprefix(PREFIX)}"


def _scores(dataset: str, outputs: Sequence[str], references: Sequence[str]) -> list[dict[str, Any]]:
    """The scores of a data set, the one that its claims are about first."""
    if dataset == NUMBER_WORDS:
        exact = {"metric": "exact-match", "value": metrics.exact_match(outputs, references), "unit": "share"}
        # A German number is one word, so n-grams are counted over its characters.
        return [{**exact, "protocol": {}}, _bleu(metrics.bleu(outputs, references, tokenize="char"), "char")]
    cased = _bleu(metrics.bleu(outputs, references), "13a")
    if dataset == "wmt14-en-de":
        split = metrics.compound_split_bleu(outputs, references)
        return [_bleu(split, "tokenised", tokenizer="13a", compound_split=True), cased]
    lower = metrics.bleu(outputs, references, lowercase=True)
    return [_bleu(lower, "tokenised", tokenizer="13a", casing="lowercase"), cased]


def _bleu(score: metrics.Bleu, tokenisation: str, **protocol: Any) -> dict[str, Any]:
    return {
        "metric": "bleu",
        "value": score.value,
        "unit": "BLEU",
        "protocol": {"tokenisation": tokenisation, "casing": "cased", "compound_split": False, **protocol},
        "signature": score.signature,
    }
