"""A harvest brings in whole sets, goes on after days, and never makes worse what other sources said."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from paperlab.arxiv.limiter import Clock
from paperlab.entities import Paper, Receipt, ReceiptStatus
from paperlab.errors import InvalidInput, NotReady, TryAgain, UnknownName
from paperlab.library import harvest, oai_walk, sync
from paperlab.library.harvest import HarvestOptions
from paperlab.library.plan import SyncOptions
from paperlab.library.sync import Stopped
from paperlab.settings import Settings
from paperlab.store import database, gaps, harvests, papers, receipts
from paperlab.store.database import Engine
from tests import fakes
from tests.fakes import FakeArxiv, make_papers

NOON = datetime.now(UTC).replace(microsecond=0, hour=12, minute=0, second=0) - timedelta(days=1)  # never in the future


def spread(days: int, each: int, newest: datetime = NOON) -> list[Paper]:
    """`each` papers on each of so many days, a minute apart."""
    moments = [newest - timedelta(days=day, minutes=minute) for day in range(days) for minute in range(each)]
    made = zip(make_papers(days * each), moments, strict=True)
    return [replace(paper, submitted_at=moment, updated_at=moment) for paper, moment in made]


@dataclass
class Lab:
    """A home and the arXiv that it harvests."""

    settings: Settings
    engine: Engine
    arxiv: FakeArxiv

    def harvest(self, *sets: str, later: timedelta = timedelta(0), **options: Any) -> Receipt:
        clock = Clock(wall=lambda: time.time() + later.total_seconds())
        return harvest.run(self.engine, self.settings, HarvestOptions(sets or ("cs",), **options), clock=clock)

    def sync(self, **options: Any) -> Receipt:
        return sync.run(self.engine, self.settings, SyncOptions(**options))

    def held(self) -> dict[str, Paper]:
        with database.read_only(self.engine) as session:
            return {paper.arxiv_id: paper for paper in papers.export(session) if paper.source != papers.SEED}

    def truth(self) -> dict[str, Paper]:
        return {arxiv_id: replace(paper, source="oai") for arxiv_id, paper in self.arxiv.truth().items()}

    def states(self) -> dict[str, Any]:
        with database.read_only(self.engine) as session:
            return dict(harvests.named(session, "oai:"))

    def asked(self) -> list[str]:
        return [request.path.partition("arXivRaw&")[2] or "token" for request in self.arxiv.requests]


@pytest.fixture
def lab_of(settings_for, engine_for) -> Iterator[Callable[..., Lab]]:
    opened: list[FakeArxiv] = []

    def make(served: list[Paper], page_size: int = 25, **server: Any) -> Lab:
        arxiv = FakeArxiv(served, **server).__enter__()
        arxiv.oai.page_size = page_size
        opened.append(arxiv)
        settings = settings_for(arxiv.url, rss_url=arxiv.rss_url, oai_url=arxiv.oai_url, timeout_s=5.0)
        return Lab(settings, engine_for(settings), arxiv)

    yield make
    for arxiv in opened:
        arxiv.__exit__(None, None, None)


# --- bringing in ----------------------------------------------------------------------------------------------


def test_a_harvest_holds_every_record_of_its_sets_and_says_so(lab_of):
    lab = lab_of(spread(10, 8))
    receipt = lab.harvest()
    assert lab.held() == lab.truth()
    assert (receipt.source, receipt.kind, receipt.status) == ("oai", "harvest", ReceiptStatus.COMPLETE)
    assert (receipt.announced, receipt.held, receipt.new, receipt.open) == (80, 80, 80, 0)
    assert receipt.requests == len(lab.arxiv.requests)


def test_a_set_holds_only_its_categories(lab_of):
    lab = lab_of(spread(4, 8))
    lab.harvest("cs:cs:CL")
    assert lab.held() == {i: paper for i, paper in lab.truth().items() if "cs.CL" in paper.categories}
    lab.harvest("stat", "cs:cs:AI", "cs:cs:LG")
    assert lab.held() == lab.truth()


def test_records_of_the_days_that_were_asked_for_come_and_no_others(lab_of):
    lab = lab_of(spread(10, 3))
    since, until = (NOON - timedelta(days=6)).date(), (NOON - timedelta(days=4)).date()
    lab.harvest(since=since, until=until)
    assert {paper.updated_at.date() for paper in lab.held().values()} == {since + timedelta(days=n) for n in range(3)}


def test_a_time_of_until_is_not_included_as_the_command_line_gives_it(lab_of):
    lab = lab_of(spread(4, 2))
    end = datetime.combine((NOON - timedelta(days=1)).date(), datetime.min.time(), UTC)
    lab.harvest(until=end)
    assert max(paper.updated_at for paper in lab.held().values()) < end


def test_pages_are_asked_for_by_day_and_hardly_more_than_there_are(lab_of):
    lab = lab_of(spread(20, 10), page_size=50)
    lab.harvest()
    assert lab.held() == lab.truth()
    # 200 records: five pages of 50 with a day's overlap, the first and the last one twice.
    assert len(lab.arxiv.requests) <= 7
    assert "token" not in lab.asked()


def test_a_day_with_many_pages_is_read_with_tokens_until_two_readings_agree(lab_of):
    lab = lab_of(spread(1, 100))
    lab.harvest()
    assert lab.held() == lab.truth()
    assert lab.asked().count("token") == 2 * 3


def test_nothing_to_harvest_is_complete(lab_of):
    lab = lab_of(spread(1, 3))
    receipt = lab.harvest("econ")
    assert (receipt.status, receipt.announced, receipt.requests) == (ReceiptStatus.COMPLETE, 0, 2)


def nothing(_server: FakeArxiv, exchange: fakes.Exchange, _rng: object) -> None:
    """arXiv's words for an empty list, where it is not empty."""
    exchange.body = (
        b'<OAI-PMH xmlns="http://www.openarchives.org/OAI/2.0/"><responseDate>2026-11-23T00:00:00Z</responseDate>'
        b'<request>http://localhost/oai</request><error code="noRecordsMatch">empty</error></OAI-PMH>'
    )


