"""Papers as BibTeX, for biber and for bibtex: @misc with arXiv's eprint fields, in UTF-8.

A key is the first author's last name, the year and the first word of the title that says something:
vaswani2017attention.  Within one export keys are unique: the second with the same words ends in a, the third in b.
Papers come in the order of their identifiers, so a key stays the same as later papers join.

The authors' comment ("15 pages, 5 figures") goes into `comment`, which no style prints; where a paper appeared
(journal_ref) and that it was withdrawn go into `note`, which they do.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator

from paperlab.entities import Paper
from paperlab.export import latex

_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_SUFFIXES = frozenset({"jr", "sr", "ii", "iii", "iv"})
_GROUP = re.compile(
    r"(?i:\b(?:collaborations?|team|consortium|group|project|institute|laborator(?:y|ies)|labs?|initiative|community|"
    r"workshop|foundation|university|inc)\b)|\bAI\b"  # but Ai is a name
)
_SAYS_SOMETHING = re.compile(r"[^\W_]")
_SAYING_LITTLE = (
    "a an and are as at be by can do does for from how in into is it its of on or over so than that the their this to "
    "toward towards under up via we what when where which who why will with without"
)
_STOP_WORDS = frozenset(_SAYING_LITTLE.split())
_UNFOLDED = str.maketrans(
    {"ß": "ss", "ẞ": "SS", "ø": "o", "Ø": "O", "ł": "l", "Ł": "L", "æ": "ae", "Æ": "AE", "œ": "oe", "Œ": "OE"}
    | {"đ": "d", "Đ": "D", "ð": "d", "Ð": "D", "þ": "th", "Þ": "Th", "ı": "i", "ħ": "h", "Ħ": "H", "ŋ": "n"}
)


def lines(papers: Iterable[Paper]) -> Iterator[str]:
    """One entry for each paper and an empty line after it.  Of what was written, only the keys stay in memory."""
    used: set[str] = set()
    repeated: dict[str, int] = {}
    for paper in papers:
        yield entry(paper, _unique(key(paper), used, repeated))


def entry(paper: Paper, citation_key: str) -> str:
    """One @misc entry."""
    notes = [latex.escaped(paper.journal_ref)] if paper.journal_ref else []
    if paper.withdrawn:
        notes.append("Withdrawn")
    authors = " and ".join(author(name) for name in paper.authors if _SAYS_SOMETHING.search(name))
    fields = {
        "title": f"{{{latex.title(paper.title)}}}",
        "author": f"{{{authors}}}",
        "year": f"{{{paper.submitted_at.year}}}",
        "month": _MONTHS[paper.submitted_at.month - 1],
        "eprint": f"{{{paper.arxiv_id}}}",
        "archivePrefix": "{arXiv}",
        "primaryClass": f"{{{latex.escaped(paper.primary_category)}}}",
        "doi": f"{{{_verbatim(paper.doi.split()[0])}}}" if paper.doi and paper.doi.split() else "",
        "url": f"{{{paper.abstract_url}}}",
        "note": f"{{{'. '.join(notes)}}}" if notes else "",
        "comment": f"{{{latex.escaped(paper.comment)}}}" if paper.comment else "",
    }
    body = "".join(f"  {name:<13} = {value},\n" for name, value in fields.items() if value not in {"", "{}"})
    return f"@misc{{{citation_key},\n{body}}}\n\n"


def author(name: str) -> str:
    """A name as BibTeX reads it: a group in braces, "Last, Jr., First" where there is a suffix, else as it stands."""
    words = name.split()
    if len(words) > 1 and words[0].lower() == "and":
        words = words[1:]  # what was left over when a list of names was cut into names
    plain = " ".join(words)
    is_group = len(words) == 1 or _GROUP.search(plain)
    with_address = "," in plain.rstrip(",") and not _has_suffix(words)
    if is_group or with_address or "and" in plain.lower().split():
        return f"{{{latex.escaped(plain)}}}"
    if _has_suffix(words):
        suffix = words[-1]
        rest = [word.rstrip(",") for word in words[:-1]]
        last = next((i for i, word in enumerate(rest) if i and word[0].islower()), len(rest) - 1)
        family, given = " ".join(rest[last:]), " ".join(rest[:last])
        return ", ".join(latex.escaped(part) for part in (family, suffix, given))
    return latex.escaped(plain)


def key(paper: Paper) -> str:
    """The key before it is made unique: ASCII letters and digits only."""
    names = [name for name in paper.authors if _SAYS_SOMETHING.search(name)]
    words = names[0].split() if names else []
    if _has_suffix(words):
        words = words[:-1]
    if words and _GROUP.search(" ".join(words)):
        family = _folded(words[0] if words[0].lower() != "the" else words[1 % len(words)])
    else:
        family = _folded(words[-1]) if words else ""
    return f"{family or 'anonymous'}{paper.submitted_at.year}{_first_word(paper)}"


def _first_word(paper: Paper) -> str:
    without_commands = re.sub(r"\\[A-Za-z]+|\\.", "", re.sub(r"\$[^$]*\$", " ", paper.title))
    for word in re.split(r"[^\w]+|_", without_commands.translate(_UNFOLDED)[:1000]):
        folded = _folded(word)
        if folded and folded not in _STOP_WORDS and not folded.isdigit():
            return folded[:40]
    return re.sub(r"\D", "", paper.arxiv_id)


def _folded(text: str) -> str:
    """Letters and digits of ASCII, accents taken off, in lower case."""
    decomposed = unicodedata.normalize("NFKD", re.sub(r"\\.", "", text).translate(_UNFOLDED))
    return "".join(c for c in decomposed.lower() if c.isascii() and c.isalnum())


def _has_suffix(words: list[str]) -> bool:
    return len(words) > 2 and words[-1].rstrip(".").lower() in _SUFFIXES


def _unique(wanted: str, used: set[str], repeated: dict[str, int]) -> str:
    unique = wanted
    while unique in used:
        unique = wanted + _letters(repeated.get(wanted, 0))
        repeated[wanted] = repeated.get(wanted, 0) + 1
    used.add(unique)
    return unique


def _letters(number: int) -> str:
    """0 is a, 25 is z, 26 is aa."""
    text = ""
    number += 1
    while number:
        number, digit = divmod(number - 1, 26)
        text = chr(ord("a") + digit) + text
    return text


def _verbatim(text: str) -> str:
    """A DOI as biblatex reads it: character by character, so that nothing is escaped but what would end the field."""
    return "".join(f"%{ord(c):02X}" if c in "{}\\" else c for c in text if c.isprintable())
