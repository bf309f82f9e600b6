"""From text to tree and back.  Any text is a query, or an InvalidInput that names the place and the fix.

What people type without thinking of a language is taken kindly: a quote or parenthesis that is not closed ends with the
text, a lone "-" or "*" is nothing, "GPT-4: a report" and "C++" are words, and so is "foo:bar" where no field is called
foo.  A bare arXiv identifier or address means that paper.
"""

from __future__ import annotations

import calendar
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date

from paperlab.arxiv_id import ArxivId
from paperlab.errors import InvalidInput
from paperlab.query import words
from paperlab.query.tree import And, Field, Flag, Is, Not, Or, Query, Submitted, Text, leaves

MAX_TERMS = 64
MAX_WORDS = 256
SHORTEST_BEGINNING = 3
"""Letters before a *.  At a million papers one letter takes seconds, three a third of one."""
_MAX_DEPTH = 32
_OPERATORS = ("AND", "OR", "NOT")
_FIELDS = {
    "title": Field.TITLE,
    "ti": Field.TITLE,
    "abstract": Field.ABSTRACT,
    "abs": Field.ABSTRACT,
    "author": Field.AUTHOR,
    "au": Field.AUTHOR,
    "comment": Field.COMMENT,
    "co": Field.COMMENT,
    "note": Field.NOTE,
    "cat": Field.CATEGORY,
    "tag": Field.TAG,
    "id": Field.ID,
}
_DATES = ("year", "since", "until", "date")
_FLAGS = ("has", "is")
_FIELD = re.compile(r"([A-Za-z]+):", re.ASCII)
_CATEGORY = re.compile(r"[a-z]+(?:-[a-z]*)*(?:\.[a-z-]*)?", re.ASCII)
_DAY = re.compile(r"(\d{4})(?:-(\d{1,2}))?(?:-(\d{1,2}))?", re.ASCII)

Span = tuple[date, date]


def parse(text: str) -> Query:
    """The query that `text` writes.  Raises InvalidInput, which names the place and the fix."""
    query = _Parser(text).query()
    if query is None:
        raise InvalidInput(
            f'"{_short(text)}" has no word to look for' if text.strip() else "the query is empty",
            'example: abs:"mixture of experts" cat:cs.CL -survey',
        )
    terms = list(leaves(query))
    number = sum(len(leaf.words) for leaf in terms if isinstance(leaf, Text))
    if len(terms) > MAX_TERMS or number > MAX_WORDS:
        raise InvalidInput(
            f"the query has {len(terms)} terms with {number} words; the most is {MAX_TERMS} with {MAX_WORDS}",
            'leave some out, or put a title in quotes: "attention is all you need"',
        )
    return query


