"""Every number of every tier, with its place in its paper, or "ours" and why.  Torch-free.

SciTLDR is 2004.15011, GSM8K 2110.14168 with its released code (github.com/openai/grade-school-math), GPT-1 and GPT-2
the papers named in model.py.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Literal

from reproductions.engine.recipe import Needs, Optim, Recipe, Schedule, Train


@dataclass(frozen=True)
class Model:
    """``parent`` is the pre-trained model (see finetuning/parents.py); "scratch" takes its sizes and tokenizer only.

    Sizes and dropout that are None are the parent's; without a parent ("none") they are all given, and the tokenizer is
    learned from the training texts.
    """

    parent: str = "none"
    weights: Literal["parent", "scratch"] = "parent"
    num_layers: int | None = None
    d_model: int | None = None
    num_heads: int | None = None
    context: int | None = None
    dropout: float | None = None
    auxiliary: float = 0.5  # lambda


@dataclass(frozen=True)
class Data:
    """``dataset`` is a name of data/prompted.py; ``context`` bounds a row.

    ``examples`` bounds the training split and ``measured`` the split that is measured; 0 is all.  ``vocabulary`` is
    that of a tokenizer without a parent.  ``drop_source`` is the share of rows that are trained on without a source.
    """

    dataset: str
    batch_size: int
    context: int
    vocabulary: int = 0
    examples: int = 0
    measured: int = 0
    drop_source: float = 0.0


@dataclass(frozen=True)
class Evaluation:
    """Texts of ``new_tokens`` at most are written; ``samples`` of the validation split are shown."""

    new_tokens: int
    batch_size: int = 64
    samples: int = 4


AnyRecipe = Recipe[Model, Data, Evaluation]

_PLACES = {
    "model.parent": "ours: GPT-2's smallest, the released weights",
    "model.auxiliary": "GPT-1, section 4.1: lambda 0.5",
    "model.dropout": "GPT-1, section 4.1",
    "data.batch_size": "GPT-1, section 4.1: 32",
    "optim.lr": "GPT-1, section 4.1: 6.25e-5",
    "optim.weight_decay": "GPT-1, section 4.1: w = 0.01",
    "optim.decay": "GPT-1, section 4.1: not biases and gains",
    "optim.clip_norm": "ours: as in GPT-1's released code",
    "schedule.name": "GPT-1, section 4.1: linear decay",
    "schedule.warmup_steps": "ours: a fiftieth of the steps",
    "train.max_steps": "GPT-1, section 4.1: 3 epochs",
}
_APPLICATIONS: Mapping[str, tuple[Data, Evaluation, int, dict[str, str]]] = {
    "summarization": (
        Data("scitldr", batch_size=32, context=512),
        Evaluation(new_tokens=60),
        168,
        {
            "data.dataset": "SciTLDR's released data: abstracts only (SciTLDR-A)",
            "data.context": "ours: holds 99 of 100 abstracts with their summary",
        },
    ),
    "question-answering": (
        Data("gsm8k", batch_size=16, context=512),
        Evaluation(new_tokens=240),
        8390,
        {
            "data.dataset": "GSM8K's released data",
            "data.batch_size": "GSM8K's released train.py: 16",
            "data.context": "ours: holds every problem with its solution",
            "model.auxiliary": "ours: 1, near the released train.py, which learns every token of a row alike",
            "optim.lr": "GSM8K's released train.py: 1e-5",
            "schedule.name": "GSM8K's released train.py: linear decay",
            "train.max_steps": "GSM8K's released train.py: 20 epochs",
        },
    ),
    "dialogue": (
        Data("novel-dialogue", batch_size=32, context=128, drop_source=0.1),
        Evaluation(new_tokens=50),
        6600,
        {
            "data.dataset": "ours: quoted turns of novels; no paper's",
            "data.context": "ours: turns have 40 words at most",
            "data.drop_source": "ours: so that a reply without a turn is something the model knows",
        },
    ),
    "code-generation": (
        Data("python-functions", batch_size=32, context=256),
        Evaluation(new_tokens=160),
        320,
        {
            "data.dataset": "ours: short functions of Python's library; no paper's",
            "data.context": "ours: holds nearly all functions that are kept",
        },
    ),
}
_FULL_NEEDS = Needs(
    device="cuda", memory_gb=8, gpu_memory_gb=12, disk_gb=4, download_gb=0.6, hours=0.3, hardware="one H100 (predicted)"
)
_MINI_NEEDS = Needs(memory_gb=4, gpu_memory_gb=6, disk_gb=0.5, download_gb=0.01, hours=0.5, hardware="one CPU core")
_OPTIM = Optim(lr=6.25e-5, weight_decay=0.01, decay="matrices", clip_norm=1.0)


def _train(steps: int) -> Train:
    each = max(1, steps // 3)
    return Train(
        max_steps=steps, log_every=10, eval_every=each, sample_every=each, checkpoint_every=each, keep_checkpoints=1
    )


def _full(name: str) -> AnyRecipe:
    data, evaluation, steps, places = _APPLICATIONS[name]
    is_gsm8k = name == "question-answering"
    return Recipe(
        name=name,
        tier="full",
        reproduction="applications",
        model=Model(parent="hf:gpt2", dropout=0.1, auxiliary=1.0 if is_gsm8k else 0.5),
        data=data,
        optim=replace(_OPTIM, lr=1e-5) if is_gsm8k else _OPTIM,
        schedule=Schedule(name="linear", warmup_steps=max(1, steps // 50)),
        train=replace(_train(steps), precision="bf16-if-capable"),
        evaluation=evaluation,
        needs=_FULL_NEEDS,
        places={**_PLACES, **places},
    )


_MINI_PLACES = {
    "model.parent": "ours: the newest run of our own that was pre-trained in this tier (on code in the smoke tier)",
    "model.dropout": "ours: the parent's",
    "data.context": "ours: what the parent reads",
    "optim.lr": "ours: small models bear more; finetuning's mini tier chose it on its validation splits",
    "train.max_steps": "ours: what an hour of one core has time for",
}


def _mini(full: AnyRecipe) -> AnyRecipe:
    """The same on a parent of our own, which is smaller and reads shorter texts."""
    on_code = full.name == "code-generation"
    steps = min(full.train.max_steps, 1000)
    return replace(
        full,
        tier="mini",
        model=replace(full.model, parent="gpt-2-smoke" if on_code else "gpt-1-mini", dropout=None),
        data=replace(full.data, context=128 if on_code or full.name == "dialogue" else 256),
        optim=replace(full.optim, lr=3e-4),
        schedule=replace(full.schedule, warmup_steps=max(1, steps // 50)),
        train=_train(steps),
        needs=_MINI_NEEDS,
        places={**full.places, **_MINI_PLACES},
    )


# The smoke tier needs nothing that a Python does not bring along: it trains from scratch, on other texts.
_SMOKE_PLACES = {
    "model.num_layers": "ours: what this tier has time for",
    "model.d_model": "ours: as num_layers",
    "model.num_heads": "ours: 32 a head",
    "model.context": "ours: as num_layers",
    "model.auxiliary": "ours: from scratch, sources teach as well",
    "data.batch_size": "ours: what this tier has time for",
    "data.context": "ours: the model's",
    "data.vocabulary": "ours: fits the text",
    "data.drop_source": "ours: so that a reply without a turn is something the model knows",
    "optim.lr": "ours: trained from scratch",
    "schedule.warmup_steps": "ours: a tenth of the steps",
    "train.max_steps": "ours: what this tier has time for",
}
_SMOKE_NEEDS = Needs(memory_gb=1, disk_gb=0.1, hours=0.03, hardware="2 CPU cores")


@dataclass(frozen=True)
class _Smoke:
    dataset: str
    why: str
    context: int
    vocabulary: int
    steps: int
    new_tokens: int
    lr: float = 2e-3
    auxiliary: float = 1.0
    dropout: float = 0.0
    batch_size: int = 16
    measured: int = 0


_SMOKES: Mapping[str, _Smoke] = {
    "summarization": _Smoke(
        dataset="python-docstrings",
        why="ours: the first paragraph of docstrings of Python's library, from the others",
        context=128,
        vocabulary=1024,
        steps=600,
        new_tokens=30,
        dropout=0.1,
    ),
    "question-answering": _Smoke(
        dataset="word-problems",
        why="ours: sums of one or two steps, written as GSM8K's are",
        context=112,
        vocabulary=400,
        steps=700,
        new_tokens=56,
    ),
    "dialogue": _Smoke(
        dataset="python-sessions",
        why="ours: what is typed into Python's interpreter and what it answers, from docstrings",
        context=96,
        vocabulary=512,
        steps=400,
        new_tokens=40,
        dropout=0.1,
    ),
    "code-generation": _Smoke(
        dataset="python-functions",
        why="ours: short functions of Python's library; no paper's",
        context=192,
        vocabulary=1024,
        steps=800,
        new_tokens=100,
        lr=3e-3,
        batch_size=12,
    ),
}


def _smoke(full: AnyRecipe) -> AnyRecipe:
    small = _SMOKES[full.name]
    places = {key: place for key, place in full.places.items() if key not in ("model.parent", "model.dropout")}
    dropout = {"model.dropout": "ours: there is little text" if small.dropout else "ours: there is text enough"}
    return replace(
        full,
        tier="smoke",
        model=Model(
            num_layers=3,
            d_model=128,
            num_heads=4,
            context=small.context,
            dropout=small.dropout,
            auxiliary=small.auxiliary,
        ),
        data=Data(
            small.dataset,
            batch_size=small.batch_size,
            context=small.context,
            vocabulary=small.vocabulary,
            drop_source=full.data.drop_source,
            measured=small.measured,
        ),
        optim=replace(full.optim, lr=small.lr),
        schedule=Schedule(name="linear", warmup_steps=small.steps // 10),
        train=Train(
            max_steps=small.steps,
            log_every=10,
            eval_every=small.steps // 2,
            sample_every=small.steps // 2,
            checkpoint_every=small.steps // 4,
        ),
        evaluation=Evaluation(new_tokens=small.new_tokens),
        needs=_SMOKE_NEEDS,
        places={**places, **_SMOKE_PLACES, "data.dataset": small.why, **dropout},
    )


_FULLS = [_full(name) for name in _APPLICATIONS]

RECIPES = {(recipe.name, recipe.tier): recipe for full in _FULLS for recipe in (full, _mini(full), _smoke(full))}
