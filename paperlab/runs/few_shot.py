"""Examples of a task before a prompt: few-shot prompting, as GPT-3 (arXiv 2005.14165) has it in sections 2 and 2.4.

A task is a file of JSON lines.  Each has a `context` and the `completion` that is wanted after it; the first line may
instead have a `description` of the task, put before everything, and the `delimiter` that stands behind each example (a
line end where none is named).  Texts are put together as they stand, so a completion brings its own space along.

    {"description": "Translate English to German:\n"}
    {"context": "cheese =>", "completion": " Käse"}
    {"context": "bread =>", "completion": " Brot"}
"""

from __future__ import annotations

import json
import random
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from paperlab.errors import InvalidInput

_HEAD = {"description", "delimiter"}
_EXAMPLE = {"context", "completion"}
_HINT = 'for example {"context": "cheese =>", "completion": " Käse"}'


@dataclass(frozen=True)
class Example:
    """`line` is its place in the file, from 1."""

    context: str
    completion: str
    line: int


@dataclass(frozen=True)
class Task:
    examples: tuple[Example, ...]
    description: str = ""
    delimiter: str = "\n"


@dataclass(frozen=True)
class Prompt:
    """`asked` is the context whose completion is wanted; `text` is what the model reads."""

    asked: str
    text: str
    examples: tuple[Example, ...]


def read(path: Path) -> Task:
    """The task of a file.  Raises InvalidInput naming the line that is none."""
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except OSError as error:
        raise InvalidInput(f"{path} can't be read: {error.strerror}", "name a file of examples") from error
    except UnicodeDecodeError as error:
        raise InvalidInput(f"{path} is not UTF-8: {error}", "save it as UTF-8") from error
    found = [(number, _object(path, number, line)) for number, line in enumerate(lines, start=1) if line.strip()]
    head: dict[str, str] = {}
    if found and not found[0][1].keys() & _EXAMPLE:
        head = _texts(path, *found.pop(0), allowed=_HEAD, required=set())
    examples = []
    for number, value in found:
        texts = _texts(path, number, value, allowed=_EXAMPLE, required=_EXAMPLE)
        examples.append(Example(texts["context"], texts["completion"], number))
    if not examples:
        raise InvalidInput(f"{path} has no examples", _HINT)
    return Task(tuple(examples), **head)


def prompts(task: Task, asked: Sequence[str], shots: int, seed: int) -> list[Prompt]:
    """Before each text its own `shots` examples, drawn without replacement: which ones, seed and place decide.

    An example whose context is the text itself is never drawn for it.  Raises InvalidInput where there are too few.
    """
    found = []
    for place, text in enumerate(asked):
        others = [example for example in task.examples if example.context != text]
        if shots > len(others):
            what = f"{shots} examples are asked for, and there are {len(others)} besides the prompt itself"
            raise InvalidInput(what, f"--shots {len(others)}, or a file with more")
        drawn = tuple(random.Random(f"{seed}/{place}").sample(others, shots))
        before = "".join(f"{example.context}{example.completion}{task.delimiter}" for example in drawn)
        found.append(Prompt(text, f"{task.description}{before}{text}", drawn))
    return found


def _object(path: Path, number: int, line: str) -> dict[str, Any]:
    try:
        value = json.loads(line)
    except ValueError as error:
        raise InvalidInput(f"line {number} of {path} is not JSON: {error}", _HINT) from error
    if not isinstance(value, dict):
        raise InvalidInput(f"line {number} of {path} is not an object", _HINT)
    return value


def _texts(path: Path, number: int, value: dict[str, Any], *, allowed: set[str], required: set[str]) -> dict[str, str]:
    if unknown := sorted(value.keys() - allowed):
        raise InvalidInput(
            f"line {number} of {path} has {', '.join(unknown)}", f"known are {', '.join(sorted(allowed))}"
        )
    if missing := sorted(required - value.keys()):
        raise InvalidInput(f"line {number} of {path} lacks {', '.join(missing)}", _HINT)
    if other := sorted(name for name, text in value.items() if not isinstance(text, str)):
        raise InvalidInput(f"line {number} of {path} has a {other[0]} that is no text", _HINT)
    if not value.get("delimiter", "\n"):
        raise InvalidInput(f"line {number} of {path} has an empty delimiter", 'for example "\\n\\n"')
    return value
