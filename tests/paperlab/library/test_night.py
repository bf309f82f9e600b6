"""A night: the feed says what was announced, the query API brings it, what is missing stays known until it comes."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from paperlab.arxiv.limiter import Clock
from paperlab.entities import Gap, Paper, ReceiptStatus
from paperlab.errors import TryAgain
from paperlab.library import announcements, night, plan
from paperlab.library.announcements import News
from paperlab.library.night import Night
from paperlab.library.plan import SyncOptions
from paperlab.library.sync import Stopped
from paperlab.settings import Settings
from paperlab.store import announcements as announced
from paperlab.store import database, gaps, papers, receipts
from paperlab.store.database import Engine
from tests import fakes
from tests.fakes import FakeArxiv, atom, make_paper, make_papers
from tests.fakes.exchange import Exchange
from tests.fakes.server import ROUTES


@dataclass
class Lab:
    """A home and the arXiv that it speaks to."""

    settings: Settings
    engine: Engine
    arxiv: FakeArxiv

    def night(self, *, later: timedelta = timedelta(0), **options: Any) -> Night:
        clock = Clock(wall=lambda: time.time() + later.total_seconds())
        got = night.run(self.engine, self.settings, SyncOptions(**options), clock=clock)
        for receipt in (got.receipt, got.feed):
            assert receipt.announced == receipt.held + receipt.open
        return got

    def held(self) -> dict[str, Paper]:
        with database.read_only(self.engine) as session:
            return {paper.arxiv_id: paper for paper in papers.export(session) if paper.source != papers.SEED}

    def gaps(self) -> list[Gap]:
        with database.read_only(self.engine) as session:
            return gaps.still_open(session)

    def closed(self) -> dict[str, str | None]:
        with database.read_only(self.engine) as session:
            return {gap.arxiv_id: gap.outcome for gap in gaps.closed(session)}

    def given_up(self) -> list[Gap]:
        with database.read_only(self.engine) as session:
            return gaps.given_up(session)

    def lookups(self) -> int:
        return sum("id_list=2" in path for path in self.paths())

    def paths(self) -> list[str]:
        return [request.path for request in self.arxiv.requests]


@pytest.fixture
def lab_of(settings_for, engine_for) -> Iterator[Callable[..., Lab]]:
    opened: list[FakeArxiv] = []

    def make(served: list[Paper], *, page_size: int = 100) -> Lab:
        arxiv = FakeArxiv(served).__enter__()
        opened.append(arxiv)
        settings = settings_for(arxiv.url, rss_url=arxiv.rss_url, page_size=page_size, timeout_s=5.0)
        return Lab(settings, engine_for(settings), arxiv)

    yield make
    for arxiv in opened:
        arxiv.__exit__(None, None, None)


@pytest.fixture(scope="module")
def first_night(tmp_path_factory) -> tuple[list[Paper], Path]:
    """Six days of papers, and where the home lies that holds them, once a test has brought them in."""
    now = datetime.now(UTC).replace(microsecond=0)
    times = [now - timedelta(hours=2.5 * number) for number in range(60)]
    served = [
        replace(paper, submitted_at=moment, updated_at=moment)
        for paper, moment in zip(make_papers(60), times, strict=True)
    ]
    return served, tmp_path_factory.mktemp("first-night") / "home"


@pytest.fixture
def lab(lab_of, first_night, tmp_path, request) -> Lab:
    """Six days of papers, all held; the walk of a night, with its overlap, takes the newest few pages."""
    served, kept = first_night
    if kept.exists():
        shutil.copytree(kept, tmp_path / "home")
        return lab_of(served, page_size=10)
    made = lab_of(served, page_size=10)
    made.night()
    made.arxiv.requests.clear()
    if request.config.getoption("database") == "sqlite":  # a server keeps no copy of a database that lies in a folder
        made.engine.dispose()
        shutil.copytree(made.settings.home, kept)
    return made


def late(number: int = 500) -> Paper:
    """Submitted five days before it is let through: deeper than the walk's two days of overlap."""
    moment = datetime.now(UTC).replace(microsecond=0) - timedelta(days=5)
    return replace(make_paper(number), submitted_at=moment, updated_at=moment)


# --- what was announced comes ---------------------------------------------------------------------------------


