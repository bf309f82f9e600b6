"""A digest's text comes from strangers: real parsers see it as text, and nothing else."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from html.parser import HTMLParser

import feedparser
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lxml import etree
from markdown_it import MarkdownIt

from paperlab.entities import Alert, AlertKind, Gap, VerdictKind
from paperlab.export import digest as export
from paperlab.export.visible import visible
from paperlab.news import Digest, DigestAlert, DigestPaper, VerdictChange, Why, WhyKind
from tests.paperlab.export.test_bibtex import paper

NOW = datetime(2026, 11, 23, 6, 30, tzinfo=UTC)
WATCHED = Why(WhyKind.WATCHLIST, "moe")
PROFILE = Why(WhyKind.PROFILE, "llm", ("attention head*",))
HOSTILE = [
    "<script>alert(1)</script>",
    "[click](javascript:alert(1))",
    "![x](http://evil.example/pixel.png)",
    "<img src=x onerror=alert(1)>",
    "https://evil.example and www.evil.example and me@evil.example",
    "`code` *bold* _em_ ~~gone~~ $maths$ # heading | table |",
    "- item",
    "1. item",
    "1) item",
    "+ item",
    "> quote",
    "=== under",
    "--- rule",
    "\\[ \\* backslash",
    "&lt;script&gt; &amp; &#60;",
    "\u202egnp.exe\u202c right to left",
    "]]> <!-- --> <![CDATA[ x ]]>",
    "quote \" and ' apostrophe",
    "\x00\x1b[31mred\x07 \ud800 \ufffe",
    "<a href='//evil.example'>here</a>",
    "[ref]: http://evil.example",
    "```\nfence",
    "    four blanks",
]


def digest_of(title: str = "Attention Is All You Need", **changes) -> Digest:
    entry = paper(title=title, abstract=title, authors=(title, "Noam Shazeer"), comment=title)
    return Digest(
        since=NOW - timedelta(days=1),
        until=NOW,
        watched=(DigestPaper(entry, (Why(WhyKind.WATCHLIST, title), PROFILE)),),
        **changes,
    )


class Page(HTMLParser):
    """What a browser would make of the page: its tags, its links, its text."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []
        self.open: list[str] = []
        self.text: list[str] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += attrs
        if tag != "meta":
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text.append(data)


def test_every_part_is_there_in_the_order_of_urgency():
    alert = Alert(3, "1706.03762", AlertKind.WITHDRAWN, {"because": ["starred"]}, NOW, None)
    verdict = VerdictChange("bert/mlm", VerdictKind.INCONCLUSIVE, VerdictKind.REPRODUCED, "five seeds", NOW)
    digest = digest_of(
        alerts=(DigestAlert(alert, "Some Paper", "withdrawn in v2; starred"),),
        relevant=(DigestPaper(paper(arxiv_id="2611.00001", title="Other"), (PROFILE,)),),
        verdicts=(verdict,),
        gaps=(Gap("2611.00009", 1, "rss", "", NOW),),
        left_out=2,
    )
    for render in (export.markdown, export.html, export.atom):
        text = render(digest)
        places = [
            text.index(part)
            for part in ("Withdrawn", "Attention Is All You Need", ">Other<" if "<" in text[:1] else "Other", "mlm")
        ]
        assert places[:1] == sorted(places)[:1]
        assert sorted(places) == places
        for said in ("watchlist", "attention head", "starred", "five seeds", "2 more papers", "00009"):
            assert said in text.replace("\\", ""), said


def test_nothing_new_is_said():
    empty = Digest(NOW - timedelta(days=1), NOW)
    for render in (export.markdown, export.html, export.atom):
        assert "Nothing new" in render(empty)
    feed = feedparser.parse(export.atom(empty))
    assert (feed.bozo, feed.entries) == (False, [])


def test_what_was_left_out_too_long_is_said_with_the_command_that_shows_it():
    lost = Digest(NOW - timedelta(days=60), NOW, lost=2, lost_since=NOW - timedelta(days=61))
    for render in (export.markdown, export.html, export.atom):
        said = render(lost).replace("\\", "")
        assert "2 papers never shown" in said
        assert "paperlab digest --since 2026-09-23" in said


@pytest.mark.parametrize("text", HOSTILE)
def test_in_html_a_strangers_text_is_text(text):
    page = Page(export.html(digest_of(text)))
    usual = Page(export.html(digest_of()))
    assert page.tags == usual.tags
    assert page.open == []
    assert [name for name, _ in page.attributes] == [name for name, _ in usual.attributes]
    assert [value for name, value in page.attributes if name == "href"] == ["https://arxiv.org/abs/1706.03762"]
    assert visible(text) in " ".join(page.text)


