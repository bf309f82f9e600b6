"""`paperlab alerts`: papers that concern the reader and were replaced or withdrawn."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated

import typer

from paperlab import settings
from paperlab.cli import arguments, output
from paperlab.errors import InvalidInput
from paperlab.library import alerts, database
from paperlab.store.database import read_only, session

app = typer.Typer(invoke_without_command=True)

AsJson = Annotated[bool, typer.Option("--json", help="One JSON object on stdout.")]


@app.callback()
def show(
    context: typer.Context,
    every: Annotated[bool, typer.Option("--all", help="Also those that were seen.")] = False,
    as_json: AsJson = False,
) -> None:
    """Show starred, tagged, annotated or reproduced papers that were replaced or withdrawn, until they were seen.

    Example: paperlab alerts --all
    """
    if context.invoked_subcommand is not None:
        return
    with read_only(database.open_or_create(settings.load())) as opened:
        found = alerts.find(opened, seen=every)
    if as_json:
        output.write_json({"alerts": found})
        return
    rows = [
        (each.id, each.raised_at, each.arxiv_id, each.kind, alerts.in_words(each), each.details["title"])
        for each in found
    ]
    output.write_table(("alert", "raised", "id", "kind", "what", "title"), rows)
    if found:
        output.talk("compare: paperlab papers diff ID          done with them: paperlab alerts seen --all")


@app.command()
def seen(
    alert: Annotated[list[str] | None, typer.Argument(metavar="[ALERT...]", help="Alert numbers or papers.")] = None,
    every: Annotated[bool, typer.Option("--all", help="All of them.")] = False,
    as_json: AsJson = False,
    quiet: Annotated[bool, typer.Option("--quiet", help="Nothing but errors.")] = False,
) -> None:
    """Mark alerts as seen: by number, by paper, or all.

    Example: paperlab alerts seen 3 1706.03762
    """
    if every == bool(alert):
        raise InvalidInput(
            "name alerts, or --all", "example: paperlab alerts seen 3          all: paperlab alerts seen --all"
        )
    names = [arguments.text(each, "the alert") for each in alert or ()]
    with session(database.open_or_create(settings.load())) as opened:
        now = datetime.now(UTC)
        changed = alerts.mark_all_seen(opened, now) if every else alerts.mark_seen(opened, names, now)
    if as_json:
        output.write_json({"seen": changed})
        return
    output.talk(f"{changed} {'alert' if changed == 1 else 'alerts'} seen", quiet=quiet)
