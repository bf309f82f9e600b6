"""arXiv identifiers: the id without version is a paper's identity, the version is its history.

Schemes (https://info.arxiv.org/help/arxiv_identifier.html): `2401.00001` since 2015, `0704.0001` from April 2007,
`cs/0503050` and `math.GT/0309136` before.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import unquote, urlsplit

from paperlab.errors import InvalidInput

_NEW = r"(?P<new>(?P<year>\d{2})(?P<month>0[1-9]|1[0-2])\.(?P<number>\d{4,5}))"
_OLD = r"(?P<old>(?P<archive>[a-z]+(?:-[a-z]+)*)(?:\.[A-Z]{2})?/(?P<serial>\d{2}(?:0[1-9]|1[0-2])\d{3}))"
_ID = re.compile(rf"(?:{_NEW}|{_OLD})(?:v(?P<version>[1-9]\d{{0,3}}))?", re.ASCII)
"""A paper has a few dozen versions at most; a longer number is damage, and fits no column."""
_BEFORE_VERSION = re.compile(rf"(?:{_NEW}|{_OLD})(?=v)", re.ASCII)
_HOSTS = ("arxiv.org", "export.arxiv.org", "www.arxiv.org", "alphaxiv.org", "www.alphaxiv.org", "ar5iv.org")
_FIVE_DIGITS_SINCE = 1501
_ARCHIVES = (
    *("astro-ph", "cond-mat", "cs", "econ", "eess", "math", "nlin", "physics", "q-bio", "q-fin", "stat", "gr-qc"),
    *("hep-ex", "hep-lat", "hep-ph", "hep-th", "math-ph", "nucl-ex", "nucl-th", "quant-ph", "acc-phys", "adap-org"),
    *("alg-geom", "ao-sci", "atom-ph", "bayes-an", "chao-dyn", "chem-ph", "cmp-lg", "comp-gas", "dg-ga", "funct-an"),
    *("mtrl-th", "patt-sol", "plasm-ph", "q-alg", "solv-int", "supr-con"),
)
"""Archives that ever stood in an identifier.  Stored ordinals count by this order: only append to it."""
PER_MONTH = 1_000_000
"""What an ordinal grows by from one month to the next."""
_SHOWN = 80
"""Characters of a text without identifier that its error repeats."""
_OLD_STYLE = 100_000


@dataclass(frozen=True, order=True)
class ArxivId:
    """`base` is the id without version; `version` is None where the text named none."""

    base: str
    version: int | None = None

    def __str__(self) -> str:
        return self.base if self.version is None else f"{self.base}v{self.version}"

    @property
    def abstract_url(self) -> str:
        return f"https://arxiv.org/abs/{self}"

    @property
    def ordinal(self) -> int:
        """A number of the identifier without version that grows with the month and, since April 2007, within it."""
        archive, slash, serial = self.base.partition("/")
        if not slash:
            month, _, number = self.base.partition(".")
            return (200_000 + int(month)) * PER_MONTH + int(number)
        century = 190_000 if serial[0] == "9" else 200_000
        old = _OLD_STYLE + _ARCHIVES.index(archive) * 1000 + int(serial[4:])
        return (century + int(serial[:4])) * PER_MONTH + old

    @classmethod
    def from_ordinal(cls, ordinal: int) -> ArxivId:
        """The identifier that has this `ordinal`."""
        month, number = divmod(ordinal, PER_MONTH)
        yymm = f"{month % 10_000:04d}"
        if number < _OLD_STYLE:
            return cls(f"{yymm}.{number:0{5 if month % 10_000 >= _FIVE_DIGITS_SINCE else 4}d}")
        archive, serial = divmod(number - _OLD_STYLE, 1000)
        return cls(f"{_ARCHIVES[archive]}/{yymm}{serial:03d}")

    @staticmethod
    def month_of(ordinal: int) -> str:
        """The month ("2026-11") in which arXiv gave out the identifier that has this `ordinal`."""
        month = ordinal // PER_MONTH
        return f"{month // 100:04d}-{month % 100:02d}"

    @classmethod
    def parse(cls, text: str) -> ArxivId:
        """An identifier from `2401.00001v2`, `arXiv:cs/0503050`, or an abs, pdf, html or DOI address.

        Raises InvalidInput where the text holds none: a number that arXiv could never have given out is refused
        here, so that it costs no request.
        """
        match = _ID.fullmatch(text) or _ID.fullmatch(_strip_address(text.strip()))
        if match is None or not _plausible(match):
            shown = text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…"
            raise InvalidInput(
                f'"{shown}" is not an arXiv identifier',
                "examples: 1706.03762   1706.03762v7   cs/0503050   https://arxiv.org/abs/1706.03762",
            )
        version = match["version"]
        return cls(_base(match), int(version) if version else None)

    @classmethod
    def of_damaged(cls, text: str) -> ArxivId | None:
        """The identifier without version of a text whose version can't be read, such as `2401.00001v0`."""
        match = _BEFORE_VERSION.match(_strip_address(text.strip()))
        return cls(_base(match)) if match is not None and _plausible(match) else None


def _base(match: re.Match[str]) -> str:
    return match["new"] or f"{match['archive']}/{match['serial']}"


def _strip_address(text: str) -> str:
    try:
        parts = urlsplit(text if "://" in text else "")
    except ValueError:  # such as an unclosed bracket in the host
        return text
    if parts.netloc:
        host = parts.netloc.lower().rpartition("@")[2].partition(":")[0]
        path = unquote(parts.path)
        if host in {"doi.org", "dx.doi.org"}:
            return re.sub(r"^/10\.48550/arxiv\.", "", path, flags=re.IGNORECASE)
        if host in _HOSTS:
            return re.sub(r"^/(?:abs|pdf|html|ps|format|src|e-print|overview)/|\.pdf$|/$", "", path)
        return text
    return re.sub(r"^arxiv:\s*", "", text, flags=re.IGNORECASE)


def _plausible(match: re.Match[str]) -> bool:
    if match["old"]:
        return match["archive"] in _ARCHIVES
    month = int(match["year"] + match["month"])
    digits = 5 if month >= _FIVE_DIGITS_SINCE else 4
    return month >= 704 and len(match["number"]) == digits and int(match["number"]) > 0
