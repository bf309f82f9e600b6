"""The Transformer of "Attention Is All You Need" (arXiv 1706.03762): encoder-decoder translation."""

from reproductions.registry import Reproduction, Source
from reproductions.transformer.table_3 import ROWS

REPRODUCTION = Reproduction(
    name="transformer",
    title="Attention Is All You Need",
    sources=(
        Source(
            kind="arxiv",
            id="1706.03762",
            title="Attention Is All You Need",
            authors=(
                "Ashish Vaswani",
                "Noam Shazeer",
                "Niki Parmar",
                "Jakob Uszkoreit",
                "Llion Jones",
                "Aidan N. Gomez",
                "Lukasz Kaiser",
                "Illia Polosukhin",
            ),
            submitted="2017-06-12",
            updated="2023-08-02",
            categories=("cs.CL", "cs.LG"),
            summary="An encoder-decoder for translation built from attention alone, without recurrence or convolution.",
        ),
    ),
    recipes={
        "transformer-base": "the base model on WMT14 English-German; Multi30k (mini); number words (smoke)",
        "transformer-big": "the big model on WMT14 English-German; the same change on Multi30k (mini)",
        **{row.recipe: f"Table 3, row {row.row}: {row.about}" for row in ROWS},
    },
    asked_by="translate",
    hugging_face=("marian",),
)
