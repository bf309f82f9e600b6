"""What a model writes behind prompts: the most probable tokens, and for word problems a calculator between them.

The calculator is GSM8K's (its released README and calculator.py): where the model has opened an
annotation "<<" and writes "=", what stands between them is computed, and the result and ">>" are put in place of what
the model would have written.
"""

from __future__ import annotations

import ast
import math
import operator
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import cast

import torch

from reproductions.engine import generation
from reproductions.engine.generation import Decoding, Generated, LanguageModel
from reproductions.gpt.model import GPT
from reproductions.tokenizers.byte_level import ByteLevelEncoding

_OPENS, _EQUALS, _CLOSES = "<<", "=", ">>"
_ALLOWED = set("0123456789*+-/.()")  # of the released code
_OPERATORS: dict[type[ast.operator], Callable[[float, float], float]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
}
_DEEPEST = 50  # levels of an expression that are looked into


@dataclass(frozen=True)
class Pen:
    """``most`` is the number of tokens that are written at most; ``batch`` prompts are answered at a time."""

    gpt: GPT
    tokenizer: ByteLevelEncoding
    device: torch.device
    batch: int
    most: int

    def write(self, prompts: Sequence[Sequence[int]], stop: tuple[str, ...] = ()) -> list[Generated]:
        """What is most probable behind each prompt, up to the end of the text or of the room."""
        found: dict[int, Generated] = {}
        order = sorted(range(len(prompts)), key=lambda number: len(prompts[number]))
        for first in range(0, len(order), self.batch):
            numbers = order[first : first + self.batch]
            written = generation.complete(
                cast(LanguageModel, self.gpt),
                [prompts[number] for number in numbers],
                Decoding(max_new_tokens=self.most, stop=stop),
                context=self.gpt.model.context,
                end=self.tokenizer.end_of_text,
                decode=self.tokenizer.decode,
                device=self.device,
            )
            found.update(zip(numbers, written, strict=True))
        return [found[number] for number in range(len(prompts))]


def solve(pen: Pen, prompts: Sequence[Sequence[int]]) -> list[str]:
    """What is written behind each prompt with the calculator at hand, at most ``pen.most`` tokens of it.

    A text that an annotation interrupts is read again from its beginning, as it would be in training.
    """
    texts = [""] * len(prompts)
    outside = list(range(len(prompts)))  # rows that are not in an annotation
    while outside:
        inside = _go_on(pen, prompts, texts, outside, _OPENS)
        outside = _go_on(pen, prompts, texts, inside, _EQUALS)
        for row in outside:
            texts[row] += _result(texts[row].rpartition(_OPENS)[2].removesuffix(_EQUALS))
    kept = pen.tokenizer.encode(texts)
    return [pen.tokenizer.decode(ids[: pen.most]) for ids in kept]


def _go_on(pen: Pen, prompts: Sequence[Sequence[int]], texts: list[str], rows: Sequence[int], mark: str) -> list[int]:
    """Writes on in ``texts``, each up to ``mark`` and with it; returns the rows in which it was written."""
    begun = dict(zip(rows, pen.tokenizer.encode([texts[row] for row in rows]), strict=True))
    with_room = [row for row in rows if _has_room(pen, prompts[row], begun[row])]
    reached = []
    for row, found in zip(with_room, pen.write([[*prompts[r], *begun[r]] for r in with_room], (mark,)), strict=True):
        texts[row] += found.text
        if found.ended == "stop":
            texts[row] += mark
            reached.append(row)
    return reached


def _has_room(pen: Pen, prompt: Sequence[int], begun: Sequence[int]) -> bool:
    return len(begun) < pen.most and len(prompt) + len(begun) < pen.gpt.model.context


def _result(expression: str) -> str:
    """What the calculator writes behind "="; nothing where the annotation is closed, or can't be computed."""
    value = None if _CLOSES in expression else calculate(expression)
    return "" if value is None else f"{value}{_CLOSES}"


def calculate(expression: str) -> str | None:
    """The value of a sum in digits, as GSM8K writes it ("0.5", "24"); None for anything else.  Commas are left out.

    The released code evaluates the text as Python; here only + - * / and brackets are known.
    """
    expression = expression.replace(",", "")
    if not expression or not set(expression) <= _ALLOWED:
        return None
    try:
        value = _value(ast.parse(expression, mode="eval").body, _DEEPEST)
    except (SyntaxError, ValueError, ZeroDivisionError, OverflowError, RecursionError, MemoryError):
        return None
    return f"{value:.12g}" if math.isfinite(value) else None


def _value(node: ast.expr, depth: int) -> float:
    if depth and isinstance(node, ast.Constant) and type(node.value) in (int, float):
        return float(cast(float, node.value))
    if depth and isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.UAdd | ast.USub):
        value = _value(node.operand, depth - 1)
        return -value if isinstance(node.op, ast.USub) else value
    if depth and isinstance(node, ast.BinOp) and type(node.op) in _OPERATORS:
        return _OPERATORS[type(node.op)](_value(node.left, depth - 1), _value(node.right, depth - 1))
    raise ValueError("no sum")