def test_a_night_is_one_request_for_the_feed_and_pages_of_the_query_api(lab):
    lab.arxiv.night(new=10, replaced=10)
    got = lab.night()
    assert lab.held() == lab.arxiv.truth()
    assert (got.receipt.new, got.receipt.revised) == (10, 10)
    assert (got.feed.announced, got.feed.held, got.feed.open) == (20, 20, 0)
    assert got.feed.details["kinds"] == {"new": 10, "replace": 10}
    feed, *pages = lab.paths()
    assert feed == "/rss/cs.AI+cs.CL+cs.LG+stat.ML"
    assert all("lastUpdatedDate" in page for page in pages)
    assert lab.lookups() == 0
    assert got.receipt.requests + got.feed.requests == len(lab.arxiv.requests)
    assert lab.gaps() == []


def test_a_paper_let_through_late_lies_below_the_walk_and_comes_through_the_feed(lab):
    held_back = late()
    lab.arxiv.add(held_back)
    without = lab.night()
    assert (without.receipt.new, held_back.arxiv_id in lab.held()) == (0, False)
    lab.arxiv.announce([held_back])
    got = lab.night()
    assert lab.held() == lab.arxiv.truth()
    assert (got.receipt.new, got.feed.new, got.feed.announced, got.feed.open) == (0, 1, 1, 0)
    assert lab.lookups() == 1
    assert lab.closed() == {held_back.arxiv_id: gaps.HELD}


def test_many_missing_papers_are_looked_up_in_batches(lab):
    several = [late(number) for number in range(500, 650)]
    for paper in several:
        lab.arxiv.add(paper)
    lab.arxiv.announce(several)
    got = lab.night()
    assert lab.held() == lab.arxiv.truth()
    assert lab.lookups() == 2
    assert got.feed.new == 150


def test_of_the_held_it_is_said_how_many_match_the_profile_and_why_the_others_do_not(lab):
    lab.arxiv.night(new=30, replaced=0)
    got = lab.night()
    said = got.feed.details["matches"]
    assert said["profile"] == "llm"
    assert said["matching"] == said["by term"] + said["by category"]
    assert said["matching"] + said["no term of the profile"] == got.feed.held == 30
    walked = got.receipt.details["matches"]
    assert walked["matching"] + walked["no term of the profile"] == got.receipt.held


# --- the same feed again --------------------------------------------------------------------------------------


def test_a_second_sync_asks_for_the_feed_only_if_it_changed(lab):
    lab.arxiv.night(new=5, replaced=0)
    lab.night()
    got = lab.night()
    assert [request.status for request in lab.arxiv.requests if "/rss" in request.path] == [200, 304]
    assert (got.feed.status, got.feed.announced) == (ReceiptStatus.COMPLETE, 0)
    assert got.feed.details["feed"] == News.UNCHANGED


def test_a_weekend_or_holiday_feed_announces_nothing(lab):
    lab.arxiv.announce([])
    got = lab.night()
    assert (got.feed.status, got.feed.announced, got.feed.details["feed"]) == (ReceiptStatus.COMPLETE, 0, News.EMPTY)
    assert "nothing announced" in got.feed.reason


def test_yesterdays_batch_under_todays_date_is_noticed_and_not_counted_twice(lab):
    lab.arxiv.night(new=5, replaced=0)
    batch = [item.paper for item in lab.arxiv.announced]
    first = lab.night()
    lab.arxiv.announce([])
    lab.night()
    lab.arxiv.announce(reversed(batch))
    again = lab.night()
    assert (first.feed.announced, again.feed.announced) == (5, 0)
    assert again.feed.details["feed"] == News.REPEATED
    assert "served before" in again.feed.reason
    with database.read_only(lab.engine) as session:
        assert announced.count(session) == 5


def test_a_batch_that_repeats_one_category_counts_what_is_new_in_it(lab):
    lab.arxiv.night(new=5, replaced=0)
    old = [item.paper for item in lab.arxiv.announced]
    lab.night()
    lab.arxiv.night(new=3, replaced=0)
    lab.arxiv.announce([*old, *(item.paper for item in lab.arxiv.announced)])
    got = lab.night()
    assert (got.feed.announced, got.feed.details["announced_before"]) == (3, 5)
    assert got.feed.details["feed"] == News.BATCH


def test_a_feed_that_is_cut_is_said_and_the_walk_brings_the_rest(lab, monkeypatch):
    monkeypatch.setattr("paperlab.arxiv.rss.MAX_ITEMS", 8)
    monkeypatch.setattr("tests.fakes.rss.MAX_ITEMS", 8)
    lab.arxiv.night(new=6, replaced=6)
    got = lab.night()
    assert got.feed.details["cut"]
    assert "cut at 8 items" in got.feed.reason
    assert got.feed.details["kinds"] == {"replace": 6, "new": 2}
    assert lab.held() == lab.arxiv.truth()


# --- gaps -----------------------------------------------------------------------------------------------------


