"""Every noun of paperlab as a plain value.  No behaviour that needs the outside world, no defaults from settings.

Times are aware datetimes in UTC.  Identifiers of papers are arXiv ids without version.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import Any

# --- papers ---------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Paper:
    """One version of a paper as its source described it."""

    arxiv_id: str
    version: int
    title: str
    abstract: str
    authors: tuple[str, ...]
    categories: tuple[str, ...]
    primary_category: str
    submitted_at: datetime
    """When version 1 was submitted."""
    updated_at: datetime
    """When this version was submitted."""
    comment: str | None = None
    journal_ref: str | None = None
    doi: str | None = None
    source: str = "query-api"
    """Who told us: "query-api", "oai", "snapshot", or "seed" for the landmark papers that ship with paperlab."""
    withdrawn: bool = False
    """The authors or arXiv took the paper back; it stays listed."""

    @property
    def abstract_url(self) -> str:
        return f"https://arxiv.org/abs/{self.arxiv_id}"


@dataclass(frozen=True)
class ProfileMatch:
    """Why a paper is relevant to a profile: the terms that were found, empty if the category alone decides."""

    profile: str
    arxiv_id: str
    terms: tuple[str, ...]


@dataclass(frozen=True)
class Profile:
    """What a reader calls relevant.  A paper matches if it is in one of `always` or holds one of `terms`."""

    name: str
    categories: tuple[str, ...]
    """Asked of arXiv; every paper of them is kept."""
    always: tuple[str, ...]
    """Categories whose papers are all relevant."""
    terms: tuple[str, ...]
    """Words or phrases looked for in title and abstract, whole words, case folded; a final * is any ending."""


# --- sync -----------------------------------------------------------------------------------------------------


class ReceiptStatus(StrEnum):
    RUNNING = "running"
    COMPLETE = "complete"
    PARTIAL = "partial"
    """Stopped by a budget or by arXiv; the next sync goes on."""
    INTERRUPTED = "interrupted"
    """The process died; found by the next sync."""
    FAILED = "failed"


@dataclass(frozen=True)
class Receipt:
    """What one sync asked, what the source announced, what we hold of it and what is open."""

    id: int
    source: str
    kind: str
    """ "nightly", "window", "lookup", "announcements", "harvest" or "snapshot"."""
    query: str
    status: ReceiptStatus
    reason: str
    started_at: datetime
    finished_at: datetime | None
    requests: int
    announced: int
    """Distinct papers that the source showed within what was asked."""
    held: int
    """Of those, how many the store holds now."""
    new: int
    revised: int
    unchanged: int
    open: int
    """Announced and not held."""
    waited_s: float
    """Seconds spent waiting for the rate limit and back-off."""
    cursor_before: datetime | None
    cursor_after: datetime | None
    details: Mapping[str, Any] = field(default_factory=dict)
    """What only some sources tell: matches by profile, announcement types, refusals by status."""


class AnnouncementKind(StrEnum):
    """arXiv's announcement types, as its RSS feed has them."""

    NEW = "new"
    CROSS = "cross"
    REPLACE = "replace"
    REPLACE_CROSS = "replace-cross"


@dataclass(frozen=True)
class Announcement:
    """One paper's version in arXiv's daily announcement."""

    arxiv_id: str
    version: int
    kind: AnnouncementKind
    announced_at: datetime


@dataclass(frozen=True)
class Gap:
    """A paper that a source announced and that is not held (or was, if closed)."""

    arxiv_id: str
    version: int
    source: str
    reason: str
    opened_at: datetime
    tries: int = 0
    last_tried_at: datetime | None = None
    closed_at: datetime | None = None
    outcome: str | None = None


# --- what the reader wants to see -----------------------------------------------------------------------------


@dataclass(frozen=True)
class Watchlist:
    """A question that is asked of every paper as it arrives."""

    name: str
    query: str
    created_at: datetime
    matched_query: str | None = None


class AlertKind(StrEnum):
    REPLACED = "replaced"
    WITHDRAWN = "withdrawn"


@dataclass(frozen=True)
class Alert:
    """Something happened to a paper that the reader starred or that we reproduced."""

    id: int
    arxiv_id: str
    kind: AlertKind
    details: Mapping[str, Any]
    raised_at: datetime
    seen_at: datetime | None


@dataclass(frozen=True)
class Note:
    id: int
    arxiv_id: str
    text: str
    written_at: datetime
    changed_at: datetime


@dataclass(frozen=True)
class Reading:
    """What the reader did with a paper so far."""

    arxiv_id: str
    starred_at: datetime | None = None
    read_at: datetime | None = None
    skipped_at: datetime | None = None
    tags: tuple[str, ...] = ()
    notes: tuple[Note, ...] = ()


# --- code and reported results --------------------------------------------------------------------------------


class LinkKind(StrEnum):
    REPOSITORY = "repository"
    OWNER = "owner"
    """An account, organisation or collection on a code host."""
    PAGE = "page"
    ARCHIVE = "archive"
    """A deposit of files: Zenodo, figshare, OSF, a shared drive."""


class LinkRole(StrEnum):
    OWN = "own"
    OTHER = "other"
    """Somebody else's work that the paper uses."""


@dataclass(frozen=True)
class CodeLink:
    """An address at which a paper's code or artefacts are said to be."""

    arxiv_id: str
    url: str
    source: str
    """ "abstract", "comment" or "papers-with-code"."""
    kind: LinkKind
    role: LinkRole
    details: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class ReportedResult:
    """A number that somebody's leaderboard says a paper reports.  Never a measurement."""

    source: str
    task: str
    dataset: str
    model: str
    metric: str
    value_text: str
    value: float | None
    arxiv_id: str | None = None
    details: Mapping[str, Any] = field(default_factory=dict)


