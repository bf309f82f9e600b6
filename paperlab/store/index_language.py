"""What the two full-text indexes are asked in: FTS5's expressions in SQLite, tsquery in PostgreSQL.

Both answer the same of the same words: the words are ours (paperlab.query.words) on either side, and so are the facets.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy.engine import Connection
from sqlalchemy.orm import Session

from paperlab.query import Field
from paperlab.store import full_text, tsvector


@dataclass(frozen=True)
class IndexLanguage:
    """Expressions, each a text that can stand in the next, and the SQL that an index is asked with."""

    phrase: Callable[[Field, Sequence[str], bool], str]
    """Words that stand side by side in a field; where it is true, the last is a beginning."""
    some_facet: Callable[[Iterable[str], bool], str]
    """One of these facets; where it is true, they are beginnings."""
    every_facet: Callable[[Iterable[str]], str]
    all_of: Callable[[Sequence[str]], str]
    any_of: Callable[[Sequence[str]], str]
    without: Callable[[str, str], str]
    """The first and not the second."""
    ordinal: str
    compared: str
    """The ordinal in a condition on what `from_few` gives: never looked up by it."""
    matches: str
    """The condition on `full_text`, with {match} for the name of the parameter."""
    listed: str
    """A table `{name}` with one column `value`, from the parameter `:{name}` as `bound` gives it."""
    from_few: str
    """The index looked up for a few ordinals, which are the table {few}."""
    bound: Callable[[Sequence[int]], Any]
    unlimited: int | None

    @property
    def everything(self) -> str:
        return self.every_facet((full_text.EVERY,))

    @property
    def nothing(self) -> str:
        return self.every_facet(("never",))


def of(session: Session | Connection) -> IndexLanguage:
    """The language of this database's index."""
    dialect = session.get_bind().dialect if isinstance(session, Session) else session.dialect
    return TSQUERY if dialect.name == "postgresql" else FTS5


# --- SQLite ---------------------------------------------------------------------------------------------------

_COLUMNS = {
    Field.ANY: "{title abstract authors comment}",
    Field.TITLE: "title",
    Field.ABSTRACT: "abstract",
    Field.AUTHOR: "authors",
    Field.COMMENT: "comment",
}


def _fts5_phrase(field: Field, words: Sequence[str], is_beginning: bool) -> str:
    star = " *" if is_beginning else ""
    return f'{_COLUMNS[field]} : "{" ".join(map(full_text.spelled, words))}"{star}'


def _fts5_some_facet(names: Iterable[str], are_beginnings: bool) -> str:
    star = " *" if are_beginnings else ""
    quoted = (f'"{name}"{star}' for name in names)
    return f"facets : ({' OR '.join(quoted)})"


FTS5 = IndexLanguage(
    phrase=_fts5_phrase,
    some_facet=_fts5_some_facet,
    every_facet=lambda names: f"facets : ({' AND '.join(names)})",
    all_of=lambda parts: f"({' AND '.join(parts)})",
    any_of=lambda parts: f"({' OR '.join(parts)})",
    without=lambda wanted, unwanted: f"({wanted} NOT {unwanted})",
    ordinal="full_text.rowid",
    compared="+full_text.rowid",  # without "+" SQLite looks an OR up by it, and then has no use for MATCH: an error
    matches="full_text MATCH {match}",
    listed="json_each(:{name}) AS {name}",
    from_few="{few} CROSS JOIN full_text ON full_text.rowid = few.value",  # in this order, whatever the planner thinks
    bound=json.dumps,
    unlimited=-1,
)


# --- PostgreSQL -----------------------------------------------------------------------------------------------


def _tsquery_phrase(field: Field, words: Sequence[str], is_beginning: bool) -> str:
    star = "*" if is_beginning else ""
    weight = tsvector.WEIGHTS.get(field, "")
    *first, last = map(tsvector.lexeme, words)
    mark = f":{weight}" if weight else ""
    end = f":{star}{weight}" if star or weight else ""
    phrase = f"({' <-> '.join((*(f'{word}{mark}' for word in first), f'{last}{end}'))})"
    if not first or field not in (Field.ANY, Field.AUTHOR):
        return phrase
    name = tsvector.lexeme(tsvector.name_facet(words))
    return f"({phrase} | {name}{':*' if star else ''})"


def _tsquery_some_facet(names: Iterable[str], are_beginnings: bool) -> str:
    star = ":*" if are_beginnings else ""
    return f"({' | '.join(tsvector.lexeme(tsvector.facet(name)) + star for name in names)})"


TSQUERY = IndexLanguage(
    phrase=_tsquery_phrase,
    some_facet=_tsquery_some_facet,
    every_facet=lambda names: f"({' & '.join(tsvector.lexeme(tsvector.facet(name)) for name in names)})",
    all_of=lambda parts: f"({' & '.join(parts)})",
    any_of=lambda parts: f"({' | '.join(parts)})",
    without=lambda wanted, unwanted: f"({wanted} & !{unwanted})",
    ordinal="full_text.ordinal",
    compared="full_text.ordinal",
    matches="full_text.words @@ CAST({match} AS tsquery)",
    listed="unnest(CAST(:{name} AS bigint[])) AS {name}(value)",
    from_few="{few} JOIN full_text ON full_text.ordinal = few.value",
    bound=list,
    unlimited=None,
)
