"""What each application is measured by, from texts alone."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass

from reproductions.data.prompted import Prompted
from reproductions.data.python_functions import is_function

_ANSWER = re.compile(r"#### (-?[0-9.,]+)")
_Z_95 = 1.959964


@dataclass(frozen=True)
class Share:
    """``right`` of ``n``; ``interval`` is Wilson's, at 95 %, in percent: it does not shrink to nothing at 0."""

    right: int
    n: int

    @property
    def percent(self) -> float:
        return 100 * self.right / self.n

    @property
    def interval(self) -> tuple[float, float]:
        share, z2 = self.right / self.n, _Z_95**2 / self.n
        middle = (share + z2 / 2) / (1 + z2)
        half = math.sqrt(share * (1 - share) * z2 + z2**2 / 4) / (1 + z2)
        return 100 * max(0.0, middle - half), 100 * min(1.0, middle + half)


def final_answer(solution: str) -> str | None:
    """The number behind the first "####", without commas: what GSM8K's released code (dataset.py) compares."""
    found = _ANSWER.search(solution)
    return found[1].replace(",", "") if found else None


def exact_answers(solutions: Sequence[str], references: Sequence[str]) -> Share:
    """Solutions whose final answer is written as the reference's is."""
    right = [
        (given := final_answer(solution)) is not None and given == final_answer(reference)
        for solution, reference in zip(solutions, references, strict=True)
    ]
    return Share(sum(right), len(right))


def body(written: str) -> str:
    """The part of it that is a function's body: up to the first line that begins at the margin."""
    kept = []
    for line in written.split("\n"):
        if line.strip() and not line[0].isspace():
            break
        kept.append(line)
    return "\n".join(kept).rstrip()


def parsed(headers: Sequence[str], written: Sequence[str]) -> Share:
    """Functions whose body is accepted by Python's parser, and is more than nothing.  None of them is executed."""
    accepted = [is_function(header, body(text)) for header, text in zip(headers, written, strict=True)]
    return Share(sum(accepted), len(accepted))


def lead(examples: Sequence[Prompted], sentences: int) -> list[str]:
    """The first sentences of each source: what a summary has to beat."""
    return [" ".join(example.sentences[:sentences]) for example in examples]
