"""A decoder-only Transformer in the order of "LLaMA: Open and Efficient Foundation Language Models" (arXiv 2302.13971).

Section 2.2 names what differs from the Transformer: pre-normalisation with RMSNorm (1910.07467), SwiGLU (2002.05202)
and rotary positions (2104.09864).  LLaMA 2 (2307.09288, appendix A.2.1) adds grouped queries (2305.13245).  Scaled
dot-product attention is 1706.03762's, from ``reproductions/attention``; the objective and what decoding remembers are
GPT's, from ``reproductions/gpt``; the sizes are in ``sizes.py``.

Shapes: B batch, T positions, S positions that are attended to, D d_model, H query heads, G groups (heads of keys and
values), K d_head, F d_ff, V vocabulary, N places in the flattened (B * T) batch.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from reproductions.attention.model import attend
from reproductions.gpt.cache import Cache, LayerCache
from reproductions.gpt.loss import next_token_loss
from reproductions.llama.sizes import Model


class RMSNorm(nn.Module):
    """x / RMS(x) * g, RMS(x) = sqrt(mean(x^2)).  1910.07467, equation (4); the epsilon is the released code's.

    Section 2.2: "we normalize the input of each transformer sub-layer, instead of normalizing the output".
    """

    def __init__(self, width: int, eps: float) -> None:
        super().__init__()
        self.eps = eps
        self.weight = nn.Parameter(torch.ones(width))  # g

    def forward(self, x: Tensor) -> Tensor:
        # In float32, whatever autocast left: squares of bfloat16 would lose most of the mean.
        x_32 = x.float()
        return (x_32 * torch.rsqrt(x_32.square().mean(dim=-1, keepdim=True) + self.eps)).type_as(x) * self.weight


class SwiGLU(nn.Module):
    """(Swish(x W) * x V) W2, without biases.  2002.05202, equation (6), Swish with beta 1.  (B, T, D) -> (B, T, D).

    Section 2.2: "We use a dimension of 2/3 4d", because there are three matrices instead of two.
    """

    def __init__(self, model: Model) -> None:
        super().__init__()
        self.expand = nn.Linear(model.d_model, 2 * model.feed_forward_width, bias=False)  # rows: W, V
        self.contract = nn.Linear(model.feed_forward_width, model.d_model, bias=False)  # W2

    def forward(self, x_BTD: Tensor) -> Tensor:
        gate_BTF, value_BTF = self.expand(x_BTD).chunk(2, dim=-1)
        y_BTD: Tensor = self.contract(F.silu(gate_BTF) * value_BTF)
        return y_BTD


Angles = tuple[Tensor, Tensor]
"""cos(m theta_i) and sin(m theta_i), (..., T, K / 2) each."""


def angles(positions: Tensor, width: int, base: float) -> Angles:
    """Of positions m, with theta_i = base^(-2 (i - 1) / d), i = 1 .. d / 2: 2104.09864, section 3.2.2; base is 10,000.

    Whole numbers in float32, as the released code does: at thousands of positions the rounding of m theta_i shows.
    """
    m = positions if positions.is_floating_point() else positions.float()
    exponents = torch.arange(0, width, 2, dtype=m.dtype, device=m.device) / width
    m_theta = m[..., None] * (1.0 / base**exponents)
    return m_theta.cos(), m_theta.sin()


def rotate(x_BHTK: Tensor, by: Angles) -> Tensor:
    """R_m x: the pairs (x_1, x_2), (x_3, x_4) ... turned by m theta_i.  2104.09864, equation (34), which is (15) x."""
    cos, sin = by
    x_1, x_2 = x_BHTK.view(*x_BHTK.shape[:-1], -1, 2).unbind(dim=-1)
    turned = torch.stack((x_1 * cos - x_2 * sin, x_2 * cos + x_1 * sin), dim=-1)
    return turned.flatten(-2).type_as(x_BHTK)


def attend_in_groups(
    q_BHTK: Tensor, k_BGSK: Tensor, v_BGSK: Tensor, mask: Tensor | None = None, causal: bool = False
) -> Tensor:
    """2305.13245, section 2.2: the query heads stand in G groups, "each of which shares a single key head and value
    head".  G = H is multi-head attention, G = 1 multi-query attention.  -> (B, H, T, K).
    """
    heads, groups, count = q_BHTK.shape[1], k_BGSK.shape[1], q_BHTK.shape[2]
    if heads == groups:
        return attend(q_BHTK, k_BGSK, v_BGSK, mask, causal)
    if count == 1:  # the heads of a group are queries of its one head: nothing is copied
        together_BGxK = attend(q_BHTK.reshape(q_BHTK.shape[0], groups, heads // groups, -1), k_BGSK, v_BGSK, mask)
        return together_BGxK.flatten(1, 2)[:, :, None]
    k_BHSK, v_BHSK = (x_BGSK.repeat_interleave(heads // groups, dim=1) for x_BGSK in (k_BGSK, v_BGSK))
    return attend(q_BHTK, k_BHSK, v_BHSK, mask, causal)


class SelfAttention(nn.Module):
    """Masked self-attention over rotated queries and keys: 2104.09864, equations (14) and (16).  (B, T, D) -> same.

    Without a mask it is causal.
    """

    def __init__(self, model: Model) -> None:
        super().__init__()
        self.width = model.head_width
        self.rows = [heads * model.head_width for heads in (model.num_heads, model.groups, model.groups)]
        self.project_in = nn.Linear(model.d_model, sum(self.rows), bias=False)  # rows: queries, keys, values
        self.project_out = nn.Linear(self.rows[0], model.d_model, bias=False)

    def forward(self, x_BTD: Tensor, by: Angles, mask: Tensor | None = None, past: LayerCache | None = None) -> Tensor:
        q_BHTK, k_BGSK, v_BGSK = (
            part.view(*part.shape[:-1], -1, self.width).transpose(1, 2)
            for part in self.project_in(x_BTD).split(self.rows, dim=-1)
        )
        q_BHTK, k_BGSK = rotate(q_BHTK, by), rotate(k_BGSK, by)
        if past is not None:  # keys are remembered rotated: their positions never change
            new = past.room_for(x_BTD.shape[1])
            new[0], new[1] = k_BGSK, v_BGSK
            k_BGSK, v_BGSK = past.held.narrow(3, 0, past.length).unbind()
        # One new position may look at everything before it: only several at once have a future among them.
        causal = mask is None and x_BTD.shape[1] > 1
        heads_BHTK = attend_in_groups(q_BHTK, k_BGSK, v_BGSK, mask, causal)
        output_BTD: Tensor = self.project_out(heads_BHTK.transpose(1, 2).flatten(-2))
        return output_BTD


class Block(nn.Module):
    """A layer of the Transformer's decoder, each sub-layer behind its norm and with a residual.  Section 2.2."""

    def __init__(self, model: Model) -> None:
        super().__init__()
        self.attention_norm = RMSNorm(model.d_model, model.norm_eps)
        self.attention = SelfAttention(model)
        self.feed_forward_norm = RMSNorm(model.d_model, model.norm_eps)
        self.feed_forward = SwiGLU(model)

    def forward(self, x_BTD: Tensor, by: Angles, mask: Tensor | None = None, past: LayerCache | None = None) -> Tensor:
        x_BTD = x_BTD + self.attention(self.attention_norm(x_BTD), by, mask, past)
        x_BTD = x_BTD + self.feed_forward(self.feed_forward_norm(x_BTD))
        return x_BTD


