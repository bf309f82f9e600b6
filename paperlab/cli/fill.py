"""`paperlab fill`: the words that a masked language model puts where [MASK] stands."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from paperlab import settings
from paperlab.cli import model_names, output, texts
from paperlab.cli.run_names import Json


def fill(
    source: Annotated[
        str,
        typer.Argument(
            help="A run (its id, or how it begins), a checkpoint's folder, a folder in Hugging Face's format, a model "
            "that was imported, or hf:NAME."
        ),
    ],
    *,
    text: Annotated[
        list[str] | None, typer.Option("--text", metavar="TEXT", help="A text with [MASK] in it; may be given again.")
    ] = None,
    text_file: Annotated[
        list[Path] | None, typer.Option("--text-file", help="A file with a text a line; without any, stdin is.")
    ] = None,
    n_best: Annotated[
        int, typer.Option(min=1, max=1000, help="So many words for each [MASK], with their probabilities.")
    ] = 1,
    device: model_names.Device = "auto",
    json_: Json = False,
    quiet: Annotated[bool, typer.Option("--quiet", help="Nothing but errors and the text.")] = False,
) -> None:
    """Fill in [MASK] with a BERT: each with its most probable word piece, given everything else; a line a text.

    With --n-best each line has the number of the text, the number of its mask, a piece and its probability, with tabs
    between. Text comes back as the model reads it, in small letters.

    Example: paperlab fill bert-base-smoke --text "import [MASK]" --n-best 5
    """
    given = texts.given(text, text_file, option="--text", by_line=True)
    model = model_names.opened(source, "fill", settings.load(), device=device, quiet=quiet or json_)
    found = model_names.asked(model.model.fill, given, n_best=n_best)
    if json_:
        outputs = [
            {
                "text": asked,
                "filled": one.text,
                "masks": [
                    [{"piece": each.piece, "probability": each.probability} for each in best] for best in one.masks
                ],
            }
            for asked, one in zip(given, found, strict=True)
        ]
        output.write_json({**model_names.described(model), "n_best": n_best, "outputs": outputs})
        return
    for number, one in enumerate(found, start=1):
        if n_best == 1:
            output.write_line(output.cell(one.text))
            continue
        for place, best in enumerate(one.masks, start=1):
            for each in best:
                row = (number, place, each.piece, f"{each.probability:.4f}")
                output.write_line("\t".join(map(output.cell, row)))
