"""BERT (1810.04805): pre-training of a bidirectional encoder by masked words and the next sentence."""

from reproductions.registry import Reproduction, Source

PAPER = "1810.04805"
RELEASED = "https://github.com/google-research/bert"

REPRODUCTION = Reproduction(
    name="bert",
    title="BERT: pre-training of deep bidirectional Transformers",
    sources=(
        Source(
            kind="arxiv",
            id=PAPER,
            title="BERT: Pre-training of Deep Bidirectional Transformers for Language Understanding",
            authors=("Jacob Devlin", "Ming-Wei Chang", "Kenton Lee", "Kristina Toutanova"),
            submitted="2018-10-11",
            updated="2019-05-24",
            categories=("cs.CL",),
            summary="An encoder that fills in words from both sides and tells what follows learns what tasks need.",
        ),
        Source(
            kind="url",
            id=RELEASED,
            title="Code and models of BERT",
            authors=("Google Research",),
            summary="The program that trained BERT, which settles what the paper leaves open; smaller models of 2020.",
        ),
    ),
    recipes={
        "bert-base": "BERT BASE on English Wikipedia; 6 layers on novels (mini), 2 on Python's library (smoke)",
        "bert-large": "BERT LARGE on English Wikipedia",
        "bert-small": "4 layers of 512 on novels (mini)",
        "bert-mini": "4 layers of 256 on novels (mini)",
        "bert-tiny": "2 layers of 128 on novels (mini)",
    },
    asked_by="fill",
    hugging_face=("bert",),
)
