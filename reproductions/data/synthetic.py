"""Cardinal numbers below a million in English and German words: a translation task that needs no download.

German puts the unit before the ten and writes the number as one word (345 is "dreihundertfünfundvierzig"), so a model
has to reorder, and has unlimited unseen examples that it either gets wholly right or not.
"""

from __future__ import annotations

import numpy as np

LIMIT = 1_000_000

_ENGLISH_WORDS = (
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen "
    "eighteen nineteen"
)
_GERMAN_WORDS = (
    "null ein zwei drei vier fünf sechs sieben acht neun zehn elf zwölf dreizehn vierzehn fünfzehn sechzehn siebzehn "
    "achtzehn neunzehn"
)
_ENGLISH, _GERMAN = _ENGLISH_WORDS.split(), _GERMAN_WORDS.split()
_ENGLISH_TENS = ("", "", "twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety")
_GERMAN_TENS = ("", "", "zwanzig", "dreißig", "vierzig", "fünfzig", "sechzig", "siebzig", "achtzig", "neunzig")


def english(number: int) -> str:
    """British usage: 1,101 is "one thousand, one hundred and one".  0 <= number < 1,000,000."""
    _check(number)
    thousands, rest = divmod(number, 1000)
    if not thousands:
        return _english_below_thousand(rest)
    words = _english_below_thousand(thousands) + " thousand"
    if not rest:
        return words
    return words + (" and " if rest < 100 else ", ") + _english_below_thousand(rest)


def german(number: int) -> str:
    """One word, hundreds and thousands counted: 101,001 is "einhunderteintausendeins".  0 <= number < 1,000,000."""
    _check(number)
    thousands, rest = divmod(number, 1000)
    if not number:
        return _GERMAN[0]
    words = _german_below_thousand(thousands) + "tausend" if thousands else ""
    words += _german_below_thousand(rest) if rest else ""
    return words + "s" if rest % 100 == 1 else words  # "eins" ends a number, "ein" counts something


def splits(seed: int, train: int, held_out: int = 500) -> dict[str, np.ndarray]:
    """Disjoint random numbers: "test" and "val" with ``held_out`` each, "train" with ``train``.

    Test and validation numbers depend on the seed and on ``held_out`` only, not on how many are trained on.
    """
    order = np.random.default_rng(seed).permutation(LIMIT)
    bounds = np.cumsum([held_out, held_out, train])
    if bounds[-1] > LIMIT:
        raise ValueError(f"{bounds[-1]:,} numbers are asked for and there are {LIMIT:,}")
    test, val, rest = np.split(order[: bounds[-1]], bounds[:-1])
    return {"test": test, "val": val, "train": rest}


def _english_below_thousand(number: int) -> str:
    hundreds, rest = divmod(number, 100)
    if not hundreds:
        return _english_below_hundred(rest)
    words = _ENGLISH[hundreds] + " hundred"
    return words + " and " + _english_below_hundred(rest) if rest else words


def _english_below_hundred(number: int) -> str:
    if number < 20:
        return _ENGLISH[number]
    tens, unit = divmod(number, 10)
    return _ENGLISH_TENS[tens] + ("-" + _ENGLISH[unit] if unit else "")


def _german_below_thousand(number: int) -> str:
    hundreds, rest = divmod(number, 100)
    words = _GERMAN[hundreds] + "hundert" if hundreds else ""
    return words + _german_below_hundred(rest) if rest else words


def _german_below_hundred(number: int) -> str:
    if number < 20:
        return _GERMAN[number]
    tens, unit = divmod(number, 10)
    return (_GERMAN[unit] + "und" if unit else "") + _GERMAN_TENS[tens]


def _check(number: int) -> None:
    if not 0 <= number < LIMIT:
        raise ValueError(f"{number} is not between 0 and {LIMIT - 1:,}")
