"""The Transformer, in the order of section 3 of "Attention Is All You Need", arXiv 1706.03762.

Attention (3.2) is in ``reproductions/attention/model.py``; the sizes are in ``recipes.py``.  Training runs through
``forward`` and the loss of ``loss.py``; translation through ``encode``, ``start`` and ``step``.

Shapes: B batch, S source, T target, D d_model, F d_ff, V vocabulary, W beams (hypotheses of one sentence), N tokens.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from reproductions.attention.model import KeyValueCache, MultiHeadAttention
from reproductions.transformer.loss import label_smoothed_loss
from reproductions.transformer.recipes import Model


class AddAndNorm(nn.Module):
    """LayerNorm(x + Dropout(Sublayer(x))): the residual connection around every sub-layer.  Sections 3.1 and 5.4."""

    def __init__(self, model: Model) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(model.d_model)
        self.dropout = nn.Dropout(model.dropout)

    def forward(self, x_BTD: Tensor, sublayer_BTD: Tensor) -> Tensor:
        normed_BTD: Tensor = self.norm(x_BTD + self.dropout(sublayer_BTD))
        return normed_BTD


class EncoderLayer(nn.Module):
    """Self-attention, then the feed-forward network.  Section 3.1, "Encoder"."""

    def __init__(self, model: Model) -> None:
        super().__init__()
        self.attention = MultiHeadAttention(model.d_model, model.num_heads, model.d_key, model.d_value)
        self.attention_norm = AddAndNorm(model)
        self.feed_forward = PositionwiseFeedForward(model)
        self.feed_forward_norm = AddAndNorm(model)

    def forward(self, x_BSD: Tensor, source_mask: Tensor | None) -> Tensor:
        x_BSD = self.attention_norm(x_BSD, self.attention(x_BSD, source_mask))
        x_BSD = self.feed_forward_norm(x_BSD, self.feed_forward(x_BSD))
        return x_BSD


class DecoderLayer(nn.Module):
    """Causal self-attention, attention over the encoder's output, feed-forward.  Section 3.1, "Decoder"."""

    def __init__(self, model: Model) -> None:
        super().__init__()
        self.attention = MultiHeadAttention(model.d_model, model.num_heads, model.d_key, model.d_value)
        self.attention_norm = AddAndNorm(model)
        self.cross_attention = MultiHeadAttention(model.d_model, model.num_heads, model.d_key, model.d_value)
        self.cross_attention_norm = AddAndNorm(model)
        self.feed_forward = PositionwiseFeedForward(model)
        self.feed_forward_norm = AddAndNorm(model)

    def forward(self, x_BTD: Tensor, memory_BSD: Tensor, source_mask: Tensor | None) -> Tensor:
        # Padding stands behind the target, so what is causal never sees it: no target mask is needed.
        x_BTD = self.attention_norm(x_BTD, self.attention(x_BTD, causal=True))
        return self._rest(x_BTD, self.cross_attention.keys_values(memory_BSD), source_mask)

    def step(
        self, x_BWD: Tensor, cache: KeyValueCache, memory_kv: tuple[Tensor, Tensor], source_mask: Tensor | None
    ) -> Tensor:
        """One position of every hypothesis.  Each has its own past; all beams of a sentence ask the same memory,
        so there the beams are the query length and the sentence's keys exist once."""
        attended_BWD = self.attention.step(x_BWD.flatten(0, 1)[:, None], cache).view_as(x_BWD)
        return self._rest(self.attention_norm(x_BWD, attended_BWD), memory_kv, source_mask)

    def _rest(self, x_BTD: Tensor, memory_kv: tuple[Tensor, Tensor], source_mask: Tensor | None) -> Tensor:
        x_BTD = self.cross_attention_norm(x_BTD, self.cross_attention.cross(x_BTD, memory_kv, source_mask))
        x_BTD = self.feed_forward_norm(x_BTD, self.feed_forward(x_BTD))
        return x_BTD


class PositionwiseFeedForward(nn.Module):
    """FFN(x) = max(0, x W1 + b1) W2 + b2.  Section 3.3, equation (2).  (B, T, D) -> (B, T, D)."""

    def __init__(self, model: Model) -> None:
        super().__init__()
        self.expand = nn.Linear(model.d_model, model.d_ff)  # W1, b1
        self.contract = nn.Linear(model.d_ff, model.d_model)  # W2, b2
        for linear in (self.expand, self.contract):
            nn.init.xavier_uniform_(linear.weight)
            nn.init.zeros_(linear.bias)

    def forward(self, x_BTD: Tensor) -> Tensor:
        y_BTD: Tensor = self.contract(F.relu(self.expand(x_BTD)))
        return y_BTD


def sinusoids(length: int, d_model: int) -> Tensor:
    """PE(pos, 2i) = sin(pos / 10000^(2i/D)), PE(pos, 2i+1) = cos(same).  Section 3.5.  (length, D), float32."""
    position = torch.arange(length, dtype=torch.float64)[:, None]
    rate = torch.exp(torch.arange(0, d_model, 2, dtype=torch.float64) * (-math.log(10_000.0) / d_model))
    angles = position * rate
    return torch.stack((angles.sin(), angles.cos()), dim=-1).flatten(-2)[:, :d_model].float()


