"""`paperlab doctor`: what is not in order, and the command that helps."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from paperlab import errors
from paperlab.cli import output
from paperlab.library import doctor as library
from paperlab.library.findings import State


def doctor(
    offline: Annotated[bool, typer.Option("--offline", help="Ask nothing of arXiv.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object on stdout.")] = False,
) -> None:
    """Check environment, clock, database and whether arXiv answers; exit 4 where something has to be mended.

    Each of arXiv's interfaces is asked at most once, in turn with every other command.

    Example: paperlab doctor --offline
    """
    found = library.examine(os.environ, Path.cwd(), datetime.now(UTC), offline=offline)
    problems = found.count(State.PROBLEM)
    if as_json:
        counts = {state.value: found.count(state) for state in State}
        output.write_json({"checks": found.checks, "counts": counts})
    else:
        for check in found.checks:
            output.write_line(f"{check.state.value:<9}{check.name:<22}{output.cell(check.found)}")
            if check.help:
                output.write_line(f"{'':<9}{'':<22}{output.cell(check.help)}")
        output.talk(f"{problems} problems, {found.count(State.WARNING)} warnings")
    if problems:
        raise typer.Exit(errors.NOT_READY)
