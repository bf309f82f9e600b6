"""The words of a paper as the ranking counts them: single words and pairs of neighbours, plurals folded.

Folding is Harman's S-stemmer (How effective is suffixing?, Journal of the American Society for Information Science
42(1), 1991, table 1): it joins "model" and "models" and leaves everything else readable.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise

TITLE_WEIGHT = 2
"""A word of the title counts as often as one that stands twice in the abstract."""
MAX_SHARE = 0.2
"""A term in more papers than this says little of any."""
MIN_PAPERS = 5
MAX_TERMS = 40_000
_SAMPLE_FLOOR = 200
"""Below so many papers every term counts that stands in two of them, however common it is."""

_WORD = re.compile(r"[a-z_][a-z0-9_]+")


@dataclass(frozen=True)
class Vocabulary:
    """The terms that are counted, by place, and how people write them.

    `terms` are folded words, or two of them with a blank between; `spellings` the commonest way each is written.
    """

    terms: tuple[str, ...]
    spellings: tuple[str, ...]


@lru_cache(maxsize=1)
def stop_words() -> frozenset[str]:
    """scikit-learn's list of English function words."""
    from sklearn.feature_extraction.text import ENGLISH_STOP_WORDS

    return frozenset(ENGLISH_STOP_WORDS)


def words(text: str) -> list[str]:
    """Lower-case words of two and more characters, accents off, without function words."""
    if not text.isascii():
        text = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode()
    stop = stop_words()
    return [word for word in _WORD.findall(text.lower()) if word not in stop]


@lru_cache(maxsize=200_000)
def fold(word: str) -> str:
    """The word without its plural ending."""
    if len(word) < 4 or not word.endswith("s"):
        return word
    if word.endswith("ies") and not word.endswith(("eies", "aies")):
        return word[:-3] + "y"
    if word.endswith("es") and not word.endswith(("aes", "ees", "oes")):
        return word[:-1]
    return word if word.endswith(("us", "ss", "is")) else word[:-1]


def choose(papers: Iterable[tuple[str, str]]) -> Vocabulary:
    """The vocabulary of these (title, abstract) texts: their most frequent terms that are not everywhere.

    Pairs are counted only where both words are frequent enough themselves, in a second pass over the words kept, so
    that memory grows with the words and not with every pair that ever stood side by side.
    """
    spelled: Counter[str] = Counter()
    folded: list[tuple[list[str], ...]] = []
    for texts in papers:
        parts = tuple(words(text) for text in texts)
        for part in parts:
            spelled.update(part)
        folded.append(tuple([fold(word) for word in part] for part in parts))
    few = len(folded) < _SAMPLE_FLOOR
    at_least, at_most = (2, len(folded)) if few else (MIN_PAPERS, int(MAX_SHARE * len(folded)))

    singles: Counter[str] = Counter()
    for parts in folded:
        singles.update({word for part in parts for word in part})
    frequent = {word for word, count in singles.items() if count >= at_least}
    pairs: Counter[str] = Counter()
    for parts in folded:
        pairs.update(
            {f"{one} {two}" for part in parts for one, two in pairwise(part) if one in frequent and two in frequent}
        )
    counted = [(n, term) for counts in (singles, pairs) for term, n in counts.items() if at_least <= n <= at_most]
    counted.sort(key=lambda each: (-each[0], each[1]))
    terms = tuple(term for _, term in counted[:MAX_TERMS])

    commonest: dict[str, str] = {}
    for word, _ in sorted(spelled.items(), key=lambda each: (-each[1], each[0])):
        commonest.setdefault(fold(word), word)
    return Vocabulary(terms, tuple(" ".join(commonest[word] for word in term.split()) for term in terms))


def count(title: str, abstract: str, places: Mapping[str, int]) -> dict[int, int]:
    """How often each term of `places` stands in the paper, by its place there; the title weighs TITLE_WEIGHT."""
    found: dict[int, int] = {}
    for text, weight in ((title, TITLE_WEIGHT), (abstract, 1)):
        before = ""
        for word in map(fold, words(text)):
            for term in (word, f"{before} {word}") if before else (word,):
                place = places.get(term)
                if place is not None:
                    found[place] = found.get(place, 0) + weight
            before = word
    return found
