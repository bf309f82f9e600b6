"""How a command line names a run, and the database that it is looked up in."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from paperlab import settings
from paperlab.cli import output
from paperlab.errors import InvalidInput, TryAgain, UnknownName
from paperlab.library import database as library_database
from paperlab.runs import indexer
from paperlab.store import runs as store
from paperlab.store.database import Engine, read_only

Json = Annotated[bool, typer.Option("--json", help="One JSON object on stdout.")]
Name = Annotated[str, typer.Argument(help="A run's id, or how it begins, or what only it contains.")]
NameOrPath = Annotated[str, typer.Argument(help="A run's directory, or its id, or how that begins.")]


def refreshed(place: settings.Settings, run: Path | None = None) -> Engine:
    """The database, brought up to what the run directories hold now; as it is where another process is writing it.

    `run` is one that may lie elsewhere.
    """
    engine = library_database.open_or_create(place)
    try:
        indexer.index(engine, run or place.runs_dir)
    except TryAgain as busy:
        output.talk(f"shown as indexed before: {busy.message}")
    return engine


def match(word: str, run_ids: list[str]) -> str:
    """The one run whose id is, begins with, or else contains `word`.  Raises InvalidInput naming the candidates."""
    for candidates in (
        [run_id for run_id in run_ids if run_id == word],
        [run_id for run_id in run_ids if run_id.startswith(word)],
        [run_id for run_id in run_ids if word in run_id],
    ):
        if len(candidates) == 1:
            return candidates[0]
        if candidates:
            more = f" and {len(candidates) - 5} more" if len(candidates) > 5 else ""
            raise InvalidInput(
                f'"{word}" fits {len(candidates)} runs', f"say more of one: {', '.join(candidates[:5])}{more}"
            )
    raise UnknownName("run", word, run_ids, "paperlab runs list")


def located(word: str, place: settings.Settings) -> Path:
    """The directory of the run that `word` names: itself a run directory, or a run that is indexed or in our home."""
    path = Path(word)
    if (path / "run.json").is_file():
        return path.absolute()
    with read_only(refreshed(place)) as reading:
        found = store.get(reading, match(word, store.ids(reading)))
    assert found is not None
    return found.path
