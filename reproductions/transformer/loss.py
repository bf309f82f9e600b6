"""Cross-entropy with label smoothing.  Section 5.4 of arXiv 1706.03762.

Shapes: N real target tokens, n those of a block, D d_model, V vocabulary.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

_BLOCK = 512  # tokens whose logits exist at the same time
_TILE = 64  # columns that a GPU's matrix units take at once


def label_smoothed_loss(
    hidden_ND: Tensor, embedding_VD: Tensor, targets_N: Tensor, epsilon: float
) -> tuple[Tensor, Tensor]:
    """Cross-entropy against (1 - epsilon) one-hot + epsilon / V.  Section 5.4.  Sums over N, in nats.

    Returns the smoothed loss and, beside it, the plain negative log-likelihood (without gradient).
    A CPU never holds all logits; a GPU has the memory for them and starves on small blocks.
    """
    by_device = loss_over_all_logits if hidden_ND.is_cuda else loss_in_blocks
    return by_device(hidden_ND, embedding_VD, targets_N, epsilon)


def loss_over_all_logits(
    hidden_ND: Tensor, embedding_VD: Tensor, targets_N: Tensor, epsilon: float
) -> tuple[Tensor, Tensor]:
    """Written plainly: torch.compile makes one pass over the (N, V) logits of each line.

    The embedding is padded to a whole number of tiles while it is multiplied: a GPU's matrix units are several times
    slower at 50,257 columns than at 50,304.
    """
    size = len(embedding_VD)
    padded_XD = F.pad(embedding_VD, (0, 0, 0, -size % _TILE))
    logits_NV = F.linear(hidden_ND, padded_XD)[:, :size].to(embedding_VD.dtype)  # whatever autocast left
    smoothed = F.cross_entropy(logits_NV, targets_N, reduction="sum", label_smoothing=epsilon)
    if epsilon == 0:
        return smoothed, smoothed.detach()
    return smoothed, F.cross_entropy(logits_NV.detach(), targets_N, reduction="sum")


def loss_in_blocks(hidden_ND: Tensor, embedding_VD: Tensor, targets_N: Tensor, epsilon: float) -> tuple[Tensor, Tensor]:
    """A logit is linear in the hidden state, so the mean logit over the vocabulary is the product with the mean
    embedding: besides the normaliser nothing of size V is touched, and no smoothed targets are ever written out.
    """
    hidden_ND = hidden_ND.to(embedding_VD.dtype)  # full precision for the sums, whatever autocast left
    normaliser: Tensor = _SummedNormaliser.apply(  # type: ignore[no-untyped-call]
        hidden_ND, embedding_VD, torch.is_grad_enabled()
    )
    target_logit = (hidden_ND * F.embedding(targets_N, embedding_VD)).sum()
    mean_logit = hidden_ND.sum(dim=0) @ embedding_VD.mean(dim=0)
    smoothed = normaliser - (1 - epsilon) * target_logit - epsilon * mean_logit
    return smoothed, (normaliser - target_logit).detach()


class _SummedNormaliser(torch.autograd.Function):
    """The sum over tokens of log(sum over the vocabulary of exp(logit)), a block of tokens at a time.

    A block's logits become its softmax in place and its gradients at once, so that the (N, V) matrix, by far the
    largest of a step, never exists, and every exponential is taken once.
    """

    @staticmethod
    def forward(ctx: Any, hidden_ND: Tensor, embedding_VD: Tensor, wants_gradient: bool) -> Tensor:
        grad_hidden_ND = torch.empty_like(hidden_ND) if wants_gradient else None
        grad_embedding_VD = torch.zeros_like(embedding_VD) if wants_gradient else None
        total = hidden_ND.new_zeros(())
        for start in range(0, len(hidden_ND), _BLOCK):
            rows = slice(start, start + _BLOCK)
            block_nV = F.linear(hidden_ND[rows], embedding_VD).to(hidden_ND.dtype)
            largest_n1 = block_nV.amax(dim=-1, keepdim=True)
            sum_n1 = block_nV.sub_(largest_n1).exp_().sum(dim=-1, keepdim=True)
            total += (sum_n1.log() + largest_n1).sum()
            if grad_hidden_ND is not None and grad_embedding_VD is not None:
                block_nV.div_(sum_n1)  # the softmax is the gradient by the logits
                grad_hidden_ND[rows] = block_nV @ embedding_VD
                grad_embedding_VD += block_nV.T @ hidden_ND[rows]
        if grad_hidden_ND is not None and grad_embedding_VD is not None:
            ctx.save_for_backward(grad_hidden_ND, grad_embedding_VD)
        return total

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, Tensor, None]:
        grad_hidden_ND, grad_embedding_VD = ctx.saved_tensors
        return grad * grad_hidden_ND, grad * grad_embedding_VD, None