@dataclass
class _Parser:
    """Recursive descent over the characters; `at` is the next one."""

    text: str
    at: int = 0
    depth: int = 0

    def query(self) -> Query | None:
        found = self._alternatives(None)
        while self.at < len(self.text):  # a closing parenthesis that nothing opened
            self.at += 1
            found = _joined(And, [found, self._alternatives(None)])
        return found

    def _alternatives(self, field: str | None) -> Query | None:
        parts = [self._conjunction(field)]
        while self._operator() == "OR":
            place = self.at
            self.at += 2
            if parts[-1] is None or self._at_end() or self._operator() in {"AND", "OR"}:
                raise self._dangling("OR", place)
            parts.append(self._conjunction(field))
        return _joined(Or, parts)

    def _conjunction(self, field: str | None) -> Query | None:
        parts: list[Query | None] = []
        while not self._at_end() and self._operator() != "OR":
            if self._operator() == "AND":
                place = self.at
                self.at += 3
                if not parts or self._at_end() or self._operator() in {"AND", "OR"}:
                    raise self._dangling("AND", place)
            parts.append(self._negatable(field))
        return _joined(And, parts)

    def _negatable(self, field: str | None) -> Query | None:
        negated = False
        while not self._at_end():
            if self._operator() == "NOT":
                place = self.at
                self.at += 3
                if self._at_end() or self._operator() in {"AND", "OR"}:
                    raise self._dangling("NOT", place)
                negated = not negated
            elif self.text[self.at] == "-":
                run = re.compile("-+").match(self.text, self.at)
                self.at = run.end() if run else self.at
                if self.at < len(self.text) and not self.text[self.at].isspace():
                    negated = not negated
                    break
            else:
                break
        part = None if self._at_end() or self._operator() is not None else self._primary(field)
        if part is None or not negated:
            return part
        return part.part if isinstance(part, Not) else Not(part)

    def _primary(self, field: str | None) -> Query | None:
        while (named := self._field()) is not None:
            field = named
        if self.text[self.at] == "(":
            return self._group(field)
        if self.text[self.at] in words.QUOTES:
            place = self.at
            return self._term(self._quoted(), field, place, quoted=True)
        place = self.at
        return self._term(self._word(), field, place, quoted=False)

    def _group(self, field: str | None) -> Query | None:
        self.depth += 1
        if self.depth > _MAX_DEPTH:
            raise InvalidInput(
                f"parentheses stand {self.depth} deep at character {self.at + 1} of the query",
                f"at most {_MAX_DEPTH} deep can be read",
            )
        self.at += 1
        inner = self._alternatives(field)
        self.at += 1  # its closing parenthesis, or the end of the text
        self.depth -= 1
        return inner

    def _field(self) -> str | None:
        """The field that is named here, which is stepped over; None where this is a word."""
        match = _FIELD.match(self.text, self.at)
        if match is None:
            return None
        name = match[1].lower()
        rest = self.text[match.end() : match.end() + 1]
        is_known = name in _FIELDS or name in _DATES or name in _FLAGS
        if not is_known or not rest or rest == ")" or (rest.isspace() and match[1] not in _FIELDS):
            return None
        if rest.isspace():
            blank = len(self.text[match.end() :]) - len(self.text[match.end() :].lstrip())
            if match.end() + blank >= len(self.text):
                return None
            self.at = match.end() + blank
        else:
            self.at = match.end()
        return name

    def _quoted(self) -> str:
        start = self.at + 1
        closing = re.compile(f"[{words.QUOTES}]").search(self.text, start)
        end = closing.start() if closing else len(self.text)
        self.at = end + 1
        inner = self.text[start:end]
        if self.text[self.at : self.at + 1] == "*":
            self.at += 1
            inner += "*"
        self.at = min(self.at, len(self.text))
        return inner

    def _word(self) -> str:
        """Up to a blank, or to the parenthesis that closes the group this word is in."""
        start, opened = self.at, 0
        while self.at < len(self.text) and not self.text[self.at].isspace():
            character = self.text[self.at]
            if character == ")" and self.depth and not opened:
                break
            opened = max(opened + (character == "(") - (character == ")"), 0)
            self.at += 1
        return self.text[start : self.at]

    def _operator(self) -> str | None:
        """The operator that comes next, which stays."""
        self._skip_blanks()
        for operator in _OPERATORS:
            after = self.text[self.at + len(operator) : self.at + len(operator) + 1]
            if self.text.startswith(operator, self.at) and (not after or after.isspace() or after in "()"):
                return operator
        return None

    def _at_end(self) -> bool:
        self._skip_blanks()
        return self.at >= len(self.text) or (self.text[self.at] == ")" and self.depth > 0)

    def _skip_blanks(self) -> None:
        while self.at < len(self.text) and (
            self.text[self.at].isspace() or (self.text[self.at] == ")" and not self.depth)
        ):
            self.at += 1

    def _dangling(self, operator: str, place: int) -> InvalidInput:
        return InvalidInput(
            f"{operator} at character {place + 1} of the query has nothing to join",
            f'write "{operator.lower()}" in lower case to look for the word',
        )

    def _term(self, text: str, field: str | None, place: int, *, quoted: bool) -> Query | None:
        where = f"at character {place + 1} of the query"
        if field is not None and field in _READERS:
            return _READERS[field](field, text.strip(), where)
        if field is None and not quoted and (paper := _bare_identifier(text)):
            return paper
        return _words(Field.ANY if field is None else _FIELDS[field], text, where)


def _joined(kind: type[And] | type[Or], parts: list[Query | None]) -> Query | None:
    flat: list[Query] = []
    for part in parts:
        if part is not None:
            flat += part.parts if isinstance(part, kind) else [part]
    if len(flat) < 2:
        return flat[0] if flat else None
    return kind(tuple(flat))


def _words(field: Field, text: str, where: str) -> Query | None:
    if field is Field.AUTHOR and text.count(",") == 1:  # "Hinton, Geoffrey"
        last, _, first = text.partition(",")
        text = f"{first} {last}"
    found = tuple(words.tokens(text))
    is_prefix = text.endswith("*") and bool(words.tokens(text.rstrip("*")[-1:]))
    if is_prefix and len(found[-1]) < SHORTEST_BEGINNING:
        raise InvalidInput(
            f'"{found[-1]}*" {where} is the beginning of too many words',
            f"give at least {SHORTEST_BEGINNING} letters before the *",
        )
    return Text(field, found, is_prefix) if found else None


def _tag(_field: str, text: str, _where: str) -> Query | None:
    tag = words.tag(text)
    return Text(Field.TAG, (tag,), text.endswith("*")) if tag else None


