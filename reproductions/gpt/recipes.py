"""Every number of every tier, with its place in its paper, or "ours" and why.  Torch-free.

GPT-1, GPT-2 and GPT-3 are named in model.py; "nanoGPT" is github.com/karpathy/nanoGPT, train.py and config/.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

from reproductions.engine.recipe import Needs, Optim, Recipe, Schedule, Train
from reproductions.gpt.sizes import GPT_1, GPT_2, GPT_3_TABLE_2_1, Model


@dataclass(frozen=True)
class Data:
    """``dataset`` is a name of data/manifest.toml, "standard-library" or "pydoc-topics".

    A micro-batch has ``tokens_per_batch`` / ``context`` windows.  ``characters`` bounds the training text, and a tenth
    of it the validation text; 0 is all.
    """

    dataset: str
    tokens_per_batch: int
    context: int
    tokenizer: Literal["characters", "bytes", "bpe", "gpt-2"] = "gpt-2"
    vocabulary: int = 0  # of a learned BPE
    characters: int = 0


@dataclass(frozen=True)
class Evaluation:
    """``benchmarks`` are what the final weights are tried on besides the validation split; see evaluation.py.

    ``sampled_batches``: besides the whole split, each validation takes so many random batches of it; see sampled.py.
    """

    batch_tokens: int = 8192
    sampled_batches: int = 0
    benchmarks: tuple[str, ...] = ()
    prompts: tuple[str, ...] = ()
    sample_tokens: int = 100
    temperature: float = 0.8
    top_k: int = 200


_ADAM = Optim(lr=6e-4, betas=(0.9, 0.95), eps=1e-8, weight_decay=0.1, decay="matrices", clip_norm=1.0)
_NOVEL_PROMPTS = ("It was a cold evening, and", '"My dear," said', "The ship")
_CODE_PROMPTS = ("def ", "import os\n", "class ")
_WEB_PROMPTS = ("The quick brown fox", "In a statement on Monday,")

_GPT_1_PLACES = {
    "model.context": "GPT-1, section 4.1",
    "model.norm": "GPT-1, section 3.1: a Transformer decoder, which normalises behind each sub-layer",
    "model.dropout": "GPT-1, section 4.1",
    "model.initialisation": "GPT-1, section 4.1",
    "optim.lr": "GPT-1, section 4.1: at most 2.5e-4",
    "optim.weight_decay": "GPT-1, section 4.1: w = 0.01, on what is not a bias or gain",
    "optim.decay": "GPT-1, section 4.1",
    "schedule.name": "GPT-1, section 4.1: to 0, along a cosine",
    "schedule.warmup_steps": "GPT-1, section 4.1",
}
_GPT_2_PLACES = {
    "data.dataset": "ours: an open replication of WebText, which was never published (section 2.1)",
    "data.tokens_per_batch": "GPT-2, section 2.3: 512 sequences a batch, in micro-batches",
    "data.context": "GPT-2, section 2.3",
    "model.num_layers": "GPT-2, Table 2",
    "model.d_model": "GPT-2, Table 2",
    "model.num_heads": "GPT-2's released code: 64 a head; Table 2 does not print it",
    "optim.lr": "ours: GPT-3, Table 2.1, for this size; the paper says only that it was tuned (section 3)",
    "optim.betas": "ours: GPT-3, appendix B",
    "optim.weight_decay": "ours: GPT-3, appendix B",
    "optim.decay": "ours: as in GPT-1, section 4.1",
    "optim.clip_norm": "ours: GPT-3, appendix B",
    "schedule.name": "ours: GPT-3, appendix B",
    "schedule.floor": "ours: GPT-3, appendix B: 10 %",
    "schedule.warmup_steps": "ours: as in GPT-1, section 4.1",
    "train.max_steps": "ours: nanoGPT's 600,000, 33 times over the corpus; the paper does not say how long",
}
_SMALL_PLACES = {
    "model.num_layers": "ours: what this tier has time for",
    "model.d_model": "ours: as num_layers",
    "model.num_heads": "ours: 64 a head, or 32 where there are few",
    "model.context": "ours: longer ones cost more than they teach in this time",
    "model.dropout": "ours: the text is small and seen more than once",
    "model.band": "ours: a quarter of the context, in every second layer (GPT-3, section 2.1, names no width)",
    "data.tokenizer": "ours: a vocabulary that fits the text",
    "data.vocabulary": "ours: as tokenizer",
    "data.characters": "ours: about as much as the steps can see once or twice",
    "optim.lr": "ours: small models bear more (GPT-3, Table 2.1, rises the same way)",
    "schedule.warmup_steps": "ours: a twentieth of all steps or less",
    "data.dataset": "ours: this tier's own text",
    "data.tokens_per_batch": "ours: many small steps learn faster than few large ones at this size",
    "data.context": "ours: the model's",
    "train.max_steps": "ours: what this tier has time for",
}


def _web(name: str, *, lr: float, micro: int, memory_gb: float, hours: float) -> Recipe[Model, Data, Evaluation]:
    """A member of GPT-2's family on OpenWebText; ``micro`` sequences a micro-batch."""
    return Recipe(
        name=name,
        tier="full",
        reproduction="gpt",
        model=GPT_2[name],
        data=Data(dataset="openwebtext", tokens_per_batch=micro * 1024, context=1024),
        optim=replace(_ADAM, lr=lr),
        schedule=Schedule(name="cosine", warmup_steps=2000, floor=0.1),
        train=Train(
            max_steps=600_000,
            accumulate=512 // micro,
            log_every=20,
            eval_every=2000,
            sample_every=10_000,
            checkpoint_every=1000,
            precision="bf16-if-capable",
            compile="cuda",
        ),
        evaluation=Evaluation(batch_tokens=16_384, benchmarks=("lambada", "blimp", "wikitext-2"), prompts=_WEB_PROMPTS),
        needs=Needs(
            device="cuda",
            memory_gb=32,
            gpu_memory_gb=memory_gb,
            disk_gb=80,
            download_gb=12.9,
            hours=hours,
            hardware="one H200 (from the measured step of 124M; larger ones predicted)",
        ),
        places=_GPT_2_PLACES,
    )


