"""Texts that a model is given: as options, from files, or on stdin."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

import typer

from paperlab.cli import arguments
from paperlab.errors import InvalidInput


def given(texts: Sequence[str] | None, files: Sequence[Path] | None, *, option: str, by_line: bool) -> list[str]:
    """The texts of the options, then those of the files; stdin where there is neither.

    A file is one text without its last line end, or with `by_line` each of its lines is one.  Raises InvalidInput
    for what is no UTF-8 and for a file that can't be read; a usage error where nothing is given.
    """
    found = [arguments.text(text, option) for text in texts or ()]
    for path in files or ():
        try:
            found += _split(path.read_bytes(), str(path), by_line)
        except OSError as error:
            raise InvalidInput(
                f"{path} can't be read: {error.strerror}", f"name a file of text, or give {option}"
            ) from error
    if not texts and not files:
        if sys.stdin.isatty():
            raise typer.BadParameter("missing; or name a file, or write to stdin", param_hint=option)
        found = _split(sys.stdin.buffer.read(), "stdin", by_line)
    return found


def _split(content: bytes, name: str, by_line: bool) -> list[str]:
    try:
        text = content.decode("utf-8")
    except UnicodeDecodeError as error:
        raise InvalidInput(f"{name} is not UTF-8: {error}", "save it as UTF-8") from error
    if not by_line:
        return [text.removesuffix("\n").removesuffix("\r")]
    lines = text.split("\n")
    return [line.removesuffix("\r") for line in (lines[:-1] if lines[-1] == "" else lines)]
