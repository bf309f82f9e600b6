"""Adam and AdamW with a schedule of the learning rate."""

from __future__ import annotations

import math
from collections.abc import Iterable

import torch
from torch import nn

from reproductions.engine.recipe import Optim, Schedule


def factor(schedule: Schedule, step: int, max_steps: int) -> float:
    """What `optim.lr` is multiplied by at `step`, counted from 1.

    "inverse-sqrt" is equation (3) of 1706.03762 (section 5.3); the others warm up linearly, then stay, or fall to
    `floor` along half a cosine or a line that ends at `max_steps`.
    """
    warmup = schedule.warmup_steps
    if schedule.name == "inverse-sqrt":
        rise = step / warmup**1.5 if warmup else math.inf
        return float(schedule.factor / schedule.d_model**0.5 * min(1 / step**0.5, rise))
    if step <= warmup:
        return schedule.factor * step / warmup
    if schedule.name == "constant":
        return schedule.factor
    progress = min(1.0, (step - warmup) / max(1, max_steps - warmup))
    remaining = (1 + math.cos(math.pi * progress)) / 2 if schedule.name == "cosine" else 1 - progress
    return schedule.factor * (schedule.floor + (1 - schedule.floor) * remaining)


def build(optim: Optim, model: nn.Module) -> torch.optim.Optimizer:
    """The optimiser over the model's trainable parameters, in their order; one kernel for all of them (fused)."""
    parameters = [parameter for parameter in model.parameters() if parameter.requires_grad]
    matrices = [parameter for parameter in parameters if parameter.dim() >= 2]
    others = [parameter for parameter in parameters if parameter.dim() < 2]
    if optim.decay == "all" or optim.weight_decay == 0 or not others:
        groups = [{"params": parameters, "weight_decay": optim.weight_decay}]
    else:
        groups = [
            {"params": matrices, "weight_decay": optim.weight_decay},
            {"params": others, "weight_decay": 0.0},
        ]
    kind = torch.optim.Adam if optim.name == "adam" else torch.optim.AdamW
    fused = all(parameter.device.type in ("cpu", "cuda") for parameter in parameters)
    return kind(groups, lr=optim.lr, betas=optim.betas, eps=optim.eps, fused=fused)


def scale_gradients(parameters: Iterable[nn.Parameter], factor: torch.Tensor) -> None:
    """Multiplies every gradient by a scalar tensor, without waiting for its value on a GPU."""
    gradients = [parameter.grad for parameter in parameters if parameter.grad is not None]
    if any(hasattr(gradient, "full_tensor") for gradient in gradients):  # FSDP2's: no mixing with plain tensors
        torch._foreach_mul_(gradients, factor.item())
    else:
        torch._foreach_mul_(gradients, factor.to(gradients[0].dtype))
