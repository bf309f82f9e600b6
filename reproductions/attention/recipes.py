"""At which sizes attention is measured.  The papers fix none that a CPU could run: every number is ours, and why.

Nothing is learned: a step is one sequence length, at which every form is measured once, and the learning rate is 0.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

from reproductions.engine.recipe import Needs, Optim, Recipe, Schedule, Train


@dataclass(frozen=True)
class Model:
    """The shape that is measured: ``num_heads`` heads of ``d_key``, for queries, keys and values alike."""

    num_heads: int = 1
    d_key: int = 64  # d_k, as in Table 3 of 1706.03762


@dataclass(frozen=True)
class Data:
    """``lengths`` are visited in rounds, each round in another order that follows from the seed."""

    lengths: tuple[int, ...]
    additive_up_to: int  # longer sequences are not measured with additive attention: it keeps d_key numbers a pair
    sequences: int = 1
    dtype: Literal["float32", "bfloat16"] = "float32"


@dataclass(frozen=True)
class Evaluation:
    """Exponents are slopes of log(cost) over log(length), from ``fit_from`` on: below it, linear terms weigh in."""

    fit_from: int
    samples: int = 2


_SMOKE_LENGTHS = (128, 256, 512, 1024, 2048)
_MINI_LENGTHS = (256, 512, 1024, 2048, 4096, 8192)
_FULL_LENGTHS = (1024, 2048, 4096, 8192, 16384)

_PLACES = {
    "model.num_heads": "ours: heads multiply time and memory alike",
    "model.d_key": "1706.03762, section 3.2.2: 64",
    "data.lengths": "ours: powers of two, as far as this tier's machine goes",
    "data.additive_up_to": "ours: it keeps d_key numbers for each pair, 540 MB at 1,024",
    "data.dtype": "2205.14135 measures in half precision; on a CPU that is no faster",
    "optim.lr": "ours: nothing is learned",
    "train.max_steps": "ours: rounds times lengths",
    "evaluation.fit_from": "ours: from here on the quadratic part is over nine tenths of the stored form's memory",
}

SMOKE = Recipe(
    name="attention",
    tier="smoke",
    reproduction="attention",
    model=Model(),
    data=Data(lengths=_SMOKE_LENGTHS, additive_up_to=512),
    optim=Optim(lr=0.0),
    schedule=Schedule(),
    train=Train(
        max_steps=3 * len(_SMOKE_LENGTHS),
        log_every=1,
        eval_every=3 * len(_SMOKE_LENGTHS),
        sample_every=3 * len(_SMOKE_LENGTHS),
        checkpoint_every=1,
        keep_checkpoints=1,
    ),
    evaluation=Evaluation(fit_from=512),
    needs=Needs(memory_gb=1, disk_gb=0.01, hours=0.005, hardware="one CPU core"),
    places=_PLACES,
)

MINI = replace(
    SMOKE,
    tier="mini",
    data=Data(lengths=_MINI_LENGTHS, additive_up_to=1024),
    train=replace(
        SMOKE.train,
        max_steps=5 * len(_MINI_LENGTHS),
        eval_every=5 * len(_MINI_LENGTHS),
        sample_every=5 * len(_MINI_LENGTHS),
    ),
    evaluation=Evaluation(fit_from=2048),
    places={
        **_PLACES,
        "evaluation.fit_from": "ours: from here on stored scores outgrow the caches; leaving them is no growth",
    },
    needs=Needs(memory_gb=3, disk_gb=0.01, hours=0.03, hardware="one CPU core"),
)

FULL = replace(
    MINI,
    tier="full",
    model=Model(num_heads=16),
    data=Data(lengths=_FULL_LENGTHS, additive_up_to=0, dtype="bfloat16"),
    train=replace(
        MINI.train,
        max_steps=5 * len(_FULL_LENGTHS),
        eval_every=5 * len(_FULL_LENGTHS),
        sample_every=5 * len(_FULL_LENGTHS),
    ),
    needs=Needs(
        device="cuda", memory_gb=4, gpu_memory_gb=40, disk_gb=0.01, hours=0.05, hardware="one GPU of 40 GB (estimated)"
    ),
    places={**MINI.places, "model.num_heads": "ours: 16 heads of 64 fill a GPU with one sequence"},
)

RECIPES = {(recipe.name, recipe.tier): recipe for recipe in (FULL, MINI, SMOKE)}
