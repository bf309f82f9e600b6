"""arXiv's daily feed: what was announced, of which version, and how.

The feed is built at midnight US Eastern Time and lists one announcement: at most 2,000 items, empty on Saturdays,
Sundays and holidays, without replacements of version 6 and up.  Where it is cut, new papers are lost first.  What it
says of a paper itself is not taken: all authors stand in one element, the abstract has lost its line breaks.

The raw bytes are parsed strictly first, as in query_api.py; feedparser repairs what is broken, and reads what is left.

Documentation: https://info.arxiv.org/help/rss_specifications.html
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any, cast

from paperlab.arxiv import strict_xml
from paperlab.arxiv.client import BadAnswer, Client, Validators
from paperlab.arxiv_id import ArxivId
from paperlab.entities import Announcement, AnnouncementKind
from paperlab.errors import InvalidInput, PaperlabError

SOURCE = "rss"
MAX_ITEMS = 2_000
MAX_TRIES = 3
"""The query API knows the papers too: a feed that can't be had must not hold up the night."""

_GUID = re.compile(r"oai:arXiv\.org:(?P<id>\S+v\d+)", re.ASCII)
_TOLD = re.compile(r"\s*arXiv:(?P<id>\S+)\s+Announce Type:\s*(?P<kind>[a-z-]+)")
_ERROR_TITLE = "feed error"
_SHOWN = 40
"""Characters of what is not known."""


@dataclass(frozen=True)
class Unreadable:
    """An item that says no announcement; of which paper, where it tells."""

    flaw: str
    arxiv_id: ArxivId | None = None

    def __str__(self) -> str:
        return self.flaw


@dataclass(frozen=True)
class Feed:
    """One answer.  `items` counts what the server sent; what could not be read is named in `unreadable`."""

    announcements: tuple[Announcement, ...]
    items: int
    unreadable: tuple[Unreadable, ...] = ()
    published_at: datetime | None = None
    """The day that the feed is of: midnight Eastern Time."""
    built_at: datetime | None = None
    skip_days: tuple[str, ...] = ()
    """Days of the week without an announcement."""
    validators: Validators = field(default_factory=Validators)

    @property
    def is_cut(self) -> bool:
        """As long as a feed gets: more may have been announced."""
        return self.items >= MAX_ITEMS

    @property
    def content_hash(self) -> str:
        """Of the announced versions and their kinds, in no order and without their day."""
        versions = sorted({f"{each.arxiv_id}v{each.version} {each.kind}" for each in self.announcements})
        versions += sorted({str(each.arxiv_id) for each in self.unreadable if each.arxiv_id})
        return hashlib.sha256("\n".join(versions).encode()).hexdigest()


def feed_url(rss_url: str, categories: Sequence[str]) -> str:
    """`https://rss.arxiv.org/rss/cs.CL+cs.LG`."""
    return f"{rss_url.rstrip('/')}/{'+'.join(categories)}"


def fetch(client: Client, url: str, held: Validators | None = None) -> Feed | None:
    """The feed at `url`, or None where it is still the one that `held` belongs to.

    Raises what `Client.fetch` raises, and InvalidInput naming a category that arXiv has no feed of.
    """
    read: list[Feed] = []
    answer = client.fetch(
        url, check=lambda body: read.append(read_feed(body)), refused=refusal, held=held, max_tries=MAX_TRIES
    )
    if answer.body is None:
        return None
    return replace(read[-1], validators=answer.validators)


# --- reading --------------------------------------------------------------------------------------------------


def read_feed(body: bytes) -> Feed:
    """Read a feed.  Raises BadAnswer for anything but a whole RSS feed, InvalidInput for arXiv's error feed."""
    import feedparser

    root = _parse(body)
    channel = root.find("channel")
    if channel is None:
        raise BadAnswer("an RSS feed without a channel")
    if (channel.findtext("title") or "").strip().lower().startswith(_ERROR_TITLE):
        raise _refused_with(channel)
    items = channel.findall("item")
    for item in items:
        _abridge(item)
    parsed = feedparser.parse(_as_bytes(root), sanitize_html=False, resolve_relative_uris=False)
    if len(parsed.entries) != len(items):
        raise BadAnswer(f"feedparser reads {len(parsed.entries)} of {len(items)} items")
    published = _moment(parsed.feed.get("published"))
    announcements: list[Announcement] = []
    unreadable: list[Unreadable] = []
    for number, entry in enumerate(parsed.entries, start=1):
        outcome = _announcement(entry, published, f"item {number}")
        if isinstance(outcome, Announcement):
            announcements.append(outcome)
        else:
            unreadable.append(outcome)
    return Feed(
        announcements=tuple(dict.fromkeys(announcements)),
        items=len(items),
        unreadable=tuple(unreadable),
        published_at=published,
        built_at=_moment(channel.findtext("lastBuildDate")),
        skip_days=tuple((day.text or "").strip() for day in channel.iterfind("skipDays/day")),
    )


