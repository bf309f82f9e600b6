"""The tables as they are now.  migrations/ leads from every past revision to here; `alembic check` holds them equal.

The tables that are derived from run directories are declared in schema_runs.py, and stand here with the others.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, Float, ForeignKey, Index
from sqlalchemy.orm import Mapped, mapped_column

from paperlab.store.schema_base import Base, UtcDateTime
from paperlab.store.schema_runs import MeasurementRow, RunBlockRow, RunRow, RunSampleRow, RunSeriesRow

__all__ = [
    "AlertRow",
    "AnnouncementRow",
    "Base",
    "ClaimDecisionRow",
    "CodeLinkRow",
    "CursorRow",
    "FeedRow",
    "GapRow",
    "HarvestRow",
    "MeasurementRow",
    "NoteRow",
    "PaperCategoryRow",
    "PaperRow",
    "PaperTagRow",
    "PaperVersionRow",
    "ProfileMatchRow",
    "ProfileRow",
    "QueueRow",
    "ReadingRow",
    "ReceiptRow",
    "ReplayRow",
    "ReportedResultRow",
    "RunBlockRow",
    "RunRow",
    "RunSampleRow",
    "RunSeriesRow",
    "ShownRow",
    "UtcDateTime",
    "VerdictRow",
    "WatchMatchRow",
    "WatchlistRow",
]


# --- papers (primary) -----------------------------------------------------------------------------------------


class PaperRow(Base):
    """The newest version we hold of each paper."""

    __tablename__ = "papers"

    arxiv_id: Mapped[str] = mapped_column(primary_key=True)
    version: Mapped[int]
    title: Mapped[str]
    abstract: Mapped[str]
    authors: Mapped[list[str]]
    primary_category: Mapped[str]
    comment: Mapped[str | None]
    journal_ref: Mapped[str | None]
    doi: Mapped[str | None]
    submitted_at: Mapped[datetime] = mapped_column(index=True)
    updated_at: Mapped[datetime] = mapped_column(index=True)
    source: Mapped[str]
    first_held_at: Mapped[datetime] = mapped_column(index=True)
    """When this paper came into the store."""
    last_changed_at: Mapped[datetime]
    """When its record here last changed."""
    ordinal: Mapped[int] = mapped_column(BigInteger, index=True, unique=True)
    """The identifier as a number that grows with time (ArxivId.ordinal): the row of the full-text index."""
    withdrawn: Mapped[bool] = mapped_column(default=False)

    __table_args__ = (Index(None, "last_changed_at", "ordinal"),)


class PaperCategoryRow(Base):
    """Categories in arXiv's order: position 0 is the primary one where arXiv lists it first."""

    __tablename__ = "paper_categories"

    arxiv_id: Mapped[str] = mapped_column(ForeignKey("papers.arxiv_id", ondelete="CASCADE"), primary_key=True)
    category: Mapped[str] = mapped_column(primary_key=True)
    position: Mapped[int]
    submitted_at: Mapped[datetime]
    """As in `papers`: the newest of a category are found without a look at the others."""

    __table_args__ = (Index(None, "category", "submitted_at", "arxiv_id"),)


class PaperVersionRow(Base):
    """Each version that we have seen, as it was described when we saw it."""

    __tablename__ = "paper_versions"

    arxiv_id: Mapped[str] = mapped_column(ForeignKey("papers.arxiv_id", ondelete="CASCADE"), primary_key=True)
    version: Mapped[int] = mapped_column(primary_key=True)
    title: Mapped[str]
    abstract: Mapped[str]
    authors: Mapped[list[str]]
    categories: Mapped[list[str]]
    comment: Mapped[str | None]
    journal_ref: Mapped[str | None]
    doi: Mapped[str | None]
    updated_at: Mapped[datetime]
    source: Mapped[str]
    held_at: Mapped[datetime]


