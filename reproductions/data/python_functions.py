"""What the standard library's source has to say about itself: functions, docstrings, sessions with the interpreter.

Modules are split, not functions.  The modules that ``python_text`` holds out are the split "test", so a model that was
pre-trained on its "train" has seen none of them; a tenth of the others is "val".  Sessions are few, and are split by
what is typed.  Nothing is executed: the source is parsed.
"""

from __future__ import annotations

import ast
import doctest
import re
import textwrap
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

from reproductions.data import python_text

Split = Literal["train", "val", "test"]
MOST_CHARACTERS = 400
"""Of a function's head with its docstring, and of its body: what a small model reads at once."""
_VAL_ONE_IN = 10
_SENTENCE_END = re.compile(r"(?<=[.!?])\s+")
_Documented = ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef


@dataclass(frozen=True)
class Function:
    """``header`` goes from "def" to the end of the docstring, ``body`` is the rest, both as deep as at the margin."""

    split: Split
    header: str
    body: str


@dataclass(frozen=True)
class Docstring:
    """``summary`` is its first paragraph, ``rest`` the others, on one line."""

    split: Split
    summary: str
    rest: str


@dataclass(frozen=True)
class Session:
    """A statement typed into the interpreter, and what it answered."""

    split: Split
    statement: str
    answer: str


def functions() -> tuple[Function, ...]:
    return _found()[0]


def docstrings() -> tuple[Docstring, ...]:
    return _found()[1]


def sessions() -> tuple[Session, ...]:
    return _found()[2]


def sentences(text: str) -> tuple[str, ...]:
    """Cut where a full stop, exclamation or question mark is followed by white space."""
    return tuple(_SENTENCE_END.split(text.strip()))


@lru_cache(maxsize=1)
def _found() -> tuple[tuple[Function, ...], tuple[Docstring, ...], tuple[Session, ...]]:
    """Everything in one pass, each text once."""
    functions: dict[tuple[str, str], Function] = {}
    docstrings: dict[str, Docstring] = {}
    sessions: dict[str, Session] = {}
    for name in (python_text.STANDARD_LIBRARY, python_text.PYDOC_TOPICS):
        for split, text in _documents(name):
            lines = text.splitlines()
            for answered in _sessions(text) if name == python_text.PYDOC_TOPICS else ():
                sessions.setdefault(answered.statement, answered)
            for node in _documented(text) if name == python_text.STANDARD_LIBRARY else ():
                documentation = ast.get_docstring(node)
                if documentation is None:
                    continue
                for answered in _sessions(documentation):
                    sessions.setdefault(answered.statement, answered)
                if (docstring := _docstring(split, documentation)) is not None:
                    docstrings.setdefault(docstring.summary, docstring)
                if isinstance(node, ast.FunctionDef) and (function := _function(split, lines, node)) is not None:
                    functions.setdefault((function.header, function.body), function)
    return tuple(functions.values()), tuple(docstrings.values()), tuple(sessions.values())


def _documents(name: str) -> Iterator[tuple[Split, str]]:
    # The held-out ones come first: a text that stands in several modules is measured, not trained on.
    for text in python_text.documents(name, "val"):
        yield "test", text
    for text in python_text.documents(name, "train"):
        yield "val" if zlib.crc32(text.encode()) % _VAL_ONE_IN == 0 else "train", text


def _documented(text: str) -> Iterator[_Documented]:
    try:
        tree = ast.parse(text)
    except SyntaxError:  # templates, and what is written for other versions
        return
    waiting: list[_Documented] = [tree]
    while waiting:
        node = waiting.pop()
        yield node
        # Those within "if" and "try" are few, and to look into every expression takes longer than to parse.
        waiting += [child for child in reversed(node.body) if isinstance(child, _Documented)]


def _function(split: Split, module: list[str], node: ast.FunctionDef) -> Function | None:
    """None for a function without a body of its own, a long one, and one that does not stand by itself."""
    documentation = node.body[0]
    if len(node.body) == 1 or documentation.end_lineno is None or node.end_lineno is None:
        return None
    lines = textwrap.dedent("\n".join(module[node.lineno - 1 : node.end_lineno])).split("\n")
    behind = documentation.end_lineno - node.lineno + 1
    header, body = "\n".join(lines[:behind]), "\n".join(lines[behind:]).strip("\n")
    if max(len(header), len(body)) > MOST_CHARACTERS or not is_function(header, body):
        return None
    return Function(split, header, body)


def is_function(header: str, body: str) -> bool:
    """Whether they parse together, and there is a statement behind the docstring.  Never executes any of it."""
    try:
        tree = ast.parse(f"{header}\n{body}\n")
    except (SyntaxError, ValueError, RecursionError, MemoryError):  # a null byte; brackets without end
        return False
    return len(tree.body) == 1 and isinstance(tree.body[0], ast.FunctionDef) and len(tree.body[0].body) > 1


def _docstring(split: Split, documentation: str) -> Docstring | None:
    summary, _, rest = documentation.partition("\n\n")
    summary, rest = (" ".join(part.split()) for part in (summary, rest))
    if not rest or len(summary) > MOST_CHARACTERS // 4 or not summary.endswith("."):
        return None
    return Docstring(split, summary, rest)


def _sessions(text: str) -> Iterator[Session]:
    try:
        found = doctest.DocTestParser().get_examples(text)
    except ValueError:  # prompts that are drawn, not typed
        return
    for example in found:
        statement, answer = example.source.strip(), example.want.strip()
        if answer and max(len(statement), len(answer)) <= MOST_CHARACTERS // 2:
            held_out: dict[int, Split] = {0: "test", 1: "val"}
            split = held_out.get(zlib.crc32(statement.encode()) % _VAL_ONE_IN, "train")
            yield Session(split, statement.replace("\n", "\n... "), answer)
