"""The daily feed is read whole or not at all, and what can't be read of it is said."""

from __future__ import annotations

import random
import re
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from paperlab.arxiv import rss
from paperlab.arxiv.client import BadAnswer, Client, Validators
from paperlab.arxiv.limiter import Limiter
from paperlab.entities import AnnouncementKind
from paperlab.errors import InvalidInput, TryAgain
from tests import fakes
from tests.fakes import FakeArxiv, make_papers

BOTH = ("cs.CL", "cs.LG")
HEAD = b"<?xml version='1.0'?><rss version='2.0'><channel><title>t</title>"


@pytest.fixture
def client(tmp_path) -> Iterator[Client]:
    with Client(Limiter(tmp_path, 0.0), timeout_s=5.0, rng=random.Random(1)) as opened:
        yield opened


@pytest.fixture
def arxiv() -> Iterator[FakeArxiv]:
    with FakeArxiv(make_papers(30)) as server:
        yield server


def fetch(client: Client, arxiv: FakeArxiv, held: Validators | None = None) -> rss.Feed | None:
    return rss.fetch(client, rss.feed_url(arxiv.rss_url, BOTH), held)


def test_an_announcement_has_its_version_kind_and_day(client, arxiv):
    first = next(iter(arxiv.papers.values()))[0]
    second = arxiv.revise(first.arxiv_id)
    arxiv.announce([second], at=datetime(2026, 11, 24, 5, tzinfo=UTC))
    feed = fetch(client, arxiv)
    assert feed is not None
    (one,) = feed.announcements
    assert (one.arxiv_id, one.version, one.kind) == (first.arxiv_id, 2, AnnouncementKind.REPLACE)
    assert one.announced_at == feed.published_at == datetime(2026, 11, 24, 5, tzinfo=UTC)
    assert feed.skip_days == ("Sunday", "Saturday")


def test_the_captured_feed_parses_to_what_it_says(test_data):
    files = sorted((test_data / "arxiv" / "rss").glob("*.xml"))
    assert files, f"{test_data} has no captured feed"
    for file in files:
        text = file.read_text(encoding="utf-8")
        feed = rss.read_feed(file.read_bytes())
        said = re.findall(r"<guid[^>]*>oai:arXiv\.org:(\S+)v(\d+)</guid>", text)
        kinds = re.findall(r"<arxiv:announce_type>(\S+)</arxiv:announce_type>", text)
        assert [(each.arxiv_id, str(each.version)) for each in feed.announcements] == said
        assert [each.kind.value for each in feed.announcements] == kinds
        assert (feed.items, feed.unreadable) == (len(said), ())
        assert feed.published_at == datetime(2026, 9, 24, 4, tzinfo=UTC)
        assert feed.built_at == datetime(2026, 9, 24, 8, 58, 5, tzinfo=UTC)
        assert feed.skip_days == ("Sunday", "Saturday")


def test_an_unchanged_feed_is_not_sent_again(client, arxiv):
    arxiv.announce(make_papers(3))
    feed = fetch(client, arxiv)
    assert feed is not None
    assert fetch(client, arxiv, feed.validators) is None
    assert arxiv.requests[-1].status == 304
    assert arxiv.requests[-1].headers["If-Modified-Since"] == feed.validators.last_modified
    arxiv.announce(make_papers(4))
    again = fetch(client, arxiv, feed.validators)
    assert again is not None
    assert again.items == 4


def test_an_empty_feed_announces_nothing(client, arxiv):
    feed = fetch(client, arxiv)
    assert feed is not None
    assert (feed.announcements, feed.items, feed.is_cut) == ((), 0, False)


def test_the_same_batch_under_another_date_and_order_has_the_same_hash(client, arxiv):
    arxiv.announce(make_papers(5), at=datetime(2026, 11, 24, 5, tzinfo=UTC))
    first = fetch(client, arxiv)
    arxiv.announce(reversed(make_papers(5)), at=datetime(2026, 11, 25, 5, tzinfo=UTC))
    second = fetch(client, arxiv)
    assert first is not None
    assert second is not None
    assert first.content_hash == second.content_hash
    assert first.published_at != second.published_at
    assert replace(second, announcements=second.announcements[1:]).content_hash != first.content_hash


def test_an_item_that_cannot_be_read_is_named_and_the_others_are_read(client, arxiv):
    arxiv.announce(make_papers(5))
    arxiv.set_schedule(fakes.at({0: ["unpublished"]}))
    feed = fetch(client, arxiv)
    assert feed is not None
    assert (feed.items, len(feed.announcements), len(feed.unreadable)) == (5, 4, 1)
    assert "no arXiv identifier" in feed.unreadable[0].flaw