class ProfileMatchRow(Base):
    __tablename__ = "profile_matches"

    profile: Mapped[str] = mapped_column(primary_key=True)
    arxiv_id: Mapped[str] = mapped_column(ForeignKey("papers.arxiv_id", ondelete="CASCADE"), primary_key=True)
    terms: Mapped[list[str]]
    submitted_at: Mapped[datetime]
    """As in `papers`."""

    __table_args__ = (Index(None, "arxiv_id"), Index(None, "profile", "submitted_at", "arxiv_id"))


class ProfileRow(Base):
    """As what each profile was last matched against every paper: when its definition changes, all are matched anew."""

    __tablename__ = "profiles"

    name: Mapped[str] = mapped_column(primary_key=True)
    definition: Mapped[dict[str, Any]]
    matched_at: Mapped[datetime]


# --- sync (primary) -------------------------------------------------------------------------------------------


class CursorRow(Base):
    """Where each source's sync stopped; written in the transaction of the papers that it covers."""

    __tablename__ = "cursors"

    name: Mapped[str] = mapped_column(primary_key=True)
    """Source and question, such as "query-api:cs.AI+cs.CL"."""
    reached_at: Mapped[datetime]
    """Every revision up to this time is held."""
    moved_at: Mapped[datetime]


class ReceiptRow(Base):
    __tablename__ = "receipts"

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=True)
    source: Mapped[str]
    kind: Mapped[str]
    query: Mapped[str]
    status: Mapped[str] = mapped_column(index=True)
    reason: Mapped[str] = mapped_column(default="")
    started_at: Mapped[datetime] = mapped_column(index=True)
    finished_at: Mapped[datetime | None]
    requests: Mapped[int] = mapped_column(default=0)
    announced: Mapped[int] = mapped_column(default=0)
    held: Mapped[int] = mapped_column(default=0)
    new: Mapped[int] = mapped_column(default=0)
    revised: Mapped[int] = mapped_column(default=0)
    unchanged: Mapped[int] = mapped_column(default=0)
    open: Mapped[int] = mapped_column(default=0)
    waited_s: Mapped[float] = mapped_column(Float, default=0.0)
    cursor_before: Mapped[datetime | None]
    cursor_after: Mapped[datetime | None]
    process: Mapped[dict[str, Any]] = mapped_column(default=dict)
    """Host and process id of the sync, so that the next one can tell whether it died."""
    details: Mapped[dict[str, Any]] = mapped_column(default=dict)
    """What only some sources tell: matches by profile, announcement types, refusals by status."""


class AnnouncementRow(Base):
    """What arXiv's daily feed announced, whether or not we hold it yet."""

    __tablename__ = "announcements"

    arxiv_id: Mapped[str] = mapped_column(primary_key=True)
    version: Mapped[int] = mapped_column(primary_key=True)
    kind: Mapped[str] = mapped_column(primary_key=True)
    """ "new", "cross", "replace" or "replace-cross"."""
    announced_at: Mapped[datetime] = mapped_column(index=True)
    first_seen_at: Mapped[datetime]


class FeedRow(Base):
    """What a feed said of itself the last time, so that an unchanged one is not sent and a repeated one is noticed."""

    __tablename__ = "feeds"

    url: Mapped[str] = mapped_column(primary_key=True)
    etag: Mapped[str | None]
    last_modified: Mapped[str | None]
    published_at: Mapped[datetime | None]
    content_hash: Mapped[str]
    """Of the announced versions, in no order: yesterday's batch under today's date has yesterday's."""
    fetched_at: Mapped[datetime]


class GapRow(Base):
    """A paper that was announced and is not held; the next sync asks for it."""

    __tablename__ = "gaps"

    arxiv_id: Mapped[str] = mapped_column(primary_key=True)
    version: Mapped[int] = mapped_column(primary_key=True)
    source: Mapped[str]
    """Who announced it: "rss", "oai", ..."""
    reason: Mapped[str]
    opened_at: Mapped[datetime]
    tries: Mapped[int] = mapped_column(default=0)
    last_tried_at: Mapped[datetime | None]
    closed_at: Mapped[datetime | None] = mapped_column(index=True)
    outcome: Mapped[str | None]
    """ "held", or why it will not come."""


