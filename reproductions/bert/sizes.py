"""The shapes of the models.  BERT (1810.04805), section 3, names two: BASE and LARGE.  Torch-free."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class Model:
    """BERT BASE; the feed-forward width that is None is 4 d_model (section 3, note 3)."""

    num_layers: int = 12  # L
    d_model: int = 768  # H
    num_heads: int = 12  # A
    d_ff: int | None = None
    context: int = 512
    dropout: float = 0.1
    gelu: Literal["exact", "tanh"] = "exact"
    norm_eps: float = 1e-12
    initial_std: float = 0.02

    @property
    def feed_forward_width(self) -> int:
        return self.d_ff or 4 * self.d_model


BASE = Model()
LARGE = Model(num_layers=24, d_model=1024, num_heads=16)
SEGMENTS = 2
VOCABULARY = 30_522
"""The released English vocabulary; section 3 says "a 30,000 token vocabulary"."""