GPT_2_FULL = _web("gpt-2", lr=6e-4, micro=16, memory_gb=40, hours=180)
GPT_2_FAMILY = (
    _web("gpt-2-medium", lr=3e-4, micro=8, memory_gb=60, hours=500),
    _web("gpt-2-large", lr=2.5e-4, micro=4, memory_gb=70, hours=1100),
    _web("gpt-2-xl", lr=2e-4, micro=4, memory_gb=75, hours=2200),
)

GPT_2_MINI = Recipe(
    name="gpt-2",
    tier="mini",
    reproduction="gpt",
    model=Model(num_layers=6, d_model=512, num_heads=8, context=512, dropout=0.1),
    data=Data(dataset="english-novels", tokens_per_batch=16_384, context=512),
    optim=_ADAM,
    schedule=Schedule(name="cosine", warmup_steps=200, floor=0.1),
    train=Train(
        max_steps=6000,
        log_every=20,
        eval_every=500,
        sample_every=1000,
        checkpoint_every=500,
        precision="bf16-if-capable",
        compile="cuda",
    ),
    evaluation=Evaluation(batch_tokens=16_384, benchmarks=("lambada", "blimp", "wikitext-2"), prompts=_NOVEL_PROMPTS),
    needs=Needs(memory_gb=8, gpu_memory_gb=16, disk_gb=1, download_gb=0.04, hours=0.2, hardware="one H100 (predicted)"),
    places={**_GPT_2_PLACES, **_SMALL_PLACES},
)

_SMOKE_TRAIN = Train(max_steps=700, log_every=10, eval_every=350, sample_every=350, checkpoint_every=100)
_SMOKE_PLACES = {**_SMALL_PLACES, "model.initialisation": "ours: 0.02 is a quarter of what 128 inputs bear"}
_SMOKE_NEEDS = Needs(memory_gb=1, disk_gb=0.1, hours=0.03, hardware="2 CPU cores")

GPT_2_SMOKE = Recipe(
    name="gpt-2",
    tier="smoke",
    reproduction="gpt",
    model=Model(num_layers=3, d_model=128, num_heads=4, context=128, initialisation="fan-in"),
    data=Data(
        dataset="standard-library",
        tokenizer="bpe",
        vocabulary=1024,
        tokens_per_batch=1536,
        context=128,
        characters=3_000_000,
    ),
    optim=replace(_ADAM, lr=3e-3),
    schedule=Schedule(name="cosine", warmup_steps=35, floor=0.1),
    train=_SMOKE_TRAIN,
    evaluation=Evaluation(prompts=_CODE_PROMPTS, sample_tokens=80),
    needs=_SMOKE_NEEDS,
    places={**_GPT_2_PLACES, **_SMOKE_PLACES},
)

