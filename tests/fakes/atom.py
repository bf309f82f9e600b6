"""The Atom of the query API, as it is since November 2025 and as it was before."""

from __future__ import annotations

from datetime import UTC, datetime
from textwrap import wrap
from urllib.parse import urlsplit
from xml.sax.saxutils import escape, quoteattr

from paperlab.entities import Paper
from tests.fakes.exchange import Exchange
from tests.fakes.papers import digest


def render(path: str, exchange: Exchange, *, old_format: bool = False) -> bytes:
    """The feed that answers `path`."""
    entry = _old_entry if old_format else _entry
    entries = "".join(
        entry(paper, published=index != exchange.unpublished) for index, paper in enumerate(exchange.entries)
    )
    now = datetime.now(UTC)
    counts = f"""  <opensearch:itemsPerPage>{exchange.size}</opensearch:itemsPerPage>
  <opensearch:startIndex>{exchange.start}</opensearch:startIndex>
"""
    if exchange.total is not None:
        counts += f"  <opensearch:totalResults>{exchange.total}</opensearch:totalResults>\n"
    title = "ArXiv Query" if old_format else "arXiv Query"
    updated = f"{now:%Y-%m-%d}T00:00:00-04:00" if old_format else f"{now:%Y-%m-%dT%H:%M:%SZ}"
    return f"""<?xml version='1.0' encoding='UTF-8'?>
<feed xmlns:opensearch="http://a9.com/-/spec/opensearch/1.1/" xmlns:arxiv="http://arxiv.org/schemas/atom" \
xmlns="http://www.w3.org/2005/Atom">
  <id>https://arxiv.org/api/{digest(path)[:27]}</id>
  <title>{title}: {escape(urlsplit(path).query)}</title>
  <updated>{updated}</updated>
{counts}{entries}</feed>
""".encode()


def refuse(words: str, name: str) -> Exchange:
    """A question that arXiv does not understand: HTTP 400 with an error entry."""
    address = f"https://arxiv.org/api/errors#{escape(name)}"
    now = f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}"
    body = f"""<?xml version='1.0' encoding='UTF-8'?>
<feed xmlns:opensearch="http://a9.com/-/spec/opensearch/1.1/" xmlns="http://www.w3.org/2005/Atom">
  <id>https://arxiv.org/</id>
  <title>arXiv Search Results</title>
  <updated>{now}</updated>
  <opensearch:itemsPerPage>1</opensearch:itemsPerPage>
  <opensearch:totalResults>1</opensearch:totalResults>
  <opensearch:startIndex>0</opensearch:startIndex>
  <entry>
    <id>{address}</id>
    <title>Error</title>
    <updated>{now}</updated>
    <link href={quoteattr(address)} rel="alternate" type="text/html"/>
    <summary>{escape(words)}</summary>
    <author>
      <name>arXiv api core</name>
    </author>
  </entry>
</feed>
"""
    return Exchange([], 1, 0, 1, status=400, body=body.encode())


def _entry(paper: Paper, *, published: bool) -> str:
    name = f"{paper.arxiv_id}v{paper.version}"
    optional = (("comment", paper.comment), ("journal_ref", paper.journal_ref), ("doi", paper.doi))
    extra = "".join(f"    <arxiv:{tag}>{escape(text)}</arxiv:{tag}>\n" for tag, text in optional if text)
    categories = "".join(
        f'    <category term={quoteattr(term)} scheme="http://arxiv.org/schemas/atom"/>\n' for term in paper.categories
    )
    authors = "".join(f"    <author>\n      <name>{escape(author)}</name>\n    </author>\n" for author in paper.authors)
    first = f"    <published>{_stamp(paper.submitted_at)}</published>\n" if published else ""
    return f"""  <entry>
    <id>http://arxiv.org/abs/{name}</id>
    <title>{escape(paper.title)}</title>
    <updated>{_stamp(paper.updated_at)}</updated>
    <link href="https://arxiv.org/abs/{name}" rel="alternate" type="text/html"/>
    <link href="https://arxiv.org/pdf/{name}" rel="related" type="application/pdf" title="pdf"/>
    <summary>{escape(" ".join(paper.abstract.split()))}</summary>
{categories}{first}{extra}    <arxiv:primary_category term={quoteattr(paper.primary_category)}/>
{authors}  </entry>
"""


def _old_entry(paper: Paper, *, published: bool) -> str:
    """As before November 2025: hard-wrapped texts, another order of elements, http links."""
    name = f"{paper.arxiv_id}v{paper.version}"
    first = f"    <published>{_stamp(paper.submitted_at)}</published>\n" if published else ""
    authors = "".join(f"    <author>\n      <name>{escape(author)}</name>\n    </author>\n" for author in paper.authors)
    optional = (("comment", paper.comment), ("journal_ref", paper.journal_ref), ("doi", paper.doi))
    extra = "".join(f"    <arxiv:{tag}>{escape(_wrapped(text))}</arxiv:{tag}>\n" for tag, text in optional if text)
    categories = "".join(
        f'    <category term={quoteattr(term)} scheme="http://arxiv.org/schemas/atom"/>\n' for term in paper.categories
    )
    return f"""  <entry>
    <id>http://arxiv.org/abs/{name}</id>
    <updated>{_stamp(paper.updated_at)}</updated>
{first}    <title>{escape(_wrapped(paper.title))}</title>
    <summary>  {escape(_wrapped(paper.abstract))}
</summary>
{authors}{extra}    <link href="http://arxiv.org/abs/{name}" rel="alternate" type="text/html"/>
    <arxiv:primary_category term={quoteattr(paper.primary_category)} scheme="http://arxiv.org/schemas/atom"/>
{categories}  </entry>
"""


def _wrapped(text: str) -> str:
    return "\n".join(wrap(" ".join(text.split()), 78, break_long_words=False, break_on_hyphens=False))


def _stamp(moment: datetime) -> str:
    return f"{moment.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"
