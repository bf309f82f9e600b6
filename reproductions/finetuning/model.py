"""What fine-tuning puts on a pre-trained Transformer, in the order of the papers.

GPT-1: "Improving Language Understanding by Generative Pre-Training" (2018), sections 3.2 and 3.3, equations (3) to (5).
BERT: "BERT: Pre-training of Deep Bidirectional Transformers ..." (arXiv 1810.04805), sections 3.2 and 4.1.
LoRA: "LoRA: Low-Rank Adaptation of Large Language Models" (arXiv 2106.09685), sections 4.1 and 4.2, equation (3).

The Transformers are those of ``reproductions/gpt``, ``llama`` and ``bert``; how texts become their inputs (GPT-1,
Figure 1; BERT, Figure 4) is in ``inputs.py``.

Shapes: B examples, R rows of tokens (B, or 2 B where both orders of a pair are read), T tokens, D d_model, C outputs, N
predicted tokens, I inputs and O outputs of a matrix, r the rank.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from reproductions.bert.model import BERT
from reproductions.finetuning.inputs import Inputs
from reproductions.gpt.loss import next_token_loss
from reproductions.gpt.model import GPT
from reproductions.llama.model import Llama


class Predicted(NamedTuple):
    """``outputs`` (B, C): logits of the classes, or one score; ``lm``: the auxiliary objective, 0 where it is off."""

    outputs: Tensor
    lm: Tensor


class GPTClassifier(nn.Module):
    """P(y | x_1 .. x_m) = softmax(h_l^m W_y), equation (3) of GPT-1.

    "The only extra parameters we require during fine-tuning are W_y, and embeddings for delimiter tokens" (section
    3.2): the last ones of the embedding matrix (``grow_embedding``).  Section 4.1: dropout "to the classifier".
    """

    def __init__(self, gpt: GPT | Llama, outputs: int, dropout: float, auxiliary: float) -> None:
        super().__init__()
        self.auxiliary = auxiliary  # lambda
        self.gpt = gpt
        self.dropout = nn.Dropout(dropout)
        self.output = nn.Linear(gpt.model.d_model, outputs, bias=False)  # W_y
        nn.init.normal_(self.output.weight, std=0.02)

    def hidden(self, inputs: Inputs) -> Tensor:
        """h_l, at every token: (R, T, D)."""
        return self.gpt.hidden(inputs.tokens)

    def forward(self, inputs: Inputs) -> Predicted:
        """What is asked of each example.  While training with it, also L1 of equation (5): see ``language_model``."""
        hidden_RTD = self.hidden(inputs)
        rows = torch.arange(len(hidden_RTD), device=hidden_RTD.device)
        h_RD = hidden_RTD[rows, inputs.last]  # h_l^m, at the extract token
        # Section 3.3, Similarity: both orders "independently to produce two sequence representations h_l^m which are
        # added element-wise before being fed into the linear output layer".
        h_BD = h_RD.view(-1, inputs.orders, h_RD.shape[-1]).sum(dim=1)
        outputs_BC = self.output(self.dropout(h_BD))
        if not self.auxiliary or not self.training:
            return Predicted(outputs_BC, outputs_BC.new_zeros(()))
        return Predicted(outputs_BC, self.language_model(hidden_RTD, inputs))

    def language_model(self, hidden_RTD: Tensor, inputs: Inputs) -> Tensor:
        """Minus L1(C), the mean over the tokens: equation (1) "on the labelled data set", section 3.2."""
        # The place before each real token but the first predicts it.
        is_target_RN = inputs.real[:, 1:]
        targets_N = inputs.tokens[:, 1:][is_target_RN]
        hidden_ND = hidden_RTD[:, :-1][is_target_RN]
        return next_token_loss(hidden_ND, self.gpt.output_weight, targets_N) / len(targets_N)


def objective(predicted: Predicted, labels_B: Tensor, auxiliary: float) -> tuple[Tensor, Tensor]:
    """Minus L3(C) = L2(C) + lambda L1(C), equation (5) of GPT-1, summed over the examples; and minus L2(C) alone.

    L2 is equation (4), the log likelihood of the labels.  Scores, for which neither paper names a loss, are regressed:
    the squared difference.
    """
    if labels_B.is_floating_point():
        supervised = F.mse_loss(predicted.outputs.float().squeeze(-1), labels_B, reduction="sum")
    else:
        supervised = F.cross_entropy(predicted.outputs.float(), labels_B, reduction="sum")
    return supervised + auxiliary * len(labels_B) * predicted.lm, supervised


@torch.no_grad()
def grow_embedding(gpt: GPT | Llama, more: int, std: float) -> None:
    """Puts ``more`` rows behind the embedding matrix: section 3.3, "randomly initialized start and end tokens"."""
    old = gpt.tokens.weight
    new = torch.empty(more, old.shape[1], dtype=old.dtype, device=old.device).normal_(std=std)
    gpt.tokens = nn.Embedding(len(old) + more, old.shape[1], _weight=torch.cat([old, new]))
    if gpt.output is not None:  # not tied: nothing is predicted from the new rows before they are learned
        gpt.output.weight = nn.Parameter(torch.cat([gpt.output.weight, torch.zeros_like(new)]))


class BERTClassifier(nn.Module):
    """softmax(C W^T), section 4.1 of BERT: C is "the final hidden vector C of the first input token ([CLS])".

    "The only new parameters introduced during fine-tuning are classification layer weights W".  The heads of
    pre-training are left behind, except the layer with tanh that the released code has in front of C.
    """

    def __init__(self, bert: BERT, outputs: int, dropout: float) -> None:
        super().__init__()
        self.model = bert.model
        self.encoder = bert.encoder
        self.pooler = bert.pooler
        self.dropout = nn.Dropout(dropout)  # the released code's run_classifier.py
        self.output = nn.Linear(bert.model.d_model, outputs, bias=False)  # W, K x H
        nn.init.trunc_normal_(self.output.weight, std=bert.model.initial_std)

    def hidden(self, inputs: Inputs) -> Tensor:
        """T_1 .. T_T: (R, T, D)."""
        hidden_RTD: Tensor = self.encoder(inputs.tokens, inputs.segments, inputs.real)
        return hidden_RTD

    def forward(self, inputs: Inputs) -> Predicted:
        outputs_BC = self.output(self.dropout(self.pooler(self.hidden(inputs))))
        return Predicted(outputs_BC, outputs_BC.new_zeros(()))


class LowRank(nn.Module):
    """h = W_0 x + (alpha / r) B A x, equation (3) of LoRA: W_0 is frozen, A and B are trained.

    ``base`` may hold several of the paper's matrices, one above the other, as our projections to queries, keys and
    values do: ``parts`` are the (first row, rows) of those that are adapted, each with an A (r, I) and a B (rows, r) of
    its own.  (..., I) -> (..., O).
    """

    def __init__(self, base: nn.Linear, rank: int, alpha: float, parts: Sequence[tuple[int, int]]) -> None:
        super().__init__()
        self.base, self.parts, self.scale = base, tuple(parts), alpha / rank
        for parameter in base.parameters():
            parameter.requires_grad = False
        # Section 4.1: "a random Gaussian initialization for A and zero for B, so dW = BA is zero at the beginning".
        new = base.weight.new_empty
        self.a = nn.ParameterList(nn.Parameter(new(rank, base.in_features)) for _ in parts)
        self.b = nn.ParameterList(nn.Parameter(torch.zeros_like(new(rows, rank))) for _, rows in parts)
        for a in self.a:
            nn.init.normal_(a, std=base.in_features**-0.5)  # the paper names no width

    def forward(self, x: Tensor) -> Tensor:
        h: Tensor = self.base(x)
        for (first, rows), a, b in zip(self.parts, self.a, self.b, strict=True):
            delta = self.scale * F.linear(F.linear(x, a), b)
            h = h + F.pad(delta, (first, self.base.out_features - first - rows))
        return h

    @torch.no_grad()
    def merged(self) -> nn.Linear:
        """W = W_0 + (alpha / r) B A, which "we can explicitly compute and store": no latency (section 4.1)."""
        for (first, rows), a, b in zip(self.parts, self.a, self.b, strict=True):
            self.base.weight[first : first + rows] += self.scale * b @ a
        for parameter in self.base.parameters():
            parameter.requires_grad = True
        return self.base


def adapt(transformer: nn.Module, rank: int, alpha: float, matrices: Sequence[str] = ("query", "value")) -> None:
    """Freezes everything and adapts W_q and W_v, which are what most of the experiments adapt (section 4.2).

    "We limit our study to only adapting the attention weights ... and freeze the MLP modules".
    """
    for parameter in transformer.parameters():
        parameter.requires_grad = False
    for module in list(transformer.modules()):
        linear = getattr(module, "project_in", None)
        if isinstance(linear, nn.Linear):
            # Rows of queries, keys and values: thirds, but for LLaMA's grouped queries.
            query, key, value = getattr(module, "rows", None) or [linear.out_features // 3] * 3
            parts = {"query": (0, query), "key": (query, key), "value": (query + key, value)}
            module.project_in = LowRank(linear, rank, alpha, [parts[name] for name in matrices])


def merge(transformer: nn.Module) -> None:
    """Puts every adaptation into the matrix that it adapts."""
    for module in list(transformer.modules()):
        adapted = getattr(module, "project_in", None)
        if isinstance(adapted, LowRank):
            module.project_in = adapted.merged()
