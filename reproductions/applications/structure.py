"""What needs no training: the examples that define ROUGE-L."""

from __future__ import annotations

from typing import Any

from reproductions.applications import ROUGE, rouge

_REFERENCE = "police killed the gunman"
_CANDIDATES = {"S2": "police kill the gunman", "S3": "the gunman kill police"}


def structure() -> list[dict[str, Any]]:
    """One for each structural claim of claims.toml."""
    return [
        {
            "claim": f"{ROUGE}:section-3.1:{name}",
            "task": "summarization",
            "dataset": "-",
            "split": "-",
            "metric": "rouge-l",
            "value": rouge.scores(candidate, _REFERENCE)["rouge-l"],
            "unit": "F",
            "n": 1,
            "protocol": {"beta": 1, "stemming": "none"},
        }
        for name, candidate in _CANDIDATES.items()
    ]
