"""LLaMA (2302.13971): a Transformer decoder with RMSNorm, SwiGLU and rotary positions; grouped queries from LLaMA 2."""

from reproductions.registry import Reproduction, Source

PAPER = "2302.13971"
ROTARY = "2104.09864"
GROUPED = "2305.13245"
LLAMA_2 = "2307.09288"

REPRODUCTION = Reproduction(
    name="llama",
    title="LLaMA: Open and Efficient Foundation Language Models",
    sources=(
        Source(
            kind="arxiv",
            id=PAPER,
            title="LLaMA: Open and Efficient Foundation Language Models",
            authors=("Hugo Touvron", "Thibaut Lavril", "Gautier Izacard", "Xavier Martinet", "Guillaume Lample"),
            submitted="2023-02-27",
            categories=("cs.CL",),
            summary="Models of 7 to 65 billion parameters, trained long on public text, do what far larger ones did.",
        ),
        Source(
            kind="arxiv",
            id=ROTARY,
            title="RoFormer: Enhanced Transformer with Rotary Position Embedding",
            authors=("Jianlin Su", "Yu Lu", "Shengfeng Pan", "Ahmed Murtadha", "Bo Wen", "Yunfeng Liu"),
            submitted="2021-04-20",
            updated="2023-11-08",
            categories=("cs.CL", "cs.AI", "cs.LG"),
            summary="Queries and keys are rotated by their position, so that scores depend on distances alone.",
        ),
        Source(
            kind="arxiv",
            id=GROUPED,
            title="GQA: Training Generalized Multi-Query Transformer Models from Multi-Head Checkpoints",
            authors=("Joshua Ainslie", "James Lee-Thorp", "Michiel de Jong", "Yury Zemlyanskiy", "Sumit Sanghai"),
            submitted="2023-05-22",
            updated="2023-12-23",
            categories=("cs.CL", "cs.LG"),
            summary="Query heads share keys and values in groups, which makes the memory of decoding smaller.",
        ),
        Source(
            kind="arxiv",
            id=LLAMA_2,
            title="Llama 2: Open Foundation and Fine-Tuned Chat Models",
            authors=("Hugo Touvron", "Louis Martin", "Kevin Stone", "Thomas Scialom"),
            submitted="2023-07-18",
            updated="2023-07-19",
            categories=("cs.CL", "cs.AI"),
            summary="The same architecture with a longer context, and grouped queries in its larger models.",
        ),
    ),
    recipes={
        "llama": "a small LLaMA on English novels (mini); on Python's library (smoke), so that it writes code",
        "llama-grouped": "the same with one key and value head for two query heads, as LLaMA 2 has for eight",
    },
    asked_by="generate",
    hugging_face=("llama",),
    gguf=("llama",),
)
