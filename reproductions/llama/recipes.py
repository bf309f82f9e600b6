"""Every number of every tier, with its place in its paper, or "ours" and why.  Torch-free.

There is no full tier: LLaMA 7B read 1.0 trillion tokens (Table 2) of a mixture that is not to be had.
"""

from __future__ import annotations

from dataclasses import replace

from reproductions.engine.recipe import Needs, Optim, Recipe, Schedule, Train
from reproductions.gpt.recipes import Data, Evaluation
from reproductions.llama.sizes import Model

_ADAM = Optim(lr=6e-4, betas=(0.9, 0.95), eps=1e-8, weight_decay=0.1, decay="matrices", clip_norm=1.0)

_PLACES = {
    "model.num_layers": "ours: what this tier has time for",
    "model.d_model": "ours: as num_layers",
    "model.num_heads": "ours: 64 a head, or 32 where there are few; Table 2 has 128",
    "model.d_ff": "section 2.2: 2/3 of 4 d_model; up to a multiple of 32, ours, as the widths are small",
    "model.context": "ours: longer ones cost more than they teach in this time",
    "model.initialisation": "ours: 0.02 is a quarter of what 128 inputs bear; the paper names none",
    "data.dataset": "ours: this tier's own text",
    "data.tokenizer": "ours: byte-level pairs; section 2.1 has SentencePiece's, with single digits",
    "data.vocabulary": "ours: one that fits the text",
    "data.characters": "ours: about as much as the steps can see once or twice",
    "data.tokens_per_batch": "ours: many small steps learn faster than few large ones at this size",
    "data.context": "ours: the model's",
    "optim.lr": "ours: small models bear more (Table 2 rises the same way)",
    "optim.betas": "section 2.3",
    "optim.weight_decay": "section 2.3",
    "optim.decay": "ours: as in GPT-1, section 4.1; the paper does not say what is decayed",
    "optim.clip_norm": "section 2.3",
    "schedule.name": "section 2.3",
    "schedule.floor": "section 2.3: 10 %",
    "schedule.warmup_steps": "ours: a twentieth of all steps; section 2.3 has 2,000",
    "train.max_steps": "ours: what this tier has time for",
}

SMOKE = Recipe(
    name="llama",
    tier="smoke",
    reproduction="llama",
    model=Model(num_layers=3, d_model=128, num_heads=4, d_ff=352, context=128, initialisation="fan-in"),
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
    train=Train(max_steps=700, log_every=10, eval_every=350, sample_every=350, checkpoint_every=100),
    evaluation=Evaluation(prompts=("def ", "import os\n", "class "), sample_tokens=80),
    needs=Needs(memory_gb=1, disk_gb=0.1, hours=0.04, hardware="2 CPU cores"),
    places=_PLACES,
)

MINI = Recipe(
    name="llama",
    tier="mini",
    reproduction="llama",
    model=Model(num_layers=6, d_model=512, num_heads=8, d_ff=1376, context=512),
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
    evaluation=Evaluation(
        batch_tokens=16_384,
        benchmarks=("lambada", "blimp", "wikitext-2"),
        prompts=("It was a cold evening, and", '"My dear," said', "The ship"),
    ),
    needs=Needs(memory_gb=8, gpu_memory_gb=16, disk_gb=1, download_gb=0.04, hours=0.2, hardware="one H100 (predicted)"),
    places={**_PLACES, "data.tokenizer": "ours: GPT-2's; section 2.1 has SentencePiece's, with single digits"},
)


def _grouped(recipe: Recipe[Model, Data, Evaluation]) -> Recipe[Model, Data, Evaluation]:
    groups = "LLaMA 2, appendix A.2.1: grouped queries, in its 34B and 70B; ours: 2 query heads a group, theirs 8"
    return replace(
        recipe,
        name="llama-grouped",
        model=replace(recipe.model, num_groups=recipe.model.num_heads // 2),
        places={**recipe.places, "model.num_groups": groups},
    )


RECIPES = {(recipe.name, recipe.tier): recipe for recipe in (SMOKE, MINI, _grouped(SMOKE), _grouped(MINI))}
