"""A digest as Markdown, as a page of HTML, or as an Atom feed.

All text in it comes from strangers: it is shown, never interpreted.  Links lead to arXiv's abstract pages only.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from html import escape as html_escape
from itertools import groupby
from urllib.parse import quote
from xml.sax.saxutils import escape as xml_escape
from xml.sax.saxutils import quoteattr

from paperlab.export.markdown import escaped as _markdown
from paperlab.export.visible import MAX_TITLE, visible
from paperlab.news import Digest, DigestAlert, DigestPaper, VerdictChange, Why, WhyKind

MAX_ABSTRACT = 2_000
MAX_AUTHORS = 8
MAX_GAPS = 20
_TAG = "tag:paperlab,2026:"
"""Identifiers of the feed and its entries (RFC 4151): the same thing has the same one in every feed."""
_PAGE_STYLE = (
    ":root{color-scheme:light dark}body{font:16px/1.5 system-ui,sans-serif;max-width:46rem;margin:2rem auto;"
    "padding:0 1rem;color:#1b1b1b;background:#fff}h3{margin:1.2rem 0 .1rem;font-size:1.05rem}"
    "p{margin:.2rem 0;overflow-wrap:anywhere}h3,li{overflow-wrap:anywhere}a{color:#0b57d0}"
    ".why,.by{color:#555;font-size:.9rem}@media(prefers-color-scheme:dark){body{color:#e3e3e3;background:#161616}"
    "a{color:#8ab4f8}.why,.by{color:#aaa}}"
)


@dataclass(frozen=True)
class _Item:
    """One thing of a digest in plain words; every renderer escapes them in its own way."""

    key: str
    """Within the feed's tag URI."""
    title: str
    address: str
    by: str
    why: str
    text: str
    updated_at: datetime
    authors: tuple[str, ...] = ()
    categories: tuple[str, ...] = ()


@dataclass(frozen=True)
class _Group:
    title: str
    items: tuple[_Item, ...]


def markdown(digest: Digest) -> str:
    """CommonMark."""
    blocks = [f"# {_markdown(_heading(digest))}"]
    for group in _groups(digest):
        blocks.append(f"## {_markdown(group.title)}")
        for item in group.items:
            title = _markdown(item.title)
            blocks.append(f"### [{title}](<{item.address}>)" if item.address else f"### {title}")
            blocks += [_markdown(text) for text in (item.by, item.why, item.text) if text]
    blocks += [_markdown(line) for line in _closing(digest)]
    return "\n\n".join(blocks) + "\n"


def html(digest: Digest) -> str:
    """One page that loads nothing and runs nothing, light or dark as the reader's system is."""
    heading = html_escape(_heading(digest))
    body = [f"<h1>{heading}</h1>"]
    for group in _groups(digest):
        body.append(f'<h2 dir="auto">{html_escape(group.title)}</h2>')
        for item in group.items:
            title = f"<bdi>{html_escape(item.title)}</bdi>"
            if item.address:
                title = f'<a href="{html_escape(item.address)}" rel="noopener noreferrer">{title}</a>'
            body.append(f'<h3 dir="auto">{title}</h3>')
            texts = (("by", item.by), ("why", item.why), ("text", item.text))
            body += [f'<p class="{name}" dir="auto">{html_escape(text)}</p>' for name, text in texts if text]
    body += [f"<p>{html_escape(line)}</p>" for line in _closing(digest)]
    policy = "default-src 'none'; style-src 'unsafe-inline'"
    head = (
        '<meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">'
        f'<meta http-equiv="Content-Security-Policy" content="{policy}"><meta name="referrer" content="no-referrer">'
        f"<title>{heading}</title><style>{_PAGE_STYLE}</style>"
    )
    return f'<!DOCTYPE html>\n<html lang="en"><head>{head}</head>\n<body>\n' + "\n".join(body) + "\n</body></html>\n"


def atom(digest: Digest, before: Digest | None = None) -> str:
    """A feed of its own (RFC 4287): an entry for each thing, its text as plain text.

    What is in `before` and not in the digest stands after it.
    """
    items: dict[str, _Item] = {}
    for each in (digest, before):
        for item in (item for group in _groups(each) for item in group.items) if each else ():
            items.setdefault(item.key, item)
    entries = "".join(map(_entry, items.values()))
    return (
        '<?xml version="1.0" encoding="utf-8"?>\n<feed xmlns="http://www.w3.org/2005/Atom">\n'
        f"  <id>{_TAG}digest</id>\n  <title>paperlab digest</title>\n"
        f"  <subtitle>{xml_escape(' '.join([_heading(digest) + '.', *_closing(digest)]))}</subtitle>\n"
        f"  <updated>{_time(digest.until)}</updated>\n  <author><name>paperlab</name></author>\n"
        f"  <generator>paperlab</generator>\n{entries}</feed>\n"
    )


# --- what is said, in plain words -----------------------------------------------------------------------------


def _heading(digest: Digest) -> str:
    if digest.since is None:
        return f"Papers, the digest of {_minute(digest.until)} once more"
    return f"Papers, {_minute(digest.since)} to {_minute(digest.until)}"