class HarvestRow(Base):
    """How far a long reading has come: an OAI-PMH harvest with its token, a snapshot file with its offset."""

    __tablename__ = "harvests"

    name: Mapped[str] = mapped_column(primary_key=True)
    state: Mapped[dict[str, Any]]
    updated_at: Mapped[datetime]


# --- what the reader wants to see (primary) -------------------------------------------------------------------


class WatchlistRow(Base):
    __tablename__ = "watchlists"

    name: Mapped[str] = mapped_column(primary_key=True)
    query: Mapped[str]
    """In the query language of paperlab/query.py."""
    created_at: Mapped[datetime]
    matched_query: Mapped[str | None]
    """The query with which every paper held was last matched; another one is matched backwards anew."""


class WatchMatchRow(Base):
    __tablename__ = "watch_matches"

    watchlist: Mapped[str] = mapped_column(ForeignKey("watchlists.name", ondelete="CASCADE"), primary_key=True)
    arxiv_id: Mapped[str] = mapped_column(ForeignKey("papers.arxiv_id", ondelete="CASCADE"), primary_key=True)
    matched_at: Mapped[datetime]
    shown_at: Mapped[datetime | None]
    """When it was first shown as new; it is new no more then."""

    __table_args__ = (Index(None, "arxiv_id"), Index(None, "watchlist", "shown_at"))


class AlertRow(Base):
    """Something happened to a paper that the reader cares about: it was replaced, or withdrawn."""

    __tablename__ = "alerts"

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=True)
    arxiv_id: Mapped[str] = mapped_column(index=True)
    kind: Mapped[str]
    """ "replaced" or "withdrawn"."""
    details: Mapped[dict[str, Any]]
    """Versions before and after, the fields that changed, and why it concerns the reader."""
    raised_at: Mapped[datetime] = mapped_column(index=True)
    seen_at: Mapped[datetime | None]


class ReadingRow(Base):
    """What the reader did with a paper.  A row with three nulls is as good as none."""

    __tablename__ = "reading"

    arxiv_id: Mapped[str] = mapped_column(ForeignKey("papers.arxiv_id"), primary_key=True)
    starred_at: Mapped[datetime | None] = mapped_column(index=True)
    read_at: Mapped[datetime | None] = mapped_column(index=True)
    skipped_at: Mapped[datetime | None] = mapped_column(index=True)


class PaperTagRow(Base):
    __tablename__ = "paper_tags"

    tag: Mapped[str] = mapped_column(primary_key=True)
    arxiv_id: Mapped[str] = mapped_column(ForeignKey("papers.arxiv_id"), primary_key=True)
    tagged_at: Mapped[datetime]

    __table_args__ = (Index(None, "arxiv_id"),)


class NoteRow(Base):
    __tablename__ = "notes"

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=True)
    arxiv_id: Mapped[str] = mapped_column(ForeignKey("papers.arxiv_id"), index=True)
    text: Mapped[str]
    written_at: Mapped[datetime]
    changed_at: Mapped[datetime]


class ShownRow(Base):
    """What a digest has shown already."""

    __tablename__ = "shown"

    channel: Mapped[str] = mapped_column(primary_key=True)
    arxiv_id: Mapped[str] = mapped_column(primary_key=True)
    shown_at: Mapped[datetime]


# --- code and reported results (primary) ----------------------------------------------------------------------


class CodeLinkRow(Base):
    """An address at which a paper's code or artefacts are said to be; the paper itself may not be held yet."""

    __tablename__ = "code_links"

    arxiv_id: Mapped[str] = mapped_column(primary_key=True)
    url: Mapped[str] = mapped_column(primary_key=True)
    """Canonical: see library/code_links.py."""
    source: Mapped[str] = mapped_column(primary_key=True)
    """Where it was found: "abstract", "comment", "papers-with-code"."""
    kind: Mapped[str]
    """ "repository", "owner", "page" or "archive"."""
    role: Mapped[str]
    """ "own" or "other": somebody else's work that the paper uses."""
    details: Mapped[dict[str, Any]]
    found_at: Mapped[datetime]

    __table_args__ = (Index(None, "url"),)


