"""Every number of every tier, with its place in the paper, or "ours" and why.  Torch-free.

"Released code" is google-research/bert: modeling.py, optimization.py, create_pretraining_data.py, run_pretraining.py.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

from reproductions.bert.sizes import BASE, LARGE, Model
from reproductions.engine.recipe import Needs, Optim, Recipe, Schedule, Train


@dataclass(frozen=True)
class Data:
    """``dataset`` is a name of data/manifest.toml, "standard-library" or "pydoc-topics".

    A micro-batch has ``sequences_per_batch`` pairs of at most ``context`` tokens, in the first ``first_share`` of the
    steps of at most ``first_context``; ``short_share`` of the pairs are shorter, of any length.  ``characters`` bounds
    the training text, and a tenth of it the validation text; 0 is all.
    """

    dataset: str
    sequences_per_batch: int
    context: int
    first_context: int = 0
    first_share: float = 0.0
    short_share: float = 0.1
    mask_rate: float = 0.15
    masked: float = 0.8
    replaced: float = 0.1
    tokenizer: Literal["wordpiece", "bert"] = "bert"
    vocabulary: int = 0  # of a learned WordPiece
    characters: int = 0


@dataclass(frozen=True)
class Evaluation:
    """``prompts`` have a [MASK] where the model is to put words; ``benchmarks`` are in evaluation.py."""

    batch_tokens: int = 8192
    benchmarks: tuple[str, ...] = ()
    prompts: tuple[str, ...] = ()


_ADAM = Optim(lr=1e-4, betas=(0.9, 0.999), eps=1e-6, weight_decay=0.01, decay="matrices", clip_norm=1.0)
_NOVEL_PROMPTS = (
    "It was a cold [MASK] in december .",
    "she took his [MASK] and kissed it .",
    "the children [MASK] in the garden .",
)
_CODE_PROMPTS = ("for i in [MASK] ( 10 ) :", "def __init__ ( [MASK] , name ) :", "if x is not [MASK] :")
_FACT_PROMPTS = ("paris is the capital of [MASK] .", "the [MASK] barked at the cat all night .")

_PLACES = {
    "data.dataset": "section 3.1: Wikipedia's 2,500 of 3,300 million words; BooksCorpus is not to be had",
    "data.sequences_per_batch": "appendix A.2: 256 sequences a batch, in micro-batches",
    "data.context": "appendix A.2",
    "data.first_context": "appendix A.2",
    "data.first_share": "appendix A.2: 90 % of the steps",
    "data.short_share": "released code: short_seq_prob",
    "data.mask_rate": "section 3.1, Task #1",
    "data.masked": "section 3.1, Task #1; appendix A.1",
    "data.replaced": "section 3.1, Task #1; appendix A.1",
    "data.tokenizer": "section 3: WordPiece; the released vocabulary",
    "model.num_layers": "section 3",
    "model.d_model": "section 3",
    "model.num_heads": "section 3",
    "model.context": "appendix A.2",
    "model.dropout": "appendix A.2",
    "model.gelu": "appendix A.2 names gelu",
    "optim.lr": "appendix A.2",
    "optim.betas": "appendix A.2",
    "optim.eps": "released code",
    "optim.weight_decay": "appendix A.2: called L2 there; apart from the gradient's moments in the released code",
    "optim.decay": "released code: not biases and norms",
    "optim.clip_norm": "released code",
    "schedule.name": "appendix A.2: linear decay",
    "schedule.warmup_steps": "appendix A.2: the first 10,000 steps",
    "train.max_steps": "appendix A.2",
}
_SMALL_PLACES = {
    **_PLACES,
    "data.dataset": "ours: this tier's own text",
    "data.tokenizer": "ours: a vocabulary that fits the text",
    "data.vocabulary": "ours: as tokenizer",
    "data.characters": "ours: about as much as the steps can see once or twice",
    "data.sequences_per_batch": "ours: many small steps learn faster than few large ones at this size",
    "data.context": "ours: longer pairs cost more than they teach in this time",
    "model.num_layers": "ours: what this tier has time for",
    "model.d_model": "ours: as num_layers",
    "model.num_heads": "ours: 64 a head as in section 3, or 32 where there are few",
    "model.context": "ours: the data's",
    "model.dropout": "ours: less text is seen than these models could learn by heart",
    "optim.lr": "ours: small models bear more",
    "schedule.warmup_steps": "ours: a twentieth of all steps or less",
    "train.max_steps": "ours: what this tier has time for",
}


def _full(name: str, model: Model, *, micro: int, memory_gb: float, hours: float) -> Recipe[Model, Data, Evaluation]:
    """``micro`` pairs a micro-batch."""
    return Recipe(
        name=name,
        tier="full",
        reproduction="bert",
        model=model,
        data=Data(dataset="wikipedia-en", sequences_per_batch=micro, context=512, first_context=128, first_share=0.9),
        optim=_ADAM,
        schedule=Schedule(name="linear", warmup_steps=10_000),
        train=Train(
            max_steps=1_000_000,
            accumulate=256 // micro,
            log_every=50,
            eval_every=10_000,
            sample_every=50_000,
            checkpoint_every=2000,
            precision="bf16-if-capable",
            compile="cuda-any-shape",
        ),
        evaluation=Evaluation(batch_tokens=32_768, benchmarks=("blimp",), prompts=_FACT_PROMPTS),
        needs=Needs(
            device="cuda",
            memory_gb=32,
            gpu_memory_gb=memory_gb,
            disk_gb=30,
            download_gb=22,
            hours=hours,
            hardware="one H100 (predicted, not measured)",
        ),
        places=_PLACES,
    )


BASE_FULL = _full("bert-base", BASE, micro=64, memory_gb=40, hours=40)
LARGE_FULL = _full("bert-large", LARGE, micro=32, memory_gb=60, hours=120)


def _mini(name: str, layers: int, width: int, lr: float, hours: float) -> Recipe[Model, Data, Evaluation]:
    """A member of the small family on English novels."""
    return Recipe(
        name=name,
        tier="mini",
        reproduction="bert",
        model=Model(num_layers=layers, d_model=width, num_heads=width // 64, context=128),
        data=Data(
            dataset="english-novels", sequences_per_batch=128, context=128, tokenizer="wordpiece", vocabulary=16_000
        ),
        optim=replace(_ADAM, lr=lr),
        schedule=Schedule(name="linear", warmup_steps=1000),
        train=Train(
            max_steps=20_000,
            log_every=50,
            eval_every=2000,
            sample_every=4000,
            checkpoint_every=1000,
            precision="bf16-if-capable",
            compile="cuda-any-shape",
        ),
        evaluation=Evaluation(batch_tokens=32_768, benchmarks=("blimp",), prompts=_NOVEL_PROMPTS),
        needs=Needs(
            memory_gb=8, gpu_memory_gb=12, disk_gb=1, download_gb=0.04, hours=hours, hardware="one H100 (predicted)"
        ),
        places={
            **_SMALL_PLACES,
            "model.num_layers": "ours: released code, README: the smaller models of 2020, and one of 6 layers",
            "model.d_model": "ours: as num_layers",
            "model.dropout": "appendix A.2",
        },
    )


BASE_MINI = _mini("bert-base", 6, 512, lr=5e-4, hours=0.5)
MINI_FAMILY = (
    _mini("bert-small", 4, 512, lr=5e-4, hours=0.4),
    _mini("bert-mini", 4, 256, lr=1e-3, hours=0.2),
    _mini("bert-tiny", 2, 128, lr=2e-3, hours=0.1),
)

BASE_SMOKE = Recipe(
    name="bert-base",
    tier="smoke",
    reproduction="bert",
    model=Model(num_layers=2, d_model=128, num_heads=4, context=32, dropout=0.0),
    data=Data(
        dataset="standard-library",
        sequences_per_batch=64,
        context=32,
        tokenizer="wordpiece",
        vocabulary=512,
        characters=3_000_000,
    ),
    optim=replace(_ADAM, lr=2e-3, betas=(0.9, 0.98)),
    schedule=Schedule(name="linear", warmup_steps=100),
    train=Train(max_steps=1200, log_every=10, eval_every=400, sample_every=400, checkpoint_every=100),
    evaluation=Evaluation(prompts=_CODE_PROMPTS),
    needs=Needs(memory_gb=1, disk_gb=0.1, hours=0.03, hardware="2 CPU cores"),
    places={
        **_SMALL_PLACES,
        "model.dropout": "ours: 1200 steps are too few to overfit",
        "optim.betas": "ours: a second moment that forgets sooner, as there are few steps",
    },
)

RECIPES = {
    (recipe.name, recipe.tier): recipe for recipe in (BASE_FULL, BASE_MINI, BASE_SMOKE, LARGE_FULL, *MINI_FAMILY)
}
