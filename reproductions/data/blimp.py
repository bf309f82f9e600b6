"""BLiMP's pairs of sentences, one grammatical and one not (Warstadt et al. 2020, arXiv 1912.00582), and their score."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from reproductions.data.text import members, read_lines


@dataclass(frozen=True)
class Pair:
    """``set`` is one of the 67 phenomena's."""

    set: str
    good: str
    bad: str


def read_pairs(path: Path) -> list[Pair]:
    """All pairs of the upstream zip, set by set."""
    found = []
    for member in members(path, "data/*.jsonl"):
        for line in read_lines(path, "BLiMP.zip", member):
            pair = json.loads(line)
            found.append(Pair(member, pair["sentence_good"], pair["sentence_bad"]))
    return found


def measured(pairs: Sequence[Pair], good: Sequence[float], bad: Sequence[float], scoring: str) -> dict[str, Any]:
    """The mean accuracy of the sets, in %: a pair is right where the grammatical sentence costs fewer nats."""
    right = defaultdict[str, list[bool]](list)
    for pair, better, worse in zip(pairs, good, bad, strict=True):
        right[pair.set].append(better < worse)
    return {
        "task": "grammatical acceptability",
        "dataset": "blimp",
        "split": "all",
        "n": len(pairs),
        "metric": "accuracy",
        "value": 100 * float(np.mean([np.mean(found) for found in right.values()])),
        "unit": "%",
        "protocol": {"scoring": scoring, "mean_over": f"{len(right)} sets"},
    }