@pytest.mark.parametrize("number", range(1, 9))
def test_one_answer_that_says_there_is_nothing_ends_no_harvest(lab_of, monkeypatch, number):
    monkeypatch.setitem(fakes.FAULTS, "nothing", nothing)
    lab = lab_of(spread(20, 4), page_size=10)
    lab.arxiv.set_schedule(fakes.at({number: ["nothing"]}))
    with suppress(Stopped):
        lab.harvest()
    lab.arxiv.set_schedule(fakes.never)
    lab.harvest()
    assert lab.held() == lab.truth()


def test_a_server_that_keeps_saying_there_is_nothing_where_there_was_something_is_not_believed(lab_of, monkeypatch):
    monkeypatch.setitem(fakes.FAULTS, "nothing", nothing)
    lab = lab_of(spread(20, 4), page_size=10)
    lab.arxiv.set_schedule(lambda number: ["nothing"] if number > 4 else [])
    with pytest.raises(Stopped, match="other records"):
        lab.harvest()
    lab.arxiv.set_schedule(fakes.never)
    lab.harvest()
    assert lab.held() == lab.truth()


def test_a_set_that_was_done_in_another_command_is_asked_for_in_this_one(lab_of):
    lab = lab_of(spread(6, 6), page_size=10)
    with pytest.raises(Stopped):
        lab.harvest("cs:cs:CL", "cs:cs:LG", max_requests=9)
    lab.harvest("cs:cs:LG")
    lab.arxiv.requests.clear()
    lab.harvest("cs:cs:CL", "stat")
    assert any("cs%3Acs%3ACL" in words or "cs:cs:CL" in words for words in lab.asked())


# --- going on -------------------------------------------------------------------------------------------------