def test_the_page_loads_and_runs_nothing_and_knows_the_dark():
    text = export.html(digest_of())
    assert "<script" not in text
    assert re.findall(r"src=|@import|url\(", text) == []
    assert "default-src 'none'" in text
    assert "prefers-color-scheme:dark" in text


@pytest.mark.parametrize("text", HOSTILE)
def test_in_markdown_a_strangers_text_is_text(text):
    def kinds(tokens):
        for token in tokens:
            yield token.type
            yield from kinds(token.children or ())

    parser = MarkdownIt("commonmark", {"html": True}).enable(["table", "strikethrough"])
    tokens = parser.parse(export.markdown(digest_of(text)))
    found = {kind for kind in kinds(tokens) if kind not in {"text", "text_special"}}
    allowed = {
        "heading_open",
        "heading_close",
        "inline",
        "link_open",
        "link_close",
        "paragraph_open",
        "paragraph_close",
    }
    assert found <= allowed
    page = Page(parser.render(export.markdown(digest_of(text))))
    assert [value for name, value in page.attributes if name == "href"] == ["https://arxiv.org/abs/1706.03762"]
    assert visible(text) in " ".join(page.text)


def test_an_address_in_a_title_does_not_link_itself_in_githubs_dialect():
    text = export.markdown(digest_of("see https://evil.example, WWW.evil.example or me@evil.example"))
    assert r"https\://evil" in text
    assert r"WWW\.evil" in text
    assert r"me\@evil" in text


@pytest.mark.parametrize("text", HOSTILE)
def test_in_a_feed_a_strangers_text_is_text(text):
    body = export.atom(digest_of(text)).encode()
    feed = feedparser.parse(body)
    assert not feed.bozo
    [entry] = feed.entries
    root = etree.fromstring(body)
    atom = "{http://www.w3.org/2005/Atom}"
    assert root.findtext(f"{atom}entry/{atom}title") == visible(text)
    assert entry.title_detail.type == "text/plain"
    assert entry.content[0].type == "text/plain"
    assert entry.link == "https://arxiv.org/abs/1706.03762"


def test_a_feed_has_all_that_rfc_4287_asks_for():
    entries = tuple(DigestPaper(paper(arxiv_id=f"2611.0000{n}", authors=()), (PROFILE,)) for n in range(3))
    first = export.atom(Digest(NOW - timedelta(days=1), NOW, relevant=entries))
    feed = feedparser.parse(first)
    assert not feed.bozo
    assert feed.version == "atom10"
    assert feed.feed.id.startswith("tag:")
    assert feed.feed.updated == "2026-11-23T06:30:00Z"
    assert feed.feed.author == "paperlab"  # for entries without authors, too
    ids = [entry.id for entry in feed.entries]
    assert len(set(ids)) == 3
    assert all(re.fullmatch(r"tag:[\w.]+,\d{4}:\S+", each) for each in ids)
    assert all(entry.updated_parsed and entry.title for entry in feed.entries)
    later = export.atom(Digest(NOW, NOW + timedelta(days=9), relevant=entries))
    assert [entry.id for entry in feedparser.parse(later).entries] == ids


def test_a_feed_has_what_was_shown_before_after_what_is_new_and_nothing_twice():
    old, both, new = (DigestPaper(paper(arxiv_id=f"2611.0000{n}"), (PROFILE,)) for n in range(3))
    now = Digest(NOW, NOW, watched=(new, both))
    feed = feedparser.parse(export.atom(now, Digest(NOW - timedelta(days=14), NOW, relevant=(both, old))))
    assert not feed.bozo
    assert [entry.id[-1] for entry in feed.entries] == ["2", "1", "0"]


def test_a_title_of_a_hundred_thousand_characters_is_cut_and_says_so():
    for render in (export.markdown, export.html, export.atom):
        text = render(digest_of("x" * 100_000))
        assert len(text) < 12_000
        assert "99500 more characters" in text


@settings(max_examples=150, deadline=None)
@given(st.text(alphabet=st.one_of(st.sampled_from(list("<>&\"'[]()!*_`#-+=\\:./@ aw1\n")), st.characters())))
def test_no_text_escapes_from_any_format(text):
    digest = digest_of(text)
    expected = visible(text) or "(no title)"
    assert len(Page(export.html(digest)).tags) - len(Page(export.html(digest_of())).tags) in {0, -1, -2}
    feed = etree.fromstring(export.atom(digest).encode())
    assert feed.findtext(".//{*}entry/{*}title") == expected[: len(expected)]
    page = Page(
        MarkdownIt("commonmark", {"html": True}).enable(["table", "strikethrough"]).render(export.markdown(digest))
    )
    assert set(page.tags) <= {"h1", "h2", "h3", "p", "a"}