GPT_1_MINI = Recipe(
    name="gpt-1",
    tier="mini",
    reproduction="gpt",
    model=replace(GPT_1, num_layers=6, d_model=384, num_heads=6, context=256),
    data=Data(dataset="english-novels", tokenizer="bpe", vocabulary=16_000, tokens_per_batch=64 * 256, context=256),
    optim=Optim(lr=6e-4, betas=(0.9, 0.999), eps=1e-8, weight_decay=0.01, decay="matrices"),
    schedule=Schedule(name="cosine", warmup_steps=200),
    train=Train(
        max_steps=6000,
        log_every=20,
        eval_every=500,
        sample_every=1000,
        checkpoint_every=500,
        precision="bf16-if-capable",
        compile="cuda",
    ),
    evaluation=Evaluation(batch_tokens=16_384, benchmarks=("lambada", "blimp", "wikitext-2"), prompts=_NOVEL_PROMPTS),
    needs=Needs(memory_gb=8, gpu_memory_gb=12, disk_gb=1, download_gb=0.04, hours=0.2, hardware="one H100 (predicted)"),
    places={
        **_GPT_1_PLACES,
        **_SMALL_PLACES,
        "data.tokens_per_batch": "GPT-1, section 4.1: 64 sequences a batch",
        "model.dropout": "GPT-1, section 4.1",
    },
)

GPT_1_SMOKE = Recipe(
    name="gpt-1",
    tier="smoke",
    reproduction="gpt",
    model=replace(GPT_1, num_layers=3, d_model=128, num_heads=4, context=96, dropout=0.0),
    data=Data(dataset="pydoc-topics", tokenizer="bpe", vocabulary=512, tokens_per_batch=1536, context=96),
    optim=Optim(lr=2e-3, betas=(0.9, 0.999), eps=1e-8, weight_decay=0.01, decay="matrices"),
    schedule=Schedule(name="cosine", warmup_steps=70),
    train=_SMOKE_TRAIN,
    evaluation=Evaluation(prompts=("The ", "If the object", "A class definition"), sample_tokens=80),
    needs=_SMOKE_NEEDS,
    places={**_GPT_1_PLACES, **_SMALL_PLACES, "model.dropout": "ours: 700 steps are too few to overfit"},
)

_GPT_3_PLACES = {
    **_GPT_2_PLACES,
    "model.num_layers": "GPT-3, Table 2.1",
    "model.d_model": "GPT-3, Table 2.1",
    "model.num_heads": "GPT-3, Table 2.1",
    "model.d_head": "GPT-3, Table 2.1",
    "model.context": "GPT-3, section 2.1: 2,048 for all sizes",
    "model.band": "ours: section 2.1 has locally banded layers in turn with dense ones, and names no width",
    "data.context": "GPT-3, section 2.1",
    "data.tokens_per_batch": "GPT-3, Table 2.1: 0.5 million a batch, in micro-batches; it does not grow here",
    "optim.lr": "GPT-3, Table 2.1",
    "optim.betas": "GPT-3, appendix B",
    "optim.weight_decay": "GPT-3, appendix B",
    "optim.clip_norm": "GPT-3, appendix B",
    "schedule.name": "GPT-3, appendix B: a cosine; it ends with the training here, not after 260 billion tokens",
    "schedule.floor": "GPT-3, appendix B: 10 %",
    "schedule.warmup_steps": "GPT-3, appendix B: 375 million tokens",
    "train.max_steps": "GPT-3, Table 2.1: 300 billion tokens",
}

GPT_3_FULL = replace(
    GPT_2_FULL,
    name="gpt-3-small",
    model=GPT_3_TABLE_2_1["125M"].model,
    data=Data(dataset="openwebtext", tokens_per_batch=8 * 2048, context=2048),
    optim=replace(_ADAM, lr=GPT_3_TABLE_2_1["125M"].lr),
    schedule=Schedule(name="cosine", warmup_steps=715, floor=0.1),
    train=replace(GPT_2_FULL.train, max_steps=572_000),
    places=_GPT_3_PLACES,
)
GPT_3_MINI = replace(
    GPT_2_MINI,
    name="gpt-3-small",
    model=replace(GPT_2_MINI.model, band=128),
    places={**_GPT_3_PLACES, **_SMALL_PLACES},
)
GPT_3_SMOKE = replace(
    GPT_2_SMOKE,
    name="gpt-3-small",
    model=replace(GPT_2_SMOKE.model, num_layers=4, band=32),
    places={**_GPT_3_PLACES, **_SMOKE_PLACES},
)

_NANOGPT_PLACES = {
    "model.num_layers": "nanoGPT, config/train_shakespeare_char.py",
    "model.d_model": "nanoGPT, config/train_shakespeare_char.py",
    "model.num_heads": "nanoGPT, config/train_shakespeare_char.py",
    "model.context": "nanoGPT, config/train_shakespeare_char.py: block_size",
    "model.gelu": "nanoGPT, model.py",
    "model.bias": "nanoGPT, train.py: none, in norms neither",
    "model.dropout": "nanoGPT, config/train_shakespeare_char.py",
    "data.dataset": "nanoGPT, data/shakespeare_char",
    "data.tokenizer": "nanoGPT, data/shakespeare_char",
    "data.tokens_per_batch": "nanoGPT, config/train_shakespeare_char.py: batch_size * block_size",
    "data.context": "nanoGPT, config/train_shakespeare_char.py: block_size",
    "optim.lr": "nanoGPT, config/train_shakespeare_char.py",
    "optim.betas": "nanoGPT, config/train_shakespeare_char.py, train.py",
    "optim.weight_decay": "nanoGPT, train.py",
    "optim.decay": "nanoGPT, model.py: what has two dimensions",
    "optim.clip_norm": "nanoGPT, train.py",
    "schedule.name": "nanoGPT, train.py",
    "schedule.warmup_steps": "nanoGPT, config/train_shakespeare_char.py",
    "schedule.floor": "nanoGPT, config/train_shakespeare_char.py: min_lr",
    "train.max_steps": "nanoGPT, config/train_shakespeare_char.py",
    "train.eval_every": "nanoGPT, config/train_shakespeare_char.py: eval_interval",
    "evaluation.sampled_batches": "nanoGPT, config/train_shakespeare_char.py: eval_iters",
}