def test_the_next_harvest_asks_for_what_changed_since_the_first_answer_of_the_last(lab_of):
    lab = lab_of(spread(30, 2))
    lab.harvest(since=date(2017, 1, 1))
    lab.arxiv.requests.clear()
    newest = lab.arxiv.arrive()
    revised = lab.arxiv.revise("2611.00050")
    receipt = lab.harvest()
    assert lab.held() == lab.truth()
    assert (receipt.new, receipt.revised) == (1, 1)
    assert {newest.arxiv_id, revised.arxiv_id} <= set(lab.held())
    yesterday = datetime.now(UTC).date() - timedelta(days=1)
    assert lab.asked() == [f"set=cs&from={yesterday}"] * 2


def test_a_harvest_that_is_stopped_goes_on_where_it_was(lab_of):
    lab = lab_of(spread(20, 10))
    stops: list[tuple[str, ReceiptStatus]] = []
    while True:
        try:
            lab.harvest(since=date(2017, 1, 1), max_requests=2)
            break
        except Stopped as stopped:
            stops.append((stopped.reason, stopped.receipt.status))
    assert lab.held() == lab.truth()
    assert set(stops) == {("budget", ReceiptStatus.PARTIAL)}
    assert 3 <= len(stops) <= 12
    assert list(lab.states()) == ["oai:cs:finished"]


def test_an_unfinished_harvest_is_gone_on_with_even_if_its_beginning_is_not_named_again(lab_of):
    lab = lab_of(spread(20, 10))
    with pytest.raises(Stopped):
        lab.harvest(since=date(2017, 1, 1), max_requests=4)
    held = len(lab.held())
    receipt = lab.harvest()
    assert "changed since 2017-01-01" in receipt.query
    assert receipt.announced < 200
    assert held < len(lab.held()) == 200


def test_tokens_that_expire_over_night_lose_nothing(lab_of):
    lab = lab_of(spread(2, 100))
    for _ in range(40):
        try:
            lab.harvest(max_requests=7)
            break
        except Stopped:
            lab.arxiv.oai.expire()
    else:
        pytest.fail("no end")
    assert lab.held() == lab.truth()


def test_tokens_that_expire_at_once_end_a_harvest_that_goes_on_later(lab_of):
    lab = lab_of(spread(1, 60), schedule=lambda _: ["expiry"])
    with pytest.raises(Stopped, match="expire at once"):
        lab.harvest()
    lab.arxiv.set_schedule(fakes.never)
    assert lab.harvest().status is ReceiptStatus.COMPLETE
    assert lab.held() == lab.truth()


def test_several_sets_are_gone_through_one_after_the_other_over_several_nights(lab_of):
    lab = lab_of(spread(10, 10))
    for _ in range(30):
        with suppress(Stopped):
            lab.harvest("cs:cs:CL", "cs:cs:LG", "stat", max_requests=3, since=date(2020, 1, 1))
            break
    else:
        pytest.fail("no end")
    assert {i for i, p in lab.truth().items() if {"cs.CL", "cs.LG", "stat.ML"} & set(p.categories)} == set(lab.held())


def test_a_set_that_a_stopped_harvest_of_more_sets_came_through_is_harvested_when_it_is_asked_for(lab_of):
    lab = lab_of(spread(2, 10))
    with pytest.raises(Stopped):
        lab.harvest("cs:cs:CL", "cs:cs:LG", max_requests=3)
    lab.arxiv.arrive()
    lab.harvest("cs:cs:CL")
    assert {i for i, paper in lab.truth().items() if "cs.CL" in paper.categories} <= set(lab.held())


def test_days_between_two_harvests_that_nobody_asked_for_are_still_to_come(lab_of):
    lab = lab_of(spread(30, 2))
    with database.session(lab.engine) as session:
        harvests.save(session, "oai:cs:finished", {"began": str((NOON - timedelta(days=20)).date())}, NOON)
    lab.harvest(since=(NOON - timedelta(days=3)).date())
    lab.harvest()
    assert min(paper.updated_at for paper in lab.held().values()).date() == (NOON - timedelta(days=21)).date()