def _groups(digest: Digest) -> Iterator[_Group]:
    """Alerts, then watchlists by name, then what is ranked, then what is relevant, then verdicts."""
    if digest.alerts:
        yield _Group("Alerts", tuple(map(_alert, digest.alerts)))
    for why, watched in groupby(digest.watched, key=lambda entry: entry.why[0]):
        kind = "Followed" if why.kind is WhyKind.AUTHOR else "Watchlist"
        yield _Group(f"{kind}: {visible(why.name, MAX_TITLE)}", tuple(map(_paper, watched)))
    if digest.ranked:
        yield _Group("Like what you starred and tagged", tuple(map(_paper, digest.ranked)))
    if digest.relevant:
        yield _Group("Relevant", tuple(map(_paper, digest.relevant)))
    if digest.verdicts:
        yield _Group("Verdicts", tuple(map(_verdict, digest.verdicts)))


def _closing(digest: Digest) -> list[str]:
    lines = [] if digest.has_news else ["Nothing new."]
    if digest.left_out:
        lines.append(f"{_count(digest.left_out, 'more paper')} left out; paperlab digest shows the next.")
    if digest.lost and digest.lost_since:
        day = f"{digest.lost_since.astimezone(UTC):%Y-%m-%d}"
        lines.append(
            f"{_count(digest.lost, 'paper')} never shown came in too long ago to come by themselves; "
            f"paperlab digest --since {day} shows them."
        )
    if digest.gaps:
        named = ", ".join(visible(gap.arxiv_id, 40) for gap in digest.gaps[:MAX_GAPS])
        more = ", ..." if len(digest.gaps) > MAX_GAPS else ""
        lines.append(f"{_count(len(digest.gaps), 'paper')} announced and not held yet: {named}{more}.")
    lines.append("Thank you to arXiv for use of its open access interoperability.")
    return lines


def _paper(entry: DigestPaper) -> _Item:
    paper = entry.paper
    authors = tuple(name for author in paper.authors if (name := visible(author, 200)))
    by = ", ".join(authors[:MAX_AUTHORS]) + (f" and {len(authors) - MAX_AUTHORS} more" if len(authors) > 8 else "")
    where = f"{paper.arxiv_id}v{paper.version}, {paper.primary_category}, {paper.submitted_at:%Y-%m-%d}"
    return _Item(
        key=f"paper/{paper.arxiv_id}",
        title=visible(paper.title, MAX_TITLE) or "(no title)",
        address=_address(paper.abstract_url),
        by=". ".join(part for part in (by, visible(where)) if part),
        why=f"Why: {'; '.join(map(_why, entry.why))}" if entry.why else "",
        text=visible(paper.abstract, MAX_ABSTRACT),
        updated_at=paper.updated_at,
        authors=authors[:MAX_AUTHORS],
        categories=tuple(visible(category, 40) for category in paper.categories),
    )


def _why(why: Why) -> str:
    name = visible(why.name, 100)
    words = ", ".join(visible(word, 60) for word in why.words)
    match why.kind:
        case WhyKind.WATCHLIST:
            return f"watchlist {name}"
        case WhyKind.AUTHOR:
            return f"by {name}, followed"
        case WhyKind.RANKING:
            return f"like {name}" + (f" ({words})" if words else "")
        case WhyKind.PROFILE:
            return f"profile {name} ({words or 'by category'})"


def _alert(entry: DigestAlert) -> _Item:
    alert = entry.alert
    title = visible(entry.title, MAX_TITLE) or visible(alert.arxiv_id, 40)
    return _Item(
        key=f"alert/{alert.id}",
        title=f"{alert.kind.value.capitalize()}: {title}",
        address=_address(f"https://arxiv.org/abs/{alert.arxiv_id}"),
        by=f"{visible(alert.arxiv_id, 40)}, {_minute(alert.raised_at)}",
        why=visible(entry.words, MAX_ABSTRACT),
        text="",
        updated_at=alert.raised_at,
    )


def _verdict(change: VerdictChange) -> _Item:
    before = f" (was {change.before.value})" if change.before else ""
    return _Item(
        key=f"verdict/{change.claim_id}/{change.judged_at.astimezone(UTC):%Y%m%dT%H%M%S.%f}",
        title=f"{visible(change.claim_id, MAX_TITLE)}: {change.after.value}{before}",
        address="",
        by=_minute(change.judged_at),
        why="",
        text=visible(change.reason, MAX_ABSTRACT),
        updated_at=change.judged_at,
    )


def _address(url: str) -> str:
    """An address that stays within its quotes, whatever the identifier."""
    return quote(url, safe=":/.-_~")


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"


def _minute(moment: datetime) -> str:
    return f"{moment.astimezone(UTC):%Y-%m-%d %H:%M} UTC"


# --- Atom -----------------------------------------------------------------------------------------------------


def _entry(item: _Item) -> str:
    link = f'    <link rel="alternate" href={quoteattr(item.address)}/>\n' if item.address else ""
    authors = "".join(f"    <author><name>{xml_escape(name)}</name></author>\n" for name in item.authors)
    categories = "".join(f"    <category term={quoteattr(term)}/>\n" for term in _distinct(item.categories))
    text = "\n\n".join(part for part in (item.why, item.by, item.text) if part)
    return (
        f"  <entry>\n    <id>{_TAG}{quote(item.key, safe='/.-_~:+=')}</id>\n"
        f'    <title type="text">{xml_escape(item.title)}</title>\n    <updated>{_time(item.updated_at)}</updated>\n'
        f'{link}{authors}{categories}    <content type="text">{xml_escape(text)}</content>\n  </entry>\n'
    )


def _distinct(terms: Iterable[str]) -> Sequence[str]:
    return [term for term in dict.fromkeys(terms) if term]


def _time(moment: datetime) -> str:
    return f"{moment.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"
