"""Who decided about a claim, and which version of its paper was held then; runs made again with other code."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("claim_decisions", sa.Column("decided_by", sa.Text(), nullable=False, server_default=""))
    op.add_column("claim_decisions", sa.Column("source_version", sa.Integer(), nullable=True))
    op.create_table(
        "replays",
        sa.Column("id", sa.Integer(), autoincrement=True, nullable=False),
        sa.Column("recipe", sa.Text(), nullable=False),
        sa.Column("before", sa.Text(), nullable=False),
        sa.Column("after", sa.Text(), nullable=False),
        sa.Column("equal", sa.Boolean(), nullable=False),
        sa.Column("run_before", sa.Text(), nullable=False),
        sa.Column("run_after", sa.Text(), nullable=False),
        sa.Column("details", sa.JSON(), nullable=False),
        sa.Column("replayed_at", sa.DateTime(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_replays")),
    )
    op.create_index(op.f("ix_replays_recipe"), "replays", ["recipe"])


def downgrade() -> None:
    op.drop_table("replays")
    op.drop_column("claim_decisions", "source_version")
    op.drop_column("claim_decisions", "decided_by")
