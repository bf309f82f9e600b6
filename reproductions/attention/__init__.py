"""Attention, additive (arXiv 1409.0473) and scaled dot-product (arXiv 1706.03762), and what it takes to compute.

``model.py`` is what other reproductions import; the recipe measures time and memory against sequence length.
"""

from reproductions.registry import Reproduction, Source

REPRODUCTION = Reproduction(
    name="attention",
    title="Attention: additive, scaled dot-product, and without storing the scores",
    sources=(
        Source(
            kind="arxiv",
            id="1409.0473",
            title="Neural Machine Translation by Jointly Learning to Align and Translate",
            authors=("Dzmitry Bahdanau", "Kyunghyun Cho", "Yoshua Bengio"),
            submitted="2014-09-01",
            updated="2016-05-19",
            categories=("cs.CL", "cs.LG", "cs.NE", "stat.ML"),
            summary="A translator whose decoder looks back at the source by a learned, soft alignment.",
        ),
        Source(
            kind="arxiv",
            id="2112.05682",
            title="Self-attention Does Not Need O(n^2) Memory",
            authors=("Markus N. Rabe", "Charles Staats"),
            submitted="2021-12-10",
            categories=("cs.LG",),
            summary="Exact attention in pieces, with a running maximum and sum instead of all scores at once.",
        ),
        Source(
            kind="arxiv",
            id="2205.14135",
            title="FlashAttention: Fast and Memory-Efficient Exact Attention with IO-Awareness",
            authors=("Tri Dao", "Daniel Y. Fu", "Stefano Ermon", "Atri Rudra", "Christopher Ré"),
            submitted="2022-05-27",
            updated="2022-06-23",
            categories=("cs.LG",),
            summary="Exact attention in tiles that a GPU's on-chip memory holds: fewer reads, linear memory.",
        ),
        Source(
            kind="url",
            id="https://github.com/Dao-AILab/flash-attention",
            title="flash-attention",
            summary="The authors' implementation of FlashAttention, with its own measurements.",
        ),
    ),
    recipes={
        "attention": "time and memory of attention against sequence length: scores stored, fused, additive",
    },
)