@dataclass
class DecodingState:
    """What the decoder remembers between steps: rows of a cache are (sentence, beam); of the memory, sentences."""

    caches: list[KeyValueCache]
    memory_kv: list[tuple[Tensor, Tensor]]
    source_mask: Tensor | None
    position: int = 0

    def select_hypotheses(self, rows: Tensor) -> None:
        """Reorder the pasts: ``rows`` are flat (sentence, beam) indices."""
        for cache in self.caches:
            cache.select(rows)

    def select_sentences(self, sentences: Tensor) -> None:
        """Keep the memory of these sentences only."""
        self.memory_kv = [(k[sentences], v[sentences]) for k, v in self.memory_kv]
        if self.source_mask is not None:
            self.source_mask = self.source_mask[sentences]


class Transformer(nn.Module):
    """Encoder and decoder over one shared vocabulary.  Figure 1; equations (1) and (2) are in its parts."""

    positions: Tensor

    def __init__(self, model: Model, vocabulary: int) -> None:
        super().__init__()
        self.model = model
        # Section 3.4: one matrix for source tokens, target tokens and, transposed, the output layer.
        self.embedding = nn.Embedding(vocabulary, model.d_model)
        nn.init.normal_(self.embedding.weight, std=model.d_model**-0.5)
        # Section 3.5: fixed sinusoids, or learned positions (Table 3, row E).
        if model.positions == "learned":
            self.positions = nn.Parameter(torch.randn(model.max_positions, model.d_model) * model.d_model**-0.5)
        else:
            self.register_buffer("positions", sinusoids(model.max_positions, model.d_model), persistent=False)
        self.dropout = nn.Dropout(model.dropout)
        self.encoder = nn.ModuleList(EncoderLayer(model) for _ in range(model.num_layers))  # N
        self.decoder = nn.ModuleList(DecoderLayer(model) for _ in range(model.num_layers))

    def embed(self, tokens_BT: Tensor, start: int = 0) -> Tensor:
        """Dropout(sqrt(d_model) * embedding + position).  Sections 3.4, 3.5 and 5.4.  (B, T) -> (B, T, D)."""
        end = start + tokens_BT.shape[1]
        if end > self.positions.shape[0]:
            raise ValueError(f"position {end} is beyond max_positions {self.positions.shape[0]}")
        return self._sum_of_embeddings(tokens_BT, self.positions[start:end])

    def _sum_of_embeddings(self, tokens: Tensor, positions: Tensor) -> Tensor:
        summed: Tensor = self.dropout(self.embedding(tokens) * math.sqrt(self.model.d_model) + positions)
        return summed

    def encode(self, source_BS: Tensor, source_mask: Tensor | None = None) -> Tensor:
        """The encoder's output z, (B, S, D).  ``source_mask`` (B, 1, 1, S) is True at real tokens; None: no padding."""
        x_BSD = self.embed(source_BS)
        for layer in self.encoder:
            x_BSD = layer(x_BSD, source_mask)
        return x_BSD

    def decode(self, target_BT: Tensor, memory_BSD: Tensor, source_mask: Tensor | None = None) -> Tensor:
        """Hidden states, (B, T, D): position t has seen target tokens <= t, the output "shifted right"."""
        x_BTD = self.embed(target_BT)
        for layer in self.decoder:
            x_BTD = layer(x_BTD, memory_BSD, source_mask)
        return x_BTD

    def logits(self, hidden: Tensor) -> Tensor:
        """The pre-softmax linear transformation, (..., D) -> (..., V), with the embedding's weights.  Section 3.4."""
        return F.linear(hidden, self.embedding.weight)

    def forward(
        self,
        source_BS: Tensor,
        target_BT: Tensor,
        source_mask: Tensor | None = None,
        targets_N: Tensor | None = None,
        real_N: Tensor | None = None,
    ) -> Any:
        """Logits of the token after each target position, (B, T, V).

        Given ``targets_N``, the summed losses of ``label_smoothed_loss`` instead, computed at the real target
        positions only: their places in the flattened (B * T) target are ``real_N``, all where it is None.
        """
        hidden_BTD = self.decode(target_BT, self.encode(source_BS, source_mask), source_mask)
        if targets_N is None:
            return self.logits(hidden_BTD)
        hidden_ND = hidden_BTD.flatten(0, 1) if real_N is None else hidden_BTD.flatten(0, 1)[real_N]
        return label_smoothed_loss(hidden_ND, self.embedding.weight, targets_N, self.model.label_smoothing)

    def start(self, memory_BSD: Tensor, source_mask: Tensor | None = None) -> DecodingState:
        """Everything that decoding needs of the source, computed once a sentence."""
        memory_kv = [layer.cross_attention.keys_values(memory_BSD) for layer in self._decoder_layers()]
        return DecodingState([KeyValueCache() for _ in self.decoder], memory_kv, source_mask)

    def step(self, tokens_BW: Tensor, state: DecodingState) -> Tensor:
        """Logits of the token after ``tokens_BW``, the newest of each of W hypotheses a sentence: (B, W, V)."""
        if state.position >= self.positions.shape[0]:
            raise ValueError(f"position {state.position} is beyond max_positions {self.positions.shape[0]}")
        x_BWD = self._sum_of_embeddings(tokens_BW, self.positions[state.position])
        for layer, cache, memory_kv in zip(self._decoder_layers(), state.caches, state.memory_kv, strict=True):
            x_BWD = layer.step(x_BWD, cache, memory_kv, state.source_mask)
        state.position += 1
        return self.logits(x_BWD)

    def _decoder_layers(self) -> list[DecoderLayer]:
        return [layer for layer in self.decoder if isinstance(layer, DecoderLayer)]
