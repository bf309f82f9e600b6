"""The seeds that a command line names: "3" is the first three, "1,2,5" and "4-6" are those."""

from __future__ import annotations

import re

from paperlab.errors import InvalidInput

LARGEST = 2**32 - 1
MOST = 1000
"""More is a slip of the hand: a verdict plans with a hundred at most."""

_RANGE = re.compile(r"(\d+)(?:\s*-\s*(\d+))?")


def parse(text: str) -> tuple[int, ...]:
    """The seeds, in the order in which they are named, none twice.

    A number alone is how many, counted from seed 1; with a comma or a range it is the seeds themselves, so "5-5" is
    seed 5.  Raises InvalidInput.
    """
    words = [word.strip() for word in text.split(",")]
    if len(words) == 1 and words[0].isdecimal():
        count = int(words[0])
        if not 1 <= count <= MOST:
            raise _wrong(text, f"{count} are not between 1 and {MOST}")
        return tuple(range(1, count + 1))
    found: dict[int, None] = {}
    for word in words:
        match = _RANGE.fullmatch(word)
        if match is None:
            raise _wrong(text, f'"{word}" is neither a seed nor a range')
        first, last = int(match[1]), int(match[2] or match[1])
        if last < first:
            raise _wrong(text, f'"{word}" runs backwards')
        if last > LARGEST:
            raise _wrong(text, f"{last} is more than {LARGEST}")
        if last - first >= MOST or len(found) + last - first >= MOST:
            raise _wrong(text, f"these are more than {MOST}")
        found.update(dict.fromkeys(range(first, last + 1)))
    return tuple(found)


def shown(seeds: tuple[int, ...]) -> str:
    """ "seed 1", "seeds 1 to 3", "seeds 1, 2, 5"."""
    if len(seeds) == 1:
        return f"seed {seeds[0]}"
    if len(seeds) > 2 and list(seeds) == list(range(seeds[0], seeds[-1] + 1)):
        return f"seeds {seeds[0]} to {seeds[-1]}"
    return f"seeds {', '.join(map(str, seeds))}"


def _wrong(text: str, why: str) -> InvalidInput:
    hint = "--seeds 3 means seeds 1 to 3; --seeds 1,2,5 and --seeds 4-6 name them; one seed of a number: --seed 5"
    return InvalidInput(f'--seeds "{text}": {why}', hint)