def test_what_is_announced_and_not_given_stays_open_and_closes_when_it_comes(lab):
    missing = late()
    lab.arxiv.announce([missing])
    got = lab.night()
    assert (got.feed.announced, got.feed.held, got.feed.open) == (1, 0, 1)
    (gap,) = lab.gaps()
    assert (gap.arxiv_id, gap.version, gap.source, gap.tries) == (missing.arxiv_id, 1, "rss", 1)
    assert "announced as new" in gap.reason
    lab.arxiv.add(missing)
    got = lab.night()
    assert (got.feed.new, got.feed.open, got.feed.details["feed"]) == (1, 0, News.UNCHANGED)
    assert lab.gaps() == []
    assert lab.closed() == {missing.arxiv_id: gaps.HELD}


def test_a_gap_is_closed_by_whatever_source_brings_the_paper(lab):
    missing = late()
    lab.arxiv.announce([missing])
    lab.night()
    with database.session(lab.engine) as session:
        papers.upsert(session, [replace(missing, version=3, source="oai")], datetime.now(UTC))
    assert lab.gaps() == []
    lab.arxiv.requests.clear()
    lab.night()
    assert lab.closed() == {missing.arxiv_id: gaps.HELD}
    assert lab.lookups() == 0


def test_a_version_that_is_not_out_yet_stays_open_though_an_older_one_is_held(lab):
    paper = next(iter(lab.arxiv.papers.values()))[0]
    lab.arxiv.announce([replace(paper, version=2)])
    got = lab.night()
    assert (got.feed.open, lab.gaps()[0].version) == (1, 2)
    lab.arxiv.revise(paper.arxiv_id)
    assert lab.night().feed.open == 0
    assert lab.gaps() == []


def test_a_paper_that_arxiv_does_not_have_is_given_up_after_so_many_days_and_that_is_said(lab, monkeypatch):
    monkeypatch.setattr(announcements, "MAX_TRIES", 3)
    missing = late()
    lab.arxiv.announce([missing])
    said = [lab.night(later=timedelta(days=day)).feed for day in range(3)]
    assert [receipt.open for receipt in said] == [1, 1, 1]
    assert f"given up after 3 days of answers without them: {missing.arxiv_id}" in said[-1].reason
    assert lab.closed() == {missing.arxiv_id: "not given by arXiv on 3 days"}
    lab.arxiv.requests.clear()
    assert lab.night(later=timedelta(days=3)).feed.open == 0
    assert lab.lookups() == 0


def test_many_syncs_on_one_day_are_one_try(lab):
    lab.arxiv.announce([late()])
    for _ in range(8):
        lab.night()
    assert [gap.tries for gap in lab.gaps()] == [1]


