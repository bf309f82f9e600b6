"""Write docs/cli.md from the commands themselves; with --check, say whether the file is up to date (exit 1 if not)."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import typer
from typer.core import TyperGroup

from paperlab.cli.main import command_line

TARGET = Path(__file__).with_name("cli.md")


def pages(command: Any, words: tuple[str, ...]) -> Iterator[str]:
    """One section a command, in the order of `--help`, as plain text 100 columns wide."""
    context = typer.Context(command, info_name=" ".join(words), max_content_width=100, terminal_width=100)
    yield f"## `{' '.join(words)}`\n\n```text\n{command.get_help(context).strip()}\n```\n"
    if isinstance(command, TyperGroup):
        for name in command.list_commands(context):
            child = command.get_command(context, name)
            if child is not None:
                yield from pages(child, (*words, name))


def text() -> str:
    body = "\n".join(pages(typer.main.get_command(command_line()), ("paperlab",)))
    return f"# The command line\n\nWritten by `make docs` from the commands' own help.\n\n{body}"


if __name__ == "__main__":
    if "--check" in sys.argv:
        fresh = TARGET.exists() and TARGET.read_text(encoding="utf-8") == text()
        sys.stdout.write("docs/cli.md is up to date\n" if fresh else "docs/cli.md is old: run `make docs`\n")
        sys.exit(0 if fresh else 1)
    TARGET.write_text(text(), encoding="utf-8")
