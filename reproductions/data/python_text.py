"""Text that every Python brings along: the standard library's source, and the topics of its help.

What it holds depends on the version of Python; provenance keeps its hash.  A tenth or a twentieth is held out by name,
so that a module or topic is on the same side everywhere.
"""

from __future__ import annotations

import importlib
import os
import sysconfig
import zlib
from collections.abc import Iterator, Mapping
from pathlib import Path

from reproductions.registry import NotReady

STANDARD_LIBRARY = "standard-library"
PYDOC_TOPICS = "pydoc-topics"

# Tables and tests of the library, and what distributions put beside it: little of it is code that reads like code.
_LEFT_OUT = {"test", "tests", "idlelib", "turtledemo", "lib2to3", "encodings", "site-packages", "dist-packages"}
_LEFT_OUT |= {"ensurepip", "pydoc_data", "__pycache__", "lib-dynload"}


def documents(name: str, split: str) -> Iterator[str]:
    """The modules or topics of "train" or "val", in an order that their names determine.  Raises NotReady."""
    named: Mapping[str, Path | str] = _modules() if name == STANDARD_LIBRARY else _topics()
    one_in = 20 if name == STANDARD_LIBRARY else 10
    for key, text in sorted(named.items(), key=lambda item: (_number(item[0]), item[0])):
        if (_number(key) % one_in == 0) == (split == "val"):
            yield text if isinstance(text, str) else text.read_text(encoding="utf-8", errors="replace")


def _number(key: str) -> int:
    return zlib.crc32(key.encode())


def _modules() -> dict[str, Path]:
    root = Path(sysconfig.get_paths()["stdlib"])
    found = {}
    for folder, folders, files in os.walk(root):
        folders[:] = [name for name in folders if name not in _LEFT_OUT]
        for name in files:
            if name.endswith(".py") and not name.startswith("_sysconfigdata"):
                path = Path(folder) / name
                found[path.relative_to(root).as_posix()] = path
    if not found:
        raise NotReady(f"this Python has no source of its library in {root}", "take a Python that is not frozen")
    return found


def _topics() -> dict[str, str]:
    try:
        topics: dict[str, str] = importlib.import_module("pydoc_data.topics").topics
    except ImportError as error:
        raise NotReady("this Python has no help topics (pydoc_data)", "take a Python with its documentation") from error
    return topics
