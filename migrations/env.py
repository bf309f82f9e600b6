"""How Alembic meets the database: on the connection it is handed, or on the one that the settings name."""

from __future__ import annotations

from alembic import context
from sqlalchemy.engine import Connection

from paperlab import settings
from paperlab.store import database
from paperlab.store.schema import Base


def include_name(name: str | None, kind: str, _parents: object) -> bool:
    """Only our own tables: SQLite's full-text index keeps shadow tables that no model describes."""
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


handed_over: Connection | None = context.config.attributes.get("connection")
if handed_over is not None:
    migrate(handed_over)
else:
    with database.connect(settings.load()).begin() as opened:
        migrate(opened)