class ReportedResultRow(Base):
    """A number that somebody's leaderboard says a paper reports.  Never a measurement, never a verdict."""

    __tablename__ = "reported_results"

    key: Mapped[str] = mapped_column(primary_key=True)
    """Hash of the content: the same file imported twice adds nothing."""
    source: Mapped[str]
    task: Mapped[str]
    dataset: Mapped[str]
    model: Mapped[str]
    metric: Mapped[str]
    value_text: Mapped[str]
    """As the source has it: "28.5*", "85.1%", "-"."""
    value: Mapped[float | None] = mapped_column(Float)
    details: Mapped[dict[str, Any]]
    """Remarks on the value, extra training data, code addresses, the paper's title, date and address."""
    arxiv_id: Mapped[str | None] = mapped_column(index=True)
    imported_at: Mapped[datetime]

    __table_args__ = (Index(None, "task", "dataset", "metric"),)


# --- verdicts (primary) ---------------------------------------------------------------------------------------


class VerdictRow(Base):
    """The append-only log: one row when a claim's verdict, or what it was computed from, changes."""

    __tablename__ = "verdicts"

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=True)
    claim_id: Mapped[str] = mapped_column(index=True)
    kind: Mapped[str]
    reason: Mapped[str]
    measured: Mapped[float | None]
    judged_at: Mapped[datetime]
    computed_from: Mapped[dict[str, Any]]
    """The claim's content hash, and run, fingerprint and value of every measurement used."""


class ClaimDecisionRow(Base):
    """The append-only log of what somebody decided about a claim: one row a decision, the last one holds."""

    __tablename__ = "claim_decisions"

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=True)
    claim_id: Mapped[str] = mapped_column(index=True)
    decision: Mapped[str]
    """ "confirmed" or "retracted"."""
    reason: Mapped[str]
    content_hash: Mapped[str]
    """Of the claim that was decided about: a claim that changes has to be confirmed anew."""
    decided_at: Mapped[datetime]
    decided_by: Mapped[str]
    source_version: Mapped[int | None]
    """The newest version of its paper that was held then: a newer one asks for the claim to be confirmed anew."""


class ReplayRow(Base):
    """The append-only log of runs that were made again with other code, to see whether it computes the same."""

    __tablename__ = "replays"

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=True)
    recipe: Mapped[str] = mapped_column(index=True)
    before: Mapped[str]
    """Fingerprint of the code that the first run was made with."""
    after: Mapped[str]
    equal: Mapped[bool]
    run_before: Mapped[str]
    run_after: Mapped[str]
    details: Mapped[dict[str, Any]]
    """Tier, seed, threads, device; what was compared and where it parts."""
    replayed_at: Mapped[datetime]


# --- the queue (primary) --------------------------------------------------------------------------------------


class QueueRow(Base):
    """A run that is to be made, is being made or was made for the queue."""

    __tablename__ = "queue"

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=True)
    recipe: Mapped[str]
    tier: Mapped[str]
    seed: Mapped[int] = mapped_column(BigInteger)
    overrides: Mapped[dict[str, Any]]
    gpus: Mapped[int] = mapped_column(default=0)
    state: Mapped[str] = mapped_column(index=True)
    """ "waiting", "running", "finished", "failed" or "cancelled"."""
    why: Mapped[dict[str, Any]]
    """The claims whose verdict it may change, and who asked for it."""
    predicted: Mapped[dict[str, Any]]
    """GPU-hours, seconds and bytes that were predicted when it was added."""
    added_at: Mapped[datetime]
    started_at: Mapped[datetime | None]
    finished_at: Mapped[datetime | None]
    run_id: Mapped[str | None] = mapped_column(index=True)
    worker: Mapped[dict[str, Any]]
    """Host and process that took it."""
    message: Mapped[str]
    """Why it failed or was put back."""
