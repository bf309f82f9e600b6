"""Runs between machines: as one file, brought in from elsewhere, and checked."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from paperlab import settings
from paperlab.cli import output
from paperlab.cli.run_names import Json, NameOrPath, located
from paperlab.errors import INVALID_INPUT, TRY_AGAIN, InvalidInput
from paperlab.library import database as library_database
from paperlab.runs import bundle as bundles
from paperlab.runs import importer, indexer, snapshot
from paperlab.runs import verify as checks
from paperlab.runs.integrity import Finding


def bundle(
    run: NameOrPath,
    *,
    out: Annotated[
        Path | None, typer.Option("--out", help="The file to write (default: the run's id and .tar, here).")
    ] = None,
    checkpoints: Annotated[
        snapshot.Checkpoints, typer.Option(help="Which go along: none, the newest and the averaged one, or all.")
    ] = snapshot.Checkpoints.NONE,
    json_: Json = False,
) -> None:
    """Write a run as one file, finished or still going on; `paperlab runs import` takes it.

    The same content gives the same bytes. `tar` can list and unpack it.

    Example: paperlab runs bundle 20261124-0930 --out result.tar --checkpoints last
    """
    folder = located(run, settings.load())
    target = out or Path(f"{folder.name}.tar")
    manifest = bundles.write(folder, target, checkpoints)
    left = snapshot.left_aside(folder)
    if json_:
        output.write_json({**bundles.as_json(manifest), "out": target, "left_aside": left})
        return
    for name in left:
        output.talk(f"left aside, no file of a run as others take it: {output.cell(name)}")
    output.write_line(str(target))
    output.talk(f"{len(manifest.files)} files, {manifest.size()} bytes of {manifest.run}")


def import_(
    sources: Annotated[list[Path], typer.Argument(help="Bundles, run directories, or folders of run directories.")],
    json_: Json = False,
) -> None:
    """Bring runs in from elsewhere, as often as you like, while they go on: what is new is taken, nothing is lost.

    Nothing in them is executed. What is damaged, forged or tells another story than the run that is here is refused
    whole (exit 3); the other runs come in.

    Example: paperlab runs import result.tar ~/runs-from-the-cluster
    """
    place = settings.load()
    for source in sources:
        if not source.exists():
            raise InvalidInput(f"{source} does not exist", "paperlab runs import takes bundles and run directories")
    brought = [run for source in sources for run in importer.bring(source, place.runs_dir)]
    counts = indexer.index(library_database.open_or_create(place), place.runs_dir)
    left = {path.name: reason for path, reason in counts.skipped}
    if json_:
        output.write_json(
            {
                "runs": [{**output.plain(run), "not_indexed": left.get(run.run or "")} for run in brought],
                "refused": sum(run.outcome is None for run in brought),
            }
        )
    for run in [] if json_ else brought:
        if run.outcome is not None:
            output.write_line(f"{run.outcome:<10}{run.run}")
    for run in brought:
        if run.outcome is None:
            output.talk(f"refused: {output.cell(run.source)}: {run.why}")
        elif run.run in left:
            output.talk(f"not indexed: {run.run} ({left[run.run]})")
    refused = [run for run in brought if run.outcome is None]
    if refused:
        raise typer.Exit(TRY_AGAIN if all(run.is_busy for run in refused) else INVALID_INPUT)


def verify(run: NameOrPath, json_: Json = False) -> None:
    """Check a run against all that it says of itself: files, code, recipe, data, events, measurements; without network.

    Exit 3 where something differs. What can't be checked on this machine is named.

    Example: paperlab runs verify 20261124-0930
    """
    place = settings.load()
    folder = located(run, place)
    found = checks.verify(folder, data_home=place.home / "data")
    counts = {finding: sum(check.finding is finding for check in found) for finding in Finding}
    if json_:
        output.write_json(
            {
                "run": folder.name,
                "path": folder,
                "checks": found,
                "ok": counts[Finding.OK],
                "differs": counts[Finding.DIFFERS],
                "unchecked": counts[Finding.UNCHECKED],
            }
        )
    else:
        output.write_table(("", "what", "why"), [(check.finding, check.what, check.why) for check in found])
        output.talk(", ".join(f"{count} {finding}" for finding, count in counts.items()))
    if counts[Finding.DIFFERS]:
        raise typer.Exit(INVALID_INPUT)
