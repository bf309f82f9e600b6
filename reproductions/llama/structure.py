"""What the papers say that needs no training: parameter counts, what rotations keep, what groups save."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from reproductions.attention.model import MultiHeadAttention
from reproductions.llama import GROUPED, LLAMA_2, PAPER, ROTARY, sizes
from reproductions.llama.model import Angles, Llama, SelfAttention, angles, rotate
from reproductions.llama.sizes import Model

_WIDTH, _LENGTH, _SHIFT = 64, 128, 1000


def structure() -> list[dict[str, Any]]:
    """One for each structural claim of claims.toml."""
    return [*_parameter_counts(), *_widths(), *_rotations(), *_groups()]


def _parameter_counts() -> list[dict[str, Any]]:
    counted = {
        **{f"{PAPER}:table-2:{row}:parameters": model for row, model in sizes.TABLE_2.items()},
        **{f"{LLAMA_2}:table-1:{row}:parameters": model for row, model in sizes.LLAMA_2.items()},
    }
    return [_counted(claim, model) for claim, model in counted.items()]


def _counted(claim: str, model: Model) -> dict[str, Any]:
    """In billions, of a model without storage."""
    with torch.device("meta"):
        count = sum(parameter.numel() for parameter in Llama(model, sizes.VOCABULARY).parameters())
    protocol = {"vocabulary": sizes.VOCABULARY, "shared_embeddings": False}
    return _measured(claim, "parameters", count / 1e9, "billion", protocol)


def _widths() -> list[dict[str, Any]]:
    """The largest share of 4 d that a feed-forward network of Table 2 is wide."""
    shares = [model.feed_forward_width / (4 * model.d_model) for model in sizes.TABLE_2.values()]
    return [
        _measured(
            f"{PAPER}:section-2.2:feed-forward-width",
            "share of 4 d_model",
            max(shares, key=lambda share: abs(share - 2 / 3)),
            "share",
            {"rounded_up_to": sizes.MULTIPLE},
        )
    ]


def _rotations() -> list[dict[str, Any]]:
    """Largest differences between both sides of what 2104.09864 says of rotations, in float64, of vectors of norm 1."""
    generator = torch.Generator().manual_seed(0)
    q_TK, k_TK = (
        torch.nn.functional.normalize(torch.randn(_LENGTH, _WIDTH, dtype=torch.float64, generator=generator), dim=-1)
        for _ in range(2)
    )
    here, moved = (_angles(torch.arange(_LENGTH) + shift) for shift in (0, _SHIFT))
    by_matrix_TK = torch.stack([_matrix(m) @ q_TK[m] for m in range(_LENGTH)])
    scores_TS, shifted_TS = (rotate(q_TK, by) @ rotate(k_TK, by).T for by in (here, moved))
    found = {
        "equation-34": (rotate(q_TK, here), by_matrix_TK),
        "equation-16": (scores_TS, shifted_TS),
        "section-3.2.2:orthogonal": (rotate(q_TK, moved).norm(dim=-1), q_TK.norm(dim=-1)),
    }
    protocol = {"d": _WIDTH, "base": 10_000, "positions": _LENGTH}
    return [
        _measured(f"{ROTARY}:{place}", "largest difference", _apart(*sides), "-", protocol)
        for place, sides in found.items()
    ]


def _angles(positions: Tensor) -> Angles:
    return angles(positions.double(), _WIDTH, 10_000.0)


def _matrix(m: int) -> Tensor:
    """R_m of equation (15), entry by entry."""
    cos, sin = _angles(torch.tensor([m]))
    matrix = torch.zeros(_WIDTH, _WIDTH, dtype=torch.float64)
    for pair, (c, s) in enumerate(zip(cos[0], sin[0], strict=True)):
        one, two = 2 * pair, 2 * pair + 1
        matrix[one, one], matrix[one, two] = c, -s
        matrix[two, one], matrix[two, two] = s, c
    return matrix


def _groups() -> list[dict[str, Any]]:
    """How many times smaller the memory of decoding is, and how far G = H is from multi-head attention."""
    large = sizes.LLAMA_2["70B"]
    alone = replace(large, num_groups=large.num_heads)
    saved = {
        f"{GROUPED}:section-2.2:multi-query:cache": replace(large, num_groups=1),
        f"{LLAMA_2}:appendix-A.2.1:70B:cache": large,
    }
    protocol = {"heads": large.num_heads, "context": large.context}
    found = [
        _measured(claim, "cache ratio", _held(alone) / _held(model), "times", {**protocol, "groups": model.groups})
        for claim, model in saved.items()
    ]
    generator = torch.Generator().manual_seed(0)
    model = Model(d_model=_WIDTH, num_heads=4, num_groups=4)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        grouped, multi_head = SelfAttention(model).double(), MultiHeadAttention(_WIDTH, 4).double()
    multi_head.load_state_dict(grouped.state_dict())
    x_BTD = torch.randn(2, _LENGTH, _WIDTH, dtype=torch.float64, generator=generator)
    unturned = angles(torch.zeros(_LENGTH, dtype=torch.float64), model.head_width, 10_000.0)
    with torch.no_grad():
        apart = _apart(grouped(x_BTD, unturned), multi_head(x_BTD, causal=True))
    protocol = {"heads": 4, "groups": 4}
    return [*found, _measured(f"{GROUPED}:section-2.2:gqa-h", "largest difference", apart, "-", protocol)]


def _held(model: Model) -> int:
    """Numbers that decoding remembers of one text that fills the context, all layers together."""
    with torch.device("meta"):
        cache = Llama(replace(model, num_layers=2), 8).start(1, model.context)
    return sum(layer.held.numel() for layer in cache.layers)


def _apart(one: Tensor, other: Tensor) -> float:
    return float((one - other).abs().max())


def _measured(claim: str, metric: str, value: float, unit: str, protocol: dict[str, Any]) -> dict[str, Any]:
    return {
        "claim": claim,
        "task": "language modelling",
        "dataset": "-",
        "split": "-",
        "metric": metric,
        "value": value,
        "unit": unit,
        "n": 1,
        "protocol": protocol,
    }
