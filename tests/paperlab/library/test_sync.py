"""A sync brings in everything that was asked for, leaves a receipt, and repeats work rather than skip it."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import unquote_plus

import pytest

from paperlab.arxiv.limiter import Clock
from paperlab.entities import Paper, Profile, Receipt, ReceiptStatus
from paperlab.errors import InvalidInput, NotReady, TryAgain, UnknownName
from paperlab.library import plan, sync
from paperlab.library.plan import SyncOptions
from paperlab.library.sync import Stopped
from paperlab.settings import Settings
from paperlab.store import cursors, database, gaps, matches, papers, receipts
from paperlab.store.database import Engine
from tests import fakes
from tests.conftest import ROOT
from tests.fakes import FakeArxiv, make_papers

CURSOR = "query-api:cs.AI+cs.CL+cs.LG+stat.ML"


@dataclass
class Lab:
    """A home and the arXiv that it speaks to."""

    settings: Settings
    engine: Engine
    arxiv: FakeArxiv

    def sync(self, *, later: timedelta = timedelta(0), **options: Any) -> Receipt:
        clock = Clock(wall=lambda: time.time() + later.total_seconds())
        return sync.run(self.engine, self.settings, SyncOptions(**options), clock=clock)

    def held(self) -> dict[str, Paper]:
        with database.read_only(self.engine) as session:
            return {paper.arxiv_id: paper for paper in papers.export(session) if paper.source != papers.SEED}

    def receipts(self) -> list[Receipt]:
        with database.read_only(self.engine) as session:
            return receipts.latest(session, None)

    def cursors(self) -> dict[str, datetime]:
        with database.read_only(self.engine) as session:
            return cursors.every(session)

    def queries(self) -> list[str]:
        return [unquote_plus(request.path) for request in self.arxiv.requests]


@pytest.fixture
def lab_of(settings_for, engine_for) -> Iterator[Callable[..., Lab]]:
    opened: list[FakeArxiv] = []

    def make(served: list[Paper], page_size: int = 50, **server: Any) -> Lab:
        arxiv = FakeArxiv(served, **server).__enter__()
        opened.append(arxiv)
        settings = settings_for(arxiv.url, page_size=page_size, timeout_s=5.0)
        return Lab(settings, engine_for(settings), arxiv)

    yield make
    for arxiv in opened:
        arxiv.__exit__(None, None, None)


@pytest.fixture
def lab(lab_of) -> Lab:
    return lab_of(make_papers(72), page_size=20)


def counts(receipt: Receipt) -> tuple[int, int, int, int]:
    return receipt.new, receipt.revised, receipt.unchanged, receipt.open


# --- what is asked --------------------------------------------------------------------------------------------


def test_the_first_sync_takes_the_last_seven_days_by_submission(lab_of):
    now = datetime.now(UTC)
    served = [
        replace(paper, submitted_at=now - timedelta(hours=n), updated_at=now - timedelta(hours=n))
        for n, paper in enumerate(make_papers(240))
    ]
    lab = lab_of(served)
    receipt = lab.sync()
    assert set(lab.held()) == {paper.arxiv_id for paper in served[:168]} | {served[168].arxiv_id}
    assert (receipt.status, receipt.kind, receipt.new) == (ReceiptStatus.COMPLETE, "window", 169)
    assert receipt.cursor_after == served[0].updated_at.replace(microsecond=0)


def test_every_paper_of_the_categories_is_kept_and_terms_only_mark(lab):
    lab.sync()
    assert lab.held() == lab.arxiv.truth()
    with database.read_only(lab.engine) as session:
        marked = matches.count(session, "llm")
    assert 0 < marked <= 181
    assert "attention" not in " ".join(lab.queries())


def test_the_next_sync_goes_down_to_the_cursor_with_an_overlap(lab_of):
    now = datetime.now(UTC).replace(microsecond=0)
    served = [
        replace(paper, submitted_at=now - timedelta(hours=n), updated_at=now - timedelta(hours=n))
        for n, paper in enumerate(make_papers(160))
    ]
    lab = lab_of(served, page_size=10)  # 20 at night
    lab.sync()
    before = len(lab.arxiv.requests)
    receipt = lab.sync()
    assert receipt.kind == "nightly"
    assert counts(receipt)[:2] == (0, 0)
    assert 48 <= receipt.unchanged <= 80
    assert "sortBy=lastUpdatedDate&sortOrder=descending" in lab.queries()[-1]
    assert len(lab.arxiv.requests) - before == 3


def test_revisions_of_old_papers_and_new_papers_arrive_at_night(lab):
    lab.sync()
    old, new = sorted(lab.arxiv.papers)[60], lab.arxiv.arrive()
    lab.arxiv.revise(old)
    receipt = lab.sync()
    assert lab.held() == lab.arxiv.truth()
    assert (receipt.new, receipt.revised) == (1, 1)
    with database.read_only(lab.engine) as session:
        assert [version.version for version in papers.versions(session, old)] == [1, 2]
    assert receipt.cursor_after is not None
    assert receipt.cursor_after > new.updated_at


def test_a_second_sync_changes_nothing(lab):
    lab.sync()
    with database.read_only(lab.engine) as session:
        before = list(papers.export(session))
    receipt = lab.sync()
    assert counts(receipt) == (0, 0, 72, 0)
    with database.read_only(lab.engine) as session:
        assert list(papers.export(session)) == before


def test_texts_wrapped_anew_by_the_server_revise_nothing(lab):
    lab.sync()
    lab.arxiv.old_format = True
    assert counts(lab.sync())[:2] == (0, 0)


def test_a_window_goes_by_submission_and_leaves_the_cursor_alone(lab):
    lab.sync()
    before = lab.cursors()
    since, until = (
        max(paper.submitted_at for paper in lab.arxiv.truth().values()) - timedelta(minutes=m) for m in (60, 20)
    )
    receipt = lab.sync(since=since, until=until)
    assert receipt.kind == "window"
    assert 30 <= receipt.announced <= 36
    assert lab.cursors() == before
    assert f"submittedDate:[{since:%Y%m%d%H%M} TO {until + timedelta(seconds=59):%Y%m%d%H%M}]" in lab.queries()[-1]


def test_categories_of_the_command_replace_those_of_the_profile(lab):
    lab.sync(categories=("stat.ML",))
    assert set(lab.held()) == {i for i, paper in lab.arxiv.truth().items() if "stat.ML" in paper.categories}
    assert list(lab.cursors()) == ["query-api:stat.ML"]


def test_more_papers_than_arxiv_pages_through_are_fetched_in_parts(lab, monkeypatch):
    monkeypatch.setattr("paperlab.arxiv.query_api.MAX_RESULTS", 28)
    monkeypatch.setattr("tests.fakes.queries.MAX_RESULTS", 28)
    receipt = lab.sync()
    assert lab.held() == lab.arxiv.truth()
    assert counts(receipt) == (72, 0, 0, 0)


def test_an_unknown_category_profile_or_empty_window_asks_nothing(lab):
    with pytest.raises(UnknownName, match=r"cs\.Cl"):
        lab.sync(categories=("cs.Cl",))
    with pytest.raises(UnknownName, match="llms"):
        lab.sync(profile="llms")
    with pytest.raises(InvalidInput, match="empty"):
        lab.sync(since=datetime(2026, 1, 2, tzinfo=UTC), until=datetime(2026, 1, 1, tzinfo=UTC))
    assert lab.arxiv.requests == []


def test_a_preview_asks_writes_and_creates_nothing(settings_for):
    settings = settings_for()
    preview = plan.preview(settings, SyncOptions())
    assert (preview.plan.kind, preview.plan.cursor, preview.open_gaps) == ("window", None, 0)
    assert preview.feed_url.endswith("/rss/cs.AI+cs.CL+cs.LG+stat.ML")
    assert not settings.home.exists()


# --- stopping and going on ------------------------------------------------------------------------------------


def test_a_spent_budget_leaves_what_came_in_and_a_receipt_that_balances(lab):
    with pytest.raises(Stopped) as stopped:
        lab.sync(max_requests=2)
    receipt = stopped.value.receipt
    assert (stopped.value.exit_code, stopped.value.reason) == (75, "budget")
    assert receipt.status is ReceiptStatus.PARTIAL
    assert len(lab.held()) == receipt.held == 38
    assert (receipt.announced, receipt.open) == (72, 34)
    assert lab.receipts()[0] == receipt
    assert CURSOR not in lab.cursors()


def test_a_small_budget_every_night_comes_to_the_end(lab):
    for _ in range(3):
        with pytest.raises(Stopped):
            lab.sync(max_requests=1)
    receipt = lab.sync()
    assert receipt.status is ReceiptStatus.COMPLETE
    assert lab.held() == lab.arxiv.truth()
    assert lab.cursors() == {CURSOR: max(paper.updated_at for paper in lab.arxiv.truth().values())}


def test_a_page_that_came_stays_though_the_budget_ends_before_it_is_confirmed(lab_of):
    lab = lab_of(make_papers(20))
    for _ in range(2):
        with pytest.raises(Stopped, match="too little for a part of this window, which takes 2 requests") as stopped:
            lab.sync(max_requests=1)
        assert stopped.value.receipt.held == 20
        assert "takes 2 requests" in stopped.value.receipt.reason
    assert len(lab.held()) == 20
    assert lab.cursors().get(CURSOR) is None
    assert lab.sync(max_requests=2).status is ReceiptStatus.COMPLETE


def test_a_short_page_that_came_stays_though_the_budget_ends_before_it_is_asked_for_again(lab):
    lab.arxiv.set_schedule(lambda _: ["short"])
    with pytest.raises(Stopped) as stopped:
        lab.sync(max_requests=1)
    assert 0 < stopped.value.receipt.held == len(lab.held()) < 50
    lab.arxiv.set_schedule(fakes.never)
    lab.sync()
    assert lab.held() == lab.arxiv.truth()


def test_a_night_stopped_by_its_seconds_says_how_many_it_takes(lab):
    lab.sync()
    for _ in range(150):
        lab.arxiv.arrive()
    moments = iter(range(1_000_000))
    clock = Clock(monotonic=lambda: 0.5 * next(moments), sleep=lambda _: None)
    with pytest.raises(Stopped, match=r"too little for this night: .* which takes about \d+ seconds") as stopped:
        sync.run(lab.engine, lab.settings, SyncOptions(max_seconds=12.0), clock=clock)
    assert "seconds, or leave the limit out" in stopped.value.hint
    assert "takes about" in lab.receipts()[0].reason


def test_a_revision_made_while_the_first_window_is_in_parts_is_not_passed(lab):
    with pytest.raises(Stopped):
        lab.sync(max_requests=1)
    fetched = max(lab.held())  # the oldest: a later part does not meet it again
    lab.arxiv.revise(fetched, updated_at=datetime.now(UTC).replace(microsecond=0) + timedelta(minutes=30))
    lab.arxiv.arrive()
    lab.sync(later=timedelta(hours=2))
    assert lab.held() != lab.arxiv.truth()
    lab.sync(later=timedelta(hours=2))
    assert lab.held() == lab.arxiv.truth()


def test_a_walk_down_that_stops_does_not_move_the_cursor(lab):
    lab.sync()
    before = lab.cursors()
    for _ in range(60):
        lab.arxiv.arrive()
    with pytest.raises(Stopped):
        lab.sync(max_requests=1)
    assert lab.cursors() == before
    assert lab.sync().unchanged >= 50
    assert lab.held() == lab.arxiv.truth()


def test_a_paper_that_is_never_given_stays_open_and_the_cursor_below_it(lab):
    lab.sync()
    before = lab.cursors()
    lost = lab.arxiv.arrive()
    lab.arxiv.arrive()
    fakes.FAULTS["lost"] = lambda _server, exchange, _rng: exchange.entries.__setitem__(
        slice(None), [paper for paper in exchange.entries if paper != lost]
    )
    try:
        lab.arxiv.set_schedule(lambda _: ["lost"])
        with pytest.raises(Stopped, match="1 more") as stopped:
            lab.sync()
    finally:
        lab.arxiv.set_schedule(fakes.never)
        del fakes.FAULTS["lost"]
    receipt = stopped.value.receipt
    assert (receipt.status, receipt.open) == (ReceiptStatus.PARTIAL, 1)
    assert lab.cursors() == before
    lab.sync()
    assert lab.held() == lab.arxiv.truth()


def test_an_entry_that_can_never_be_read_is_named_in_the_receipt(lab):
    lab.arxiv.set_schedule(lambda _: ["unpublished"])
    with pytest.raises(Stopped) as stopped:
        lab.sync()
    receipt = stopped.value.receipt
    assert receipt.open > 0
    assert re.search(r"arxiv\.org/abs/2611\.\d{5}v1: no <published>", receipt.reason)


def test_a_long_retry_after_is_a_partial_receipt_and_the_next_sync_does_not_ask(lab):
    fakes.FAULTS["away"] = lambda _server, x, _rng: fakes.set_status(x, 429, Retry_After="3600")
    try:
        lab.arxiv.set_schedule(fakes.at({1: ["away"]}))
        with pytest.raises(Stopped) as stopped:
            lab.sync()
    finally:
        del fakes.FAULTS["away"]
    assert (stopped.value.reason, stopped.value.retry_after_s) == ("rate-limit", 3600)
    with pytest.raises(Stopped, match="HTTP 429"):
        lab.sync()
    assert len(lab.arxiv.requests) == 2
    assert lab.sync(later=timedelta(hours=1)).status is ReceiptStatus.COMPLETE


def test_what_arxiv_refuses_is_a_failed_receipt_with_its_words(lab, monkeypatch):
    monkeypatch.setattr("paperlab.library.walk.Question.text", "all:nonsense")
    with pytest.raises(InvalidInput, match="incorrect query"):
        lab.sync()
    assert lab.receipts()[0].status is ReceiptStatus.FAILED
    assert "incorrect query" in lab.receipts()[0].reason


def test_ctrl_c_is_a_partial_receipt(lab, monkeypatch):
    def interrupted(*_args: object, **_kwargs: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("paperlab.library.sync.query_api.fetch_page", interrupted)
    with pytest.raises(KeyboardInterrupt):
        lab.sync()
    assert lab.receipts()[0].status is ReceiptStatus.PARTIAL


# --- one at a time, crashes, clocks ---------------------------------------------------------------------------


def test_a_second_sync_is_refused_and_names_the_first(lab):
    def try_another(receipt: Receipt) -> None:
        with pytest.raises(TryAgain, match=rf"process {os.getpid()}") as refused:
            sync.run(lab.engine, lab.settings, SyncOptions())
        assert refused.value.reason == "lock"

    sync.run(lab.engine, lab.settings, SyncOptions(), progress=try_another)
    assert len(lab.receipts()) == 1
    assert lab.sync().status is ReceiptStatus.COMPLETE


def test_a_sync_that_was_killed_is_found_by_the_next(lab):
    program = (
        "import os, sys\n"
        "from pathlib import Path\n"
        "from paperlab.library import sync\n"
        "from paperlab.library.plan import SyncOptions\n"
        "from paperlab.settings import ArxivSettings, Settings\n"
        "from paperlab.store import database\n"
        "home = Path(sys.argv[1])\n"
        "arxiv = ArxivSettings(api_url=sys.argv[2], interval_s=0.0, page_size=50)\n"
        "settings = Settings(home, sys.argv[3], arxiv)\n"
        "def die(receipt):\n"
        "    os.kill(os.getpid(), 9)\n"
        "sync.run(database.open_database(settings), settings, SyncOptions(), progress=die)\n"
    )
    words = [sys.executable, "-c", program, str(lab.settings.home), lab.arxiv.url, lab.settings.database_url]
    assert subprocess.run(words, cwd=ROOT, check=False).returncode == -9
    assert lab.receipts()[0].status is ReceiptStatus.RUNNING
    lab.sync()
    assert [receipt.status for receipt in lab.receipts()] == [ReceiptStatus.COMPLETE, ReceiptStatus.INTERRUPTED]
    assert re.search(r"process \d+ died", lab.receipts()[1].reason)
    assert lab.held() == lab.arxiv.truth()


def test_a_paper_dated_in_the_future_does_not_carry_the_cursor_along(lab):
    lab.sync()
    before = lab.cursors()
    wrong = lab.arxiv.arrive()
    lab.arxiv.revise(wrong.arxiv_id, updated_at=datetime.now(UTC) + timedelta(days=365))
    lab.sync()
    assert lab.cursors() == before
    lab.arxiv.papers[wrong.arxiv_id].pop()
    lab.arxiv.add(replace(lab.arxiv.arrive(), version=2))
    lab.sync()
    assert set(lab.held()) == set(lab.arxiv.truth())


def test_a_home_that_cannot_be_written_is_said(lab, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(NotReady, match="can't be written"):
        sync.run(lab.engine, replace(lab.settings, home=tmp_path / "file" / "home"), SyncOptions())


def test_a_landmark_of_which_no_version_is_named_has_the_date_of_the_first(lab):
    lab.sync()
    with database.read_only(lab.engine) as session:
        paper = papers.get(session, "1706.03762")
    assert paper is not None
    assert (paper.version, paper.updated_at) == (1, paper.submitted_at)


def test_landmarks_are_there_and_give_way_to_arxivs_record(lab):
    landmark = replace(make_papers(1)[0], arxiv_id="1706.03762", version=7, title="Attention, as arXiv has it")
    lab.arxiv.add(landmark)
    with pytest.raises(Stopped):
        lab.sync(max_requests=1)
    with database.read_only(lab.engine) as session:
        seeded = papers.get(session, "1706.03762")
    assert seeded is not None
    assert seeded.source == papers.SEED
    lab.sync()
    assert lab.held() == lab.arxiv.truth()


def test_a_profile_of_ones_own_marks_papers_without_asking_again(lab):
    lab.sync()
    asked = len(lab.arxiv.requests)
    mine = Profile("mine", ("cs.CL",), (), ("study 17",))
    lab.settings = replace(lab.settings, profiles={**lab.settings.profiles, "mine": mine})
    with pytest.raises(Stopped):
        lab.sync(max_requests=1, since=datetime.now(UTC) - timedelta(days=2))
    assert len(lab.arxiv.requests) == asked + 1
    with database.read_only(lab.engine) as session:
        assert matches.count(session, "mine") == 1


def test_a_first_sync_by_a_clock_that_was_days_ahead_is_made_up_for(lab_of):
    """Its seven days were not the last seven."""
    now = datetime.now(UTC).replace(microsecond=0)
    spread = [
        replace(p, submitted_at=t, updated_at=t)
        for n, p in enumerate(make_papers(40))
        for t in [now - n * timedelta(hours=4)]
    ]
    lab = lab_of(spread)
    lab.sync(later=timedelta(days=5))
    assert len(lab.held()) < 20
    lab.sync()
    assert lab.held() == lab.arxiv.truth()
    asked = len(lab.arxiv.requests)
    lab.sync()
    assert len(lab.arxiv.requests) == asked + 1  # once made up for, nights are short again


# --- a clock that was once in the past ------------------------------------------------------------------------


def test_a_clock_that_stands_before_the_papers_held_is_refused_and_changes_nothing(lab):
    lab.sync()
    before, asked, written = lab.cursors(), len(lab.arxiv.requests), lab.receipts()
    for past in (datetime(1970, 1, 2, tzinfo=UTC), datetime.now(UTC) - timedelta(days=5)):
        with pytest.raises(NotReady, match="clock says .* but a paper held is of") as refused:
            lab.sync(later=past - datetime.now(UTC))
        assert "paperlab doctor" in refused.value.hint
    assert (lab.cursors(), len(lab.arxiv.requests), lab.receipts()) == (before, asked, written)


def test_a_first_sync_in_1970_is_refused_before_anything_is_asked(lab):
    with pytest.raises(NotReady, match="clock says 1970"):
        lab.sync(later=datetime(1970, 1, 2, tzinfo=UTC) - datetime.now(UTC))
    assert (lab.cursors(), lab.arxiv.requests) == ({}, [])


def test_a_clock_an_hour_behind_sets_no_cursor_back_while_arxiv_is_away(lab):
    lab.sync()
    with pytest.raises(Stopped):
        lab.sync(since=datetime.now(UTC) - timedelta(days=2), max_requests=1)
    before = lab.cursors()
    assert len(before) == 2
    lab.arxiv.set_schedule(lambda _: ["406"])
    with pytest.raises(TryAgain):
        lab.sync(later=timedelta(hours=-1), max_requests=2)
    assert lab.cursors() == before
    lab.arxiv.set_schedule(fakes.never)
    (lab.settings.home / "arxiv-limiter.json").unlink()
    lab.sync(later=timedelta(hours=-1))
    assert min(lab.cursors().values()) > datetime.now(UTC) - timedelta(days=9)
    assert before.keys() == lab.cursors().keys(), "a window asked for by date goes on"


def test_a_paper_dated_in_the_future_does_not_make_the_clock_wrong(lab):
    lab.sync()
    lab.arxiv.revise(lab.arxiv.arrive().arxiv_id, updated_at=datetime.now(UTC) + timedelta(days=365))
    lab.sync()
    assert lab.sync().status is ReceiptStatus.COMPLETE


# --- a server that lags ---------------------------------------------------------------------------------------


@pytest.fixture
def cap(monkeypatch) -> Callable[[int], None]:
    """The server knows only so many entries of every list, and says so each time."""

    def cap(total: int) -> None:
        def cut(_server: FakeArxiv, exchange: fakes.Exchange, _rng: object) -> None:
            exchange.total = min(exchange.total, total)
            del exchange.entries[max(0, total - exchange.start) :]

        monkeypatch.setitem(fakes.FAULTS, "cap", cut)

    return cap


@pytest.mark.parametrize("total", [0, 30])
def test_a_night_whose_list_ends_above_what_is_held_moves_no_cursor(lab_of, cap, total):
    now = datetime.now(UTC).replace(microsecond=0)
    spread = [
        replace(p, submitted_at=t, updated_at=t)
        for n, p in enumerate(make_papers(130))
        for t in [now - timedelta(hours=3 * n)]
    ]
    lab = lab_of([])
    for paper in spread[80:]:
        lab.arxiv.add(paper)
    lab.sync(later=-timedelta(hours=3 * 80))
    before = lab.cursors()
    for paper in spread[:80]:
        lab.arxiv.add(paper)
    cap(total)
    lab.arxiv.set_schedule(lambda _: ["cap"])
    with pytest.raises(Stopped) as stopped:
        lab.sync()
    assert stopped.value.receipt.status is ReceiptStatus.PARTIAL
    assert lab.cursors() == before
    lab.arxiv.set_schedule(fakes.never)
    lab.sync()
    assert set(lab.held()) >= {paper.arxiv_id for paper in spread[:80]}


def test_a_window_of_which_papers_are_held_can_not_be_empty(lab, cap):
    lab.sync()
    cap(0)
    lab.arxiv.set_schedule(lambda _: ["cap"])
    with pytest.raises(Stopped):
        lab.sync(since=datetime.now(UTC) - timedelta(days=3))


# --- an entry that can never be read --------------------------------------------------------------------------


@pytest.fixture
def spoil(monkeypatch) -> Callable[[Paper], None]:
    """The published date of one paper is none, in every answer that lists it."""

    def spoil(lost: Paper) -> None:
        def drop_date(_server: FakeArxiv, exchange: fakes.Exchange, _rng: object) -> None:
            places = [n for n, paper in enumerate(exchange.entries) if paper.arxiv_id == lost.arxiv_id]
            if places:
                exchange.unpublished = places[0]

        monkeypatch.setitem(fakes.FAULTS, "spoiled", drop_date)

    return spoil


def test_an_entry_that_can_never_be_read_opens_a_gap_and_holds_up_no_cursor(lab, spoil):
    lab.sync()
    lost, newest = lab.arxiv.arrive(), lab.arxiv.arrive()
    spoil(lost)
    lab.arxiv.set_schedule(lambda _: ["spoiled"])
    receipt = lab.sync()
    assert (receipt.status, receipt.new, receipt.open) == (ReceiptStatus.COMPLETE, 1, 1)
    assert receipt.announced == receipt.held + receipt.open
    assert f"1 to be looked up by identifier; could not be read: http://arxiv.org/abs/{lost.arxiv_id}" in receipt.reason
    assert lab.cursors()[CURSOR] == newest.updated_at
    with database.read_only(lab.engine) as session:
        assert [(gap.arxiv_id, gap.source) for gap in gaps.still_open(session)] == [(lost.arxiv_id, "query-api")]
    lab.arxiv.set_schedule(fakes.never)
    assert lab.sync().open == 0
    with database.read_only(lab.engine) as session:
        assert gaps.still_open(session) == []
    assert lab.held() == lab.arxiv.truth()


def test_an_entry_of_a_held_version_that_can_not_be_read_any_more_opens_no_gap(lab, spoil):
    lab.sync()
    spoil(make_papers(72)[7])
    lab.arxiv.set_schedule(lambda _: ["spoiled"])
    receipt = lab.sync()
    assert (receipt.status, receipt.open, receipt.reason) == (ReceiptStatus.COMPLETE, 0, "")


@pytest.mark.parametrize("version", ["0", "9" * 26])
def test_an_entry_with_an_absurd_version_is_a_gap_that_holds_up_no_cursor_until_its_paper_is_looked_up(
    lab, monkeypatch, version
):
    def absurd(_server: FakeArxiv, exchange: fakes.Exchange, _rng: object) -> None:
        render = exchange.render
        exchange.render = lambda each: re.sub(
            rf"(<id>http://arxiv.org/abs/{revised.arxiv_id})v\d+", rf"\g<1>v{version}", render(each).decode()
        ).encode()

    lab.sync()
    revised, newest = lab.arxiv.revise(max(lab.held())), lab.arxiv.arrive()
    monkeypatch.setitem(fakes.FAULTS, "absurd", absurd)
    lab.arxiv.set_schedule(lambda _: ["absurd"])
    receipt = lab.sync()
    assert (receipt.status, receipt.new, receipt.open) == (ReceiptStatus.COMPLETE, 1, 1)
    assert lab.cursors()[CURSOR] == newest.updated_at
    with database.read_only(lab.engine) as session:
        (gap,) = gaps.still_open(session)
    assert (gap.arxiv_id, gap.version) == (revised.arxiv_id, 2)


def test_a_total_of_twenty_five_digits_is_none_and_moves_no_cursor(lab, monkeypatch):
    def absurd(_server: FakeArxiv, exchange: fakes.Exchange, _rng: object) -> None:
        exchange.total = 10**25

    monkeypatch.setitem(fakes.FAULTS, "absurd", absurd)
    lab.arxiv.set_schedule(lambda _: ["absurd"])
    with pytest.raises(Stopped) as stopped:
        lab.sync()
    assert (stopped.value.reason, stopped.value.receipt.open) == ("incomplete", 1)
    assert lab.cursors().get(CURSOR) is None
