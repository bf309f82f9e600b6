"""Sums in words, written as GSM8K writes them: a question-answering task that needs no download.

One or two steps of addition, subtraction or multiplication; solutions have the calculator's annotations and end with
the answer behind ####.  The problems of a split are drawn with its name, and none is in two of them.
"""

from __future__ import annotations

import random
import zlib
from collections.abc import Iterator
from dataclasses import dataclass

_NAMES = ("Ada", "Ben", "Cleo", "Dan", "Eva", "Finn", "Gus", "Hana", "Ivo", "June", "Kim", "Leo")
_THINGS = ("apples", "books", "coins", "dolls", "eggs", "flags", "grapes", "hats", "keys", "lamps")
_PARTS = {"train": (0, 8), "val": (8, 9), "test": (9, 10)}
"""Tenths of all problems, by the hash of the question."""


@dataclass(frozen=True)
class Problem:
    question: str
    solution: str


def problems(split: str, count: int) -> Iterator[Problem]:
    """``count`` problems of "train", "val" or "test", always the same ones."""
    chance = random.Random(split)
    least, most = _PARTS[split]
    found = 0
    while found < count:
        problem = _problem(chance)
        if least <= zlib.crc32(problem.question.encode()) % 10 < most:
            found += 1
            yield problem


def _problem(chance: random.Random) -> Problem:
    name, thing = chance.choice(_NAMES), chance.choice(_THINGS)
    first = chance.randint(2, 50)
    question, lines, have = [f"{name} has {first} {thing}."], [], first
    for _ in range(chance.randint(1, 2)):
        says, line, have = _step(chance, name, thing, have)
        question.append(says)
        lines.append(line)
    question.append(f"How many {thing} does {name} have?")
    return Problem(" ".join(question), "\n".join([*lines, f"#### {have}"]))


def _step(chance: random.Random, name: str, thing: str, have: int) -> tuple[str, str, int]:
    """What happens, the line of the solution, and how many there are behind it."""
    kind = chance.choice(
        ("more", "fewer", "times") if 2 <= have <= 20 else ("more", "fewer") if have > 2 else ("more",)
    )
    if kind == "more":
        number = chance.randint(2, 40)
        return f"{name} finds {number} more.", _line(name, thing, f"{have}+{number}", have + number), have + number
    if kind == "fewer":
        number = chance.randint(1, have - 1)
        return f"{name} loses {number}.", _line(name, thing, f"{have}-{number}", have - number), have - number
    number = chance.randint(2, 4)
    says = f"A friend gives as many that there are {number} times as many."
    return says, _line(name, thing, f"{have}*{number}", have * number), have * number


def _line(name: str, thing: str, sum_: str, result: int) -> str:
    return f"{name} has {sum_} = <<{sum_}={result}>>{result} {thing}."
