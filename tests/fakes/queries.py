"""/api/query: questions by category and window, and identifier lists."""

from __future__ import annotations

import re
from functools import partial
from typing import TYPE_CHECKING
from urllib.parse import parse_qs, urlsplit

from paperlab.arxiv_id import ArxivId
from paperlab.entities import Paper
from paperlab.errors import InvalidInput
from tests.fakes import atom
from tests.fakes.exchange import Exchange
from tests.fakes.papers import digest

if TYPE_CHECKING:
    from tests.fakes.server import FakeArxiv

MAX_SLICE = 2_000
MAX_RESULTS = 30_000
_QUERY = re.compile(
    r"\(?(?P<cats>cat:[\w.-]+(?: OR cat:[\w.-]+)*)\)?(?: AND submittedDate:\[(?P<since>\d{12}) TO (?P<until>\d{12})\])?"
)
_WELL_FORMED = re.compile(r"(\d{4}\.\d{4,5}|[a-z-]+(\.[A-Z]{2})?/\d{7})(v\d+)?")


def answer(server: FakeArxiv, path: str) -> Exchange:
    """One page, or arXiv's error entry."""
    exchange = _look_up(server, {name: values[0] for name, values in parse_qs(urlsplit(path).query).items()})
    exchange.headers["Content-Type"] = "application/atom+xml; charset=utf-8"
    exchange.render = partial(atom.render, path, old_format=server.old_format)
    return exchange


def _look_up(server: FakeArxiv, asked: dict[str, str]) -> Exchange:
    start, size = int(asked.get("start", 0)), int(asked.get("max_results", 10))
    if size > MAX_SLICE or start + size > MAX_RESULTS:
        return atom.refuse("max_results must be less than the limit", "max_results_too_large")
    if asked.get("id_list"):
        ids = asked["id_list"].split(",")
        for text in ids:
            if not _WELL_FORMED.fullmatch(text):
                return atom.refuse(f"incorrect id format for {text}", f"incorrect_id_format_for_{text}")
        found = [paper for text in ids if (paper := _by_id(server, text))]
    else:
        match = _QUERY.fullmatch(asked.get("search_query", ""))
        if match is None:
            return atom.refuse(f"incorrect query: {asked.get('search_query', '')}", "incorrect_query")
        found = _ordered(server, match, asked.get("sortBy", "relevance"), asked.get("sortOrder", "descending"))
    return Exchange(found[start : start + size], len(found), start, size)


def _by_id(server: FakeArxiv, text: str) -> Paper | None:
    try:
        asked = ArxivId.parse(text)
    except InvalidInput:
        return None  # well-formed, but never given out
    held = server.papers.get(asked.base, [])
    if asked.version is None:
        return held[-1] if held else None
    return next((paper for paper in held if paper.version == asked.version), None)


def _ordered(server: FakeArxiv, match: re.Match[str], sort_by: str, sort_order: str) -> list[Paper]:
    key = (match[0], sort_by, sort_order, server.salt)
    if key not in server.orders:
        wanted = {part.removeprefix("cat:") for part in match["cats"].split(" OR ")}
        found = [versions[-1] for versions in server.papers.values() if not wanted.isdisjoint(versions[-1].categories)]
        if match["since"]:
            window = match["since"], match["until"]
            found = [paper for paper in found if window[0] <= f"{paper.submitted_at:%Y%m%d%H%M}" <= window[1]]
        by = "updated_at" if sort_by == "lastUpdatedDate" else "submitted_at"
        found.sort(
            key=lambda paper: (getattr(paper, by), digest(server.salt + paper.arxiv_id)),
            reverse=sort_order != "ascending",
        )
        if len(server.orders) > 8:
            server.orders.clear()
        server.orders[key] = found
    return server.orders[key]
