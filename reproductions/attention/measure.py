"""What one pass of attention, forward and backward, takes: seconds, and the most memory it holds beside its inputs.

On a CPU both are counted rather than sampled: the time is the process's own (another process does not count), and the
memory is what PyTorch's allocator handed out at the worst moment, kernels' working space included.  On a GPU they
are CUDA's events and the allocator's own record.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from reproductions.attention.model import additive_scores, attend, attend_readable

Attention = Callable[[Tensor, Tensor, Tensor], Tensor]


@dataclass(frozen=True)
class Shape:
    """``batch`` sequences of ``length``, ``heads`` heads of ``width`` each."""

    batch: int
    heads: int
    length: int
    width: int


def materialised(q_BHTK: Tensor, k_BHSK: Tensor, v_BHSU: Tensor) -> Tensor:
    """Equation (1) of 1706.03762 step by step: all scores exist."""
    return attend_readable(q_BHTK, k_BHSK, v_BHSU)[0]


def fused(q_BHTK: Tensor, k_BHSK: Tensor, v_BHSU: Tensor) -> Tensor:
    return attend(q_BHTK, k_BHSK, v_BHSU)


def additive(q_BHTK: Tensor, k_BHSK: Tensor, v_BHSU: Tensor) -> Tensor:
    """Additive attention behind its projections, as dot-product attention is taken here, with v_a of ones."""
    return additive_scores(q_BHTK, k_BHSK, q_BHTK.new_ones(q_BHTK.shape[-1])).softmax(dim=-1) @ v_BHSU


FORMS: dict[str, Attention] = {"materialised": materialised, "fused": fused, "additive": additive}


def inputs(shape: Shape, device: torch.device, dtype: torch.dtype, generator: torch.Generator) -> list[Tensor]:
    """Queries, keys and values, each (B, H, T, K), of mean 0 and variance 1, that want gradients."""
    size = (shape.batch, shape.heads, shape.length, shape.width)
    return [
        torch.randn(size, generator=generator).to(device=device, dtype=dtype).requires_grad_() for _ in ("q", "k", "v")
    ]


def run(attention: Attention, tensors: list[Tensor]) -> tuple[Tensor, ...]:
    """Forward and backward.  Returns the gradients of queries, keys and values."""
    output = attention(*tensors)
    return torch.autograd.grad(output, tensors, torch.ones_like(output))


def seconds(attention: Attention, tensors: list[Tensor], least: float = 0.02) -> float:
    """Of one pass, the mean over as many as take ``least`` seconds together, after one that does not count."""
    run(attention, tensors)
    if tensors[0].device.type == "cuda":
        return _cuda_seconds(attention, tensors, least)
    passes, began = 0, time.process_time()
    while (spent := time.process_time() - began) < least or not passes:
        run(attention, tensors)
        passes += 1
    return spent / passes


def peak_memory(attention: Attention, tensors: list[Tensor]) -> int:
    """Bytes: the most that a pass holds at one moment, its inputs aside and its gradients included."""
    device = tensors[0].device
    if device.type == "cuda":
        torch.cuda.synchronize(device)
        torch.cuda.reset_peak_memory_stats(device)
        before = torch.cuda.memory_allocated(device)
        run(attention, tensors)
        torch.cuda.synchronize(device)
        return torch.cuda.max_memory_allocated(device) - before
    os.environ.setdefault("KINETO_LOG_LEVEL", "99")  # some builds of the profiler write to stderr
    with torch.profiler.profile(
        activities=[torch.profiler.ProfilerActivity.CPU], profile_memory=True, acc_events=True
    ) as profiler:
        run(attention, tensors)
    events = profiler.profiler.kineto_results.events()
    changes = sorted((event.start_ns(), event.nbytes()) for event in events if event.name() == "[memory]")
    held = most = 0
    for _, size in changes:
        held += size
        most = max(most, held)
    return most


def _cuda_seconds(attention: Attention, tensors: list[Tensor], least: float) -> float:
    passes = 1
    while True:
        begin, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))  # type: ignore[no-untyped-call]
        begin.record()
        for _ in range(passes):
            run(attention, tensors)
        end.record()
        torch.cuda.synchronize(tensors[0].device)
        spent = float(begin.elapsed_time(end)) / 1000.0
        if spent >= least:
            return spent / passes
        passes *= 2
