"""The number in a leaderboard's cell, and what stands around it: "28.5*", "85.1%", "23.4 ± 0.2", "<0.5", "-"."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import Any

_NUMBER = r"[-+]?(?:\d{1,3}(?:,\d{3})+(?:\.\d+)?|\d+(?:\.\d*)?|\.\d+)(?:[eE][-+]?\d{1,3})?"
_VALUE = re.compile(
    rf"(?P<relation>[~≈<>≤≥]=?)?\s*(?P<number>{_NUMBER})\s*(?P<scale>[KMBT](?![\w]))?\s*(?P<unit>%)?"
    rf"\s*(?:(?:±|\+/-|\\pm)\s*(?P<uncertainty>{_NUMBER})\s*%?)?(?P<remark>.*)",
    re.DOTALL,
)
_SCALES = {"K": 1e3, "M": 1e6, "B": 1e9, "T": 1e12}
_NOTHING = frozenset(("", "-", "--", "---", "–", "—", "n/a", "na", "none", "nan", "?"))
_LONGEST = 200
_NO_NUMBER: Mapping[str, Any] = {"remark": "no number"}


def parse(value: Any) -> tuple[str, float | None, Mapping[str, Any]]:
    """The value as text, its number if it has exactly one, and remarks.

    The remarks may have `relation` ("<"), `unit` ("%"), `scale` ("M": the number is multiplied), `uncertainty` and
    `remark` (whatever else stands there, or why there is no number).
    """
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        number = _finite(value)
        return str(value), number, {} if number is not None else _NO_NUMBER
    text = "" if value is None else str(value).strip()
    number, remarks = _number_in(text.replace("\N{MINUS SIGN}", "-").replace("\ufeff", "").strip())
    return text, number, remarks


def _number_in(text: str) -> tuple[float | None, Mapping[str, Any]]:
    match = _VALUE.fullmatch(text) if len(text) <= _LONGEST else None
    if match is None or text.rstrip("*+ ").lower() in _NOTHING:
        return None, _NO_NUMBER
    remark = match["remark"].strip()
    if re.match(r"\w|[/,;|]\s*[-+.\d]|[.-]\s*\d", remark):
        return None, {"remark": "not one number"}
    number = _finite(match["number"].replace(",", ""))
    if number is None:
        return None, _NO_NUMBER
    named = {name: match[name] for name in ("relation", "scale", "unit") if match[name]}
    uncertainty = _finite(match["uncertainty"].replace(",", "")) if match["uncertainty"] else None
    remarks = named | ({"uncertainty": uncertainty} if uncertainty is not None else {})
    scaled = float(f"{number * _SCALES.get(match['scale'] or '', 1.0):.12g}")
    return _finite(scaled), remarks | ({"remark": remark} if remark else {})


def _finite(value: str | float) -> float | None:
    try:
        number = float(value)
    except OverflowError:  # an integer beyond every float
        return None
    return number if math.isfinite(number) else None
