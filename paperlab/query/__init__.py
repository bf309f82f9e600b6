"""The query language of search, watchlists and filters.

    mixture of experts        all of these words, in title, abstract, authors, comment or own notes
    "mixture of experts"      these words in this order
    transform*  -survey       any ending; without
    a OR (b AND NOT c)        upper case only
    abs:"..." au:(hinton OR bengio) ti: co: note: tag: id:          where
    cat:cs.CL  cat:cs.*       category
    year:2024 year:2019..2021 since:2024-01-01 until:2024-06 date:2024-01..2024-03
    is:starred has:code       and other flags

`parse` reads a text into a tree of plain values, `format` writes it back, `holds` asks a single paper.
store/full_text.py asks the database with the same meaning: a word is what `words.tokens` says it is.
"""

from __future__ import annotations

from paperlab.query.evaluation import Facts, facts, hits, holds, looked_for
from paperlab.query.parser import format, parse
from paperlab.query.tree import And, Field, Flag, Is, Not, Or, Query, Submitted, Text, leaves

__all__ = [
    "And",
    "Facts",
    "Field",
    "Flag",
    "Is",
    "Not",
    "Or",
    "Query",
    "Submitted",
    "Text",
    "facts",
    "format",
    "hits",
    "holds",
    "leaves",
    "looked_for",
    "parse",
]
