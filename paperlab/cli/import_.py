"""`paperlab import`: models, and code links and reported results from public files."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import typer

from paperlab import settings
from paperlab.cli import arguments, output
from paperlab.library import database, imports
from paperlab.library.imports import Imported
from paperlab.runs import checkpoints, model_store
from paperlab.settings import Settings


def import_(
    what: Annotated[
        list[str] | None,
        typer.Argument(
            help="A model: hf:NAME of the Hugging Face hub, a folder in its format, or a .gguf file. Or files of any "
            "known format, plain or .gz.",
            metavar="WHAT...",
            show_default=False,
        ),
    ] = None,
    *,
    listing: Annotated[bool, typer.Option("--list", help="The models that were brought in, and stop.")] = False,
    name: Annotated[str | None, typer.Option("--name", help="What a model is called here.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object on stdout.")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", help="Nothing but errors.")] = False,
) -> None:
    """Bring in a model (hf:NAME, a folder, a .gguf file), or code links and reported results (files of known formats).

    A model is kept under PAPERLAB_HOME/models with its origin and hashes, and `paperlab generate NAME` asks it; only
    safetensors and GGUF are read. The formats of other files (Papers with Code dumps, sota-extractor files,
    model-index) are told from their content. The same thing twice adds nothing.

    Example: paperlab import hf:gpt2
    """
    place = settings.load()
    if listing:
        _list(place, as_json)
        return
    if not what:
        raise typer.BadParameter("missing; `paperlab import --list` shows what was brought in", param_hint="WHAT")
    words = [arguments.text(word, "WHAT") for word in what]
    models = [word for word in words if _is_model(word)]
    files = [Path(word) for word in words if word not in models]
    if name is not None and len(models) != 1:
        raise typer.BadParameter("names one model", param_hint="--name")
    brought = [_bring(word, place, name, quiet=quiet, as_json=as_json) for word in models]
    done = _read(files, place, show=not as_json) if files else []
    if as_json:
        attribution = {"attribution": imports.attribution(done)} if files else {}
        output.write_json({"files": done, "models": brought, **attribution})
    if files:
        output.talk(imports.attribution(done), quiet=quiet or as_json)


def _is_model(word: str) -> bool:
    path = Path(word).expanduser()
    is_gguf = path.suffix.lower() == checkpoints.GGUF
    return word.startswith(checkpoints.HUB_PREFIX) or path.is_dir() or (is_gguf and path.is_file())


def _list(place: Settings, as_json: bool) -> None:
    rows = [
        {
            "name": model.name,
            "bytes": sum(file["bytes"] for file in model.origin["files"].values()),
            "source": model.origin["source"],
            "brought_in_at": model.origin["brought_in_at"],
            "path": model.path,
        }
        for model in model_store.models(place.home)
    ]
    if as_json:
        output.write_json({"models": rows})
        return
    columns = ("name", "MB", "from", "brought in")
    output.write_table(
        columns, [(row["name"], row["bytes"] / 1e6, row["source"], row["brought_in_at"]) for row in rows]
    )


def _bring(word: str, place: Settings, name: str | None, *, quiet: bool, as_json: bool) -> dict[str, Any]:
    model, is_new = checkpoints.bring(
        word, place, name=name, now=datetime.now(UTC), log=lambda text: output.talk(text, quiet=quiet)
    )
    if not as_json:
        output.write_line(f"{model.name:<19} {'brought in' if is_new else 'here already'}: {model.path}")
        output.talk(f"ask it: paperlab generate {model.name} --prompt TEXT", quiet=quiet)
    return {"name": model.name, "path": model.path, "new": is_new, "origin": model.origin}


def _read(files: list[Path], place: Settings, *, show: bool) -> list[Imported]:
    engine = database.open_or_create(place)
    done: list[Imported] = []
    for path in files:
        done.append(imports.import_file(engine, path, datetime.now(UTC)))
        if show:
            _show(done[-1])
    return done


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
