"""Every number of every tier, with its place in its paper, or "ours" and why.  Torch-free.

GPT-1, BERT and LoRA are named in model.py.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal

from reproductions.engine.recipe import Needs, Optim, Recipe, Schedule, Train


@dataclass(frozen=True)
class Model:
    """``parent`` is the pre-trained model (see parents.py); "scratch" takes its sizes and tokenizer, not its weights.

    Sizes and dropout that are None are the parent's; without a parent ("none") they are all given, and the tokenizer is
    learned from the training texts.  ``lora_rank`` 0 trains every weight.
    """

    style: Literal["gpt-1", "bert"]
    parent: str = "none"
    weights: Literal["parent", "scratch"] = "parent"
    num_layers: int | None = None
    d_model: int | None = None
    num_heads: int | None = None
    context: int | None = None
    dropout: float | None = None
    head_dropout: float = 0.1
    auxiliary: float = 0.0  # lambda
    lora_rank: int = 0  # r
    lora_alpha: float = 0.0  # alpha


@dataclass(frozen=True)
class Data:
    """``dataset`` is a name of data/classification.py; ``context`` bounds a row, which keeps its ``keep``.

    ``examples`` bounds the training split; 0 is all.  ``vocabulary`` is that of a tokenizer without a parent.
    """

    dataset: str
    batch_size: int
    context: int
    keep: Literal["head", "tail"] = "head"
    vocabulary: int = 0
    examples: int = 0


@dataclass(frozen=True)
class Evaluation:
    """``samples`` examples of the validation split are shown with what is predicted."""

    batch_size: int = 64
    samples: int = 6


AnyRecipe = Recipe[Model, Data, Evaluation]

EXAMPLES: Mapping[str, int] = {
    "sst-2": 6212,
    "cola": 7724,
    "mrpc": 3696,
    "rte": 2238,
    "sts-b": 5749,
    "movie-reviews": 1600,
}
"""Of the training splits that data/classification.py makes."""


def _named(dataset: str) -> str:
    return "movies" if dataset == "movie-reviews" else dataset


def _steps(dataset: str, batch_size: int, epochs: int) -> int:
    return round(epochs * EXAMPLES[dataset] / batch_size)


_GPT_1_PLACES = {
    "model.style": "GPT-1, section 3.3",
    "model.parent": "ours: GPT-2's smallest has its shape; the released weights are in another format",
    "model.auxiliary": "GPT-1, section 4.1: lambda 0.5",
    "data.dataset": "GPT-1, Table 1 (movie reviews: ours, texts that are longer)",
    "data.batch_size": "GPT-1, section 4.1: 32",
    "data.context": "GPT-1, section 4.1: 512 (mini: the parent's)",
    "data.keep": "ours: a review sums up where it ends",
    "optim.lr": "GPT-1, section 4.1: 6.25e-5",
    "optim.weight_decay": "GPT-1, section 4.1: w = 0.01, as in pre-training",
    "optim.decay": "GPT-1, section 4.1: not biases and gains",
    "optim.clip_norm": "ours: as in GPT-1's released code",
    "schedule.name": "GPT-1, section 4.1: linear decay",
    "schedule.warmup_steps": "GPT-1, section 4.1: over 0.2 % of the training",
    "train.max_steps": "GPT-1, section 4.1: 3 epochs",
}
_BERT_PLACES = {
    "model.style": "BERT, section 4.1",
    "model.parent": "BERT, section 4.1: BASE, the released weights",
    "data.dataset": "BERT, appendix B.1 (movie reviews: ours, texts that are longer)",
    "data.batch_size": "BERT, section 4.1: 32",
    "data.context": "ours: 128, as in the released code's example for MRPC; all there is for reviews",
    "data.keep": "ours: a review sums up where it ends",
    "optim.lr": "BERT, section 4.1: the best of 5e-5, 4e-5, 3e-5, 2e-5 on the dev set; this is one of them",
    "optim.eps": "BERT's released code",
    "optim.weight_decay": "BERT, appendix A.3: as in pre-training",
    "optim.decay": "BERT's released code: not biases and norms",
    "optim.clip_norm": "BERT's released code",
    "schedule.name": "BERT, appendix A.3: as in pre-training, linear decay",
    "schedule.warmup_steps": "BERT's released code: a tenth of the steps",
    "train.max_steps": "BERT, section 4.1: 3 epochs",
}
_LORA_PLACES = {
    "model.lora_rank": "LoRA, Table 11 (GPT-2): r_q = r_v = 4",
    "model.lora_alpha": "LoRA, Table 11 (GPT-2): alpha 32",
    "optim.lr": "LoRA, Table 11 (GPT-2): 2e-4",
}
_MINI_PLACES = {
    "model.parent": "ours: the newest run of our own that was pre-trained in this tier",
    "optim.lr": "ours: small models bear more (GPT-3, Table 2.1, rises the same way)",
}
_GPT_OPTIM = Optim(lr=6.25e-5, weight_decay=0.01, decay="matrices", clip_norm=1.0)
_BERT_OPTIM = Optim(lr=3e-5, eps=1e-6, weight_decay=0.01, decay="matrices", clip_norm=1.0)
_FULL_NEEDS = Needs(
    device="cuda", memory_gb=8, gpu_memory_gb=12, disk_gb=4, download_gb=0.6, hours=0.1, hardware="one H100 (predicted)"
)
_MINI_NEEDS = Needs(
    memory_gb=4, gpu_memory_gb=6, disk_gb=0.5, download_gb=0.01, hours=0.3, hardware="one CPU core (predicted)"
)


def _train(steps: int, **changes: Any) -> Train:
    each = max(1, steps // 3)
    train = Train(max_steps=steps, log_every=10, eval_every=each, sample_every=each, checkpoint_every=each)
    return replace(train, keep_checkpoints=1, **changes)


def _gpt_1(dataset: str) -> tuple[AnyRecipe, AnyRecipe]:
    """Full and mini of one set."""
    steps = _steps(dataset, 32, epochs=3)
    full = Recipe(
        name=f"gpt-1-{_named(dataset)}",
        tier="full",
        reproduction="finetuning",
        model=Model(style="gpt-1", parent="hf:gpt2", dropout=0.1, auxiliary=0.5),
        data=Data(dataset, batch_size=32, context=512, keep="tail" if dataset == "movie-reviews" else "head"),
        optim=_GPT_OPTIM,
        schedule=Schedule(name="linear", warmup_steps=max(1, round(0.002 * steps))),
        train=_train(steps, precision="bf16-if-capable"),
        evaluation=Evaluation(),
        needs=_FULL_NEEDS,
        places={**_GPT_1_PLACES, "model.dropout": "GPT-1, section 4.1"},
    )
    return full, _mini(full, parent="gpt-1-mini", lr=3e-4)


def _bert(dataset: str) -> tuple[AnyRecipe, AnyRecipe]:
    steps = _steps(dataset, 32, epochs=3)
    context = 512 if dataset == "movie-reviews" else 128
    full = Recipe(
        name=f"bert-{_named(dataset)}",
        tier="full",
        reproduction="finetuning",
        model=Model(style="bert", parent="hf:google-bert/bert-base-uncased", dropout=0.1),
        data=Data(dataset, batch_size=32, context=context, keep="tail" if dataset == "movie-reviews" else "head"),
        optim=_BERT_OPTIM,
        schedule=Schedule(name="linear", warmup_steps=steps // 10),
        train=_train(steps, precision="bf16-if-capable"),
        evaluation=Evaluation(),
        needs=_FULL_NEEDS,
        places={**_BERT_PLACES, "model.dropout": "BERT, appendix A.3: always 0.1"},
    )
    return full, _mini(full, parent="bert-base-mini", lr=2e-4)


def _mini(full: AnyRecipe, *, parent: str, lr: float) -> AnyRecipe:
    """The same on a parent of our own, which reads shorter texts."""
    return replace(
        full,
        tier="mini",
        model=replace(full.model, parent=parent),
        data=replace(full.data, context=128),
        optim=replace(full.optim, lr=lr),
        train=replace(full.train, precision="fp32"),
        needs=_MINI_NEEDS,
        places={**full.places, **_MINI_PLACES},
    )


def _lora(like: AnyRecipe) -> AnyRecipe:
    """The same with LoRA instead of full fine-tuning."""
    return replace(
        like,
        name=like.name.replace("gpt-1", "lora"),
        model=replace(like.model, lora_rank=4, lora_alpha=32.0, auxiliary=0.0),
        optim=replace(like.optim, lr=2e-4 if like.tier == "full" else 1e-3),
        places={**like.places, **_LORA_PLACES, **(_MINI_PLACES if like.tier == "mini" else {})},
    )


_GPT_1 = [recipe for dataset in EXAMPLES for recipe in _gpt_1(dataset)]
_BERT = [recipe for dataset in EXAMPLES for recipe in _bert(dataset)]
_LORA = [_lora(recipe) for recipe in _GPT_1 if recipe.data.dataset in ("sst-2", "cola")]

# The smoke tier needs nothing that a Python does not bring along: it trains from scratch, and so from no parent.
_SMOKE_PLACES = {
    "model.num_layers": "ours: what this tier has time for",
    "model.d_model": "ours: as num_layers",
    "model.num_heads": "ours: 32 a head",
    "model.context": "ours: holds every sentence",
    "model.dropout": "ours: there is little text",
    "data.dataset": "ours: what Python brings along: sentences or shuffled ones, prose or code",
    "data.context": "ours: the model's",
    "data.vocabulary": "ours: fits the text",
    "optim.lr": "ours: trained from scratch",
    "schedule.warmup_steps": "ours: a tenth of the steps",
    "train.max_steps": "ours: what this tier has time for",
}
_SMOKE_NEEDS = Needs(memory_gb=1, disk_gb=0.1, hours=0.03, hardware="2 CPU cores")


def _smoke(like: AnyRecipe, dataset: str, *, lr: float, steps: int, vocabulary: int) -> AnyRecipe:
    model = replace(like.model, parent="none", num_layers=2, d_model=128, num_heads=4, context=64, dropout=0.1)
    return replace(
        like,
        tier="smoke",
        model=model,
        data=Data(dataset, batch_size=32, context=64, vocabulary=vocabulary),
        optim=replace(like.optim, lr=lr),
        schedule=replace(like.schedule, warmup_steps=steps // 10),
        train=Train(
            max_steps=steps, log_every=10, eval_every=steps // 2, sample_every=steps // 2, checkpoint_every=steps // 6
        ),
        evaluation=Evaluation(),
        needs=_SMOKE_NEEDS,
        places={**{key: like.places[key] for key in like.places if key != "model.parent"}, **_SMOKE_PLACES},
    )


def _full(recipes: list[AnyRecipe], dataset: str) -> AnyRecipe:
    return next(recipe for recipe in recipes if recipe.data.dataset == dataset and recipe.tier == "full")


_SMOKES = [
    _smoke(_full(_GPT_1, "cola"), "python-sentences", lr=1e-3, steps=900, vocabulary=2048),
    _smoke(_full(_BERT, "sst-2"), "python-lines", lr=5e-4, steps=400, vocabulary=1024),
]

RECIPES = {(recipe.name, recipe.tier): recipe for recipe in (*_GPT_1, *_BERT, *_LORA, *_SMOKES)}
