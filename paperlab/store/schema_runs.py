"""The tables that are derived from run directories: they can be dropped and read anew."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, Float, ForeignKey, Integer, LargeBinary
from sqlalchemy.orm import Mapped, mapped_column

from paperlab.store.schema_base import Base


class RunRow(Base):
    __tablename__ = "runs"

    id: Mapped[str] = mapped_column(primary_key=True)
    path: Mapped[str]
    reproduction: Mapped[str]
    recipe: Mapped[str] = mapped_column(index=True)
    tier: Mapped[str]
    seed: Mapped[int] = mapped_column(Integer().with_variant(BigInteger(), "postgresql"))
    """Up to 2**32 - 1: SQLite's INTEGER holds it, PostgreSQL's does not."""
    overrides: Mapped[dict[str, Any]]
    fingerprint: Mapped[str]
    status: Mapped[str]
    created_at: Mapped[datetime] = mapped_column(index=True)
    updated_at: Mapped[datetime | None]
    step: Mapped[int]
    max_steps: Mapped[int | None]
    device: Mapped[str]
    attempts: Mapped[int]
    seconds: Mapped[float | None] = mapped_column(Float)
    record: Mapped[dict[str, Any]]
    indexed: Mapped[dict[str, Any]]
    """How far each of the directory's files has been read: {"metrics.jsonl": {"offset": ..., "size": ...}, ...}."""


class RunSeriesRow(Base):
    """One metric of a run: how many points it has and where they begin, end and turn."""

    __tablename__ = "run_series"

    run_id: Mapped[str] = mapped_column(ForeignKey("runs.id", ondelete="CASCADE"), primary_key=True)
    name: Mapped[str] = mapped_column(primary_key=True)
    points: Mapped[int] = mapped_column(BigInteger)
    not_finite: Mapped[int] = mapped_column(BigInteger)
    """So many of them are infinite or no number."""
    first_step: Mapped[int] = mapped_column(BigInteger)
    last_step: Mapped[int] = mapped_column(BigInteger)
    least: Mapped[float | None] = mapped_column(Float)
    greatest: Mapped[float | None] = mapped_column(Float)
    finite_first_step: Mapped[int | None] = mapped_column(BigInteger)
    finite_first_time: Mapped[float | None] = mapped_column(Float)
    finite_first_value: Mapped[float | None] = mapped_column(Float)
    finite_last_step: Mapped[int | None] = mapped_column(BigInteger)
    finite_last_time: Mapped[float | None] = mapped_column(Float)
    finite_last_value: Mapped[float | None] = mapped_column(Float)


class RunBlockRow(Base):
    """Points of a series, packed: see store/point_blocks.py."""

    __tablename__ = "run_blocks"

    run_id: Mapped[str] = mapped_column(ForeignKey("runs.id", ondelete="CASCADE"), primary_key=True)
    name: Mapped[str] = mapped_column(primary_key=True)
    level: Mapped[int] = mapped_column(Integer, primary_key=True)
    """0 holds the points, the levels above the extremes of stretches of the level below."""
    position: Mapped[int] = mapped_column(Integer, primary_key=True)
    """Among the blocks of its level, from 0: all but the last one are full."""
    first_step: Mapped[int] = mapped_column(BigInteger)
    last_step: Mapped[int] = mapped_column(BigInteger)
    not_finite: Mapped[int]
    packed: Mapped[bytes] = mapped_column(LargeBinary)


class RunSampleRow(Base):
    __tablename__ = "run_samples"

    run_id: Mapped[str] = mapped_column(ForeignKey("runs.id", ondelete="CASCADE"), primary_key=True)
    position: Mapped[int] = mapped_column(Integer, primary_key=True)
    step: Mapped[int]
    source: Mapped[str]
    output: Mapped[str]
    reference: Mapped[str | None]
    decoding: Mapped[dict[str, Any]]


class MeasurementRow(Base):
    __tablename__ = "measurements"

    run_id: Mapped[str] = mapped_column(ForeignKey("runs.id", ondelete="CASCADE"), primary_key=True)
    position: Mapped[int] = mapped_column(Integer, primary_key=True)
    claim_id: Mapped[str | None] = mapped_column(index=True)
    task: Mapped[str]
    dataset: Mapped[str]
    split: Mapped[str]
    metric: Mapped[str]
    value: Mapped[float] = mapped_column(Float)
    unit: Mapped[str]
    n: Mapped[int | None]
    protocol: Mapped[dict[str, Any]]
    signature: Mapped[str | None]