def given_up(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> Paper:
    """Announced, asked for on three days, and given up."""
    monkeypatch.setattr(announcements, "MAX_TRIES", 3)
    missing = late()
    lab.arxiv.announce([missing])
    for day in range(3):
        lab.night(later=timedelta(days=day))
    assert lab.gaps() == []
    return missing


def test_what_was_given_up_opens_again_when_it_is_announced_again(lab, monkeypatch):
    missing = given_up(lab, monkeypatch)
    lab.arxiv.announce([missing])
    lab.arxiv.add(missing)
    got = lab.night(later=timedelta(days=3))
    assert (got.feed.new, got.feed.open) == (1, 0)
    assert lab.closed() == {missing.arxiv_id: gaps.HELD}


def test_what_was_given_up_is_asked_for_once_a_week_for_sixty_days(lab, monkeypatch):
    missing = given_up(lab, monkeypatch)
    asked = {}
    for day in (4, 8, 9, 10, 16, 59, 80):
        lab.arxiv.requests.clear()
        receipt = lab.night(later=timedelta(days=day)).feed
        assert (receipt.announced, receipt.open) == (0, 0)
        asked[day] = lab.lookups() > 0
    assert [day for day, was_asked in asked.items() if was_asked] == [9, 16, 59]
    assert [gap.tries for gap in lab.given_up()] == [3]
    lab.arxiv.add(missing)
    lab.arxiv.announce([missing])
    assert lab.night(later=timedelta(days=81)).feed.new == 1


def test_what_was_given_up_and_comes_after_all_counts_as_held(lab, monkeypatch):
    missing = given_up(lab, monkeypatch)
    lab.arxiv.add(missing)
    with database.session(lab.engine) as session:
        papers.upsert(session, [missing], datetime.now(UTC))
    assert lab.given_up() == []
    lab.night(later=timedelta(days=3))
    assert lab.closed() == {missing.arxiv_id: gaps.HELD}


def test_what_was_given_up_and_is_given_a_week_later_is_counted_as_new(lab, monkeypatch):
    missing = given_up(lab, monkeypatch)
    lab.arxiv.add(missing)
    got = lab.night(later=timedelta(days=9))
    assert (got.feed.announced, got.feed.new, got.feed.open) == (1, 1, 0)
    assert lab.held() == lab.arxiv.truth()


def test_an_identifier_that_arxiv_refuses_keeps_no_other_from_its_turn(lab, monkeypatch):
    several = [late(number) for number in range(500, 530)]
    refused = several[11]
    for paper in several:
        lab.arxiv.add(paper)
    lab.arxiv.announce(several)
    answer = ROUTES["/api/query"]

    def refuse_one(server: FakeArxiv, path: str) -> Exchange:
        if refused.arxiv_id in path:
            return atom.refuse(f"incorrect id format for {refused.arxiv_id}", "x")
        return answer(server, path)

    monkeypatch.setitem(ROUTES, "/api/query", refuse_one)
    got = lab.night()
    assert (got.receipt.status, got.feed.status) == (ReceiptStatus.COMPLETE, ReceiptStatus.COMPLETE)
    assert (got.feed.new, got.feed.open) == (29, 1)
    (gap,) = lab.gaps()
    assert (gap.arxiv_id, gap.tries) == (refused.arxiv_id, 1)
    assert "announced as new" in gap.reason
    assert "incorrect id format" in gap.reason
    assert lab.night(later=timedelta(days=1)).feed.open == 1
    assert [(gap.tries, gap.reason.count("incorrect id format")) for gap in lab.gaps()] == [(2, 1)]


def test_an_answer_that_is_not_whole_is_no_try(lab):
    lab.arxiv.announce([late(500), late(501)])
    lab.arxiv.add(late(500))
    lab.arxiv.set_schedule(lambda number: ["total-moves", "empty"] if number >= 3 else ())
    lab.night()
    assert {gap.tries for gap in lab.gaps()} == {0}
    lab.arxiv.set_schedule(fakes.never)
    lab.night()
    assert [(gap.arxiv_id, gap.tries) for gap in lab.gaps()] == [(late(501).arxiv_id, 1)]


def test_an_item_that_cannot_be_read_is_counted_as_open(lab):
    lab.arxiv.night(new=5, replaced=0)
    lab.arxiv.set_schedule(fakes.at({0: ["unpublished"]}))
    got = lab.night()
    assert (got.feed.announced, got.feed.held, got.feed.open) == (5, 4, 1)
    assert "1 item can't be read" in got.feed.reason
    assert lab.held() == lab.arxiv.truth()


# --- when something fails -------------------------------------------------------------------------------------


@pytest.mark.parametrize(("fault", "reason"), [("503", "HTTP 503"), ("html", "HTML page"), ("reset", "")])
def test_a_feed_that_cannot_be_had_stops_nothing_and_is_said(lab, fault, reason):
    lab.arxiv.night(new=5, replaced=5)
    lab.arxiv.set_schedule(lambda number: [fault] if number < 3 else ())
    got = lab.night()
    assert lab.held() == lab.arxiv.truth()
    assert got.receipt.status is ReceiptStatus.COMPLETE
    assert (got.feed.status, got.feed.details["feed"]) == (ReceiptStatus.PARTIAL, News.FAILED)
    assert "the feed was not had" in got.feed.reason
    assert reason in got.feed.reason
    if fault == "503":
        assert got.feed.details["refusals"] == {"503": 3}
    assert lab.night().feed.announced == 10


def test_a_feed_at_a_wrong_address_stops_nothing(lab):
    lab.settings = replace(lab.settings, arxiv=replace(lab.settings.arxiv, rss_url=f"{lab.arxiv.address}/nowhere"))
    lab.arxiv.arrive()
    got = lab.night()
    assert lab.held() == lab.arxiv.truth()
    assert got.feed.status is ReceiptStatus.FAILED
    assert "HTTP 404" in got.feed.reason


def test_open_gaps_are_retried_though_the_feed_is_down(lab):
    missing = late()
    lab.arxiv.announce([missing])
    lab.night()
    lab.arxiv.add(missing)
    lab.arxiv.set_schedule(lambda number: ["503"] if number < 3 else ())
    assert lab.night().feed.new == 1
    assert lab.held() == lab.arxiv.truth()


@pytest.mark.parametrize("requests", [1, 2])
def test_one_budget_is_over_all_parts_and_the_next_night_goes_on(lab, requests):
    missing = late()
    lab.arxiv.add(missing)
    lab.arxiv.announce([missing])
    with pytest.raises(Stopped, match="budget") as stopped:
        lab.night(max_requests=requests)
    assert stopped.value.reason == "budget"
    assert len(lab.arxiv.requests) == requests
    assert stopped.value.feed is not None
    assert (stopped.value.feed.status, stopped.value.feed.open) == (ReceiptStatus.PARTIAL, 1)
    lab.night()
    assert lab.held() == lab.arxiv.truth()


def test_a_refusal_of_the_feed_ends_the_night(lab):
    fakes.FAULTS["refused"] = lambda _server, x, _rng: fakes.set_status(x, 403)
    try:
        lab.arxiv.set_schedule(lambda _: ["refused"])
        with pytest.raises(TryAgain) as refused:
            lab.night()
    finally:
        del fakes.FAULTS["refused"]
    assert refused.value.reason == "refused"
    assert len(lab.arxiv.requests) == 1


def test_a_night_that_died_leaves_its_announcements_and_both_receipts_are_closed(lab, monkeypatch):
    missing = late()
    lab.arxiv.add(missing)
    lab.arxiv.announce([missing])

    def die(*_args: Any, **_options: Any) -> None:
        raise SystemExit

    with monkeypatch.context() as patched:
        patched.setattr("paperlab.library.sync.ask", die)
        with pytest.raises(SystemExit):
            lab.night()
    assert [gap.arxiv_id for gap in lab.gaps()] == [missing.arxiv_id]
    got = lab.night()
    assert (got.feed.new, lab.held()) == (1, lab.arxiv.truth())
    with database.read_only(lab.engine) as session:
        before = receipts.latest(session, 3)[-1]
    assert (before.source, before.status) == ("rss", ReceiptStatus.INTERRUPTED)


def test_the_feed_alone_brings_what_it_announces(lab):
    missing = late()
    lab.arxiv.add(missing)
    lab.arxiv.announce([missing])
    receipt = night.run_feed(lab.engine, lab.settings, SyncOptions())
    assert (receipt.source, receipt.new, receipt.open) == ("rss", 1, 0)
    assert lab.held() == lab.arxiv.truth()
    lab.arxiv.set_schedule(lambda _: ["503"])
    with pytest.raises(Stopped) as stopped:
        night.run_feed(lab.engine, lab.settings, SyncOptions())
    assert stopped.value.receipt.status is ReceiptStatus.PARTIAL


@pytest.mark.parametrize("kind", ["reinstated", "-"])
def test_a_paper_announced_in_a_way_not_known_is_looked_up_all_the_same(lab, kind):
    lab.night()
    held_back, held = late(), next(iter(lab.held().values()))
    lab.arxiv.add(held_back)
    lab.arxiv.announce([held_back, held], kind=kind)
    feed = lab.night(later=timedelta(days=1)).feed
    assert held_back.arxiv_id in lab.held()
    assert lab.gaps() == []
    assert "2 items can't be read" in feed.reason
    assert f'{held_back.arxiv_id}v1: announcement type "{kind}"' in feed.reason
    assert (feed.announced, feed.held, feed.open) == (2, 2, 0)


def test_a_budget_that_is_too_small_for_any_night_says_what_one_needs(lab):
    lab.night()
    for number in range(400, 900):
        moment = datetime.now(UTC).replace(microsecond=0) - timedelta(minutes=number - 399)
        lab.arxiv.add(replace(make_paper(number), submitted_at=moment, updated_at=moment))
    with pytest.raises(Stopped, match="too little for this night: it reached 20.* and has to reach 20") as stopped:
        lab.night(max_requests=4)
    needed = int(stopped.value.hint.split("allow about ")[1].split()[0])
    assert needed > 4
    assert stopped.value.receipt.status is ReceiptStatus.PARTIAL
    assert 0 < stopped.value.receipt.new < 500
    lab.night(max_requests=needed)
    assert lab.held() == lab.arxiv.truth()


def test_a_budget_that_the_feed_takes_alone_says_so(lab):
    lab.night()
    with pytest.raises(Stopped, match="it brought no page") as stopped:
        lab.night(max_requests=1)
    assert "allow about 2 requests" in stopped.value.hint


def test_a_preview_counts_the_papers_that_would_be_looked_up(lab):
    lab.arxiv.announce([late(number) for number in range(500, 503)])
    lab.night()
    asked = len(lab.arxiv.requests)
    preview = plan.preview(lab.settings, SyncOptions())
    assert (preview.plan.kind, preview.open_gaps, preview.lookups) == ("nightly", 3, 1)
    assert len(lab.arxiv.requests) == asked