# --- claims and verdicts --------------------------------------------------------------------------------------


class ClaimKind(StrEnum):
    STRUCTURAL = "structural"
    VALUE = "value"
    BOUND = "bound"
    ORDERING = "ordering"
    TREND = "trend"


@dataclass(frozen=True)
class Tolerance:
    value: float
    why: str


@dataclass(frozen=True)
class Pool:
    """Claims whose recipes vary from seed to seed as this one's does, so that they may lend it their spread."""

    claims: tuple[str, ...]
    why: str


@dataclass(frozen=True)
class Claim:
    """One number or property that a source reports, where it stands, and the protocol behind it."""

    id: str
    source: str
    kind: ClaimKind
    place: Mapping[str, str]
    statement: str
    task: str
    dataset: str
    split: str
    metric: str
    value: float | None
    unit: str
    protocol: Mapping[str, Any]
    tolerance: Tolerance | None
    reproduction: str
    recipe: str | None
    tier: str | None
    confidence: str
    """ "verified-in-text" (read in a public text), "ours", or "memory" (not found in a text: it can't be judged)."""
    evidence: str = ""
    relation: str | None = None
    """For a bound: "at-least" or "at-most"; for a trend without a value: "rises" or "falls"."""
    better: str | None = None
    worse: str | None = None
    """For an ordering: the two claims it compares."""
    series: Mapping[str, float] = field(default_factory=dict)
    """For a trend: the claims it runs through, each with its place on the axis (model size, steps, ...).

    Empty where one run goes through the whole series, and measures the slope itself.
    """
    source_version: int | None = None
    pool: Pool | None = None

    @property
    def place_text(self) -> str:
        return ", ".join(f"{key} {value}" for key, value in self.place.items())


@dataclass(frozen=True)
class Measurement:
    """One number that a finished run (or a structural check) measured, with the protocol it used."""

    claim_id: str | None
    run_id: str | None
    """None for a structural check, which needs no training."""
    recipe: str | None
    tier: str | None
    seed: int | None
    fingerprint: str
    task: str
    dataset: str
    split: str
    metric: str
    value: float
    unit: str
    n: int | None
    protocol: Mapping[str, Any]
    signature: str | None = None
    overrides: Mapping[str, Any] = field(default_factory=dict)
    """What the run changed in its recipe (`--set`)."""
    data: Mapping[str, str] = field(default_factory=dict)
    """The SHA-256 of each data file that the run read, by its place; empty where it read none."""


class DecisionKind(StrEnum):
    CONFIRMED = "confirmed"
    RETRACTED = "retracted"


@dataclass(frozen=True)
class Decision:
    """What somebody decided about a claim."""

    claim_id: str
    kind: DecisionKind
    reason: str
    content_hash: str
    """Of the claim as it stood: a claim that changes has to be decided about anew."""
    decided_at: datetime
    decided_by: str = ""
    source_version: int | None = None
    """The newest version of its paper that was held then; None where none was."""


@dataclass(frozen=True)
class Replay:
    """A finished run made again with other code, and laid beside the first: bit for bit the same, or not."""

    recipe: str
    before: str
    """Fingerprint of the first run's code."""
    after: str
    equal: bool
    run_before: str
    run_after: str
    details: Mapping[str, Any]
    """What was compared: tier, seed, threads, device, values, the weights' SHA-256; where they part."""
    replayed_at: datetime


class VerdictKind(StrEnum):
    REPRODUCED = "reproduced"
    DIFFERS = "differs"
    INCONCLUSIVE = "inconclusive"
    NOT_COMPARABLE = "not-comparable"
    NOT_ATTEMPTED = "not-attempted"
    STALE = "stale"


@dataclass(frozen=True)
class Verdict:
    """What the runs say of a claim, and from what it was computed."""

    claim_id: str
    kind: VerdictKind
    reason: str
    measured: float | None = None
    interval: tuple[float, float] | None = None
    """Confidence interval of the mean measured value, at the level of the test."""
    seeds: int = 0
    seeds_needed: int = 0
    """For `inconclusive`: how many more seeds are expected to decide it."""
    hours_needed: float | None = None
    """What those would take in all, by what earlier ones took; None where that is not known."""
    hours_unit: str = ""
    """ "GPU-hours" or "CPU-hours"."""
    differing_fields: tuple[str, ...] = ()
    """For `not-comparable`: the protocol fields that differ."""
    run_ids: tuple[str, ...] = ()


# --- runs -----------------------------------------------------------------------------------------------------


class RunStatus(StrEnum):
    RUNNING = "running"
    FINISHED = "finished"
    INTERRUPTED = "interrupted"
    FAILED = "failed"


@dataclass(frozen=True)
class Run:
    """One training of one recipe with one seed, across restarts, as its run directory tells it."""

    id: str
    path: Path
    reproduction: str
    recipe: str
    tier: str
    seed: int
    overrides: Mapping[str, Any]
    fingerprint: str
    status: RunStatus
    created_at: datetime
    updated_at: datetime | None
    step: int
    max_steps: int | None
    device: str
    attempts: int
    seconds: float | None
    """Seconds of training and evaluation, once finished."""
    record: Mapping[str, Any] = field(default_factory=dict)
    """run.json as it was written."""


@dataclass(frozen=True)
class MetricPoint:
    step: int
    time: float
    name: str
    value: float


@dataclass(frozen=True)
class Sample:
    step: int
    source: str
    output: str
    reference: str | None
    decoding: Mapping[str, Any]
