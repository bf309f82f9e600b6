"""ROUGE: how much of a reference a summary has (Lin 2004, aclanthology.org/W04-1013).

ROUGE-1, ROUGE-2  shared words and pairs of words, each as often as both have it (section 2)
ROUGE-L           the longest common subsequence of the two texts as one sentence each (section 3.1)
ROUGE-Lsum        the union of those of each sentence of the reference with all of the summary's (section 3.2)

Each as F1 of precision and recall.  Words are runs of a to z and 0 to 9 in small letters; nothing is stemmed, no word
is left out: the package rouge-score without its stemmer gives the same numbers.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence

NAMES = ("rouge-1", "rouge-2", "rouge-l", "rouge-lsum")
_NOT_IN_WORDS = re.compile(r"[^a-z0-9]+")
_SENTENCE_END = re.compile(r"(?<=[.!?])\s+|\n")

Words = Sequence[str]


def words(text: str) -> list[str]:
    return _NOT_IN_WORDS.sub(" ", text.lower()).split()


def sentences(text: str) -> list[list[str]]:
    """Each as its words; they end with a line, or with a mark and white space behind it."""
    return [found for part in _SENTENCE_END.split(text) if (found := words(part))]


def scores(summary: str, reference: str) -> dict[str, float]:
    """All four, 0 to 1."""
    made, right = words(summary), words(reference)
    return {
        "rouge-1": _of_ngrams(made, right, 1),
        "rouge-2": _of_ngrams(made, right, 2),
        "rouge-l": f1(longest_common(made, right), len(made), len(right)),
        "rouge-lsum": _of_union(sentences(summary), sentences(reference)),
    }


def best(summary: str, references: Sequence[str]) -> dict[str, float]:
    """Against the reference with the highest ROUGE-1, as SciTLDR's released code (scripts/cal-rouge.py) chooses it."""
    found = [scores(summary, reference) for reference in references]
    return max(found, key=lambda each: each["rouge-1"])


def mean(summaries: Sequence[str], references: Sequence[Sequence[str]]) -> dict[str, float]:
    """Of all summaries, in percent."""
    found: list[Mapping[str, float]] = [best(*each) for each in zip(summaries, references, strict=True)]
    return {name: 100 * sum(each[name] for each in found) / len(found) for name in NAMES}


def f1(shared: int, made: int, right: int) -> float:
    """Of precision shared / made and recall shared / right."""
    return 2 * shared / (made + right) if shared else 0.0


def longest_common(one: Words, other: Words) -> int:
    """The length of the longest common subsequence."""
    return _table(one, other)[-1][-1]


def _of_ngrams(made: Words, right: Words, n: int) -> float:
    ours, theirs = (Counter(zip(*(each[k:] for k in range(n)), strict=False)) for each in (made, right))
    return f1((ours & theirs).total(), ours.total(), theirs.total())


def _of_union(made: Sequence[Words], right: Sequence[Words]) -> float:
    """A word counts at most as often as the summary and the reference have it: two sentences may match the same one."""
    left = [Counter(word for sentence in each for word in sentence) for each in (made, right)]
    totals = [each.total() for each in left]
    shared = 0
    for sentence in right:
        for place in sorted({place for ours in made for place in _places(sentence, ours)}):
            word = sentence[place]
            if left[0][word] and left[1][word]:
                shared += 1
                left[0][word] -= 1
                left[1][word] -= 1
    return f1(shared, *totals)


def _places(reference: Words, summary: Words) -> list[int]:
    """Where in the reference a longest common subsequence lies.  Of several, one that shortens the summary last."""
    table = _table(reference, summary)
    row, column = len(reference), len(summary)
    found = []
    while row and column:
        if reference[row - 1] == summary[column - 1]:
            row, column = row - 1, column - 1
            found.append(row)
        elif table[row][column - 1] > table[row - 1][column]:
            column -= 1
        else:
            row -= 1
    return found


def _table(one: Words, other: Words) -> list[list[int]]:
    """[i][j]: the length for the first i words of one and the first j of the other."""
    table = [[0] * (len(other) + 1)]
    for word in one:
        above, row = table[-1], [0]
        for column, theirs in enumerate(other):
            row.append(above[column] + 1 if word == theirs else max(above[column + 1], row[column]))
        table.append(row)
    return table