NANOGPT_FULL = Recipe(
    name="nanogpt-char",
    tier="full",
    reproduction="gpt",
    model=Model(num_layers=6, d_model=384, num_heads=6, context=256, gelu="exact", bias=False, dropout=0.2),
    data=Data(dataset="tiny-shakespeare", tokenizer="characters", tokens_per_batch=64 * 256, context=256),
    optim=replace(_ADAM, lr=1e-3, betas=(0.9, 0.99)),
    schedule=Schedule(name="cosine", warmup_steps=100, floor=0.1),
    train=Train(
        max_steps=5000,
        log_every=20,
        eval_every=250,
        sample_every=1000,
        checkpoint_every=500,
        precision="bf16-if-capable",
        compile="cuda",
    ),
    evaluation=Evaluation(prompts=("\n", "ROMEO:"), sample_tokens=300, sampled_batches=200),
    needs=Needs(
        device="cuda", memory_gb=4, gpu_memory_gb=8, hours=0.05, download_gb=0.002, hardware="one H100 (predicted)"
    ),
    places=_NANOGPT_PLACES,
)

_LAPTOP = 'nanoGPT, README, "I only have a macbook"'

NANOGPT_MINI = replace(
    NANOGPT_FULL,
    tier="mini",
    model=replace(NANOGPT_FULL.model, num_layers=4, d_model=128, num_heads=4, context=64, dropout=0.0),
    data=replace(NANOGPT_FULL.data, tokens_per_batch=12 * 64, context=64),
    train=Train(max_steps=2000, log_every=20, eval_every=250, sample_every=1000, checkpoint_every=250),
    evaluation=replace(NANOGPT_FULL.evaluation, sampled_batches=20),
    needs=Needs(memory_gb=1, hours=0.05, download_gb=0.002, hardware="one CPU core"),
    places={
        **_NANOGPT_PLACES,
        "evaluation.sampled_batches": _LAPTOP,
        **dict.fromkeys(("model.num_layers", "model.d_model", "model.num_heads", "model.context"), _LAPTOP),
        **dict.fromkeys(("data.tokens_per_batch", "data.context", "train.max_steps"), _LAPTOP),
    },
)

GPT_CHAR_MINI = replace(
    NANOGPT_MINI,
    name="gpt-char",
    model=replace(NANOGPT_MINI.model, initialisation="fan-in", gelu="tanh"),
    optim=replace(NANOGPT_MINI.optim, lr=3e-3),
    places={
        **NANOGPT_MINI.places,
        "model.initialisation": "ours: 0.02 is a quarter of what 128 inputs bear",
        "model.gelu": "ours: as GPT-2",
        "optim.lr": "ours: chosen on the validation split",
    },
)

GPT_CHAR_FULL = replace(
    NANOGPT_FULL,
    name="gpt-char",
    model=replace(NANOGPT_FULL.model, initialisation="fan-in", gelu="tanh"),
    optim=replace(NANOGPT_FULL.optim, lr=2e-3),
    schedule=Schedule(name="cosine", warmup_steps=100),
    train=replace(NANOGPT_FULL.train, max_steps=1200, eval_every=100),
    places={
        **NANOGPT_FULL.places,
        **dict.fromkeys(("model.initialisation", "model.gelu"), "ours: as in the small setting"),
        **dict.fromkeys(("optim.lr", "train.max_steps", "schedule.floor"), "ours: chosen on the validation split"),
    },
)

RECIPES = {
    (recipe.name, recipe.tier): recipe
    for recipe in (
        GPT_1_MINI,
        GPT_1_SMOKE,
        GPT_2_FULL,
        GPT_2_MINI,
        GPT_2_SMOKE,
        *GPT_2_FAMILY,
        GPT_3_FULL,
        GPT_3_MINI,
        GPT_3_SMOKE,
        NANOGPT_FULL,
        NANOGPT_MINI,
        GPT_CHAR_FULL,
        GPT_CHAR_MINI,
    )
}
