"""`paperlab translate`: what a trained translation model makes of a text, and where it looked."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from paperlab import settings
from paperlab.cli import model_names, output, texts
from paperlab.cli.run_names import Json
from paperlab.errors import NotReady


def translate(
    source: Annotated[
        str,
        typer.Argument(
            help="A run, or how its id begins; a checkpoint's folder; a folder in Hugging Face's format; a model that "
            "was imported."
        ),
    ],
    *,
    text: Annotated[
        list[str] | None, typer.Option("--text", metavar="TEXT", help="A sentence; may be given again.")
    ] = None,
    text_file: Annotated[
        list[Path] | None, typer.Option("--text-file", help="A file with a sentence a line; without any, stdin is.")
    ] = None,
    beam: Annotated[int | None, typer.Option(min=1, max=1000, help="Width of the search; 1 is greedy.")] = None,
    n_best: Annotated[int, typer.Option(min=1, help="So many translations of each sentence, with their scores.")] = 1,
    length_penalty: Annotated[
        float | None, typer.Option(help="Above 0 longer outputs are preferred; 0 compares log probabilities.")
    ] = None,
    attention: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Draw where the model looked, an SVG a sentence.")
    ] = None,
    device: model_names.Device = "auto",
    json_: Json = False,
    quiet: Annotated[bool, typer.Option("--quiet", help="Nothing but errors and the text.")] = False,
) -> None:
    """Translate sentences with a Transformer, by beam search; a line a sentence.

    Beam and length penalty are the recipe's own unless they are given.  With --n-best each line has number, score (log
    probability over the length penalty) and translation, with tabs between.

    Example: paperlab translate transformer-base-smoke --text "two hundred and six" --n-best 3 --attention maps
    """
    sentences = texts.given(text, text_file, option="--text", by_line=True)
    model = model_names.opened(source, "translate", settings.load(), device=device, quiet=quiet or json_)
    found = model_names.asked(model.model.translate, sentences, beam=beam, n_best=n_best, length_penalty=length_penalty)
    drawn = [] if attention is None else _draw(model.model, sentences, found, attention)
    if json_:
        drawings = dict(drawn)
        outputs = [
            {
                "text": sentence,
                "translations": [
                    {"text": one.text, "score": one.score, "log_probability": one.log_probability} for one in best
                ],
                "attention": drawings.get(number),
            }
            for number, (sentence, best) in enumerate(zip(sentences, found, strict=True), start=1)
        ]
        evaluation = model.model.evaluation
        decoding = {
            "beam": evaluation.beam if beam is None else beam,
            "n_best": n_best,
            "length_penalty": evaluation.length_penalty if length_penalty is None else length_penalty,
        }
        output.write_json({**model_names.described(model), "decoding": decoding, "outputs": outputs})
        return
    for number, best in enumerate(found, start=1):
        for one in best:
            row = (one.text,) if n_best == 1 else (number, f"{one.score:.4f}", one.text)
            output.write_line("\t".join(map(output.cell, row)))
    if attention is not None:
        _say_drawn(drawn, len(sentences), attention, quiet=quiet)


def _draw(model: Any, sentences: Sequence[str], found: Sequence[Sequence[Any]], folder: Path) -> list[tuple[int, Path]]:
    """(number, file) of each sentence that was short enough to be drawn, with its best translation."""
    drawn = []
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for number, (sentence, best) in enumerate(zip(sentences, found, strict=True), start=1):
            svg = model.attention_map(sentence, best[0])
            if svg is not None:
                path = folder / f"{number:04d}.svg"
                path.write_bytes(svg)
                drawn.append((number, path))
    except OSError as error:
        raise NotReady(
            f"{folder} can't be written: {error.strerror}", "name another folder with --attention"
        ) from error
    return drawn


def _say_drawn(drawn: Sequence[tuple[int, Path]], sentences: int, folder: Path, *, quiet: bool) -> None:
    left = sentences - len(drawn)
    too_long = f"; {left} too long to be drawn" if left else ""
    output.talk(f"{len(drawn)} drawn in {folder}{too_long}", quiet=quiet)
