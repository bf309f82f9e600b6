"""What somebody decided about a claim; the queue of runs; points in packed blocks."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    _create_decisions_and_queue()
    _pack_points()


def _pack_points() -> None:
    """A row a point gives way to blocks.  Nothing is lost: points are read from the run directories anew."""
    op.drop_table("run_points")
    op.create_table(
        "run_series",
        sa.Column("run_id", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("points", sa.BigInteger(), nullable=False),
        sa.Column("not_finite", sa.BigInteger(), nullable=False),
        sa.Column("first_step", sa.BigInteger(), nullable=False),
        sa.Column("last_step", sa.BigInteger(), nullable=False),
        sa.Column("least", sa.Float(), nullable=True),
        sa.Column("greatest", sa.Float(), nullable=True),
        sa.Column("finite_first_step", sa.BigInteger(), nullable=True),
        sa.Column("finite_first_time", sa.Float(), nullable=True),
        sa.Column("finite_first_value", sa.Float(), nullable=True),
        sa.Column("finite_last_step", sa.BigInteger(), nullable=True),
        sa.Column("finite_last_time", sa.Float(), nullable=True),
        sa.Column("finite_last_value", sa.Float(), nullable=True),
        sa.ForeignKeyConstraint(["run_id"], ["runs.id"], name=op.f("fk_run_series_run_id_runs"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("run_id", "name", name=op.f("pk_run_series")),
    )
    op.create_table(
        "run_blocks",
        sa.Column("run_id", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("level", sa.Integer(), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("first_step", sa.BigInteger(), nullable=False),
        sa.Column("last_step", sa.BigInteger(), nullable=False),
        sa.Column("not_finite", sa.Integer(), nullable=False),
        sa.Column("packed", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(["run_id"], ["runs.id"], name=op.f("fk_run_blocks_run_id_runs"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("run_id", "name", "level", "position", name=op.f("pk_run_blocks")),
    )
    _forget_what_was_read()


def _forget_what_was_read() -> None:
    """The next `paperlab runs index` reads every run from its beginning."""
    op.execute("UPDATE runs SET indexed = '{}'")


def _create_decisions_and_queue() -> None:
    op.create_table(
        "claim_decisions",
        sa.Column("id", sa.Integer(), autoincrement=True, nullable=False),
        sa.Column("claim_id", sa.Text(), nullable=False),
        sa.Column("decision", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("content_hash", sa.Text(), nullable=False),
        sa.Column("decided_at", sa.DateTime(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_claim_decisions")),
    )
    op.create_index(op.f("ix_claim_decisions_claim_id"), "claim_decisions", ["claim_id"])
    op.create_table(
        "queue",
        sa.Column("id", sa.Integer(), autoincrement=True, nullable=False),
        sa.Column("recipe", sa.Text(), nullable=False),
        sa.Column("tier", sa.Text(), nullable=False),
        sa.Column("seed", sa.BigInteger(), nullable=False),
        sa.Column("overrides", sa.JSON(), nullable=False),
        sa.Column("gpus", sa.Integer(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("why", sa.JSON(), nullable=False),
        sa.Column("predicted", sa.JSON(), nullable=False),
        sa.Column("added_at", sa.DateTime(), nullable=False),
        sa.Column("started_at", sa.DateTime(), nullable=True),
        sa.Column("finished_at", sa.DateTime(), nullable=True),
        sa.Column("run_id", sa.Text(), nullable=True),
        sa.Column("worker", sa.JSON(), nullable=False),
        sa.Column("message", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_queue")),
    )
    op.create_index(op.f("ix_queue_state"), "queue", ["state"])
    op.create_index(op.f("ix_queue_run_id"), "queue", ["run_id"])


def downgrade() -> None:
    op.drop_table("run_blocks")
    op.drop_table("run_series")
    op.create_table(
        "run_points",
        sa.Column("run_id", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("step", sa.Integer(), nullable=False),
        sa.Column("time", sa.Float(), nullable=False),
        sa.Column("value", sa.Float(), nullable=False),
        sa.ForeignKeyConstraint(["run_id"], ["runs.id"], name=op.f("fk_run_points_run_id_runs"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("run_id", "name", "step", name=op.f("pk_run_points")),
        sqlite_with_rowid=False,
    )
    _forget_what_was_read()
    op.drop_table("queue")
    op.drop_table("claim_decisions")
