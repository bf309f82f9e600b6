"""How Alembic meets the database: on the connection it is handed, or on the one that the settings name."""

from __future__ import annotations

from alembic import context
from sqlalchemy.engine import Connection

from paperlab import settings
from paperlab.store import database, postgresql
from paperlab.store.schema import Base


def include_name(name: str | None, kind: str, _parents: object) -> bool:
    """Only the tables of schema.py: the full-text index, and what SQLite keeps beside it, no model describes."""
    return kind != "table" or name in Base.metadata.tables


def migrate(connection: Connection) -> None:
    context.configure(
        connection=connection,
        target_metadata=Base.metadata,
        include_name=include_name,
        compare_type=True,
        render_as_batch=connection.dialect.name == "sqlite",
    )
    with context.begin_transaction():
        context.run_migrations()
        if connection.dialect.name == "postgresql":
            postgresql.compare_by_bytes(connection)


handed_over: Connection | None = context.config.attributes.get("connection")
if handed_over is not None:
    migrate(handed_over)
else:
    with database.connect(settings.load()).begin() as opened:
        migrate(opened)