def test_a_harvest_by_clocks_that_were_ahead_is_looked_at_again(lab_of):
    lab = lab_of(spread(6, 3))
    lab.arxiv.oai.wall = lambda: time.time() + 4 * 86_400
    lab.harvest(later=timedelta(days=4))
    lab.arxiv.oai.wall = None
    lab.arxiv.arrive()
    lab.harvest()
    assert lab.held() == lab.truth()


# --- a list that moves ----------------------------------------------------------------------------------------


def test_a_bulk_edit_between_two_pages_skips_no_record(lab_of):
    """Tokens count records: those that were shown and then move away pull others past the count."""
    lab = lab_of(spread(1, 60, NOON - timedelta(days=3)), page_size=20)
    moved = sorted(lab.arxiv.papers)[-5:]  # the first ones of the list

    def edit(_server: FakeArxiv, exchange: fakes.Exchange, _rng: object) -> None:
        exchange.after.append(lambda: lab.arxiv.oai.edit(moved, NOON - timedelta(days=1)))

    fakes.FAULTS["bulk edit"] = edit
    try:
        lab.arxiv.set_schedule(fakes.at({1: ["bulk edit"]}))
        lab.harvest()
    finally:
        del fakes.FAULTS["bulk edit"]
    assert lab.held() == lab.truth()


def test_a_record_that_is_edited_without_a_new_version_is_unchanged(lab_of):
    lab = lab_of(spread(3, 3))
    lab.harvest()
    lab.arxiv.edit("2611.00005")
    receipt = lab.harvest()
    assert (receipt.new, receipt.revised) == (0, 0)


def test_records_in_no_order_are_read_to_the_end_until_two_readings_agree(lab_of):
    lab = lab_of(spread(8, 10), schedule=lambda _: ["shuffled"])
    lab.harvest()
    assert lab.held() == lab.truth()


def test_answers_that_never_agree_are_said_and_nothing_is_taken_for_complete(lab_of):
    lab = lab_of(spread(1, 20), schedule=lambda _: ["arrival"])
    with pytest.raises(Stopped, match="each time with other records|keep moving") as stopped:
        lab.harvest()
    assert stopped.value.reason == "incomplete"
    assert "oai:cs:finished" not in lab.states()
    lab.arxiv.set_schedule(fakes.never)
    lab.harvest()
    assert lab.held() == lab.truth()


def test_a_short_first_page_is_noticed(lab_of):
    lab = lab_of(spread(8, 10), schedule=fakes.at({0: ["short"], 2: ["short"]}))
    lab.harvest()
    assert lab.held() == lab.truth()


# --- what is told ---------------------------------------------------------------------------------------------


def test_a_deleted_record_marks_a_paper_as_withdrawn_and_removes_nothing(lab_of):
    lab = lab_of(spread(3, 3))
    lab.harvest()
    lab.arxiv.oai.delete("2611.00004", datetime.now(UTC))
    receipt = lab.harvest()
    assert lab.held()["2611.00004"] == replace(lab.truth()["2611.00004"], withdrawn=True)
    assert (receipt.revised, receipt.details["deleted"]) == (1, 1)
    assert lab.harvest().revised == 0


def test_a_deleted_record_of_a_paper_that_is_not_held_is_counted_and_no_more(lab_of):
    lab = lab_of(spread(3, 3))
    lab.arxiv.oai.delete("2611.00004", datetime.now(UTC))
    receipt = lab.harvest()
    assert "2611.00004" not in lab.held()
    assert (receipt.announced, receipt.open, receipt.details["deleted"]) == (8, 0, 1)


