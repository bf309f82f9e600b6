"""Attention: additive (Bahdanau et al., arXiv 1409.0473, section A.1.2), then scaled dot-product and multi-head
("Attention Is All You Need", arXiv 1706.03762, section 3.2).

All have four steps: project to queries, keys and values; score each query against each key; softmax; weighted sum of
the values.  ``attend_readable`` is equation (1) of 1706.03762 in its steps; ``attend`` is the same function through
PyTorch's fused kernel, which never holds all scores at once, and tests hold the two together, in their gradients too.
Everything else calls ``attend``.

Shapes: B batch, T queries, S keys and values, D d_model, H heads, K d_key (d_k), U d_value (d_v); for additive
attention N hidden size of the decoder, M of an annotation, A of the alignment model.
Masks are boolean and broadcast to (B, H, T, S), for additive attention to (B, T, S); True marks a pair that may attend.
A query that may attend to nothing gets weights of 0, and so the output 0.
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


def masked_softmax(scores_xTS: Tensor, mask: Tensor | None) -> Tensor:
    """Softmax over the keys that may be attended to; all 0 where there are none."""
    if mask is None:
        return scores_xTS.softmax(dim=-1)
    # Not -inf: a row of nothing but -inf would be nan, and its gradient too.
    least = torch.finfo(scores_xTS.dtype).min
    return scores_xTS.masked_fill(~mask, least).softmax(dim=-1).masked_fill(~mask, 0.0)


def additive_scores(queries_xTA: Tensor, keys_xSA: Tensor, v_A: Tensor) -> Tensor:
    """v^T tanh(query + key) of every pair, (..., T, S).  All hidden layers exist at once: (..., T, S, A)."""
    scores_xTS: Tensor = (queries_xTA[..., :, None, :] + keys_xSA[..., None, :, :]).tanh() @ v_A
    return scores_xTS


class AdditiveAttention(nn.Module):
    """The alignment model of 1409.0473, section A.1.2: a feed-forward network with one hidden layer scores each pair.

    e_ij = v_a^T tanh(W_a s_(i-1) + U_a h_j); alpha_ij = softmax over j, equation (6); c_i = sum of alpha_ij h_j,
    equation (5).  s are states of the decoder (the queries), h annotations of the source (keys and values in one).
    """

    def __init__(self, d_query: int, d_annotation: int, d_hidden: int) -> None:
        super().__init__()
        self.w_a = nn.Parameter(torch.randn(d_hidden, d_query) * 0.001)  # section B.1: variance 0.001^2
        self.u_a = nn.Parameter(torch.randn(d_hidden, d_annotation) * 0.001)
        self.v_a = nn.Parameter(torch.zeros(d_hidden))  # section B.1

    def keys(self, annotations_BSM: Tensor) -> Tensor:
        """U_a h_j, (B, S, A): the same at every step of the decoder, so section A.1.2 computes it once."""
        return annotations_BSM @ self.u_a.T

    def forward(
        self, states_BTN: Tensor, annotations_BSM: Tensor, mask: Tensor | None = None, keys_BSA: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """Contexts c, (B, T, M), and weights alpha, (B, T, S).  A recurrent decoder asks with T = 1 at each step."""
        # 1. project
        queries_BTA = states_BTN @ self.w_a.T
        keys_BSA = self.keys(annotations_BSM) if keys_BSA is None else keys_BSA
        # 2. score
        scores_BTS = additive_scores(queries_BTA, keys_BSA, self.v_a)
        # 3. softmax, 4. weighted sum
        weights_BTS = masked_softmax(scores_BTS, mask)
        return weights_BTS @ annotations_BSM, weights_BTS


def attend_readable(
    q_BHTK: Tensor, k_BHSK: Tensor, v_BHSU: Tensor, mask: Tensor | None = None
) -> tuple[Tensor, Tensor]:
    """Equation (1): softmax(Q K^T / sqrt(d_k)) V.  Returns the output (B, H, T, U) and the weights (B, H, T, S)."""
    scores_BHTS = q_BHTK @ k_BHSK.transpose(-2, -1) / math.sqrt(q_BHTK.shape[-1])
    weights_BHTS = masked_softmax(scores_BHTS, mask)
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
    The paper's projections are matrices: ``bias`` is off here, and on for BERT.  ``dropout`` is the share of
    self-attention weights that is dropped in training, which BERT does too.
    """

    def __init__(
        self,
        d_model: int,
        num_heads: int,
        d_key: int | None = None,
        d_value: int | None = None,
        bias: bool = False,
        *,
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        if (d_key is None or d_value is None) and d_model % num_heads:
            raise ValueError(f"d_model {d_model} is not a multiple of num_heads {num_heads}; give d_key and d_value")
        self.dropout = dropout
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
        dropout = self.dropout if self.training else 0.0
        return self._merge(attend(q_BHTK, k_BHTK, v_BHTU, mask, causal, dropout=dropout))

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
        """The same function in four steps, for readers, tests and drawings.

        Returns the output and the weights (B, H, T, S).
        """
        # 1. project: every head gets its own queries, keys and values
        q_rows, k_rows, v_rows = self._rows
        q_BHTK = self._split(F.linear(x_BTD, *self._rows_of_input(0, q_rows)), self.d_key)
        k_BHSK = self._split(F.linear(memory_BSD, *self._rows_of_input(q_rows, q_rows + k_rows)), self.d_key)
        v_BHSU = self._split(F.linear(memory_BSD, *self._rows_of_input(-v_rows, None)), self.d_value)
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
