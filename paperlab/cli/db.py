"""`paperlab db`: the database's schema and copies."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from paperlab import settings
from paperlab.cli import output
from paperlab.library import database

app = typer.Typer(help="The database: bring it up to date, check it, copy it.", no_args_is_help=True)

AsJson = Annotated[bool, typer.Option("--json", help="One JSON object on stdout.")]


@app.command()
def upgrade(as_json: AsJson = False) -> None:
    """Create the database or bring its schema up to date, and seed the landmark papers.

    Example: paperlab db upgrade
    """
    outcome = database.upgrade_database(settings.load())
    if as_json:
        output.write_json(outcome)
        return
    if outcome.before is None:
        what = f"created with schema {outcome.after}"
    elif outcome.before == outcome.after:
        what = f"is current (schema {outcome.after})"
    else:
        what = f"brought from schema {outcome.before} to {outcome.after}"
    output.write_line(f"{outcome.location}: {what}; {outcome.seeded} landmark papers written")


@app.command()
def check(as_json: AsJson = False) -> None:
    """Say whether the schema is current; exit 4 and the command that helps where it is not.

    Example: paperlab db check
    """
    status = database.check(settings.load())
    if as_json:
        output.write_json(status)
    else:
        output.write_line(f"schema {status.current} is current")


@app.command()
def reindex(as_json: AsJson = False) -> None:
    """Build the full-text index anew; searches go on meanwhile, and what would write waits.

    Example: paperlab db reindex
    """
    indexed = database.reindex(settings.load())
    if as_json:
        output.write_json({"indexed": indexed})
    else:
        output.write_line(f"{indexed} papers indexed")


@app.command()
def backup(
    file: Annotated[Path, typer.Argument(help="The copy; must not exist yet.")],
    as_json: AsJson = False,
) -> None:
    """Copy the database into FILE, consistently, while others may write.

    Example: paperlab db backup papers-2026-11.db
    """
    size = database.backup(settings.load(), file)
    if as_json:
        output.write_json({"file": file.absolute(), "bytes": size})
    else:
        output.write_line(f"{file}: {size} bytes")
