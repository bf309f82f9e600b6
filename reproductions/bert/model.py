"""A bidirectional Transformer encoder for pre-training, in the order of the paper.

"BERT: Pre-training of Deep Bidirectional Transformers for Language Understanding" (arXiv 1810.04805), sections 3 and
3.1, Figure 2, appendix A.  Multi-head attention is 1706.03762's, from ``reproductions/attention``; sizes are in
``sizes.py``.  What the paper leaves to its released code (google-research/bert, modeling.py) is marked so.

Shapes: B pairs of spans, T tokens, D d_model (the paper's H), V vocabulary, N masked places in the flattened (B * T)
batch.
"""

from __future__ import annotations

from functools import partial
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from reproductions.attention.model import MultiHeadAttention
from reproductions.bert.sizes import SEGMENTS, Model


class LayerNorm(nn.LayerNorm):
    """Layer normalisation behind a sum, as in 1706.03762, section 5.4."""

    def __init__(self, model: Model) -> None:
        super().__init__(model.d_model, eps=model.norm_eps)


def gelu_of(model: Model) -> partial[Tensor]:
    """Appendix A.2: "We use a gelu activation rather than the standard relu"."""
    return partial(F.gelu, approximate="tanh" if model.gelu == "tanh" else "none")


class Embeddings(nn.Module):
    """Section 3 and Figure 2: the sum of a token's embedding, its segment's (A or B) and its position's.

    The released code normalises the sum and drops some of it out.  (B, T), (B, T) -> (B, T, D).
    """

    def __init__(self, model: Model, vocabulary: int) -> None:
        super().__init__()
        self.tokens = nn.Embedding(vocabulary, model.d_model)
        self.segments = nn.Embedding(SEGMENTS, model.d_model)
        self.positions = nn.Embedding(model.context, model.d_model)  # learned
        self.norm = LayerNorm(model)
        self.dropout = nn.Dropout(model.dropout)

    def forward(self, tokens_BT: Tensor, segments_BT: Tensor) -> Tensor:
        positions_T = torch.arange(tokens_BT.shape[1], device=tokens_BT.device)
        sum_BTD = self.tokens(tokens_BT) + self.segments(segments_BT) + self.positions(positions_T)
        x_BTD: Tensor = self.dropout(self.norm(sum_BTD))
        return x_BTD


class FeedForward(nn.Module):
    """The position-wise feed-forward network, 4 H wide (section 3, note 3), with gelu.  (B, T, D) -> (B, T, D)."""

    def __init__(self, model: Model) -> None:
        super().__init__()
        self.expand = nn.Linear(model.d_model, model.feed_forward_width)
        self.contract = nn.Linear(model.feed_forward_width, model.d_model)
        self.gelu = gelu_of(model)

    def forward(self, x_BTD: Tensor) -> Tensor:
        y_BTD: Tensor = self.contract(self.gelu(self.expand(x_BTD)))
        return y_BTD


class Block(nn.Module):
    """A layer of the Transformer's encoder: "almost identical to the original" (section 3), norms behind the sums.

    Changed: biases in attention, and dropout of its weights (appendix A.2: "on all layers").
    """

    def __init__(self, model: Model) -> None:
        super().__init__()
        self.attention = MultiHeadAttention(model.d_model, model.num_heads, bias=True, dropout=model.dropout)
        self.attention_norm = LayerNorm(model)
        self.feed_forward = FeedForward(model)
        self.feed_forward_norm = LayerNorm(model)
        self.dropout = nn.Dropout(model.dropout)

    def forward(self, x_BTD: Tensor, mask: Tensor | None) -> Tensor:
        x_BTD = self.attention_norm(x_BTD + self.dropout(self.attention(x_BTD, mask)))
        x_BTD = self.feed_forward_norm(x_BTD + self.dropout(self.feed_forward(x_BTD)))
        return x_BTD


class Encoder(nn.Module):
    """L layers over the embeddings; every token sees every other one, on both its sides.

    Its output T_i is "the final hidden vector for the i-th input token" (section 3).  ``real`` (B, T) is False at
    padding, which nothing sees; None where there is none.
    """

    def __init__(self, model: Model, vocabulary: int) -> None:
        super().__init__()
        self.embeddings = Embeddings(model, vocabulary)
        self.blocks = nn.ModuleList(Block(model) for _ in range(model.num_layers))

    def forward(self, tokens_BT: Tensor, segments_BT: Tensor, real_BT: Tensor | None = None) -> Tensor:
        mask = None if real_BT is None else real_BT[:, None, None, :]
        x_BTD: Tensor = self.embeddings(tokens_BT, segments_BT)
        for block in self.blocks:
            x_BTD = block(x_BTD, mask)
        return x_BTD