@pytest.mark.parametrize(
    ("item", "flaw"),
    [
        (b"<guid>oai:arXiv.org:2611.00001v1</guid><pubDate>today</pubDate>", 'type ""'),
        (b"<description>arXiv:2611.00001v1 Announce Type: new</description>", "no date"),
        (b"<description>arXiv:2611.00001 Announce Type: new</description>", "no version"),
        (b"<guid>oai:arXiv.org:2611.00001v0</guid>", '2611.00001 with version "0"'),
        (b"<description>arXiv:9999.00001v1 Announce Type: new</description>", "no arXiv identifier"),
        (b"<guid>oai:arXiv.org:2611.00001v10000000000000000000000000</guid>", '2611.00001 with version "1000'),
        (b"<guid>oai:arXiv.org:2611.00001v" + b"9" * 5000 + b"</guid>", '2611.00001 with version "999'),
        (b"", "no arXiv identifier"),
    ],
)
def test_what_lacks_an_identifier_a_version_a_kind_or_a_day_is_unreadable(item, flaw):
    feed = rss.read_feed(HEAD + b"<item>" + item + b"</item></channel></rss>")
    assert feed.announcements == ()
    assert flaw in feed.unreadable[0].flaw


def test_the_description_stands_in_for_a_missing_guid():
    item = b"<item><description>arXiv:cs/0503050v2 Announce Type: replace-cross \nAbstract: x</description>"
    body = HEAD + item + b"<pubDate>Thu, 24 Sep 2026 00:00:00 -0400</pubDate></item></channel></rss>"
    (one,) = rss.read_feed(body).announcements
    assert (one.arxiv_id, one.version, one.kind) == ("cs/0503050", 2, AnnouncementKind.REPLACE_CROSS)


def test_the_description_stands_in_for_a_guid_whose_version_can_not_be_read():
    item = b"<item><guid>oai:arXiv.org:2611.00001v99999</guid><description>arXiv:2611.00001v2 Announce Type: replace"
    body = HEAD + item + b"</description><pubDate>Thu, 24 Sep 2026 00:00:00 -0400</pubDate></item></channel></rss>"
    (one,) = rss.read_feed(body).announcements
    assert (one.arxiv_id, one.version) == ("2611.00001", 2)


def test_an_unknown_category_is_named(client, arxiv):
    with pytest.raises(InvalidInput, match=r"cs\.XX"):
        rss.fetch(client, rss.feed_url(arxiv.rss_url, ("cs.XX",)))
    assert len(arxiv.requests) == 1


@pytest.mark.parametrize("fault", ["429", "503", "406", "reset", "truncated", "html", "garbage"])
def test_one_bad_answer_heals(fault, client, arxiv):
    arxiv.announce(make_papers(5))
    arxiv.set_schedule(fakes.at({0: [fault]}))
    feed = fetch(client, arxiv)
    assert feed is not None
    assert feed.items == 5
    assert len(arxiv.requests) == 2


def test_a_feed_that_stays_bad_is_given_up_early(client, arxiv):
    arxiv.set_schedule(lambda _: ["html"])
    with pytest.raises(TryAgain, match="HTML page"):
        fetch(client, arxiv)
    assert len(arxiv.requests) == rss.MAX_TRIES


BOMB = b'<!DOCTYPE rss [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;">]>'


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<html><body>x</body></html>",
        b"<?xml version='1.0'?>" + BOMB + b"<rss><channel><title>&b;</title></channel></rss>",
        (BOMB + b"<rss><channel><title>&b;</title></channel></rss>").decode().encode("utf-16"),
        b"<?xml version='1.0'?><!DOCTYPE rss SYSTEM 'file:///etc/passwd'><rss><channel/></rss>",
        HEAD + b"<item><guid>&file;</guid></item></channel></rss>",
        HEAD,
        b"<feed xmlns='http://www.w3.org/2005/Atom'/>",
        b"<rss version='2.0'/>",
    ],
)
def test_bombs_entities_pages_and_torn_feeds_are_bad_answers(body):
    with pytest.raises(BadAnswer):
        rss.read_feed(body)


def test_random_damage_raises_nothing_but_our_errors(arxiv):
    arxiv.announce(make_papers(3))
    whole = arxiv.answer("/rss/cs.CL+cs.LG")[1]
    rng = random.Random(7)
    read = 0
    for _ in range(400):
        body = bytearray(whole)
        for _ in range(rng.randint(1, 6)):
            where = rng.randrange(len(body))
            body[where : where + rng.randint(0, 9)] = rng.choice(
                (rng.randbytes(3), b"<", b"&", b"</item>", b"http://[x", b"\xff", b"9" * 12)
            )
        try:
            rss.read_feed(bytes(body))
            read += 1
        except (BadAnswer, InvalidInput):
            continue
    assert read > 0