class Llama(nn.Module):
    """P(next token) at every position.  ``vocabulary`` is the tokenizer's size."""

    def __init__(self, model: Model, vocabulary: int) -> None:
        super().__init__()
        self.model = model
        self.tokens = nn.Embedding(vocabulary, model.d_model)  # no positions: those are in attention
        self.blocks = nn.ModuleList(Block(model) for _ in range(model.num_layers))
        self.final_norm = RMSNorm(model.d_model, model.norm_eps)
        self.output = None if model.tied else nn.Linear(model.d_model, vocabulary, bias=False)
        initialise(self, model)

    def hidden(self, tokens_BT: Tensor) -> Tensor:
        """What stands before the output matrix.  (B, T) -> (B, T, D)."""
        self._check(tokens_BT.shape[1])
        by = self._angles(torch.arange(tokens_BT.shape[1], device=tokens_BT.device))
        x_BTD = self.tokens(tokens_BT)
        for block in self.blocks:
            x_BTD = block(x_BTD, by)
        hidden_BTD: Tensor = self.final_norm(x_BTD)
        return hidden_BTD

    def logits(self, hidden: Tensor) -> Tensor:
        """(..., D) -> (..., V)."""
        return F.linear(hidden, self.output_weight)

    @property
    def output_weight(self) -> Tensor:
        """(V, D): a matrix of its own, unless the model is tied."""
        return self.tokens.weight if self.output is None else self.output.weight

    def forward(self, tokens_BT: Tensor, targets_N: Tensor | None = None) -> Tensor:
        """Logits of the token after each position, (B, T, V), or minus log P summed over ``targets_N``, in nats."""
        hidden_BTD = self.hidden(tokens_BT)
        if targets_N is None:
            return self.logits(hidden_BTD)
        return next_token_loss(hidden_BTD.flatten(0, 1), self.output_weight, targets_N)

    def start(self, rows: int, room: int) -> Cache:
        """An empty memory for ``rows`` texts of at most ``room`` tokens: G heads a layer, not H."""
        self._check(room)
        shape = (2, rows, self.model.groups, room, self.model.head_width)
        return Cache([LayerCache(self.tokens.weight.new_empty(shape), band=0) for _ in self.blocks])

    def extend(self, tokens_BT: Tensor, cache: Cache) -> Tensor:
        """Logits of the token after the newest, (B, V).  ``cache`` remembers the tokens; their padding stands left."""
        positions, masks = cache.place(tokens_BT.shape[1], tokens_BT.device)
        by = self._angles(positions if positions.dim() == 1 else positions[:, None])  # (T,) or (B, 1, T)
        x_BTD = self.tokens(tokens_BT)
        for block, past in zip(self.blocks, cache.layers, strict=True):
            x_BTD = block(x_BTD, by, masks[0], past)
        cache.length += tokens_BT.shape[1]
        return self.logits(self.final_norm(x_BTD[:, -1]))

    def _angles(self, positions: Tensor) -> Angles:
        return angles(positions, self.model.head_width, self.model.rotary_base)

    def _check(self, length: int) -> None:
        if length > self.model.context:
            raise ValueError(f"{length} tokens are more than the context of {self.model.context}")


@torch.no_grad()
def initialise(llama: Llama, model: Model) -> None:
    """Normal weights.  The paper does not say how: "gpt-2" is what GPT-2 does, a standard deviation of 0.02 that is
    smaller by sqrt(2 N) where a residual is added to; with "fan-in" each matrix has variance 1 / inputs before that.
    """
    for name, parameter in llama.named_parameters():
        if parameter.dim() < 2:
            continue  # gains start at 1
        std = 0.02 if model.initialisation != "fan-in" else parameter.shape[1] ** -0.5
        if name.endswith(("project_out.weight", "contract.weight")):
            std /= math.sqrt(2 * model.num_layers)
        nn.init.normal_(parameter, std=std)
