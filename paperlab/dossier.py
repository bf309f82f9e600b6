"""What stands behind the claims of one source, as a report shows it.  Plain values, like paperlab.entities."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from paperlab.entities import Claim, Measurement, MetricPoint, Run, Sample, Verdict


@dataclass(frozen=True)
class Paper:
    """The source of the claims: what the registry and, where we hold it, the store say of it."""

    source: str
    title: str
    authors: tuple[str, ...] = ()
    summary: str = ""
    address: str = ""
    """Of its page at arXiv, at doi.org or where it stands; empty for a source that is on no page."""


@dataclass(frozen=True)
class Repetitions:
    """Finished runs of one recipe, tier, overrides and code: one a seed."""

    label: str
    runs: tuple[Run, ...]
    hardware: str
    measurements: tuple[Measurement, ...]
    curves: Mapping[str, tuple[tuple[MetricPoint, ...], ...]]
    """By metric the points of each run that recorded it."""
    samples: tuple[Sample, ...]
    """Of the newest run, from its last step."""
    provenance: Mapping[str, str]
    """Of the first run: dotted keys, values as text."""


@dataclass(frozen=True)
class Dossier:
    paper: Paper
    claims: tuple[tuple[Claim, Verdict], ...]
    repetitions: tuple[Repetitions, ...]
    """The newest first."""
    unfinished: tuple[Run, ...]
    left_out: int
    """How many older repetitions are not among these."""
    commands: tuple[str, ...]
    """To repeat what is here, one command line each."""
    state_at: datetime | None = None
    """When the newest of its runs was last written; None without a run."""
    charted: tuple[str, ...] = field(default=())
    """The metrics that have curves, in the order in which they are looked at."""