def _category(_field: str, text: str, where: str) -> Query | None:
    bare = text.lower()
    prefix = bare.endswith("*") and not bare.endswith(".*")
    bare = bare.removesuffix("*").rstrip(".")
    if not bare and not text.strip("*."):
        return None
    if not _CATEGORY.fullmatch(bare):
        raise InvalidInput(f'"{_short(text)}" {where} is not a category', "examples: cat:cs.CL   cat:cs.*   cat:hep-th")
    return Text(Field.CATEGORY, (bare,), prefix)


def _identifier(_field: str, text: str, where: str) -> Query:
    beginning = text.removesuffix("*")
    if beginning != text and re.fullmatch(r"\d{2,4}(?:\.\d{0,5})?|[a-z-]+/\d{0,7}", beginning, re.ASCII):
        return Text(Field.ID, (beginning,), prefix=True)
    try:
        return Text(Field.ID, (ArxivId.parse(text).base,))
    except InvalidInput as error:
        raise InvalidInput(f'"{_short(text)}" {where} is not an arXiv identifier', error.hint) from error


def _bare_identifier(text: str) -> Query | None:
    if not any(character.isdigit() for character in text) or not any(mark in text for mark in "./"):
        return None
    try:
        return Text(Field.ID, (ArxivId.parse(text).base,))
    except InvalidInput:
        return None


def _flag(field: str, text: str, where: str) -> Query:
    try:
        return Is(Flag(f"{field}:{text.lower()}"))
    except ValueError as error:
        known = "   ".join(flag.value for flag in Flag)
        raise InvalidInput(
            f'"{field}:{_short(text)}" {where} is nothing a paper can be or have', f"known: {known}"
        ) from error


def _submitted(field: str, text: str, where: str) -> Query:
    first, dots, last = text.partition("..")
    if not dots and field == "year" and (years := re.fullmatch(r"(\d{4})-(\d{4})", text, re.ASCII)):
        first, dots, last = years[1], "..", years[2]
    try:
        if dots and field in {"year", "date"} and (first or last):
            since = _span(first)[0] if first else None
            until = _span(last)[1] if last else None
        else:
            begin, end = _span(text)
            since = None if field == "until" else begin
            until = None if field == "since" else end
    except ValueError as error:
        raise InvalidInput(
            f'"{field}:{_short(text)}" {where} is not a time',
            "examples: year:2024   year:2019..2021   since:2024-01-15   until:2024-06   date:2024-01..2024-03",
        ) from error
    if since and until and since > until:
        raise InvalidInput(
            f'"{field}:{_short(text)}" {where} ends before it begins', f"turn it round: {field}:{last}..{first}"
        )
    return Submitted(since, until)


def _span(text: str) -> Span:
    """The first and the last day of a year, a month or a day."""
    match = _DAY.fullmatch(text.strip())
    if match is None:
        raise ValueError(text)
    year, month, day = int(match[1]), int(match[2] or 0), int(match[3] or 0)
    if day:
        return date(year, month, day), date(year, month, day)
    if match[3] or (match[2] and not month):
        raise ValueError(text)
    if month:
        return date(year, month, 1), date(year, month, calendar.monthrange(year, month)[1])
    return date(year, 1, 1), date(year, 12, 31)


def _short(text: str) -> str:
    plain = "".join(character if character.isprintable() else " " for character in text)
    return plain if len(plain) <= 60 else plain[:57] + "..."


_READERS: Mapping[str, Callable[[str, str, str], Query | None]] = {
    **dict.fromkeys(_DATES, _submitted),
    **dict.fromkeys(_FLAGS, _flag),
    "cat": _category,
    "tag": _tag,
    "id": _identifier,
}
"""What is not words: called with the field, its text and the place in the query."""


# --- back to text ---------------------------------------------------------------------------------------------


def format(query: Query) -> str:
    """A text that `parse` reads as this query."""
    match query:
        case Text() | Submitted() | Is():
            return _format_leaf(query)
        case Not(part):
            return f"-{_format_part(part)}"
        case And(parts):
            return " ".join(_format_part(part) for part in parts)
        case Or(parts):
            return " OR ".join(_format_part(part) for part in parts)


def _format_part(query: Query) -> str:
    return f"({format(query)})" if isinstance(query, And | Or) else format(query)


def _format_leaf(leaf: Text | Submitted | Is) -> str:
    match leaf:
        case Is(flag):
            return flag.value
        case Submitted(None, until):
            return f"until:{until}"
        case Submitted(since, None):
            return f"since:{since}"
        case Submitted(since, until):
            return f"date:{since}..{until}"
        case Text(field, looked_for, prefix):
            name = "" if field is Field.ANY else f"{field}:"
            text = " ".join(looked_for) + ("*" if prefix else "")
            return f'{name}"{text}"' if len(looked_for) > 1 or field is Field.TAG else name + text
