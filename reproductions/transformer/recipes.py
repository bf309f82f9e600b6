"""Every number of every tier, with its place in arXiv 1706.03762, or "ours" and why.  Torch-free."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

from reproductions.engine.recipe import Needs, Optim, Recipe, Schedule, Train
from reproductions.transformer.table_3 import ROWS, Row


@dataclass(frozen=True)
class Model:
    """The columns of Table 3.  ``d_key`` and ``d_value`` are d_model / num_heads where None."""

    num_layers: int = 6  # N
    d_model: int = 512
    d_ff: int = 2048
    num_heads: int = 8  # h
    d_key: int | None = None  # d_k
    d_value: int | None = None  # d_v
    dropout: float = 0.1  # P_drop
    label_smoothing: float = 0.1  # epsilon_ls
    positions: Literal["sinusoids", "learned"] = "sinusoids"
    max_positions: int = 1024


@dataclass(frozen=True)
class Data:
    """``dataset`` is a name of data/manifest.toml, or "number-words".  Lengths and tokens count the end token."""

    dataset: str
    vocabulary: int
    tokens_per_batch: int
    max_length: int = 256
    numbers: int = 0  # pairs made for training: number-words only
    split_seed: int = 0  # which numbers are held out: number-words only


@dataclass(frozen=True)
class Evaluation:
    """How the final weights are judged; ``validation_beam`` is the search of the curve during training.

    ``split``: what is translated at the end.  With "val" the test split is never read.
    """

    split: Literal["test", "val"] = "test"
    beam: int = 4
    length_penalty: float = 0.6  # alpha
    extra_length: int = 50
    batch_tokens: int = 4096
    validation_beam: int = 1
    samples: int = 5
    attention_maps: int = 2  # of the samples, so many come with a drawing of where the decoder looked


def _eq3(d_model: int, warmup_steps: int, factor: float = 1.0) -> Schedule:
    return Schedule(name="inverse-sqrt", warmup_steps=warmup_steps, factor=factor, d_model=d_model)


_PAPER_OPTIM = Optim(name="adam", lr=1.0, betas=(0.9, 0.98), eps=1e-9)

_PAPER_PLACES = {
    "model.num_layers": "Table 3, row base; section 3.1",
    "model.d_model": "Table 3, row base; section 3.1",
    "model.d_ff": "Table 3, row base; section 3.3",
    "model.num_heads": "Table 3, row base; section 3.2.2",
    "model.d_key": "Table 3, row base; d_model / h, section 3.2.2",
    "model.d_value": "Table 3, row base; d_model / h, section 3.2.2",
    "model.dropout": "Table 3, row base; section 5.4",
    "model.label_smoothing": "section 5.4",
    "model.positions": "section 3.5",
    "model.max_positions": "ours: longer than any sentence and its translation here",
    "optim.name": "section 5.3",
    "optim.lr": "section 5.3: equation (3) is the rate itself",
    "optim.betas": "section 5.3",
    "optim.eps": "section 5.3",
    "optim.weight_decay": "none in the paper",
    "optim.clip_norm": "none in the paper",
    "schedule.name": "section 5.3, equation (3)",
    "schedule.warmup_steps": "section 5.3",
    "schedule.d_model": "section 5.3, equation (3)",
    "evaluation.beam": "section 6.1",
    "evaluation.length_penalty": "section 6.1",
    "evaluation.extra_length": "section 6.1",
}

FULL = Recipe(
    name="transformer-base",
    tier="full",
    reproduction="transformer",
    model=Model(),
    data=Data(dataset="wmt14-en-de", vocabulary=37_000, tokens_per_batch=25_000),
    optim=_PAPER_OPTIM,
    schedule=_eq3(d_model=512, warmup_steps=4000),
    train=Train(
        max_steps=100_000,
        log_every=100,
        eval_every=5000,
        sample_every=5000,
        checkpoint_every=1500,
        keep_checkpoints=6,
        average_last=5,
        precision="bf16-if-capable",
        compile="cuda-any-shape",
    ),
    evaluation=Evaluation(batch_tokens=16_384),
    needs=Needs(
        device="cuda",
        memory_gb=16,
        gpu_memory_gb=24,
        disk_gb=12,
        download_gb=1.8,
        hours=1.3,
        hardware="one H200 (from its measured step)",
    ),
    places={
        **_PAPER_PLACES,
        "data.dataset": "section 5.1",
        "data.vocabulary": 'section 5.1, "about 37000"',
        "data.tokens_per_batch": 'section 5.1, "approximately 25000 source tokens and 25000 target tokens"',
        "data.max_length": "ours: the paper names no limit; a few misaligned pairs of Common Crawl are longer",
        "train.max_steps": "section 5.2; Table 3, row base",
        "train.average_last": "section 6.1",
        "train.checkpoint_every": "section 6.1: ten minutes apart, which at section 5.2's 0.4 s a step is 1,500 steps",
        "train.precision": "ours: bfloat16 where the GPU has it; the paper's P100 trained in float32",
    },
)

MINI = Recipe(
    name="transformer-base",
    tier="mini",
    reproduction="transformer",
    model=Model(num_layers=3, d_model=256, d_ff=512, num_heads=4, dropout=0.3, max_positions=512),
    data=Data(dataset="multi30k-en-de", vocabulary=8000, tokens_per_batch=4096),
    optim=_PAPER_OPTIM,
    schedule=_eq3(d_model=256, warmup_steps=1000),
    train=Train(
        max_steps=4000,
        log_every=50,
        eval_every=1000,
        sample_every=1000,
        checkpoint_every=200,
        keep_checkpoints=5,
        average_last=5,
        precision="bf16-if-capable",
    ),
    evaluation=Evaluation(beam=5),
    needs=Needs(memory_gb=2, disk_gb=0.5, download_gb=0.002, hours=2.5, hardware="one CPU core (predicted)"),
    places={
        **_PAPER_PLACES,
        "model.num_layers": "ours: 3 + 3 layers of d_model 256 for 29,000 captions",
        "model.d_model": "ours: as num_layers",
        "model.d_ff": "ours: as num_layers",
        "model.num_heads": "ours: as num_layers",
        "data.dataset": "ours: 29,000 captions instead of 4.5 million pairs",
        "data.vocabulary": "ours: 37,000 tokens would mostly be whole words here, and the output layer most of the time",  # noqa: E501
        "data.tokens_per_batch": "ours: 119 updates an epoch; a GPU takes as long for smaller ones",
        "data.max_length": "ours: longer than any caption",
        "schedule.warmup_steps": "ours: 4,000 would be most of the rise and fall",
        "model.dropout": "ours: 29,000 captions are learned by heart with less; chosen on the validation split",
        "train.max_steps": "ours: 34 epochs",
        "train.average_last": "section 6.1",
        "train.checkpoint_every": "ours: the paper's ten minutes would be four checkpoints; five of these are eight epochs",  # noqa: E501
        "evaluation.beam": "ours: 5, as in arXiv 2105.14462 to whose result this is laid",
    },
    predicted={"2105.14462:table-2:transformer-tiny:multi30k-test2016:bleu": 39.0},
)

SMOKE = Recipe(
    name="transformer-base",
    tier="smoke",
    reproduction="transformer",
    model=Model(num_layers=2, d_model=128, d_ff=256, num_heads=4, dropout=0.0, max_positions=256),
    data=Data(dataset="number-words", vocabulary=256, tokens_per_batch=512, numbers=60_000),
    optim=_PAPER_OPTIM,
    schedule=_eq3(d_model=128, warmup_steps=300, factor=0.4),
    train=Train(
        max_steps=1800,
        log_every=20,
        eval_every=300,
        sample_every=300,
        checkpoint_every=90,
        keep_checkpoints=5,
        average_last=5,
    ),
    evaluation=Evaluation(),
    needs=Needs(memory_gb=1, disk_gb=0.1, hours=0.02, hardware="2 CPU cores"),
    places={
        **_PAPER_PLACES,
        "model.num_layers": "ours: enough for number words, and trained in under a minute",
        "model.d_model": "ours: as num_layers",
        "model.d_ff": "ours: as num_layers",
        "model.num_heads": "ours: as num_layers",
        "model.dropout": "ours: each pair is seen about once, so nothing can be overfitted",
        "data.dataset": "ours: needs no download",
        "data.vocabulary": "ours: holds every morpheme of both languages' number words",
        "data.tokens_per_batch": "ours: many small steps learn faster than few large ones at this size",
        "data.max_length": "ours: longer than any number",
        "data.numbers": "ours: about as many as 1,800 steps can see once",
        "data.split_seed": "ours: the held-out numbers are the same for every training seed",
        "schedule.warmup_steps": "ours: 4,000 is more than all steps",
        "schedule.factor": "ours: peak 0.0020; the exact match of single checkpoints jumps about at twice that",
        "train.max_steps": "ours: under 90 seconds on two cores",
        "train.average_last": "section 6.1; without it the exact match is several points lower",
        "train.checkpoint_every": "ours: five of them span the last quarter",
    },
)

# The big model and Table 3

_ROW = {row.key: row for row in ROWS}


def _work(model: Model, vocabulary: int) -> float:
    """Multiplications for a pair of tokens, about: the weights of the layers and of the output."""
    key, value = (size or model.d_model // model.num_heads for size in (model.d_key, model.d_value))
    attention = 2 * model.d_model * model.num_heads * (key + value)
    return model.num_layers * (3 * attention + 4 * model.d_model * model.d_ff) + vocabulary * model.d_model


def _activations(model: Model) -> int:
    """What a token leaves behind for the backward pass, in numbers, about."""
    return model.num_layers * (8 * model.d_model + model.d_ff)


def _changed(base: Recipe[Model, Data, Evaluation], row: Row) -> Recipe[Model, Data, Evaluation]:
    """``base`` with what a row of Table 3 changes.  The rate follows d_model, as equation (3) says."""
    changes = row.paper if base.tier == "full" else row.mini
    model = replace(base.model, **changes)
    steps = base.train.max_steps * (3 if row.key == "big" else 1)
    work = [_work(each, base.data.vocabulary) for each in (model, base.model)]
    larger = max(1.0, _activations(model) / _activations(base.model))
    how = "" if base.tier == "full" else "; ours: the same change in the mini model"
    more = {} if steps == base.train.max_steps else {"train.max_steps": f"Table 3, row big: three times as many{how}"}
    return replace(
        base,
        name=row.recipe,
        model=model,
        schedule=replace(base.schedule, d_model=model.d_model),
        train=replace(base.train, max_steps=steps),
        needs=replace(
            base.needs,
            gpu_memory_gb=round(base.needs.gpu_memory_gb * larger),
            hours=round(base.needs.hours * work[0] / work[1] * steps / base.train.max_steps, 2),
            hardware=f"{base.needs.hardware.partition(' (')[0]} (estimated)",
        ),
        places={**base.places, **{f"model.{name}": f"Table 3, row {row.row}{how}" for name in changes}, **more},
        predicted=None,
    )


def _table_3(base: Recipe[Model, Data, Evaluation], row: Row) -> Recipe[Model, Data, Evaluation]:
    """A row as Table 3 has it: the last weights, not their average, judged on the development set."""
    changed = _changed(base, row)
    return replace(
        changed,
        train=replace(changed.train, average_last=0, keep_checkpoints=2),
        evaluation=replace(changed.evaluation, split="val", beam=4),
        places={
            **changed.places,
            "train.average_last": "section 6.2: no checkpoint averaging",
            "evaluation.split": "Table 3: the development set",
            "evaluation.beam": "section 6.2: as in section 6.1",
        },
    )


_BIG = _changed(FULL, _ROW["big"])
BIG = replace(
    _BIG,
    name="transformer-big",
    train=replace(_BIG.train, checkpoint_every=600, keep_checkpoints=20, average_last=20),
    needs=replace(_BIG.needs, disk_gb=70),  # twenty-one checkpoints of 2.6 GB with the optimiser's state, and the data
    places={
        **_BIG.places,
        "train.checkpoint_every": "section 6.1: ten minutes apart, which at section 5.2's 1.0 s a step is 600 steps",
    },
)
BIG_MINI = replace(_changed(MINI, _ROW["big"]), name="transformer-big")

TABLE_3 = tuple(_table_3(base, row) for row in ROWS for base in (FULL, MINI))

RECIPES = {(recipe.name, recipe.tier): recipe for recipe in (FULL, MINI, SMOKE, BIG, BIG_MINI, *TABLE_3)}

# The rows of Table 3 whose parameter count is printed, by the key that their claims use.
TABLE_3_COUNTED = {row.key: Model(**row.paper) for row in ROWS if row.counted}

# Section 5.1 says "about 37000" tokens.  All ten counts of base, (B) and (C) come out as printed when the shared
# vocabulary has 41,004 to 41,208 tokens, and for no other size; see the README.
TABLE_3_VOCABULARY = 41_100
