"""Announcements, gaps and harvests; search; watchlists, stars, tags and notes; code links and reported results."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from paperlab.arxiv_id import ArxivId
from paperlab.store import full_text

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

_LONG_AGO = "1970-01-01 00:00:00.000000"
"""Columns that may not be null are added with a value and filled at once: a table made anew would lose its children."""


def upgrade() -> None:
    _extend_papers()
    op.add_column("receipts", sa.Column("details", sa.JSON(), nullable=False, server_default="{}"))
    _create_sync_tables()
    _create_reader_tables()
    _create_result_tables()
    if full_text.is_supported(op.get_bind()):
        full_text.create(op.get_bind())
        full_text.rebuild(op.get_bind())


def _extend_papers() -> None:
    op.add_column("papers", sa.Column("ordinal", sa.BigInteger(), nullable=False, server_default="0"))
    op.add_column("papers", sa.Column("withdrawn", sa.Boolean(), nullable=False, server_default=sa.false()))
    for table in ("paper_categories", "profile_matches"):
        op.add_column(table, sa.Column("submitted_at", sa.DateTime(), nullable=False, server_default=_LONG_AGO))
    connection = op.get_bind()
    papers = sa.table("papers", sa.column("arxiv_id"), sa.column("ordinal"), sa.column("submitted_at"))
    ids = connection.execute(sa.select(papers.c.arxiv_id)).scalars().all()
    if ids:
        statement = sa.update(papers).where(papers.c.arxiv_id == sa.bindparam("key")).values(ordinal=sa.bindparam("n"))
        connection.execute(statement, [{"key": each, "n": ArxivId.parse(each).ordinal} for each in ids])
    for table in ("paper_categories", "profile_matches"):
        child = sa.table(table, sa.column("arxiv_id"), sa.column("submitted_at"))
        of_paper = sa.select(papers.c.submitted_at).where(papers.c.arxiv_id == child.c.arxiv_id).scalar_subquery()
        connection.execute(sa.update(child).values(submitted_at=of_paper))
    op.create_index(op.f("ix_papers_ordinal"), "papers", ["ordinal"], unique=True)
    op.create_index(op.f("ix_papers_last_changed_at_ordinal"), "papers", ["last_changed_at", "ordinal"])
    op.drop_index(op.f("ix_paper_categories_category_arxiv_id"), "paper_categories")
    op.create_index(
        op.f("ix_paper_categories_category_submitted_at_arxiv_id"),
        "paper_categories",
        ["category", "submitted_at", "arxiv_id"],
    )
    op.create_index(
        op.f("ix_profile_matches_profile_submitted_at_arxiv_id"),
        "profile_matches",
        ["profile", "submitted_at", "arxiv_id"],
    )


def _create_sync_tables() -> None:
    op.create_table(
        "announcements",
        sa.Column("arxiv_id", sa.Text(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("announced_at", sa.DateTime(), nullable=False),
        sa.Column("first_seen_at", sa.DateTime(), nullable=False),
        sa.PrimaryKeyConstraint("arxiv_id", "version", "kind", name=op.f("pk_announcements")),
    )
    op.create_index(op.f("ix_announcements_announced_at"), "announcements", ["announced_at"])
    op.create_table(
        "feeds",
        sa.Column("url", sa.Text(), nullable=False),
        sa.Column("etag", sa.Text(), nullable=True),
        sa.Column("last_modified", sa.Text(), nullable=True),
        sa.Column("published_at", sa.DateTime(), nullable=True),
        sa.Column("content_hash", sa.Text(), nullable=False),
        sa.Column("fetched_at", sa.DateTime(), nullable=False),
        sa.PrimaryKeyConstraint("url", name=op.f("pk_feeds")),
    )
    op.create_table(
        "gaps",
        sa.Column("arxiv_id", sa.Text(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("opened_at", sa.DateTime(), nullable=False),
        sa.Column("tries", sa.Integer(), nullable=False),
        sa.Column("last_tried_at", sa.DateTime(), nullable=True),
        sa.Column("closed_at", sa.DateTime(), nullable=True),
        sa.Column("outcome", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("arxiv_id", "version", name=op.f("pk_gaps")),
    )
    op.create_index(op.f("ix_gaps_closed_at"), "gaps", ["closed_at"])
    op.create_table(
        "harvests",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("state", sa.JSON(), nullable=False),
        sa.Column("updated_at", sa.DateTime(), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_harvests")),
    )


def _create_reader_tables() -> None:
    op.create_table(
        "watchlists",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("query", sa.Text(), nullable=False),
        sa.Column("created_at", sa.DateTime(), nullable=False),
        sa.Column("matched_query", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_watchlists")),
    )
    op.create_table(
        "watch_matches",
        sa.Column("watchlist", sa.Text(), nullable=False),
        sa.Column("arxiv_id", sa.Text(), nullable=False),
        sa.Column("matched_at", sa.DateTime(), nullable=False),
        sa.Column("shown_at", sa.DateTime(), nullable=True),
        sa.ForeignKeyConstraint(
            ["watchlist"], ["watchlists.name"], name=op.f("fk_watch_matches_watchlist_watchlists"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["arxiv_id"], ["papers.arxiv_id"], name=op.f("fk_watch_matches_arxiv_id_papers"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("watchlist", "arxiv_id", name=op.f("pk_watch_matches")),
    )
    op.create_index(op.f("ix_watch_matches_arxiv_id"), "watch_matches", ["arxiv_id"])
    op.create_index(op.f("ix_watch_matches_watchlist_shown_at"), "watch_matches", ["watchlist", "shown_at"])
    op.create_table(
        "alerts",
        sa.Column("id", sa.Integer(), autoincrement=True, nullable=False),
        sa.Column("arxiv_id", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("details", sa.JSON(), nullable=False),
        sa.Column("raised_at", sa.DateTime(), nullable=False),
        sa.Column("seen_at", sa.DateTime(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_alerts")),
    )
    op.create_index(op.f("ix_alerts_arxiv_id"), "alerts", ["arxiv_id"])
    op.create_index(op.f("ix_alerts_raised_at"), "alerts", ["raised_at"])
    op.create_table(
        "reading",
        sa.Column("arxiv_id", sa.Text(), nullable=False),
        sa.Column("starred_at", sa.DateTime(), nullable=True),
        sa.Column("read_at", sa.DateTime(), nullable=True),
        sa.Column("skipped_at", sa.DateTime(), nullable=True),
        sa.ForeignKeyConstraint(["arxiv_id"], ["papers.arxiv_id"], name=op.f("fk_reading_arxiv_id_papers")),
        sa.PrimaryKeyConstraint("arxiv_id", name=op.f("pk_reading")),
    )
    for column in ("starred_at", "read_at", "skipped_at"):
        op.create_index(op.f(f"ix_reading_{column}"), "reading", [column])
    op.create_table(
        "paper_tags",
        sa.Column("tag", sa.Text(), nullable=False),
        sa.Column("arxiv_id", sa.Text(), nullable=False),
        sa.Column("tagged_at", sa.DateTime(), nullable=False),
        sa.ForeignKeyConstraint(["arxiv_id"], ["papers.arxiv_id"], name=op.f("fk_paper_tags_arxiv_id_papers")),
        sa.PrimaryKeyConstraint("tag", "arxiv_id", name=op.f("pk_paper_tags")),
    )
    op.create_index(op.f("ix_paper_tags_arxiv_id"), "paper_tags", ["arxiv_id"])
    op.create_table(
        "notes",
        sa.Column("id", sa.Integer(), autoincrement=True, nullable=False),
        sa.Column("arxiv_id", sa.Text(), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("written_at", sa.DateTime(), nullable=False),
        sa.Column("changed_at", sa.DateTime(), nullable=False),
        sa.ForeignKeyConstraint(["arxiv_id"], ["papers.arxiv_id"], name=op.f("fk_notes_arxiv_id_papers")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_notes")),
    )
    op.create_index(op.f("ix_notes_arxiv_id"), "notes", ["arxiv_id"])
    op.create_table(
        "shown",
        sa.Column("channel", sa.Text(), nullable=False),
        sa.Column("arxiv_id", sa.Text(), nullable=False),
        sa.Column("shown_at", sa.DateTime(), nullable=False),
        sa.PrimaryKeyConstraint("channel", "arxiv_id", name=op.f("pk_shown")),
    )


def _create_result_tables() -> None:
    op.create_table(
        "code_links",
        sa.Column("arxiv_id", sa.Text(), nullable=False),
        sa.Column("url", sa.Text(), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("role", sa.Text(), nullable=False),
        sa.Column("details", sa.JSON(), nullable=False),
        sa.Column("found_at", sa.DateTime(), nullable=False),
        sa.PrimaryKeyConstraint("arxiv_id", "url", "source", name=op.f("pk_code_links")),
    )
    op.create_index(op.f("ix_code_links_url"), "code_links", ["url"])
    op.create_table(
        "reported_results",
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("task", sa.Text(), nullable=False),
        sa.Column("dataset", sa.Text(), nullable=False),
        sa.Column("model", sa.Text(), nullable=False),
        sa.Column("metric", sa.Text(), nullable=False),
        sa.Column("value_text", sa.Text(), nullable=False),
        sa.Column("value", sa.Float(), nullable=True),
        sa.Column("details", sa.JSON(), nullable=False),
        sa.Column("arxiv_id", sa.Text(), nullable=True),
        sa.Column("imported_at", sa.DateTime(), nullable=False),
        sa.PrimaryKeyConstraint("key", name=op.f("pk_reported_results")),
    )
    op.create_index(op.f("ix_reported_results_task_dataset_metric"), "reported_results", ["task", "dataset", "metric"])
    op.create_index(op.f("ix_reported_results_arxiv_id"), "reported_results", ["arxiv_id"])


def downgrade() -> None:
    if full_text.is_supported(op.get_bind()):
        op.execute(full_text.DROP)
    for table in (
        *("reported_results", "code_links", "shown", "notes", "paper_tags", "reading", "alerts", "watch_matches"),
        *("watchlists", "harvests", "gaps", "feeds", "announcements"),
    ):
        op.drop_table(table)
    op.drop_column("receipts", "details")
    op.drop_index(op.f("ix_profile_matches_profile_submitted_at_arxiv_id"), "profile_matches")
    op.drop_index(op.f("ix_paper_categories_category_submitted_at_arxiv_id"), "paper_categories")
    op.create_index(op.f("ix_paper_categories_category_arxiv_id"), "paper_categories", ["category", "arxiv_id"])
    for table in ("profile_matches", "paper_categories"):
        op.drop_column(table, "submitted_at")
    op.drop_index(op.f("ix_papers_last_changed_at_ordinal"), "papers")
    op.drop_index(op.f("ix_papers_ordinal"), "papers")
    op.drop_column("papers", "withdrawn")
    op.drop_column("papers", "ordinal")
