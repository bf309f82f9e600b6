"""What the papers state of attention that needs no training to check: equations, sizes, operations, memory.

Memory is counted, not timed, so it is the same each time and belongs here; the time is the recipe's.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode

from reproductions.attention import measure
from reproductions.attention.measure import FORMS, Shape
from reproductions.attention.model import AdditiveAttention, MultiHeadAttention, attend, attend_readable, causal_mask

_LENGTHS = (512, 1024, 2048)
_D_MODEL, _HEADS = 512, 8  # section 3.2.2 of 1706.03762
_HIDDEN = 1000  # section A.2.3 of 1409.0473: n and n'


def structure() -> list[dict[str, Any]]:
    """One measurement a structural claim of claims.toml."""
    weights, precomputed = _additive()
    return [
        _measured("1409.0473:section-a.1.2:alignment-model:weights", "weights", _alignment_size(), "million"),
        _measured("1409.0473:equation-6:sum-of-weights", "sum-of-weights", weights),
        _measured("1409.0473:section-a.1.2:keys-once", "deviation", precomputed),
        _measured("1706.03762:equation-1:fused", "deviation", _fused_deviation()),
        _measured("1706.03762:section-3.2.1:dot-product:variance", "variance", _variance(64)),
        _measured("1706.03762:section-3.2.2:eight-heads-over-one:operations", "operations-ratio", _heads_ratio()),
        _measured("1706.03762:section-3.2.3:later-positions:influence", "influence", _influence_of_later_positions()),
        _measured("1706.03762:table-1:self-attention:operations-exponent", "operations-exponent", _operations()),
        _memory("2205.14135:abstract:standard-attention:memory-exponent", "materialised"),
        _memory("2205.14135:theorem-1:flash-attention:memory-exponent", "fused"),
    ]


def _measured(claim: str, metric: str, value: float, unit: str = "", **protocol: Any) -> dict[str, Any]:
    common = {"task": "attention", "dataset": "random", "split": "-"}
    return {"claim": claim, **common, "metric": metric, "value": value, "unit": unit, "n": 1, "protocol": protocol}


def _memory(claim: str, form: str) -> dict[str, Any]:
    generator = torch.Generator().manual_seed(0)
    costs = []
    for length in _LENGTHS:
        tensors = measure.inputs(Shape(1, 1, length, 64), torch.device("cpu"), torch.float32, generator)
        costs.append(measure.peak_memory(FORMS[form], tensors))
    slope = float(np.polyfit(np.log2(_LENGTHS), np.log2(costs), 1)[0])
    return _measured(claim, "memory-exponent", slope, **{"form": form, "pass": "forward and backward"})


def _alignment_size() -> float:
    model = AdditiveAttention(d_query=_HIDDEN, d_annotation=2 * _HIDDEN, d_hidden=_HIDDEN)
    return sum(parameter.numel() for parameter in model.parameters()) / 1e6


def _additive() -> tuple[float, float]:
    """The sum of weights that is furthest from 1, and how far contexts with keys computed once are from others."""
    generator = torch.Generator().manual_seed(0)
    model = AdditiveAttention(d_query=6, d_annotation=10, d_hidden=7).double()
    with torch.no_grad():
        for parameter in model.parameters():  # as they begin, all scores are 0
            parameter.copy_(torch.randn(parameter.shape, generator=generator))
        states = torch.randn(2, 5, 6, generator=generator, dtype=torch.float64)
        annotations = torch.randn(2, 9, 10, generator=generator, dtype=torch.float64)
        contexts, weights = model(states, annotations)
        keys = model.keys(annotations)
        stepwise = [model(states[:, t : t + 1], annotations, keys_BSA=keys)[0] for t in range(5)]
    sums = weights.sum(dim=-1).flatten()
    furthest = float(sums[(sums - 1).abs().argmax()])
    return furthest, float((torch.cat(stepwise, dim=1) - contexts).abs().max())


def _fused_deviation() -> float:
    """The fused kernel against equation (1), output and gradients, with and without a causal mask, in float64."""
    generator = torch.Generator().manual_seed(0)
    worst = 0.0
    for causal in (False, True):
        tensors = measure.inputs(Shape(2, 3, 33, 16), torch.device("cpu"), torch.float64, generator)
        mask = causal_mask(33) if causal else None

        forms: tuple[measure.Attention, ...] = (
            lambda q, k, v, mask=mask: attend_readable(q, k, v, mask)[0],  # type: ignore[misc]
            lambda q, k, v, causal=causal: attend(q, k, v, causal=causal),  # type: ignore[misc]
        )
        found = [(form(*tensors).detach(), *measure.run(form, tensors)) for form in forms]
        worst = max(worst, *(float((a - b).abs().max()) for a, b in zip(*found, strict=True)))
    return worst


def _variance(d_key: int) -> float:
    """Of q . k where the components of both are independent with mean 0 and variance 1 (footnote 4)."""
    generator = torch.Generator().manual_seed(0)
    q, k = (torch.randn(200_000, d_key, generator=generator) for _ in range(2))
    return float((q * k).sum(dim=-1).var())


def _heads_ratio() -> float:
    """Operations of eight heads over those of one head of full size."""
    x = torch.randn(1, 64, _D_MODEL)
    counts = []
    for heads in (_HEADS, 1):
        attention = MultiHeadAttention(_D_MODEL, heads)
        with FlopCounterMode(display=False) as counter, torch.no_grad():
            attention.forward_readable(x, x)
        counts.append(counter.get_total_flops())
    return float(counts[0] / counts[1])


def _influence_of_later_positions() -> float:
    """The largest derivative of an output by an input that stands behind it."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        attention, x = MultiHeadAttention(32, 4), torch.randn(1, 9, 32)
    jacobian: Tensor = torch.autograd.functional.jacobian(  # type: ignore[no-untyped-call]
        lambda x: attention(x, causal=True).sum(dim=(0, 2)), x
    )
    by_pair_TT = jacobian.abs().amax(dim=(1, 3))
    return float(by_pair_TT.triu(diagonal=1).max())


def _operations() -> float:
    """The exponent of the sequence length in the operations of equation (1)."""
    counts = []
    for length in _LENGTHS:
        q = torch.empty(1, 1, length, 64, device="meta")
        with FlopCounterMode(display=False) as counter:
            attend_readable(q, q, q)
        counts.append(counter.get_total_flops())
    return float(np.polyfit(np.log2(_LENGTHS), np.log2(counts), 1)[0])
