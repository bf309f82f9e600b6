"""Decoder-only Transformers for generative pre-training, in the order of the papers.

GPT-1: "Improving Language Understanding by Generative Pre-Training" (2018), sections 3.1 and 4.1, equations (1), (2).
GPT-2: "Language Models are Unsupervised Multitask Learners" (2019), section 2.3, which says what is changed.
GPT-3: "Language Models are Few-Shot Learners" (arXiv 2005.14165), section 2.1, which says what is changed again.

Scaled dot-product attention is 1706.03762's, from ``reproductions/attention``; the sizes are in ``sizes.py``; the
loop of training in four steps is in ``pretraining.py``.

Shapes: B batch, T positions, S positions that are attended to, D d_model, H heads, K d_head, V vocabulary, N places in
the flattened (B * T) batch.
"""

from __future__ import annotations

import math
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from reproductions.attention.model import attend, causal_mask
from reproductions.gpt.cache import Cache, LayerCache
from reproductions.gpt.loss import next_token_loss
from reproductions.gpt.sizes import Model


class LayerNorm(nn.LayerNorm):
    """Layer normalisation; without a bias where the model has none."""

    def __init__(self, model: Model) -> None:
        super().__init__(model.d_model, eps=model.norm_eps, bias=model.bias)


class SelfAttention(nn.Module):
    """Masked multi-headed self-attention.  GPT-1, section 4.1: "masked self-attention heads", with dropout.

    (B, T, D) -> (B, T, D).  Without a mask it is causal.
    """

    def __init__(self, model: Model) -> None:
        super().__init__()
        self.num_heads, self.dropout = model.num_heads, model.dropout
        width = model.num_heads * model.head_width
        self.project_in = nn.Linear(model.d_model, 3 * width, bias=model.bias)  # rows: queries, keys, values
        self.project_out = nn.Linear(width, model.d_model, bias=model.bias)

    def forward(self, x_BTD: Tensor, mask: Tensor | None = None, past: LayerCache | None = None) -> Tensor:
        projected = self.project_in(x_BTD)
        if past is None:
            q_BHTK, k_BHSK, v_BHSK = (self._split(part) for part in projected.chunk(3, dim=-1))
        else:
            q_BHTK, k_BHSK, v_BHSK = past.append(projected)
        # One new position may look at everything before it: only several at once have a future among them.
        causal = mask is None and x_BTD.shape[1] > 1
        dropout = self.dropout if self.training else 0.0
        heads_BHTK = attend(q_BHTK, k_BHSK, v_BHSK, mask, causal, dropout=dropout)
        output_BTD: Tensor = self.project_out(heads_BHTK.transpose(1, 2).flatten(-2))
        return output_BTD

    def _split(self, x_BTx: Tensor) -> Tensor:
        return x_BTx.view(*x_BTx.shape[:2], self.num_heads, -1).transpose(1, 2)


class FeedForward(nn.Module):
    """The position-wise feed-forward network with GELU.  GPT-1, section 4.1.  (B, T, D) -> (B, T, D)."""

    def __init__(self, model: Model) -> None:
        super().__init__()
        self.expand = nn.Linear(model.d_model, model.feed_forward_width, bias=model.bias)
        self.contract = nn.Linear(model.feed_forward_width, model.d_model, bias=model.bias)
        self.gelu = partial(F.gelu, approximate="tanh" if model.gelu == "tanh" else "none")

    def forward(self, x_BTD: Tensor) -> Tensor:
        y_BTD: Tensor = self.contract(self.gelu(self.expand(x_BTD)))
        return y_BTD


class Block(nn.Module):
    """``transformer_block`` of GPT-1's equation (2): attention, then the feed-forward network, each with a residual.

    GPT-1 normalises the sum behind each of them, as the Transformer's decoder does.  GPT-2, section 2.3: "moved to the
    input of each sub-block".
    """

    def __init__(self, model: Model) -> None:
        super().__init__()
        self.pre_norm = model.norm == "pre"
        self.attention_norm = LayerNorm(model)
        self.attention = SelfAttention(model)
        self.feed_forward_norm = LayerNorm(model)
        self.feed_forward = FeedForward(model)
        self.dropout = nn.Dropout(model.dropout)

    def forward(self, x_BTD: Tensor, mask: Tensor | None = None, past: LayerCache | None = None) -> Tensor:
        if self.pre_norm:
            x_BTD = x_BTD + self.dropout(self.attention(self.attention_norm(x_BTD), mask, past))
            x_BTD = x_BTD + self.dropout(self.feed_forward(self.feed_forward_norm(x_BTD)))
        else:
            x_BTD = self.attention_norm(x_BTD + self.dropout(self.attention(x_BTD, mask, past)))
            x_BTD = self.feed_forward_norm(x_BTD + self.dropout(self.feed_forward(x_BTD)))
        return x_BTD


def banded_mask(length: int, band: int, device: torch.device | str | None = None) -> Tensor:
    """(T, T): position t sees t - band + 1 .. t.  GPT-3, section 2.1: "locally banded sparse attention patterns"."""
    causal = causal_mask(length, device)
    mask: Tensor = causal & ~causal.tril(-band)
    return mask


