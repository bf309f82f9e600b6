"""A language model that writes what a text asks for: P(y_1 .. y_n | x_1 .. x_m), a token at a time.

"Improving Language Understanding by Generative Pre-Training" (GPT-1, 2018), equations (1) to (5), with a text y in the
place of a label; "Language Models are Unsupervised Multitask Learners" (GPT-2, 2019), section 2: p(output | input) is
language modelling, the task itself being said in words.

Nothing is added to the Transformer of ``reproductions/gpt``; source, cue and target are one row (``inputs.py``).

Shapes: B rows, T tokens, N target tokens, M tokens of the sources, D d_model, V vocabulary.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from reproductions.applications.inputs import Batch
from reproductions.gpt.loss import next_token_loss
from reproductions.gpt.model import GPT


class Nats(NamedTuple):
    """Minus log P, summed over the batch: of the targets, and of the sources (0 where they are not learned)."""

    target: Tensor
    source: Tensor


class ConditionalGPT(nn.Module):
    """A GPT as pre-training left it; ``auxiliary`` is lambda of GPT-1's equation (5)."""

    def __init__(self, gpt: GPT, auxiliary: float) -> None:
        super().__init__()
        self.auxiliary = auxiliary
        self.gpt = gpt

    def forward(self, batch: Batch) -> Nats:
        """Equation (4), log P(y | x), which is the sum over y's tokens; and L1 of the sources while training."""
        hidden = self.gpt.hidden(batch.tokens).flatten(0, 1)
        weight_VD = self.gpt.output_weight
        target = next_token_loss(hidden[batch.target_places], weight_VD, batch.targets)
        if not self.auxiliary or not self.training:
            return Nats(target, target.new_zeros(()))
        return Nats(target, next_token_loss(hidden[batch.source_places], weight_VD, batch.sources))

    def target_nats(self, batch: Batch) -> Tensor:
        """Minus log P(y | x) of each row: (B,), in double precision."""
        hidden_ND = self.gpt.hidden(batch.tokens).flatten(0, 1)[batch.target_places]
        nats_N = F.cross_entropy(self.gpt.logits(hidden_ND).float(), batch.targets, reduction="none").double()
        row_N = torch.div(batch.target_places, batch.tokens.shape[1], rounding_mode="floor")
        return nats_N.new_zeros(len(batch.tokens)).index_add(0, row_N, nats_N)


def objective(nats: Nats, batch: Batch, auxiliary: float) -> Tensor:
    """Minus L3 = L2 + lambda L1, equation (5), with both as means over tokens, times the number of target tokens.

    GPT-1's L2 is a sum over examples and its L1 one over tokens; the released code has means.
    """
    if not auxiliary or not len(batch.sources):
        return nats.target
    return nats.target + auxiliary * nats.source * (len(batch.targets) / len(batch.sources))
