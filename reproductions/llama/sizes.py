"""The shapes of the models, as the papers' tables print them.  Torch-free.

LLaMA (2302.13971), Table 2; LLaMA 2 (2307.09288), Table 1 and appendix A.2.1.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class Model:
    """LLaMA 7B; widths that are None follow from the others."""

    num_layers: int = 32  # n layers
    d_model: int = 4096  # dimension
    num_heads: int = 32  # n heads
    num_groups: int | None = None  # G of 2305.13245: heads of keys and values; one for each query head
    d_head: int | None = None  # d_model / num_heads
    d_ff: int | None = None  # 2/3 of 4 d_model, and up to a multiple of 256
    context: int = 2048
    norm_eps: float = 1e-6
    rotary_base: float = 10_000.0
    tied: bool = False
    initialisation: Literal["gpt-2", "fan-in"] = "gpt-2"

    @property
    def head_width(self) -> int:
        return self.d_head or self.d_model // self.num_heads

    @property
    def groups(self) -> int:
        return self.num_groups or self.num_heads

    @property
    def feed_forward_width(self) -> int:
        """Section 2.2: "2/3 4d instead of 4d"; the released code rounds it up to a multiple of 256."""
        return self.d_ff or -(-(8 * self.d_model) // (3 * MULTIPLE)) * MULTIPLE


MULTIPLE = 256
VOCABULARY = 32_000
"""Of the released tokenizer of both; the papers print it for LLaMA 2 only (section 2.2)."""

# LLaMA, Table 2, by its first column.
TABLE_2 = {
    "6.7B": Model(),
    "13.0B": Model(num_layers=40, d_model=5120, num_heads=40),
    "32.5B": Model(num_layers=60, d_model=6656, num_heads=52),
    "65.2B": Model(num_layers=80, d_model=8192, num_heads=64),
}

# LLaMA 2, Table 1.  It prints neither layers nor widths: they are LLaMA's, and for 70B the released ones, whose
# feed-forward network is 1.3 times as wide (appendix A.2.1), up to a multiple of 4,096.
LLAMA_2 = {
    "7B": Model(context=4096, norm_eps=1e-5),
    "13B": Model(num_layers=40, d_model=5120, num_heads=40, context=4096, norm_eps=1e-5),
    "70B": Model(num_layers=80, d_model=8192, num_heads=64, num_groups=8, d_ff=28_672, context=4096, norm_eps=1e-5),
}