@pytest.fixture
def broken(lab_of, monkeypatch) -> Iterator[Lab]:
    """The last of six records lacks its dates in every list."""
    lab = lab_of(spread(2, 3))

    def break_last(_server: FakeArxiv, exchange: fakes.Exchange, _rng: object) -> None:
        exchange.unpublished = 5

    monkeypatch.setitem(fakes.FAULTS, "broken", break_last)
    lab.arxiv.set_schedule(lambda _: ["broken"])
    return lab


def open_gaps(lab: Lab) -> list[str]:
    with database.read_only(lab.engine) as session:
        return [gap.arxiv_id for gap in gaps.still_open(session)]


def test_a_record_that_cant_be_read_in_a_list_is_asked_for_by_itself(broken):
    receipt = broken.harvest()
    assert broken.held() == broken.truth()
    assert (receipt.announced, receipt.held, receipt.open) == (6, 6, 0)
    assert "is no time" in receipt.reason
    assert open_gaps(broken) == []
    assert sum("GetRecord" in request.path for request in broken.arxiv.requests) == 1


def test_a_record_that_cant_be_read_at_all_is_open_until_it_can_be(broken, monkeypatch):
    monkeypatch.setitem(fakes.FAULTS, "broken", lambda _server, x, _rng: setattr(x, "unpublished", len(x.entries) - 1))
    receipt = broken.harvest()
    assert (receipt.announced, receipt.held, receipt.open) == (6, 5, 1)
    (missing,) = set(broken.truth()) - set(broken.held())
    assert open_gaps(broken) == [missing]
    broken.arxiv.set_schedule(fakes.never)
    broken.harvest()
    assert broken.held() == broken.truth()
    assert open_gaps(broken) == []


def test_a_gap_of_a_harvest_is_filled_by_any_source(broken, monkeypatch):
    monkeypatch.setitem(fakes.FAULTS, "broken", lambda _server, x, _rng: setattr(x, "unpublished", len(x.entries) - 1))
    broken.harvest()
    broken.arxiv.set_schedule(fakes.never)
    broken.sync()
    assert open_gaps(broken) == []


def test_a_revision_that_cant_be_read_is_open_too(broken):
    broken.arxiv.set_schedule(fakes.never)
    broken.harvest()
    revised = broken.arxiv.revise("2611.00003", title="Another title")
    broken.arxiv.set_schedule(lambda _: ["broken"])
    receipt = broken.harvest()
    assert (receipt.revised, receipt.open) == (1, 0)
    assert broken.held()[revised.arxiv_id].title == "Another title"


def test_what_the_query_api_said_is_not_rewritten_by_a_harvest_nor_the_other_way(lab_of):
    lab = lab_of(spread(3, 8))
    lab.arxiv.revise("2611.00003", authors=("José Gödel", "Ana María Ñu Jr."), categories=("cs.CL", "cs.LG", "cs.AI"))
    lab.sync()
    as_the_query_api_says = lab.held()
    for _ in range(2):
        assert lab.harvest().revised == 0
        assert lab.held() == as_the_query_api_says
        assert lab.sync().revised == 0


def test_a_newer_version_that_a_harvest_brings_is_a_revision(lab_of):
    lab = lab_of(spread(3, 3))
    lab.sync()
    lab.arxiv.revise("2611.00004", title="Another title")
    receipt = lab.harvest()
    assert receipt.revised == 1
    assert (lab.held()["2611.00004"].version, lab.held()["2611.00004"].title) == (2, "Another title")


# --- refusals -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["cs.CL", "hep-th", "cs:cs:CL:x", "", "CS", "cs CL"])
def test_what_is_no_set_is_said_before_anything_is_asked(lab_of, name):
    lab = lab_of(make_papers(1))
    with pytest.raises(InvalidInput, match="is not an OAI-PMH set"):
        lab.harvest(name)
    assert lab.arxiv.requests == []


