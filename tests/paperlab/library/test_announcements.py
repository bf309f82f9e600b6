"""What a feed announces is looked for, also where it can't be read in full."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest

from paperlab.entities import Gap, Receipt
from paperlab.library import night
from paperlab.library.plan import SyncOptions
from paperlab.store import database, gaps, papers
from tests.fakes import FAULTS, Exchange, FakeArxiv, make_papers


@pytest.fixture
def arxiv():
    with FakeArxiv(make_papers(12)) as server:
        yield server


@pytest.fixture
def read(settings_for, engine_for, arxiv) -> Callable[[], tuple[Receipt, list[Gap], dict[str, int]]]:
    """Reads the feed alone.  Returns its receipt, the gaps that are open, and the versions held."""
    settings = settings_for(arxiv.url, rss_url=arxiv.rss_url)
    engine = engine_for(settings)

    def read() -> tuple[Receipt, list[Gap], dict[str, int]]:
        receipt = night.run_feed(engine, settings, SyncOptions())
        with database.read_only(engine) as session:
            held = {each.arxiv_id: each.version for each in papers.export(session) if each.source != papers.SEED}
            return receipt, gaps.still_open(session), held

    return read


def replacing(old: str, new: str) -> Callable[[FakeArxiv, Exchange, object], None]:
    def fault(_server: FakeArxiv, exchange: Exchange, _rng: object) -> None:
        render = exchange.render
        exchange.render = lambda each: render(each).replace(old.encode(), new.encode())

    return fault


@pytest.mark.parametrize("version", ["0", "9" * 26])
def test_a_revision_announced_with_an_absurd_version_is_looked_up_though_an_older_one_is_held(
    read, arxiv, monkeypatch, version
):
    first = make_papers(3)
    arxiv.announce(first)
    assert read()[2] == {each.arxiv_id: 1 for each in first}
    revised = arxiv.revise(first[1].arxiv_id)
    monkeypatch.setitem(FAULTS, "absurd", replacing(f"{revised.arxiv_id}v2", f"{revised.arxiv_id}v{version}"))
    arxiv.announce([revised])
    arxiv.set_schedule(lambda number: ["absurd"] if number == 0 else ())
    receipt, still_open, held = read()
    assert held[revised.arxiv_id] == 2
    assert still_open == []
    assert (receipt.announced, receipt.held, receipt.revised, receipt.open) == (1, 1, 1, 0)
    assert "1 item can't be read" in receipt.reason


def test_a_held_paper_announced_with_an_absurd_version_leaves_no_gap_once_it_was_given(read, arxiv, monkeypatch):
    first = make_papers(3)
    arxiv.announce(first)
    read()
    monkeypatch.setitem(FAULTS, "absurd", replacing(f"{first[0].arxiv_id}v1", f"{first[0].arxiv_id}v0"))
    arxiv.announce(first[:1])
    arxiv.set_schedule(lambda number: ["absurd"] if number == 0 else ())
    receipt, still_open, _ = read()
    assert still_open == []
    assert (receipt.announced, receipt.unchanged, receipt.open) == (1, 1, 0)


def test_an_item_that_a_feed_lists_twice_under_two_dates_was_not_announced_before(read, arxiv, monkeypatch):
    def redate(_server: FakeArxiv, exchange: Exchange, _rng: object) -> None:
        render = exchange.render

        def twice(each: Exchange) -> bytes:
            head, mark, rest = render(each).partition(b"<item>")
            item, end, tail = rest.partition(b"</item>")
            again = re.sub(rb"<pubDate>[^<]*", b"<pubDate>Thu, 24 Sep 2020 00:00:00 -0400", item)
            return head + mark + item + end + mark + again + end + tail

        exchange.render = twice

    monkeypatch.setitem(FAULTS, "redated", redate)
    arxiv.announce(make_papers(3))
    arxiv.set_schedule(lambda number: ["redated"] if number == 0 else ())
    receipt, still_open, _ = read()
    assert (receipt.announced, receipt.details["announced_before"], still_open) == (3, 0, [])
