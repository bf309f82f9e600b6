"""The metrics of GLUE (1804.07461, Table 1), in 0..100 where they are shares and in -100..100 where they correlate.

Labels are numbers of classes, or scores.  Where a value is not defined (nothing predicted, nothing varies) it is 0, as
GLUE's own scripts have it for F1 and the Matthews correlation.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np

Metric = Callable[[Sequence[float], Sequence[float]], float]


def accuracy(predicted: Sequence[float], right: Sequence[float]) -> float:
    """The share of examples whose class is right."""
    p, r = _arrays(predicted, right)
    return 100 * float(np.mean(p == r))


def f1(predicted: Sequence[float], right: Sequence[float]) -> float:
    """The harmonic mean of precision and recall of class 1."""
    p, r = _arrays(predicted, right)
    both = float(np.sum((p == 1) & (r == 1)))
    named = float(np.sum(p == 1) + np.sum(r == 1))
    return 100 * 2 * both / named if named else 0.0


def matthews_correlation(predicted: Sequence[float], right: Sequence[float]) -> float:
    """The correlation of two binary variables (Matthews 1975)."""
    p, r = _arrays(predicted, right)
    return pearson_correlation((p == 1).astype(float).tolist(), (r == 1).astype(float).tolist())


def pearson_correlation(predicted: Sequence[float], right: Sequence[float]) -> float:
    """Of the values themselves."""
    p, r = _arrays(predicted, right)
    p, r = p - p.mean(), r - r.mean()
    spread = float(np.sqrt(np.sum(p * p) * np.sum(r * r)))
    return 100 * float(np.sum(p * r)) / spread if spread > 0 else 0.0


def spearman_correlation(predicted: Sequence[float], right: Sequence[float]) -> float:
    """Of the ranks; equal values share the mean of theirs."""
    p, r = _arrays(predicted, right)
    return pearson_correlation(_ranks(p).tolist(), _ranks(r).tolist())


METRICS: Mapping[str, Metric] = {
    "accuracy": accuracy,
    "f1": f1,
    "matthews-correlation": matthews_correlation,
    "pearson-correlation": pearson_correlation,
    "spearman-correlation": spearman_correlation,
}
OF_SET: Mapping[str, tuple[str, ...]] = {
    "sst-2": ("accuracy",),
    "cola": ("matthews-correlation", "accuracy"),
    "mrpc": ("f1", "accuracy"),
    "rte": ("accuracy",),
    "sts-b": ("pearson-correlation", "spearman-correlation"),
    "movie-reviews": ("accuracy",),
    "python-sentences": ("accuracy",),
    "python-lines": ("accuracy",),
}
"""What each set is measured by; the first is the one that choices are made by."""


def _ranks(values: np.ndarray) -> np.ndarray:
    _, places, counts = np.unique(values, return_inverse=True, return_counts=True)
    last = np.cumsum(counts)
    mean: np.ndarray = (last - (counts - 1) / 2)[places]
    return mean


def _arrays(predicted: Sequence[float], right: Sequence[float]) -> tuple[np.ndarray, np.ndarray]:
    if len(predicted) != len(right) or not len(right):
        raise ValueError(f"{len(predicted)} predictions for {len(right)} labels")
    return np.asarray(predicted, dtype=np.float64), np.asarray(right, dtype=np.float64)
