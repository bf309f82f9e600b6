"""The shapes of the models, as the papers' tables print them.  Torch-free.

GPT-1, GPT-2 and GPT-3 are named in model.py.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class Model:
    """GPT-2's smallest; widths that are None follow from d_model.  ``band`` 0 is dense attention in every layer."""

    num_layers: int = 12  # n_layers
    d_model: int = 768
    num_heads: int = 12  # n_heads
    d_head: int | None = None  # d_model / num_heads
    d_ff: int | None = None  # 4 d_model
    context: int = 1024  # n_ctx
    norm: Literal["pre", "post"] = "pre"
    norm_eps: float = 1e-5
    gelu: Literal["exact", "tanh"] = "tanh"
    bias: bool = True
    tied: bool = True
    dropout: float = 0.0
    initialisation: Literal["gpt-1", "gpt-2", "fan-in"] = "gpt-2"
    band: int = 0

    @property
    def head_width(self) -> int:
        return self.d_head or self.d_model // self.num_heads

    @property
    def feed_forward_width(self) -> int:
        return self.d_ff or 4 * self.d_model

    def is_banded(self, layer: int) -> bool:
        """Whether layer ``layer``, from 0, attends to a band: every second one."""
        return self.band > 0 and layer % 2 == 1


GPT_1 = Model(context=512, norm="post", dropout=0.1, initialisation="gpt-1")

# GPT-2, Table 2.  The heads are not printed: 64 a head, as in GPT-1, is what the released code has.
GPT_2 = {
    "gpt-2": Model(),
    "gpt-2-medium": Model(num_layers=24, d_model=1024, num_heads=16),
    "gpt-2-large": Model(num_layers=36, d_model=1280, num_heads=20),
    "gpt-2-xl": Model(num_layers=48, d_model=1600, num_heads=25),
}


@dataclass(frozen=True)
class Size:
    """A row of GPT-3's Table 2.1: the model, its batch in tokens and its learning rate."""

    model: Model
    batch_tokens: int
    lr: float


def _gpt_3(shape: tuple[int, int, int, int], batch_tokens: float, lr: float) -> Size:
    """``shape`` is n_layers, d_model, n_heads, d_head."""
    num_layers, d_model, num_heads, d_head = shape
    model = Model(
        num_layers=num_layers, d_model=d_model, num_heads=num_heads, d_head=d_head, context=2048, band=GPT_3_BAND
    )
    return Size(model, int(batch_tokens), lr)


GPT_3_BAND = 256
"""Ours: the paper names no width."""

GPT_3_TABLE_2_1 = {
    "125M": _gpt_3((12, 768, 12, 64), 0.5e6, 6.0e-4),
    "350M": _gpt_3((24, 1024, 16, 64), 0.5e6, 3.0e-4),
    "760M": _gpt_3((24, 1536, 16, 96), 0.5e6, 2.5e-4),
    "1.3B": _gpt_3((24, 2048, 24, 128), 1e6, 2.0e-4),
    "2.7B": _gpt_3((32, 2560, 32, 80), 1e6, 1.6e-4),
    "6.7B": _gpt_3((32, 4096, 32, 128), 2e6, 1.2e-4),
    "13B": _gpt_3((40, 5140, 40, 128), 2e6, 1.0e-4),
    "175B": _gpt_3((96, 12288, 96, 128), 3.2e6, 0.6e-4),
}

GPT_1_VOCABULARY = 40_478  # 40,000 merges (section 4.1) and the characters they start from, as in the released files
GPT_2_VOCABULARY = 50_257  # section 2.3
