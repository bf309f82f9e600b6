"""How results reach the terminal: tables for people, one JSON object for programs, talk on stderr."""

from __future__ import annotations

import dataclasses
import json
import os
import sys
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from enum import Enum
from pathlib import Path
from typing import Any


def plain(value: Any) -> Any:
    """`value` as JSON knows it: dataclasses as objects, times as ISO-8601 UTC, enums by value."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: plain(getattr(value, field.name)) for field in dataclasses.fields(value)}
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [plain(item) for item in value]
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, datetime):
        return format_time(value)
    return str(value) if isinstance(value, Path) else value


def format_time(moment: datetime) -> str:
    return moment.isoformat(timespec="seconds").replace("+00:00", "Z")


def write_json(value: Any) -> None:
    sys.stdout.write(json.dumps(plain(value), ensure_ascii=False, indent=2 if sys.stdout.isatty() else None) + "\n")


def write_line(text: str) -> None:
    sys.stdout.write(text + "\n")


def write_table(columns: Sequence[str], rows: Iterable[Sequence[Any]], *, pale: bool = False) -> None:
    """A table: folded to the window on a terminal; elsewhere aligned text with every cell whole, for grep and awk.

    On a terminal a pale one is dimmed.
    """
    cells = [[cell(item) for item in row] for row in rows]
    if sys.stdout.isatty():
        from rich import box
        from rich.console import Console
        from rich.table import Table
        from rich.text import Text

        table = Table(*columns, box=box.SIMPLE_HEAD, pad_edge=False, style="dim" if pale else "")
        for row in cells:
            table.add_row(*(Text(item) for item in row))
        Console().print(table)
        return
    widths = [max(len(row[i]) for row in [list(columns), *cells]) for i in range(len(columns))]
    for row in [list(columns), *cells]:
        write_line("  ".join(item.ljust(width) for item, width in zip(row, widths, strict=True)).rstrip())


def cell(value: Any) -> str:
    """One table cell: no control characters, so that text from outside can't move the cursor."""
    if value is None:
        return "-"
    if isinstance(value, float):
        return f"{value:.6g}"
    if isinstance(value, datetime):
        return format_time(value)
    text = str(value.value if isinstance(value, Enum) else value)
    return "".join(character if character.isprintable() else " " for character in text)


def harmless(text: str) -> str:
    """Running text as a terminal may have it: control characters are shown, not obeyed; lines and tabs stay."""
    return "".join(
        character if character.isprintable() or character in "\n\t" else _picture(character) for character in text
    )


def _picture(character: str) -> str:
    """U+241B for escape, and so on; what has no picture of its own, such as a turn of direction, is U+FFFD."""
    code = ord(character)
    if code < 0x20:
        return chr(0x2400 + code)
    return "\N{SYMBOL FOR DELETE}" if code == 0x7F else "\N{REPLACEMENT CHARACTER}"


def talk(text: str, *, quiet: bool = False) -> None:
    """A word to the person at the terminal; never data."""
    if not quiet:
        sys.stderr.write(text + "\n")
        sys.stderr.flush()


def is_interactive() -> bool:
    return sys.stderr.isatty() and os.environ.get("TERM") != "dumb"
