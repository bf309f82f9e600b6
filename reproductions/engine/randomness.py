"""The global random generators that a step may draw from: torch's, CUDA's, NumPy's and Python's."""

from __future__ import annotations

import random
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch


def seed_everything(seed: int) -> None:
    torch.manual_seed(seed)  # CUDA's generators too
    np.random.seed(seed % 2**32)
    random.seed(seed)


def seed_rank(seed: int, step: int, rank: int) -> None:
    """Seeds one of several processes, so that its dropout is that of no other rank."""
    words = np.random.SeedSequence([seed, step, rank]).generate_state(1)
    seed_everything(int(words[0]))


def state() -> dict[str, torch.Tensor]:
    """The generators' states as tensors."""
    mersenne: dict[str, Any] = dict(np.random.get_state(legacy=False))
    _, words, gauss = random.getstate()
    tensors = {
        "torch": torch.get_rng_state(),
        "numpy.key": torch.from_numpy(mersenne["state"]["key"].astype(np.int64)),
        "numpy.pos": torch.tensor(mersenne["state"]["pos"]),
        "numpy.gauss": torch.tensor([mersenne["has_gauss"], mersenne["gauss"]], dtype=torch.float64),
        "python": torch.tensor(words, dtype=torch.int64),
        "python.gauss": torch.tensor([] if gauss is None else [gauss], dtype=torch.float64),
    }
    if torch.cuda.is_available():
        tensors["cuda"] = torch.cuda.get_rng_state()
    return tensors


def restore(tensors: Mapping[str, torch.Tensor]) -> None:
    """Puts back what `state` gave."""
    torch.set_rng_state(tensors["torch"])
    has_gauss, gauss = tensors["numpy.gauss"].tolist()
    np.random.set_state(
        {
            "bit_generator": "MT19937",
            "state": {
                "key": tensors["numpy.key"].numpy().astype(np.uint32),
                "pos": int(tensors["numpy.pos"]),
            },
            "has_gauss": int(has_gauss),
            "gauss": gauss,
        }
    )
    normal = tensors["python.gauss"].tolist()
    random.setstate((3, tuple(tensors["python"].tolist()), normal[0] if normal else None))
    if "cuda" in tensors and torch.cuda.is_available():
        torch.cuda.set_rng_state(tensors["cuda"])
