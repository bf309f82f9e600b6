"""`paperlab generate`: what a trained language model writes after a prompt."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from paperlab import settings
from paperlab.cli import arguments, model_names, output, texts
from paperlab.cli.run_names import Json
from paperlab.runs import few_shot
from paperlab.runs.few_shot import Prompt


def generate(
    source: Annotated[
        str,
        typer.Argument(
            help="A run (its id, or how it begins), a checkpoint's folder, a folder in Hugging Face's format, a model "
            "that was imported, or hf:NAME."
        ),
    ],
    *,
    prompt: Annotated[
        list[str] | None, typer.Option("--prompt", metavar="TEXT", help="What to go on from; may be given again.")
    ] = None,
    prompt_file: Annotated[
        list[Path] | None, typer.Option("--prompt-file", help="A file that is a prompt; without any, stdin is.")
    ] = None,
    lines: Annotated[bool, typer.Option("--lines", help="Each line of the files or of stdin is a prompt.")] = False,
    examples: Annotated[
        Path | None,
        typer.Option("--examples", metavar="FILE", help="A task: JSON lines with context and completion."),
    ] = None,
    shots: Annotated[
        int | None,
        typer.Option(min=0, max=10_000, metavar="K", help="Put K examples of the task before each prompt."),
    ] = None,
    max_tokens: Annotated[int, typer.Option(min=1, max=2**31, help="At most so many new tokens.")] = 50,
    temperature: Annotated[float, typer.Option(help="Below 1 the probable becomes more so; 0 is --greedy.")] = 1.0,
    top_k: Annotated[int, typer.Option(help="Draw from the so many most probable tokens; 0: from all.")] = 0,
    top_p: Annotated[float, typer.Option(help="Draw from the fewest tokens that have so much probability.")] = 1.0,
    repetition_penalty: Annotated[
        float, typer.Option(help="Above 1: what is there already becomes less probable.")
    ] = 1.0,
    stop: Annotated[
        list[str] | None, typer.Option("--stop", metavar="TEXT", help="End before this text; may be given again.")
    ] = None,
    seed: Annotated[int, typer.Option(min=0, max=2**63 - 1, help="The same seed draws the same tokens.")] = 0,
    greedy: Annotated[bool, typer.Option("--greedy", help="Always the most probable token; nothing is drawn.")] = False,
    batch: Annotated[int, typer.Option(min=1, max=4096, help="So many prompts at a time; changes no output.")] = 16,
    stream: Annotated[
        bool | None,
        typer.Option("--stream/--no-stream", help="Show text as it is written (default: on a terminal)."),
    ] = None,
    device: model_names.Device = "auto",
    json_: Json = False,
    quiet: Annotated[bool, typer.Option("--quiet", help="Nothing but errors and the text.")] = False,
) -> None:
    """Write on from prompts with a trained language model.

    Shown is each prompt with what follows it; --json has text and tokens apart.  On a terminal control characters are
    shown, not obeyed.  With --examples and --shots the model sees examples of a task before each prompt (GPT-3, section
    2), other ones for each as --seed decides, and writes up to the end of one: docs/models.md has the file's format.

    Example: paperlab generate hf:gpt2 --prompt "The quick brown fox" --greedy --max-tokens 50
    """
    if (examples is None) != (shots is None):
        raise typer.BadParameter("--examples and --shots go together", param_hint="--shots")
    if stream and json_:
        raise typer.BadParameter("--json prints one object at the end", param_hint="--stream")
    prompts = texts.given(prompt, prompt_file, option="--prompt", by_line=lines)
    task = None if examples is None else few_shot.read(examples)
    read = [few_shot.Prompt(text, text, ()) for text in prompts]
    if task is not None:
        read = few_shot.prompts(task, prompts, shots or 0, seed)
        stop = [*(stop or ()), task.delimiter]
    decoding = {
        "max_new_tokens": max_tokens,
        "temperature": 0.0 if greedy else temperature,
        "top_k": top_k,
        "top_p": top_p,
        "repetition_penalty": repetition_penalty,
        "stop": tuple(arguments.text(word, "--stop") for word in stop or ()),
        "seed": seed,
    }
    model = model_names.opened(source, "generate", settings.load(), device=device, quiet=quiet or json_)
    if json_:
        written = model_names.asked(model.model.write, [one.text for one in read], batch=batch, **decoding)
        few = {} if task is None else {"examples": examples, "shots": shots}
        outputs = _objects(read, written, show_examples=task is not None)
        output.write_json({**model_names.described(model), "decoding": decoding, **few, "outputs": outputs})
        return
    show = _Page(prompts, live=sys.stdout.isatty() if stream is None else stream)
    texts_read = [one.text for one in read]
    written = model_names.asked(model.model.write, texts_read, batch=batch, on_text=show.add, **decoding)
    show.finish([one.text for one in written])


def _objects(read: Sequence[Prompt], written: Sequence[Any], *, show_examples: bool) -> list[dict[str, Any]]:
    """With examples, the lines of the file that stood before each prompt, in their order."""
    return [
        {
            "prompt": prompt.asked,
            "text": one.text,
            "tokens": list(one.tokens),
            "ended": one.ended,
            **({"examples": [example.line for example in prompt.examples]} if show_examples else {}),
        }
        for prompt, one in zip(read, written, strict=True)
    ]


class _Page:
    """The texts in the order of their prompts.  Live, the first one that is not whole yet grows on the screen."""

    def __init__(self, prompts: Sequence[str], *, live: bool) -> None:
        self.prompts, self.live = prompts, live
        self.begun = -1  # the prompt that is shown
        self.shown = 0  # characters of its text

    def add(self, row: int, text: str) -> None:
        """New characters of a row.  What belongs to a later row than the one on the screen waits for `finish`."""
        if self.live and (row == self.begun or (row == 0 and self.begun < 0)):
            self._begin(row)
            self._write(text)
            self.shown += len(text)

    def finish(self, texts: Sequence[str]) -> None:
        for row, text in enumerate(texts):
            if row > self.begun:
                self._begin(row)
            self._write(text[self.shown :] if row == self.begun else "")
            self._write("\n")

    def _begin(self, row: int) -> None:
        if row == self.begun:
            return
        self.begun, self.shown = row, 0
        if len(self.prompts) > 1:
            self._write(f"== {row + 1} of {len(self.prompts)} ==\n")
        self._write(self.prompts[row])

    def _write(self, text: str) -> None:
        sys.stdout.write(output.harmless(text) if sys.stdout.isatty() else text)
        if self.live:
            sys.stdout.flush()