class GPT(nn.Module):
    """P(u_i | u_1 .. u_i-1) for every i, by equation (2) of GPT-1.  ``vocabulary`` is the tokenizer's size."""

    def __init__(self, model: Model, vocabulary: int) -> None:
        super().__init__()
        self.model = model
        self.tokens = nn.Embedding(vocabulary, model.d_model)  # W_e
        self.positions = nn.Embedding(model.context, model.d_model)  # W_p, learned
        self.dropout = nn.Dropout(model.dropout)
        self.blocks = nn.ModuleList(Block(model) for _ in range(model.num_layers))  # n
        # GPT-2, section 2.3: "an additional layer normalization was added after the final self-attention block".
        self.final_norm = LayerNorm(model) if model.norm == "pre" else nn.Identity()
        self.output = None if model.tied else nn.Linear(model.d_model, vocabulary, bias=False)
        self._output_DV: Tensor | None = None
        initialise(self, model)

    def embed(self, tokens_BT: Tensor, positions: Tensor) -> Tensor:
        """h_0 = U W_e + W_p, the first line of equation (2), with dropout.  (B, T) -> (B, T, D)."""
        h_BTD: Tensor = self.dropout(self.tokens(tokens_BT) + self.positions(positions))
        return h_BTD

    def hidden(self, tokens_BT: Tensor) -> Tensor:
        """h_n: h_l = transformer_block(h_l-1), the second line of equation (2).  (B, T) -> (B, T, D)."""
        length = tokens_BT.shape[1]
        self._check(length)
        h_BTD = self.embed(tokens_BT, torch.arange(length, device=tokens_BT.device))
        band = self.model.band
        # A band that reaches back over all that is there is dense, and has the faster kernel.
        local = banded_mask(length, band, tokens_BT.device) if 0 < band < length else None
        for layer, block in enumerate(self.blocks):
            h_BTD = block(h_BTD, local if self.model.is_banded(layer) else None)
        final_BTD: Tensor = self.final_norm(h_BTD)
        return final_BTD

    def logits(self, hidden: Tensor) -> Tensor:
        """h_n W_e^T, whose softmax is P(u), the third line of equation (2).  (..., D) -> (..., V)."""
        return F.linear(hidden, self.output_weight)

    @property
    def output_weight(self) -> Tensor:
        """(V, D): the token embedding itself, unless the model has an output matrix of its own."""
        return self.tokens.weight if self.output is None else self.output.weight

    def forward(self, tokens_BT: Tensor, targets_N: Tensor | None = None, places_N: Tensor | None = None) -> Tensor:
        """Logits of the token after each position, (B, T, V); the objective of equation (1) where targets are given.

        That is minus log P summed over the targets, in nats.  ``targets_N`` are the tokens that follow the places
        ``places_N`` of the flattened (B * T) batch, all of them where it is None: logits exist nowhere else.
        """
        hidden_BTD = self.hidden(tokens_BT)
        if targets_N is None:
            return self.logits(hidden_BTD)
        hidden_ND = hidden_BTD.flatten(0, 1) if places_N is None else hidden_BTD.flatten(0, 1)[places_N]
        return next_token_loss(hidden_ND, self.output_weight, targets_N)

    def start(self, rows: int, room: int) -> Cache:
        """An empty memory for ``rows`` texts of at most ``room`` tokens."""
        self._check(room)
        model, weight = self.model, self.tokens.weight
        shape = (2, rows, model.num_heads, room, model.head_width)
        bands = [model.band if model.is_banded(layer) else 0 for layer in range(model.num_layers)]
        return Cache([LayerCache(weight.new_empty(shape), band) for band in bands])

    def extend(self, tokens_BT: Tensor, cache: Cache) -> Tensor:
        """Logits of the token after the newest, (B, V).  ``cache`` remembers the tokens; their padding stands left."""
        positions, masks = cache.place(tokens_BT.shape[1], tokens_BT.device)
        h_BTD = self.embed(tokens_BT, positions)
        for layer, block in enumerate(self.blocks):
            past = cache.layers[layer]
            h_BTD = block(h_BTD, masks[past.band], past)
        cache.length += tokens_BT.shape[1]
        h_BD = self.final_norm(h_BTD[:, -1])
        return self.logits(h_BD) if self._output_DV is None else h_BD @ self._output_DV

    def lay_out_for_decoding(self) -> None:
        """Turns the matrices in memory, inputs by outputs: on a CPU one row at a time reads them faster so.

        The same numbers, so any call gives what it gave.  The output matrix is kept in both ways, because the embedding
        reads its rows.  Training, or loading other weights, takes that copy away.
        """
        for module in self.modules():
            if isinstance(module, nn.Linear):
                module.weight.data = module.weight.data.T.contiguous().T
        self._output_DV = self.output_weight.detach().T.contiguous()

    def train(self, mode: bool = True) -> GPT:
        """As of any module; training changes the weights, and what ``lay_out_for_decoding`` copied with them."""
        self._output_DV = None if mode else self._output_DV
        return super().train(mode)

    def _load_from_state_dict(self, *arguments: Any, **named: Any) -> None:
        self._output_DV = None
        super()._load_from_state_dict(*arguments, **named)

    def _check(self, length: int) -> None:
        if length > self.model.context:
            raise ValueError(f"{length} tokens are more than the context of {self.model.context}")


@torch.no_grad()
def initialise(gpt: GPT, model: Model) -> None:
    """Normal weights, zero biases.  GPT-1, section 4.1: "N(0, 0.02)"; GPT-2's released code keeps it for matrices.

    GPT-2, section 2.3: the weights of residual layers are scaled "by a factor of 1/sqrt(N) where N is the number of
    residual layers", two a block.  "fan-in" is ours: each matrix has variance 1 / inputs, whatever the width.
    """
    for name, parameter in gpt.named_parameters():
        if parameter.dim() < 2:
            continue  # norms start as they are made, biases at zero
        std = 0.02 if model.initialisation != "fan-in" else parameter.shape[1] ** -0.5
        if model.initialisation != "gpt-1" and name.endswith(("project_out.weight", "contract.weight")):
            std /= math.sqrt(2 * model.num_layers)
        nn.init.normal_(parameter, std=std)
    for module in gpt.modules():
        if isinstance(module, nn.Linear) and module.bias is not None:
            nn.init.zeros_(module.bias)
