"""`paperlab export`: a run's model in the form that other libraries open."""

from __future__ import annotations

import secrets
import shutil
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from paperlab import settings
from paperlab.cli import model_names, output, run_export
from paperlab.cli.run_names import Json, refreshed
from paperlab.errors import InvalidInput, NotReady
from paperlab.runs.checkpoints import Kind
from paperlab.store import runs as store
from paperlab.store.database import read_only
from reproductions.run_directory import RunDirectory


class Form(StrEnum):
    HF = "hf"


def export(
    source: Annotated[str, typer.Argument(metavar="RUN", help="A run, or how its id begins; a checkpoint's folder.")],
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="The folder to write; it must not hold anything yet.")],
    *,
    to: Annotated[Form, typer.Option("--to", help="hf: the format of Hugging Face's transformers.")],
    json_: Json = False,
    quiet: Annotated[bool, typer.Option("--quiet", help="Nothing but errors and the folder.")] = False,
) -> None:
    """Write a run's model for transformers: config.json, safetensors, tokenizer and a model card.

    AutoTokenizer and AutoModelForCausalLM (of BERT AutoModelForMaskedLM, of the Transformer AutoModelForSeq2SeqLM) open
    the folder; logits stay what they were. `paperlab runs export` writes what a run measured.

    Example: paperlab export gpt-2-smoke --to hf my-gpt2
    """
    place = settings.load()
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise InvalidInput(f"{folder} is there already", "name a folder that is not there yet")
    model = model_names.opened(source, "", place, device="cpu", quiet=quiet or json_)
    if model.source.kind is Kind.FOLDER:
        raise InvalidInput(
            f"{model.source.name} is in Hugging Face's format already", f"it lies in {model.source.path}"
        )
    if not hasattr(model.model, "save"):
        raise InvalidInput(
            f"transformers has no class for the model of {model.source.name}", "GPT-2, BERT, LLaMA and Marian have one"
        )
    run = model.source.path if model.source.kind is Kind.RUN else model.source.path.parent.parent
    card = _card(run, place, model.model.opens_with)
    beside = folder.with_name(f".{folder.name}.{secrets.token_hex(4)}.part")
    try:
        model_names.asked(model.model.save, beside)
        (beside / "README.md").write_text(card, encoding="utf-8", newline="\n")
        beside.replace(folder)
    except OSError as error:
        raise NotReady(f"{folder} can't be written: {error.strerror}", "name another folder") from error
    finally:
        shutil.rmtree(beside, ignore_errors=True)
    if json_:
        files = sorted(path.name for path in folder.iterdir())
        output.write_json({**model_names.described(model), "to": to, "folder": folder, "files": files})
        return
    output.write_line(str(folder))
    output.talk(f"{RunDirectory(run).id}, {model.weights.name}: transformers opens it", quiet=quiet)


def _card(run: Path, place: settings.Settings, opens_with: str) -> str:
    with read_only(refreshed(place, run)) as reading:
        found = store.get(reading, run.name)
        assert found is not None
        measurements = store.measurements(reading, run_id=run.name)
        judged = run_export.judged(reading, place, measurements)
    return run_export.card(found, measurements, judged, opens_with=opens_with)
