"""XML from a stranger, parsed or refused: no document types, no entities, no network, nothing repaired.

One thing is let through: characters that XML 1.0 can't write become blanks, because one of them in an abstract must not
keep all papers away.
"""

from __future__ import annotations

import re
from typing import Any

from paperlab.arxiv.client import BadAnswer

_FORBIDDEN = re.compile(
    rb"[\x00-\x08\x0b\x0c\x0e-\x1f]|&#(?:0*(?:[0-8]|1[124-9]|2\d|3[01])|[xX]0*(?:[0-8bBcCeEfF]|1[0-9a-fA-F]));"
)


def cleaned(body: bytes) -> bytes:
    """`body` with a blank for every character, and every reference to one, that XML 1.0 forbids."""
    return _FORBIDDEN.sub(b" ", body)


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
