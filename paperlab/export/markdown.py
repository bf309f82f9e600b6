"""Strangers' text inside Markdown: shown, never interpreted."""

from __future__ import annotations

import re

_MARKUP = re.compile(r"([\\`*_\[\]{}<>&|~$#@^!])")
_LINKS_ITSELF = re.compile(r"(?i)\b(https?|ftp|mailto|xmpp)(:)|\b(www)(\.)")
_BLOCK_START = re.compile(r"^([-+=]|\d{1,9}(?=[.)]))")


def escaped(line: str, *, within: bool = False) -> str:
    """A line as text: no emphasis, code, link, picture, HTML, maths, mention, table, list or heading comes of it.

    The addresses that GitHub's dialect links of its own accord are broken by the escape, too.  `within` says that
    the text stands inside a line, where nothing begins a list or a heading.
    """
    text = _MARKUP.sub(r"\\\1", line)
    text = _LINKS_ITSELF.sub(lambda hit: f"{hit[1]}\\{hit[2]}" if hit[1] else f"{hit[3]}\\{hit[4]}", text)
    start = None if within else _BLOCK_START.match(text)
    if start is None:
        return text
    rest = text[start.end() :]
    return f"{start[1]}\\{rest}" if start[1].isdigit() else f"\\{start[1]}{rest}"
