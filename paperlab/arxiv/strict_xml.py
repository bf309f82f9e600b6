"""XML from a stranger, parsed or refused: no document types, no entities, no network, nothing repaired.

One thing is let through: characters that XML 1.0 can't write become blanks, because one of them in an abstract must not
keep all papers away.
"""

from __future__ import annotations

import re
from typing import Any

from paperlab.arxiv.client import BadAnswer

_FORBIDDEN = re.compile(
    rb"[\x00-\x08\x0b\x0c\x0e-\x1f]"
    rb"|\xef\xbf[\xbe\xbf]"  # U+FFFE and U+FFFF in UTF-8
    rb"|\xed[\xa0-\xbf][\x80-\xbf]"  # half of a surrogate pair
    rb"|&#(?:0*(?P<decimal>\d+)|[xX]0*(?P<hexadecimal>[0-9a-fA-F]+));"
)
_LONGEST_REFERENCE = 7
"""Digits of 1114111, the last code point; Python refuses to read numbers of thousands of digits."""


def cleaned(body: bytes) -> bytes:
    """`body` with a blank for every character, and every reference to one, that XML 1.0 forbids (section 2.2)."""
    return _FORBIDDEN.sub(_blank, body)


def _blank(match: re.Match[bytes]) -> bytes:
    """What stands for a match: references to characters that may be written stay as they are."""
    digits = match["decimal"] or match["hexadecimal"]
    if digits is None:
        return b" "
    if len(digits) > _LONGEST_REFERENCE:
        return b" "
    return match[0] if _is_allowed(int(digits, 10 if match["decimal"] else 16)) else b" "


def _is_allowed(code: int) -> bool:
    return code in (0x9, 0xA, 0xD) or 0x20 <= code <= 0xD7FF or 0xE000 <= code <= 0xFFFD or 0x10000 <= code <= 0x10FFFF


def parse(body: bytes, wanted: str) -> Any:
    """The root element of `body`.  Raises BadAnswer, naming what was `wanted`, for all but a whole plain document."""
    from lxml import etree  # type: ignore[import-untyped]

    body = cleaned(body)
    head = body[:1024].lstrip()
    if not head:
        raise BadAnswer("an empty answer")
    if b"<!DOCTYPE" in body or b"<!ENTITY" in body or head[:5].lower() == b"<html":
        raise BadAnswer(f"an HTML page or a document type instead of {wanted}")
    parser = etree.XMLParser(
        resolve_entities=False,
        no_network=True,
        load_dtd=False,
        huge_tree=False,
        recover=False,
        remove_comments=True,
        remove_pis=True,
    )
    try:
        root = etree.fromstring(body, parser=parser)
    except (etree.XMLSyntaxError, ValueError) as error:
        raise BadAnswer(f"cut or broken XML ({error})") from error
    if root.getroottree().docinfo.doctype:  # in an encoding in which the words above do not show
        raise BadAnswer(f"a document type instead of {wanted}")
    return root