class Pooler(nn.Module):
    """C, the vector of a whole pair, from the final hidden vector of [CLS] (section 3): (B, T, D) -> (B, D).

    The released code sends it through one more layer with tanh.
    """

    def __init__(self, model: Model) -> None:
        super().__init__()
        self.dense = nn.Linear(model.d_model, model.d_model)

    def forward(self, hidden_BTD: Tensor) -> Tensor:
        c_BD: Tensor = self.dense(hidden_BTD[:, 0]).tanh()
        return c_BD


class MaskedLMHead(nn.Module):
    """Task #1 (section 3.1): the final hidden vectors of the masked tokens "are fed into an output softmax".

    The released code has a layer with gelu and a norm before it, and as the softmax's matrix the tokens' embedding with
    a bias.  (..., D) -> logits (..., V).
    """

    def __init__(self, model: Model, vocabulary: int) -> None:
        super().__init__()
        self.transform = nn.Linear(model.d_model, model.d_model)
        self.gelu = gelu_of(model)
        self.norm = LayerNorm(model)
        self.bias = nn.Parameter(torch.zeros(vocabulary))

    def forward(self, hidden: Tensor, embedding_VD: Tensor) -> Tensor:
        return F.linear(self.norm(self.gelu(self.transform(hidden))), embedding_VD, self.bias)


class Logits(NamedTuple):
    """``masked_lm`` (B, T, V); ``next_sentence`` (B, 2): B follows A, B is random."""

    masked_lm: Tensor
    next_sentence: Tensor


class Losses(NamedTuple):
    """Nats: ``masked_lm`` summed over the masked places, ``next_sentence`` over the pairs."""

    masked_lm: Tensor
    next_sentence: Tensor


class BERT(nn.Module):
    """The encoder with both heads of pre-training.  ``vocabulary`` is the tokenizer's size."""

    def __init__(self, model: Model, vocabulary: int) -> None:
        super().__init__()
        self.model = model
        self.encoder = Encoder(model, vocabulary)
        self.pooler = Pooler(model)
        self.masked_lm = MaskedLMHead(model, vocabulary)
        self.next_sentence = nn.Linear(model.d_model, 2)  # Task #2: "C is used for next sentence prediction"
        initialise(self, model)

    def hidden(self, tokens_BT: Tensor, segments_BT: Tensor, real_BT: Tensor | None = None) -> Tensor:
        """T_1 .. T_T, (B, T, D).  Raises ValueError for more tokens than the model has positions."""
        if tokens_BT.shape[1] > self.model.context:
            raise ValueError(f"{tokens_BT.shape[1]} tokens are more than the context of {self.model.context}")
        final_BTD: Tensor = self.encoder(tokens_BT, segments_BT, real_BT)
        return final_BTD

    def words(self, hidden: Tensor) -> Tensor:
        """Logits of the word that stands at each place: (..., D) -> (..., V)."""
        logits: Tensor = self.masked_lm(hidden, self.encoder.embeddings.tokens.weight)
        return logits

    def follows(self, hidden_BTD: Tensor) -> Tensor:
        """Logits that B follows A and that it is random, in this order: (B, 2)."""
        logits_B2: Tensor = self.next_sentence(self.pooler(hidden_BTD))
        return logits_B2

    def forward(
        self,
        tokens_BT: Tensor,
        segments_BT: Tensor,
        real_BT: Tensor | None = None,
        *,
        places_N: Tensor | None = None,
        targets_N: Tensor | None = None,
        is_random_B: Tensor | None = None,
    ) -> Logits | Losses:
        """Logits of both heads everywhere; with targets the two losses, and words at the masked places only.

        Appendix A.2: "The training loss is the sum of the mean masked LM likelihood and the mean next sentence
        prediction likelihood": the means are the caller's, who knows what a batch is.
        """
        hidden_BTD = self.hidden(tokens_BT, segments_BT, real_BT)
        if places_N is None or targets_N is None or is_random_B is None:
            return Logits(self.words(hidden_BTD), self.follows(hidden_BTD))
        words_NV = self.words(hidden_BTD.flatten(0, 1)[places_N])
        return Losses(
            F.cross_entropy(words_NV.float(), targets_N, reduction="sum"),
            F.cross_entropy(self.follows(hidden_BTD).float(), is_random_B, reduction="sum"),
        )


@torch.no_grad()
def initialise(bert: BERT, model: Model) -> None:
    """Normal weights of 0.02, cut off at twice that, zero biases: the released code's; the paper is silent."""
    for name, parameter in bert.named_parameters():
        if parameter.dim() >= 2:
            nn.init.trunc_normal_(parameter, std=model.initial_std, a=-2 * model.initial_std, b=2 * model.initial_std)
        elif name.endswith("bias"):
            nn.init.zeros_(parameter)
