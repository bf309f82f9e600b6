"""The running text of a Wikipedia dump: BERT (1810.04805), section 3.1: "we extract only the text passages and ignore
lists, tables, and headers".

A dump is one XML file packed with bzip2; it is read as a stream.  Wiki mark-up is undone where it stands in running
text, and left out with its content where it is none: templates, tables, references, files, categories.
"""

from __future__ import annotations

import bz2
import html
import re
from collections.abc import Iterator
from pathlib import Path
from xml.etree import ElementTree

_LEAST_CHARACTERS = 200
"""What is left of shorter articles is mostly names."""

_COMMENT = re.compile(r"<!--.*?-->", re.DOTALL)
_REFERENCE = re.compile(r"<ref[^>/]*/>|<ref[^>]*>.*?</ref>", re.DOTALL | re.IGNORECASE)
_NOT_TEXT = re.compile(
    r"<(math|gallery|timeline|code|syntaxhighlight|score|table)\b[^>]*>.*?</\1>", re.DOTALL | re.IGNORECASE
)
_TAG = re.compile(r"</?[a-zA-Z][^>]*>")
_INNERMOST_TEMPLATE = re.compile(r"\{\{[^{}]*\}\}|\{\|[^{}]*?\|\}", re.DOTALL)
_INNERMOST_LINK = re.compile(r"\[\[([^\[\]]*)\]\]")
_WEB_LINK = re.compile(r"\[(?:https?:)?//[^\s\]]*\s*([^\]]*)\]")
_QUOTES = re.compile(r"'{2,}")
_SPACES = re.compile(r"[ \t\xa0]+")
_HOLLOW = re.compile(r"\(\s*[,;:]?\s*\)")
# A line that begins so is an item of a list, a row of a table, a heading, a rule.
_OTHER_LINES = ("*", "#", ":", ";", "|", "!", "=", "{", "}", "-----", "__")


def read_articles(path: Path) -> Iterator[str]:
    """The text of each article in the order of the dump, a paragraph a line; redirects and other pages left out."""
    with bz2.open(path, "rb") as file:
        root = None
        for event, element in ElementTree.iterparse(file, events=("start", "end")):
            root = element if root is None else root
            name = element.tag.rpartition("}")[2]
            if event == "start" or name != "page":
                continue
            space = element.tag.removesuffix("page")
            wanted = element.findtext(f"{space}ns") == "0" and element.find(f"{space}redirect") is None
            text = element.findtext(f"{space}revision/{space}text") if wanted else None
            root.clear()  # or the whole dump would stay in memory
            if text and len(found := running_text(text)) >= _LEAST_CHARACTERS:
                yield found


def running_text(markup: str) -> str:
    """The paragraphs of wiki mark-up, one a line."""
    text = _COMMENT.sub("", markup)
    for pattern in (_REFERENCE, _NOT_TEXT):
        text = pattern.sub("", text)
    for pattern, replacement in ((_INNERMOST_TEMPLATE, ""), (_INNERMOST_LINK, _shown)):
        before = None
        while before != text:  # from the inside out: they nest
            before, text = text, pattern.sub(replacement, text)
    text = _WEB_LINK.sub(r"\1", text)
    text = html.unescape(_TAG.sub("", _QUOTES.sub("", text)))
    lines = (_HOLLOW.sub("", _SPACES.sub(" ", line)).strip() for line in text.split("\n"))
    return "\n".join(line for line in lines if line and not line.startswith(_OTHER_LINES))


def _shown(link: re.Match[str]) -> str:
    """What a reader sees of [[target|words]]; nothing of a file or category."""
    target, _, words = link[1].partition("|")
    space = target.partition(":")[0].strip().lower() if ":" in target else ""
    if space in {"file", "image", "category"}:
        return ""
    return words.rpartition("|")[2] or target
