"""The objective of GPT-1's equation (1): minus log P of each next token, summed.

Shapes: N places, D d_model, V vocabulary.
"""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional as F

from reproductions.transformer.loss import label_smoothed_loss

_SMALL_VOCABULARY = 2048
"""Below it the logits of a batch are small, and a plain product is the fastest."""


def next_token_loss(hidden_ND: Tensor, output_VD: Tensor, targets_N: Tensor) -> Tensor:
    """Summed cross-entropy, in nats, of ``targets_N`` against softmax(hidden W^T).

    With a large vocabulary the (N, V) matrix never exists: the Transformer's loss without smoothing computes it, and
    its gradient, a block of tokens at a time.
    """
    if len(output_VD) < _SMALL_VOCABULARY:
        logits_NV = F.linear(hidden_ND, output_VD)
        return F.cross_entropy(logits_NV.float(), targets_N, reduction="sum")
    return label_smoothed_loss(hidden_ND, output_VD, targets_N, 0.0)[0]
