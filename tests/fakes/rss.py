"""/rss/cs.CL+cs.LG: the daily feed, as the feed service builds it at midnight Eastern Time.

New papers and revisions of the announced categories, cut to 2,000 items after sorting, revisions of version 6 and up
left out, all authors in one dc:creator, an ETag, and an unknown category as a 400 with a feed of its own.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import format_datetime
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit
from xml.sax.saxutils import escape
from zoneinfo import ZoneInfo

from paperlab.arxiv.categories import CATEGORIES
from paperlab.entities import Paper
from tests.fakes.exchange import Exchange
from tests.fakes.papers import digest

if TYPE_CHECKING:
    from tests.fakes.server import FakeArxiv

MAX_ITEMS = 2_000
MAX_VERSION = 5
EASTERN = ZoneInfo("America/New_York")
_ORDER = ("replace-cross", "replace", "cross", "new")
"""The cut is made after this sorting, so that a huge feed loses new papers first."""


@dataclass(frozen=True)
class Announced:
    """One item of a feed."""

    paper: Paper
    kind: str


def answer(server: FakeArxiv, path: str) -> Exchange:
    """The feed of the categories in the path."""
    names = unquote(urlsplit(path).path).rpartition("/")[2].split("+")
    unknown = [name for name in names if name not in CATEGORIES]
    if unknown:
        return _error(unknown[0])
    found = [item for item in server.announced if not set(names).isdisjoint(item.paper.categories) and _is_listed(item)]
    found.sort(key=lambda item: _ORDER.index(item.kind) if item.kind in _ORDER else len(_ORDER))
    items = found[:MAX_ITEMS]
    day = server.announced_at
    built = datetime.now(UTC)
    return Exchange(
        list(items),
        headers={
            "Content-Type": "text/xml; charset=utf-8",
            "ETag": f'"{digest(f"{names} {day} {[(i.paper.arxiv_id, i.paper.version, i.kind) for i in items]}")[:32]}"',
            "Last-Modified": format_datetime(day.astimezone(UTC).replace(microsecond=0), usegmt=True),
        },
        render=lambda exchange: _render(names, exchange, day, built),
    )


def _is_listed(item: Announced) -> bool:
    return not item.kind.startswith("replace") or item.paper.version <= MAX_VERSION


def _render(names: list[str], exchange: Exchange, day: datetime, built: datetime) -> bytes:
    title = ", ".join(names)
    items = "".join(
        _item(item, day, readable=index != exchange.unpublished) for index, item in enumerate(exchange.entries)
    )
    return f"""<?xml version='1.0' encoding='UTF-8'?>
<rss xmlns:arxiv="http://arxiv.org/schemas/atom" xmlns:dc="http://purl.org/dc/elements/1.1/" \
xmlns:atom="http://www.w3.org/2005/Atom" version="2.0">
  <channel>
    <title>{escape(title)} updates on arXiv.org</title>
    <link>http://rss.arxiv.org/rss/{escape("+".join(names))}</link>
    <description>{escape(title)} updates on the arXiv.org e-print archive.</description>
    <language>en-us</language>
    <lastBuildDate>{format_datetime(built.replace(microsecond=0))}</lastBuildDate>
    <pubDate>{format_datetime(day)}</pubDate>
    <skipDays>
      <day>Sunday</day>
      <day>Saturday</day>
    </skipDays>
{items}  </channel>
</rss>
""".encode()


def _item(item: Announced, day: datetime, *, readable: bool) -> str:
    paper = item.paper
    name = f"{paper.arxiv_id}v{paper.version}"
    identity = (
        f'      <guid isPermaLink="false">oai:arXiv.org:{name}</guid>\n'
        if readable
        else '      <guid isPermaLink="false">oai:arXiv.org:</guid>\n'
    )
    told = f"arXiv:{name} Announce Type: {item.kind} \nAbstract: " if readable else "Abstract: "
    categories = "".join(f"      <category>{escape(category)}</category>\n" for category in paper.categories)
    return f"""    <item>
      <title>{escape(paper.title)}</title>
      <link>https://arxiv.org/abs/{paper.arxiv_id if readable else ""}</link>
      <description>{escape(told + " ".join(paper.abstract.split()))}</description>
{identity}{categories}      <pubDate>{format_datetime(day)}</pubDate>
      <arxiv:announce_type>{item.kind}</arxiv:announce_type>
      <dc:creator>{escape(", ".join(paper.authors))}</dc:creator>
    </item>
"""


def _error(category: str) -> Exchange:
    body = f"""<?xml version='1.0' encoding='UTF-8'?>
<rss version="2.0">
  <channel>
    <title>Feed error for query: {escape(category)}</title>
    <link>http://rss.arxiv.org/</link>
    <description>Bad archive or category: {escape(category)}</description>
  </channel>
</rss>
"""
    return Exchange([], status=400, headers={"Content-Type": "text/xml; charset=utf-8"}, body=body.encode())
