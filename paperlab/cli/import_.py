"""`paperlab import`: code links and reported results from public files."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from paperlab import settings
from paperlab.cli import output
from paperlab.library import database, imports
from paperlab.library.imports import Imported


def import_(
    file: Annotated[list[Path], typer.Argument(help="Files of any known format, plain or .gz.", metavar="FILE...")],
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object on stdout.")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", help="Nothing but errors.")] = False,
) -> None:
    """Bring in code links and reported results: Papers with Code dumps, sota-extractor files, model-index.

    The format is told from the content. The same file twice adds nothing.

    Example: paperlab import links-between-papers-and-code.json.gz evaluation-tables.json.gz
    """
    engine = database.open_or_create(settings.load())
    done: list[Imported] = []
    for path in file:
        done.append(imports.import_file(engine, path, datetime.now(UTC)))
        if not as_json:
            _show(done[-1])
    if as_json:
        output.write_json({"files": done, "attribution": imports.attribution(done)})
    output.talk(imports.attribution(done), quiet=quiet or as_json)


def _show(imported: Imported) -> None:
    parts = [
        f"{imported.links} links ({imported.links_new} new)" if imported.links else "",
        f"{imported.rows} rows with {imported.results} results ({imported.results_new} new)" if imported.rows else "",
        f"{imported.papers} papers described, not kept: they come from arXiv" if imported.papers else "",
        f"{sum(imported.unreadable.values())} left out" if imported.unreadable else "",
    ]
    summary = ", ".join(part for part in parts if part) or "nothing in it"
    output.write_line(output.cell(f"{imported.file}: {imported.format}: {summary}"))
    for reason, count in imported.unreadable.items():
        example = next((example.what for example in imported.examples if example.reason == reason), "")
        shown = f" (the first: {example})" if example else ""
        output.write_line(output.cell(f"  left out, {count}: {reason}{shown}"))
