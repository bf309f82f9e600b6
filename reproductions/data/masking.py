"""Masked language modelling's inputs: BERT (1810.04805), section 3.1, "Task #1", and appendix A.1.

15 % of a sequence's tokens are chosen.  Of those, 80 % become [MASK], 10 % a random token, and 10 % stay as they are;
all of them are to be predicted.  Randomness is an argument: a stream that seeds it by the number of its batch gives the
same masks after a resume.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from reproductions.registry import InvalidInput


@dataclass(frozen=True)
class Masking:
    """``rate`` of the tokens are chosen; ``masked`` and ``replaced`` are shares of those, and the rest stays."""

    rate: float = 0.15
    masked: float = 0.8
    replaced: float = 0.1

    def __post_init__(self) -> None:
        """Raises InvalidInput for shares that are none."""
        if not 0 < self.rate <= 1:
            raise InvalidInput(f"the rate of masking is {self.rate}", "it lies above 0 and is at most 1")
        if min(self.masked, self.replaced) < 0 or self.masked + self.replaced > 1:
            what = f"{self.masked} masked and {self.replaced} replaced are no shares of one whole"
            raise InvalidInput(what, "both are at least 0 and together at most 1")


@dataclass(frozen=True)
class Vocabulary:
    """What masking needs of a tokenizer: the id of [MASK], and for each id whether it stands for text, (V,)."""

    mask: int
    is_text: np.ndarray
    text_ids: np.ndarray

    @classmethod
    def without(cls, special: frozenset[int], *, size: int, mask: int) -> Vocabulary:
        """Of ``size`` ids, those of ``special`` stand for no text."""
        is_text = np.ones(size, dtype=bool)
        is_text[sorted(special)] = False
        return cls(mask, is_text, np.flatnonzero(is_text))


@dataclass(frozen=True)
class Masked:
    """``tokens`` (T,), what the model sees; ``places`` (N,), ascending, with the ``targets`` (N,) that stood there."""

    tokens: np.ndarray
    places: np.ndarray
    targets: np.ndarray


def mask_tokens(tokens: np.ndarray, masking: Masking, vocabulary: Vocabulary, random: np.random.Generator) -> Masked:
    """Masks one sequence (T,); [CLS], [SEP] and [UNK] never, and none of them is a random token.

    The number chosen is the nearest to ``rate`` of all its tokens, and at least 1: the released code's rule.  Raises
    InvalidInput for a sequence without a token of text.
    """
    eligible = np.flatnonzero(vocabulary.is_text[tokens])
    if not len(eligible):
        raise InvalidInput("a sequence has no token that could be masked", "look at the text and its vocabulary")
    count = min(len(eligible), max(1, round(masking.rate * len(tokens))))
    places = np.sort(random.choice(eligible, count, replace=False))
    fate = random.random(count)
    seen = tokens.copy()
    seen[places[fate < masking.masked]] = vocabulary.mask
    swapped = places[(fate >= masking.masked) & (fate < masking.masked + masking.replaced)]
    seen[swapped] = random.choice(vocabulary.text_ids, len(swapped))
    return Masked(seen, places, tokens[places])
