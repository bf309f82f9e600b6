"""Generative pre-training in four steps, for readers: what ``engine/trainer.py`` does with this task.

The engine adds what a long training needs: micro-batches, a schedule, clipping, checkpoints, records.  A test holds the
two together.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from reproductions.gpt.model import GPT


def train_step(model: GPT, optimizer: torch.optim.Optimizer, text_BS: Tensor) -> float:
    """One update on a batch of token rows.  Returns the mean loss a token before it, in nats.

    Equation (1) of GPT-1 maximises the sum of log P(u_i | u_1 .. u_i-1); minimising the mean of minus that is the same.
    """
    context_BT, next_BT = text_BS[:, :-1], text_BS[:, 1:]

    # 1. hidden states: what the model makes of u_1 .. u_i-1, at every i at once
    hidden_BTD = model.hidden(context_BT)

    # 2. the next token's distribution: P(u) = softmax(h_n W_e^T), equation (2)
    log_p_BTV = F.log_softmax(model.logits(hidden_BTD), dim=-1)

    # 3. cross-entropy: minus log P of the token that came
    loss = -log_p_BTV.gather(-1, next_BT[..., None]).mean()

    # 4. update
    optimizer.zero_grad(set_to_none=True)
    torch.autograd.backward(loss)
    optimizer.step()
    return float(loss.detach())