def refusal(body: bytes) -> PaperlabError:
    """What a 400 says, in arXiv's words."""
    try:
        channel = _parse(body).find("channel")
    except BadAnswer:
        channel = None
    if channel is None:
        return InvalidInput("arXiv refuses the feed (HTTP 400) and does not say why", "check the categories")
    return _refused_with(channel)


def _announcement(entry: Any, published: datetime | None, name: str) -> Announcement | Unreadable:
    """The announcement in an item, or why it can't be read."""
    told = _TOLD.match(entry.get("summary", ""))
    guid = _GUID.fullmatch(entry.get("id", "").strip())
    texts = [match["id"] for match in (guid, told) if match]
    arxiv_id = next(filter(None, map(_versioned, texts)), None)
    if arxiv_id is None:
        return _without_version(texts, name)
    version = cast(int, arxiv_id.version)
    kind = (entry.get("arxiv_announce_type") or (told["kind"] if told else "")).strip().lower()
    if kind not in set(AnnouncementKind):
        return Unreadable(f'{arxiv_id}: announcement type "{kind[:_SHOWN]}"', arxiv_id)
    moment = _moment(entry.get("published")) or published
    if moment is None:
        return Unreadable(f"{arxiv_id}: no date", arxiv_id)
    return Announcement(arxiv_id.base, version, AnnouncementKind(kind), moment)


def _versioned(text: str) -> ArxivId | None:
    try:
        arxiv_id = ArxivId.parse(text)
    except InvalidInput:
        return None
    return arxiv_id if arxiv_id.version is not None else None


def _without_version(texts: Sequence[str], name: str) -> Unreadable:
    """An identifier may be readable though its version is not."""
    for text in texts:
        if (arxiv_id := ArxivId.of_damaged(text) or ArxivId.of_damaged(f"{text}v")) is not None:
            said = text.removeprefix(arxiv_id.base)[1:]
            flaw = f'with version "{said[:_SHOWN]}"' if said else "with no version"
            return Unreadable(f"{name}: {arxiv_id} {flaw}", arxiv_id)
    return Unreadable(f"{name}: no arXiv identifier")


def _moment(text: str | None) -> datetime | None:
    """`Thu, 24 Sep 2026 00:00:00 -0400` (RFC 5322); None where there is no such time."""
    try:
        moment = parsedate_to_datetime((text or "").strip())
        return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)
    except (ValueError, OverflowError, TypeError, IndexError):
        return None


def _abridge(item: Any) -> None:
    """Leave what an announcement is read from: feedparser takes most of its time for abstracts and authors."""
    for child in list(item):
        if child.tag == "description":
            child.text = (child.text or "").partition("\n")[0]
        elif child.tag not in {"guid", "pubDate", "{http://arxiv.org/schemas/atom}announce_type"}:
            item.remove(child)


def _refused_with(channel: Any) -> InvalidInput:
    words = " ".join((channel.findtext("description") or channel.findtext("title") or "no reason given").split())
    title = " ".join((channel.findtext("title") or "").split())
    return InvalidInput(
        f"arXiv refuses the feed: {title}" + (f" ({words})" if words != title else ""),
        "check the categories: https://arxiv.org/category_taxonomy",
    )


def _parse(body: bytes) -> Any:
    root = strict_xml.parse(body, "RSS")
    if root.tag != "rss":
        raise BadAnswer(f"<{root.tag}> instead of an RSS feed")
    return root


def _as_bytes(root: Any) -> bytes:
    from lxml import etree  # type: ignore[import-untyped]

    return bytes(etree.tostring(root, encoding="utf-8", xml_declaration=True))
