"""May this measurement judge that claim?  Which fields of the protocol decide, metric by metric.

A number means what its protocol says: BLEU over tokenised text is another quantity than BLEU over plain text, and a
loss over sampled blocks another than one over the whole split.  So before any statistics, claim and measurement are
laid side by side: what was measured (task, dataset, split, metric, unit), by which recipe and tier, with which
overrides, and every field of protocol that the claim states.  One difference, or one stated field that the
measurement does not record, and the measurement is not comparable; the verdict names the fields, and for each what
that difference is known to do (known_deltas.py).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from paperlab.entities import Claim, ClaimKind, Measurement
from paperlab.runs import known_deltas

_DECODING = ("beam", "length_penalty")
_ROUGE = ("stemming", *_DECODING)

DECIDING: Mapping[str, tuple[str, ...]] = {
    "bleu": ("tokenisation", "casing", "compound_split", *_DECODING, "checkpoint_average"),
    "chrf": ("casing", "word_order", *_DECODING, "checkpoint_average"),
    "ter": ("tokenisation", "casing", *_DECODING),
    "wer": ("casing", "punctuation", *_DECODING),
    "rouge-1": _ROUGE,
    "rouge-2": _ROUGE,
    "rouge-l": ("sentences", *_ROUGE),
    "rouge-lsum": ("sentences", *_ROUGE),
    "exact-match": ("beam",),
    "pass@1": ("samples", "temperature"),
    "pass@10": ("samples", "temperature"),
    "pass@100": ("samples", "temperature"),
    "loss": ("per", "coverage"),
    "perplexity": ("per", "checkpoint_average"),
    "bits-per-byte": ("coverage",),
    "bits-per-character": ("coverage",),
    "parameters": ("vocabulary",),
    "training-cost": ("method",),
}
"""What changes the value of a metric, so what a claim has to state before its number is pinned down.

Every field that a claim states decides, whether it stands here or not; these are the ones whose absence is told.
"""

SAME_METRIC: Mapping[str, str] = {
    "ppl": "perplexity",
    "val-loss": "loss",
    "test-loss": "loss",
    "exact match": "exact-match",
    "em": "exact-match",
    "acc": "accuracy",
    "bpb": "bits-per-byte",
    "bpc": "bits-per-character",
    "parameter-count": "parameters",
    "training cost": "training-cost",
    "rouge1": "rouge-1",
    "rouge2": "rouge-2",
    "rougel": "rouge-l",
    "rougelsum": "rouge-lsum",
}

LOWER_IS_BETTER = frozenset(
    {"loss", "perplexity", "bits-per-byte", "bits-per-character", "ter", "wer", "parameters", "training-cost"}
)

SHARE_OF_EXAMPLES = frozenset({"accuracy", "exact-match"})
"""Metrics that count examples: over n examples they move in steps of 1/n."""

RECORDING_ONLY = frozenset({"train.log_every", "train.sample_every"})
"""Overrides that change what is written down and nothing that is computed."""


@dataclass(frozen=True)
class Comparison:
    """`differing`: fields that forbid a verdict.  `unstated`: deciding fields on which the claim is silent."""

    differing: tuple[str, ...]
    details: tuple[str, ...]
    """One "field: claim x, run y" for each differing field, with what that is known to do to the metric."""
    unstated: tuple[str, ...]

    @property
    def comparable(self) -> bool:
        return not self.differing


def compare(claim: Claim, measurement: Measurement) -> Comparison:
    """Lay a claim and a measurement made for it side by side."""
    fields = ["unit"]
    if claim.kind is not ClaimKind.STRUCTURAL:  # a parameter count needs no data, and is the same at every tier
        fields = ["task", "dataset", "split", "unit", "recipe", "tier"]
    pairs: list[tuple[str, Any, Any]] = [("metric", canonical(claim.metric), canonical(measurement.metric))]
    pairs += [(name, getattr(claim, name), getattr(measurement, name)) for name in fields]
    pairs += [(name, stated, measurement.protocol.get(name)) for name, stated in claim.protocol.items()]
    differing = {name: (stated, found) for name, stated, found in pairs if not same(stated, found)}
    metric = canonical(claim.metric)
    details = [
        f"{name}: claim {_shown(stated)}, run {_shown(found)}"
        + (_effect(metric, name, stated, found) if name in claim.protocol or name == "metric" else "")
        for name, (stated, found) in differing.items()
    ]
    changed = sorted(set(measurement.overrides) - RECORDING_ONLY)
    details += [f"{name}: set to {_shown(measurement.overrides[name])} in this run" for name in changed]
    unstated = [name for name in deciding(claim.metric) if name not in claim.protocol]
    return Comparison((*differing, *changed), tuple(details), tuple(unstated))


def deciding(metric: str) -> tuple[str, ...]:
    return DECIDING.get(canonical(metric), ())


@lru_cache(maxsize=1024)
def canonical(metric: str) -> str:
    """The metric's one name: "BLEU" and "val/bleu" are bleu, "ppl" is perplexity."""
    name = metric.strip().lower().rpartition("/")[2].replace("_", "-")
    return SAME_METRIC.get(name, name)


def resolution(metric: str, unit: str, n: int | None) -> float:
    """The smallest step the metric can take over n examples; 0 where it is continuous or n is not known."""
    if canonical(metric) not in SHARE_OF_EXAMPLES or not n:
        return 0.0
    return (100.0 if unit.strip().lower() in {"%", "percent"} else 1.0) / n


def lower_is_better(metric: str) -> bool:
    return canonical(metric) in LOWER_IS_BETTER


def same(stated: Any, found: Any) -> bool:
    """Equal as a reader would say: 5 and 5.0, "Cased" and "cased", lists item by item; true is not 1."""
    if isinstance(stated, bool) or isinstance(found, bool) or stated is None or found is None:
        return stated is found
    if isinstance(stated, str) and isinstance(found, str):
        return stated == found or stated.strip().casefold() == found.strip().casefold()
    if isinstance(stated, (list, tuple)) and isinstance(found, (list, tuple)):
        return len(stated) == len(found) and all(map(same, stated, found))
    return bool(stated == found)


def _effect(metric: str, name: str, stated: Any, found: Any) -> str:
    known = known_deltas.find(metric, name, stated, found)
    if known is not None:
        return f" (known effect: {known.in_words})"
    return "" if name == "metric" or found is None else " (effect not known)"


def _shown(value: Any) -> str:
    return "not recorded" if value is None else str(value)
