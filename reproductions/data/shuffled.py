"""The order in which a training meets its examples: epoch after epoch, each shuffled by the seed and its number."""

from __future__ import annotations

import numpy as np


def examples_at(places: range, count: int, seed: int) -> np.ndarray:
    """The numbers, below `count`, of the examples at these places of the endless row of epochs: (len(places),)."""
    epochs, within = np.divmod(np.arange(places.start, places.stop), count)
    orders = {epoch: np.random.default_rng([seed, epoch]).permutation(count) for epoch in set(epochs.tolist())}
    return np.array([orders[epoch][place] for epoch, place in zip(epochs.tolist(), within, strict=True)])