def test_the_set_of_a_category_is_suggested(lab_of):
    lab = lab_of(make_papers(1))
    for name, suggested in (
        ("cs.CL", "cs:cs:CL"),
        ("hep-th", "physics:hep-th"),
        ("astro-ph.CO", "physics:astro-ph:CO"),
    ):
        with pytest.raises(InvalidInput) as refused:
            lab.harvest(name)
        assert suggested in refused.value.hint


def test_a_category_that_is_mistyped_is_named(lab_of):
    with pytest.raises(UnknownName, match="cs.CLL"):
        lab_of(make_papers(1)).harvest("cs:cs:CLL")


def test_no_set_and_no_days_are_refused(lab_of):
    lab = lab_of(make_papers(1))
    with pytest.raises(InvalidInput, match="no set"):
        harvest.run(lab.engine, lab.settings, HarvestOptions(()))
    with pytest.raises(InvalidInput, match="there is no day"):
        lab.harvest(since=date(2026, 2, 2), until=date(2026, 2, 1))


def test_a_set_that_arxiv_does_not_know_fails_in_its_words_and_leaves_a_receipt(lab_of):
    lab = lab_of(make_papers(1))
    with pytest.raises(InvalidInput, match="Set does not exist"):
        lab.harvest("cs:nothing")
    with database.read_only(lab.engine) as session:
        (receipt,) = receipts.latest(session)
    assert (receipt.status, receipt.kind) == (ReceiptStatus.FAILED, "harvest")


def test_a_harvest_waits_for_no_other_sync(lab_of):
    lab = lab_of(make_papers(1))
    with sync.only_sync(lab.settings), pytest.raises(TryAgain, match="another sync is running"):
        lab.harvest()


def test_a_wrong_address_is_said(lab_of):
    lab = lab_of(make_papers(1))
    lab.settings = replace(lab.settings, arxiv=replace(lab.settings.arxiv, oai_url=f"{lab.arxiv.address}/nowhere"))
    with pytest.raises(NotReady, match="HTTP 404"):
        lab.harvest()


def test_progress_is_kept_as_it_was():
    seen = oai_walk.Seen().plus([("2401.00001", date(2024, 1, 1)), ("2401.00002", None)])
    progress = oai_walk.Progress(date(2017, 1, 1), None, NOON.date(), NOON.date(), "t", seen, None, 2, False, 7)
    assert oai_walk.Progress.from_state(progress.as_state()) == progress
    assert oai_walk.Progress.from_state(oai_walk.Progress().as_state()) == oai_walk.Progress()


def test_a_budget_that_no_day_fits_into_says_so(lab_of):
    lab = lab_of(spread(3, 20))
    with pytest.raises(Stopped, match="before one day was whole") as stopped:
        lab.harvest(max_requests=1)
    assert (stopped.value.reason, stopped.value.exit_code) == ("budget", 75)
    assert "allow twice the pages of the largest day" in stopped.value.hint
    assert len(lab.held()) == 25, "what came stays, though no two answers agreed on it"


@pytest.mark.parametrize("budget", [2, 3])
def test_a_day_that_a_budget_does_not_reach_through_comes_in_parts_while_its_tokens_last(lab_of, budget):
    lab = lab_of(spread(1, 100))
    stops: list[str] = []
    while len(stops) < 20:
        try:
            lab.harvest(max_requests=budget)
            break
        except Stopped as stopped:
            stops.append(stopped.reason)
    assert set(stops) == {"budget"}
    assert 2 <= len(stops) <= 5
    assert lab.held() == lab.truth()


def test_a_day_that_a_budget_never_reaches_through_before_its_tokens_expire_is_said_every_night(lab_of):
    lab = lab_of(spread(1, 100))
    for _ in range(4):
        with pytest.raises(Stopped, match="before one day was whole") as stopped:
            lab.harvest(max_requests=3)
        lab.arxiv.oai.expire()
        assert "until midnight UTC" in stopped.value.hint
    assert 25 <= len(lab.held()) < 100
    assert lab.harvest().status is ReceiptStatus.COMPLETE
    assert lab.held() == lab.truth()
