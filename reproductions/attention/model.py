"""Scaled dot-product and multi-head attention.  "Attention Is All You Need", arXiv 1706.03762, section 3.2.

``attend_readable`` is the paper's equation (1) in its steps; ``attend`` is the same function through PyTorch's fused
kernel, and a test holds the two together.  Everything else calls ``attend``.

Shapes: B batch, T queries, S keys and values, D d_model, H heads, K d_key (d_k), U d_value (d_v).
Masks are boolean and broadcast to (B, H, T, S); True marks a pair that may attend.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F


def padding_mask(tokens_BS: Tensor, pad: int) -> Tensor:
    """True at real tokens, shaped (B, 1, 1, S) so that it broadcasts over heads and queries."""
    return (tokens_BS != pad)[:, None, None, :]


def causal_mask(length: int, device: torch.device | str | None = None) -> Tensor:
    """(T, T), True on and below the diagonal: position t sees positions <= t.  Section 3.2.3, third point."""
    return torch.ones(length, length, dtype=torch.bool, device=device).tril()


def attend_readable(
    q_BHTK: Tensor, k_BHSK: Tensor, v_BHSU: Tensor, mask: Tensor | None = None
) -> tuple[Tensor, Tensor]:
    """Equation (1): softmax(Q K^T / sqrt(d_k)) V.  Returns the output (B, H, T, U) and the weights (B, H, T, S)."""
    scores_BHTS = q_BHTK @ k_BHSK.transpose(-2, -1) / math.sqrt(q_BHTK.shape[-1])
    if mask is not None:
        scores_BHTS = scores_BHTS.masked_fill(~mask, float("-inf"))
    weights_BHTS = scores_BHTS.softmax(dim=-1)
    output_BHTU = weights_BHTS @ v_BHSU
    return output_BHTU, weights_BHTS


def attend(
    q_BHTK: Tensor,
    k_BHSK: Tensor,
    v_BHSU: Tensor,
    mask: Tensor | None = None,
    causal: bool = False,
    *,
    dropout: float = 0.0,
) -> Tensor:
    """Equation (1) through the fused kernel.  ``causal`` instead of a mask keeps the kernel's fast path.

    ``dropout`` is the share of attention weights that is dropped: later papers do, this one does not name it.
    """
    return F.scaled_dot_product_attention(q_BHTK, k_BHSK, v_BHSU, attn_mask=mask, dropout_p=dropout, is_causal=causal)


class KeyValueCache:
    """Keys and values of the positions decoded so far, in room that doubles when it is full.

    k: (B, H, length, K) and v: (B, H, length, U) after each ``append``.
    """

    def __init__(self) -> None:
        self.length = 0
        self._k: Tensor | None = None
        self._v: Tensor | None = None

    def append(self, k_BHTK: Tensor, v_BHTU: Tensor) -> tuple[Tensor, Tensor]:
        """Add the newest positions and return all of them."""
        end = self.length + k_BHTK.shape[2]
        if self._k is None or self._v is None or end > self._k.shape[2]:
            room = max(16, 2 * end)
            self._k, self._v = self._grown(self._k, k_BHTK, room), self._grown(self._v, v_BHTU, room)
        self._k[:, :, self.length : end] = k_BHTK
        self._v[:, :, self.length : end] = v_BHTU
        self.length = end
        return self._k[:, :, :end], self._v[:, :, :end]

    def select(self, rows: Tensor) -> None:
        """Keep these batch rows, in this order; rows may repeat.  Beam search moves hypotheses with it."""
        if self._k is None or self._v is None:
            return
        if len(rows) == len(self._k):  # in place, and only the filled part: the room behind it holds nothing
            for held in (self._k, self._v):
                held[:, :, : self.length] = held[:, :, : self.length][rows]
        else:
            self._k, self._v = self._k[rows], self._v[rows]

    def _grown(self, held: Tensor | None, like: Tensor, room: int) -> Tensor:
        grown = like.new_empty(like.shape[0], like.shape[1], room, like.shape[3])
        if held is not None:
            grown[:, :, : self.length] = held[:, :, : self.length]
        return grown


class MultiHeadAttention(nn.Module):
    """MultiHead(Q, K, V) = Concat(head_1 .. head_h) W^O, head_i = Attention(Q W_i^Q, K W_i^K, V W_i^V): section 3.2.2.

    The three input projections of all heads lie in one matrix (rows: queries, keys, values), so that self-attention
    is one product.  d_key and d_value default to d_model / num_heads; they may differ (Table 3, rows B).
    The paper's projections are matrices: ``bias`` is off, and on only to compare with other implementations.
    """

    def __init__(
        self, d_model: int, num_heads: int, d_key: int | None = None, d_value: int | None = None, bias: bool = False
    ) -> None:
        super().__init__()
        if (d_key is None or d_value is None) and d_model % num_heads:
            raise ValueError(f"d_model {d_model} is not a multiple of num_heads {num_heads}; give d_key and d_value")
        self.num_heads = num_heads  # h
        self.d_key = d_key or d_model // num_heads  # d_k
        self.d_value = d_value or d_model // num_heads  # d_v
        self._rows = [num_heads * self.d_key, num_heads * self.d_key, num_heads * self.d_value]
        self.project_in = nn.Linear(d_model, sum(self._rows), bias=bias)  # W^Q, W^K, W^V
        self.project_out = nn.Linear(num_heads * self.d_value, d_model, bias=bias)  # W^O
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Glorot-uniform for each of the four matrices by itself; biases zero.  The paper leaves this unsaid."""
        for weight in (*torch.split(self.project_in.weight, self._rows), self.project_out.weight):
            nn.init.xavier_uniform_(weight)
        for bias in (self.project_in.bias, self.project_out.bias):
            if bias is not None:
                nn.init.zeros_(bias)

    def forward(self, x_BTD: Tensor, mask: Tensor | None = None, causal: bool = False) -> Tensor:
        """Self-attention: queries, keys and values all come from x.  (B, T, D) -> (B, T, D)."""
        q_BHTK, k_BHTK, v_BHTU = self._project_all(x_BTD)
        return self._merge(attend(q_BHTK, k_BHTK, v_BHTU, mask, causal))

    def step(self, x_BTD: Tensor, cache: KeyValueCache) -> Tensor:
        """Causal self-attention of the newest position (T = 1) over the cached ones and itself."""
        q_BHTK, k_BHTK, v_BHTU = self._project_all(x_BTD)
        return self._merge(attend(q_BHTK, *cache.append(k_BHTK, v_BHTU)))

    def keys_values(self, memory_BSD: Tensor) -> tuple[Tensor, Tensor]:
        """What cross-attention needs of the encoder's output: k (B, H, S, K) and v (B, H, S, U)."""
        _, k_rows, v_rows = self._rows
        projected = F.linear(memory_BSD, *self._rows_of_input(-k_rows - v_rows, None))
        k, v = torch.split(projected, [k_rows, v_rows], dim=-1)
        return self._split(k, self.d_key), self._split(v, self.d_value)

    def cross(self, x_BTD: Tensor, keys_values: tuple[Tensor, Tensor], mask: Tensor | None = None) -> Tensor:
        """Queries from x; keys and values from ``keys_values``.  Section 3.2.3, first point."""
        q_BHTK = self._split(F.linear(x_BTD, *self._rows_of_input(0, self._rows[0])), self.d_key)
        return self._merge(attend(q_BHTK, *keys_values, mask))

    def forward_readable(self, x_BTD: Tensor, memory_BSD: Tensor, mask: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """The same function in four steps, for readers and tests.  Returns the output and the weights (B, H, T, S)."""
        # 1. project: every head gets its own queries, keys and values
        w_q, w_k, w_v = torch.split(self.project_in.weight, self._rows)
        q_BHTK = self._split(x_BTD @ w_q.T, self.d_key)
        k_BHSK = self._split(memory_BSD @ w_k.T, self.d_key)
        v_BHSU = self._split(memory_BSD @ w_v.T, self.d_value)
        # 2. scores, 3. softmax, 4. weighted sum: equation (1) in each head
        heads_BHTU, weights_BHTS = attend_readable(q_BHTK, k_BHSK, v_BHSU, mask)
        return self._merge(heads_BHTU), weights_BHTS

    def _project_all(self, x_BTD: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        q, k, v = torch.split(self.project_in(x_BTD), self._rows, dim=-1)
        return self._split(q, self.d_key), self._split(k, self.d_key), self._split(v, self.d_value)

    def _rows_of_input(self, start: int, end: int | None) -> tuple[Tensor, Tensor | None]:
        bias = self.project_in.bias
        return self.project_in.weight[start:end], None if bias is None else bias[start:end]

    def _split(self, x_BTx: Tensor, width: int) -> Tensor:
        """(B, T, H*width) -> (B, H, T, width)."""
        return x_BTx.view(*x_BTx.shape[:-1], self.num_heads, width).transpose(1, 2)

    def _merge(self, heads_BHTU: Tensor) -> Tensor:
        """Concatenate the heads and project with W^O: (B, H, T, U) -> (B, T, D)."""
        output_BTD: Tensor = self.project_out(heads_BHTU.transpose(1, 2).flatten(-2))
        return output_BTD
