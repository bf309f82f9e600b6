"""How a command line names a model: a run, a checkpoint, a folder, or one of the Hugging Face hub."""

from __future__ import annotations

import difflib
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Annotated, Any

import typer

from paperlab.cli import arguments, output
from paperlab.cli.run_names import match, refreshed
from paperlab.errors import UnknownName
from paperlab.runs import checkpoints, launch, model_store
from paperlab.runs.checkpoints import Opened, Source
from paperlab.settings import Settings
from paperlab.store import runs as store
from paperlab.store.database import read_only

Device = Annotated[str, typer.Option(help="auto, cpu or cuda.")]


def found(word: str, place: Settings, *, quiet: bool = False) -> Source:
    """The model that `word` names.  Raises UnknownName with the names that are near."""
    arguments.text(word, "SOURCE")
    source = checkpoints.at_hand(word, place, datetime.now(UTC), lambda text: output.talk(text, quiet=quiet))
    if source is not None:
        return source
    with read_only(refreshed(place)) as reading:
        ids = store.ids(reading)
        try:
            run = store.get(reading, match(word, ids))
        except UnknownName:
            brought = [model.name for model in model_store.models(place.home)]
            known = [*brought, *ids]
            if not difflib.get_close_matches(word, known, cutoff=0.6):
                known.append(f"{checkpoints.HUB_PREFIX}{word}")
            raise UnknownName("run or model", word, known, "paperlab runs list") from None
    assert run is not None
    return checkpoints.of_run(run.path)


def opened(word: str, command: str, place: Settings, *, device: str, quiet: bool) -> Opened:
    """The model that `word` names, opened; says so where its training is not finished."""
    if device not in ("auto", "cpu", "cuda"):
        raise typer.BadParameter(f'"{device}" is not auto, cpu or cuda', param_hint="--device")
    source = found(word, place, quiet=quiet)
    model = checkpoints.open_model(
        source, command, place, device=device, log=lambda text: output.talk(text, quiet=quiet)
    )
    if model.step is not None and model.max_steps is not None and model.step < model.max_steps:
        output.talk(f"{source.name}: weights of step {model.step} of {model.max_steps}", quiet=quiet)
    return model


def described(model: Opened) -> dict[str, object]:
    """What --json says of the model."""
    return {
        "source": model.source.name,
        "kind": model.source.kind,
        "weights": model.weights,
        "step": model.step,
        "max_steps": model.max_steps,
    }


def asked(ask: Callable[..., Any], *words: Any, **options: Any) -> Any:
    """What an opened model answers; its errors are those of paperlab."""
    with launch.explained():
        return ask(*words, **options)
