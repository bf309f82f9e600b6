"""What an examination finds: one line for each thing that was looked at, and what helps."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class State(StrEnum):
    OK = "ok"
    WARNING = "warning"
    """It works, and something should be seen to."""
    PROBLEM = "problem"
    """Commands will fail."""
    SKIPPED = "skipped"


@dataclass(frozen=True)
class Check:
    group: str
    """ "environment", "clock", "database", "arxiv" or "sync"."""
    name: str
    state: State
    found: str
    help: str = ""
    """What to do, usually a command; empty where nothing is to be done."""
