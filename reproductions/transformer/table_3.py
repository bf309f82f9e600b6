"""Table 3 of arXiv 1706.03762: what each row changes in the base model.  Torch-free.

``paper`` are the changes as printed.  ``mini`` is the same change in the mini tier's model, which has half the width,
half the heads and a quarter of d_ff of the base model, half its layers, and heads of the same size.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

PREFIX = "transformer-table3-"


@dataclass(frozen=True)
class Row:
    """``key`` ends the names of its recipe and claims; ``counted``: the table prints its number of parameters."""

    key: str
    row: str
    about: str
    paper: Mapping[str, Any] = field(default_factory=dict)
    mini: Mapping[str, Any] = field(default_factory=dict)
    counted: bool = False

    @property
    def recipe(self) -> str:
        return f"{PREFIX}{self.key}"


ROWS = (
    Row("base", "base", "the base model", counted=True),
    Row("a-h1", "(A)", "1 head as wide as the model, instead of 8", {"num_heads": 1}, {"num_heads": 1}),
    Row("a-h4", "(A)", "4 heads of 128", {"num_heads": 4}, {"num_heads": 2}),
    Row("a-h16", "(A)", "16 heads of 32", {"num_heads": 16}, {"num_heads": 8}),
    Row("a-h32", "(A)", "32 heads of 16", {"num_heads": 32}, {"num_heads": 16}),
    Row("b-dk16", "(B)", "keys of size 16 instead of 64", {"d_key": 16}, {"d_key": 16}, counted=True),
    Row("b-dk32", "(B)", "keys of size 32", {"d_key": 32}, {"d_key": 32}, counted=True),
    Row("c-n2", "(C)", "2 + 2 layers instead of 6 + 6", {"num_layers": 2}, {"num_layers": 1}, counted=True),
    Row("c-n4", "(C)", "4 + 4 layers", {"num_layers": 4}, {"num_layers": 2}, counted=True),
    Row("c-n8", "(C)", "8 + 8 layers", {"num_layers": 8}, {"num_layers": 4}, counted=True),
    Row(
        "c-d256",
        "(C)",
        "d_model 256 instead of 512",
        {"d_model": 256, "d_key": 32, "d_value": 32},
        {"d_model": 128, "d_key": 32, "d_value": 32},
        counted=True,
    ),
    Row(
        "c-d1024",
        "(C)",
        "d_model 1024",
        {"d_model": 1024, "d_key": 128, "d_value": 128},
        {"d_model": 512, "d_key": 128, "d_value": 128},
        counted=True,
    ),
    Row("c-ff1024", "(C)", "d_ff 1024 instead of 2048", {"d_ff": 1024}, {"d_ff": 256}, counted=True),
    Row("c-ff4096", "(C)", "d_ff 4096", {"d_ff": 4096}, {"d_ff": 1024}, counted=True),
    Row("d-drop0.0", "(D)", "no dropout instead of 0.1", {"dropout": 0.0}, {"dropout": 0.0}),
    Row("d-drop0.2", "(D)", "dropout 0.2", {"dropout": 0.2}, {"dropout": 0.2}),
    Row("d-ls0.0", "(D)", "no label smoothing instead of 0.1", {"label_smoothing": 0.0}, {"label_smoothing": 0.0}),
    Row("d-ls0.2", "(D)", "label smoothing 0.2", {"label_smoothing": 0.2}, {"label_smoothing": 0.2}),
    Row(
        "e-learned", "(E)", "learned positions instead of sinusoids", {"positions": "learned"}, {"positions": "learned"}
    ),
    Row(
        "big",
        "big",
        "d_model 1024, d_ff 4096, 16 heads, dropout 0.3, 300,000 steps",
        {"d_model": 1024, "d_ff": 4096, "num_heads": 16, "dropout": 0.3},
        {"d_model": 512, "d_ff": 1024, "num_heads": 8},
        counted=True,
    ),
)
