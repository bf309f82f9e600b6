"""Pages are held against what was announced: nothing is skipped in silence, whatever a page does."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from paperlab.arxiv import query_api
from paperlab.arxiv.query_api import Page, Unreadable
from paperlab.arxiv_id import ArxivId
from paperlab.entities import Paper
from paperlab.library.walk import Question, Step, walk
from tests.fakes import make_papers

NOW = datetime(2026, 11, 24, tzinfo=UTC)
PAPERS = make_papers(200, NOW)
WINDOW = Question(("cs.CL",), since=NOW - timedelta(days=7), until=NOW)
DOWN = Question(("cs.CL",), floor=PAPERS[120].updated_at)

Bend = Callable[[int, list[Paper], Page], Page]


class Server:
    """Serves a list, newest or oldest first; `bend` may change answer number n."""

    def __init__(self, papers: Sequence[Paper], bend: Bend = lambda _n, _all, page: page) -> None:
        self.papers = list(papers)
        self.bend = bend
        self.asked: list[tuple[int, int]] = []

    def __call__(self, question: Question, start: int, size: int) -> Page:
        if question.since and question.until:
            chosen = [p for p in self.papers if question.since <= p.submitted_at <= question.until]
        else:
            chosen = self.papers
        chosen = sorted(chosen, key=question.key, reverse=question.floor is not None)
        self.asked.append((start, size))
        entries = tuple(chosen[start : start + size])
        return self.bend(len(self.asked) - 1, chosen, Page(entries, len(chosen), len(entries)))


def unread(paper: Paper) -> Unreadable:
    return Unreadable(ArxivId(paper.arxiv_id, paper.version), paper.arxiv_id, "no <published>")


def collect(steps: list[Step]) -> set[str]:
    return {paper.arxiv_id for step in steps for paper in step.papers}


def go(server: Server, question: Question, page_size: int = 50) -> list[Step]:
    steps = list(walk(server, question, page_size, NOW))
    assert [step.last for step in steps] == [False] * (len(steps) - 1) + [True]
    return steps


def ids(papers: Sequence[Paper]) -> set[str]:
    return {paper.arxiv_id for paper in papers}


@pytest.mark.parametrize("page_size", [1, 2, 3, 7, 50, 199, 200, 201, 2000])
def test_a_window_is_walked_whole_with_any_page_size(page_size):
    steps = go(Server(PAPERS), WINDOW, page_size)
    assert collect(steps) == ids(PAPERS)
    assert steps[-1].missing == 0


@pytest.mark.parametrize("page_size", [1, 2, 7, 50, 500])
def test_a_walk_down_ends_at_the_floor(page_size):
    server = Server(PAPERS)
    steps = go(server, DOWN, page_size)
    assert collect(steps) >= ids(PAPERS[:121])
    assert steps[-1].missing == 0
    if page_size == 50:
        assert [start for start, _ in server.asked] == [0, 48, 96]


def test_an_empty_answer_is_believed_only_twice():
    server = Server([])
    assert go(server, WINDOW)[-1].missing == 0
    assert len(server.asked) == 2


def once(number: int, change: Callable[[Page], Page]) -> Bend:
    return lambda n, _all, page: change(page) if n == number else page


def cut(page: Page, keep: int) -> Page:
    return replace(page, papers=page.papers[:keep], entries=keep)


@pytest.mark.parametrize("question", [WINDOW, DOWN], ids=["window", "down"])
@pytest.mark.parametrize("number", [0, 1, 2])
@pytest.mark.parametrize(
    "change",
    [
        lambda page: cut(page, 0),
        lambda page: cut(page, len(page.papers) // 2),
        lambda page: replace(page, papers=(page.papers[0], *page.papers[:-1])),
        lambda page: replace(page, papers=page.papers[1:], unreadable=(unread(page.papers[0]),)),
        lambda page: replace(page, total=None),
        lambda page: replace(page, total=page.total + 7),
        lambda page: replace(page, total=page.total - 7),
        lambda page: replace(cut(page, 3), total=3),
        lambda page: replace(cut(page, 0), total=0),
        lambda page: replace(page, papers=page.papers[::-1]),
    ],
    ids=["empty", "short", "twice", "unreadable", "no-total", "more", "less", "short-and-less", "nothing", "shuffled"],
)
def test_one_bad_page_costs_requests_and_no_paper(question, number, change):
    steps = go(Server(PAPERS, once(number, change)), question)
    assert collect(steps) >= ids(PAPERS if question is WINDOW else PAPERS[:121])
    assert steps[-1].missing == 0


def test_a_page_that_fails_with_one_size_is_asked_in_halves():
    def bend(_n: int, _all: list[Paper], page: Page) -> Page:
        return cut(page, 0) if len(page.papers) == 50 else page

    steps = go(Server(PAPERS, bend), WINDOW)
    assert collect(steps) == ids(PAPERS)
    assert steps[-1].missing == 0


def test_a_paper_that_is_never_given_is_counted_and_the_others_come():
    lost = PAPERS[60]

    def bend(_n: int, _all: list[Paper], page: Page) -> Page:
        papers = tuple(paper for paper in page.papers if paper is not lost)
        return replace(page, papers=papers, entries=len(papers))

    for question in (WINDOW, DOWN):
        server = Server(PAPERS, bend)
        steps = go(server, question)
        assert steps[-1].missing == 1
        assert collect(steps) >= ids(PAPERS[:121]) - {lost.arxiv_id}
        assert len(server.asked) < 60, "patience has an end"


def test_no_progress_is_reported_past_a_missing_paper():
    lost = PAPERS[150]  # among the oldest, so on the first pages of a window

    def bend(_n: int, _all: list[Paper], page: Page) -> Page:
        papers = tuple(paper for paper in page.papers if paper is not lost)
        return replace(page, papers=papers, entries=len(papers))

    steps = go(Server(PAPERS, bend), WINDOW, page_size=20)
    reached = [step.whole_up_to for step in steps if step.whole_up_to is not None]
    assert reached
    assert max(reached) <= lost.submitted_at


def test_papers_that_arrive_while_walking_down_push_nothing_off_the_edge():
    newer = make_papers(400, NOW + timedelta(days=1))[:90]
    arrived = [replace(paper, arxiv_id=f"2612.{n:05d}") for n, paper in enumerate(newer, 1)]
    server = Server(PAPERS)

    def bend(n: int, _all: list[Paper], page: Page) -> Page:
        if n == 0:
            server.papers.extend(arrived)
        return page

    server.bend = bend
    steps = go(server, DOWN)
    assert collect(steps) >= ids(PAPERS[:121])
    assert steps[-1].missing == 0


def test_the_head_of_the_list_is_what_the_first_answer_showed():
    steps = go(Server(PAPERS), DOWN)
    assert [step.first for step in steps] == [True, False, False]
    assert max(paper.updated_at for paper in steps[0].papers) == PAPERS[0].updated_at


def test_papers_that_vanish_from_the_list_while_walking_hide_no_others():
    server = Server(PAPERS)

    def bend(n: int, _all: list[Paper], page: Page) -> Page:
        if n == 0:
            del server.papers[:45]  # far more than the overlap: page two would begin 45 further down
        return page

    server.bend = bend
    steps = go(server, DOWN)
    assert collect(steps) >= ids(PAPERS[:121])


def test_the_order_of_ties_may_change_with_every_answer():
    tied = [replace(paper, submitted_at=PAPERS[n - n % 20].submitted_at) for n, paper in enumerate(PAPERS)]
    tied = [replace(paper, updated_at=paper.submitted_at) for paper in tied]

    def bend(n: int, everything: list[Paper], page: Page) -> Page:
        start, size = server.asked[-1]
        moved = everything[::-1] if n % 2 else everything
        moved = sorted(moved, key=lambda paper: paper.updated_at, reverse=question.floor is not None)
        return replace(page, papers=tuple(moved[start : start + size]))

    for question in (WINDOW, replace(DOWN, floor=tied[120].updated_at)):
        server = Server(tied, bend)
        steps = go(server, question)
        assert steps[-1].missing == 0
        assert collect(steps) >= ids(tied if question is WINDOW else tied[:120])


@pytest.mark.parametrize(
    "question", [WINDOW, Question(("cs.CL",), floor=NOW - timedelta(days=7))], ids=["window", "down"]
)
def test_more_results_than_arxiv_pages_through_are_split_by_time(question, monkeypatch):
    monkeypatch.setattr(query_api, "MAX_RESULTS", 60)
    server = Server(PAPERS)
    steps = go(server, question, page_size=25)
    assert collect(steps) == ids(PAPERS)
    assert steps[-1].missing == 0
    assert all(start + size <= 60 for start, size in server.asked)


def test_the_deepest_page_is_not_taken_for_the_last(monkeypatch):
    monkeypatch.setattr(query_api, "MAX_RESULTS", 190)
    steps = go(Server(PAPERS), Question(("cs.CL",), floor=NOW - timedelta(days=7)), page_size=30)
    assert collect(steps) == ids(PAPERS)


def test_what_can_not_be_split_is_reported_missing(monkeypatch):
    monkeypatch.setattr(query_api, "MAX_RESULTS", 60)
    at_once = [replace(paper, submitted_at=NOW - timedelta(hours=1)) for paper in PAPERS]
    steps = list(walk(Server(at_once), WINDOW, 25, NOW))
    assert sum(step.missing for step in steps) >= 1


# --- lists that end too early ---------------------------------------------------------------------------------


def lagging(total: int) -> Bend:
    """A server that knows only the first entries, and says so in every answer."""

    def bend(_n: int, everything: list[Paper], page: Page) -> Page:
        kept = tuple(paper for paper in page.papers if paper in everything[:total])
        return Page(kept, total, len(kept))

    return bend


@pytest.mark.parametrize("total", [0, 30, 90])
def test_a_list_that_ends_above_a_paper_held_is_not_whole_however_often_its_total_is_said(total):
    cut_short = replace(DOWN, reaches=DOWN.floor)
    server = Server(PAPERS, lagging(total))
    assert go(server, cut_short)[-1].missing >= 1
    assert len(server.asked) < 30
    assert go(Server(PAPERS), cut_short)[-1].missing == 0


def test_a_list_without_a_date_is_never_empty():
    assert go(Server([]), DOWN)[-1].missing >= 1


def test_a_list_that_was_cut_once_is_walked_again():
    def bend(n: int, everything: list[Paper], page: Page) -> Page:
        return lagging(30)(n, everything, page) if n < 2 else page

    steps = go(Server(PAPERS, bend), replace(DOWN, reaches=DOWN.floor))
    assert collect(steps) >= ids(PAPERS[:121])
    assert steps[-1].missing == 0


def test_a_window_of_which_papers_are_held_is_not_empty():
    held = replace(WINDOW, reaches=PAPERS[-1].submitted_at)
    assert go(Server([]), held)[-1].missing == 1
    assert go(Server(PAPERS), held)[-1].missing == 0


# --- entries that can't be read -------------------------------------------------------------------------------


def spoil(lost: Sequence[Paper], *, named: bool = True) -> Bend:
    def bend(_n: int, _all: list[Paper], page: Page) -> Page:
        flawed = tuple(unread(paper) for paper in page.papers if paper in lost)
        if not named:
            flawed = tuple(replace(each, arxiv_id=None) for each in flawed)
        return replace(page, papers=tuple(p for p in page.papers if p not in lost), unreadable=flawed)

    return bend


@pytest.mark.parametrize("question", [WINDOW, DOWN], ids=["window", "down"])
@pytest.mark.parametrize("lost", [PAPERS[47:48], PAPERS[60:61], PAPERS[40:100], PAPERS[115:121]], ids=len)
def test_an_entry_that_can_never_be_read_is_named_and_not_missing(question, lost):
    server = Server(PAPERS, spoil(lost))
    steps = go(server, question)
    assert steps[-1].missing == 0
    assert {each.base for step in steps for each in step.unreadable} == ids(lost)
    assert collect(steps) >= ids(PAPERS[:121]) - ids(lost)
    assert len(server.asked) <= 12


@pytest.mark.parametrize("question", [WINDOW, DOWN], ids=["window", "down"])
def test_an_entry_that_does_not_say_whose_it_is_is_missing_once(question):
    for number in (30, 47, 96):
        steps = go(Server(PAPERS, spoil(PAPERS[number : number + 1], named=False)), question)
        assert steps[-1].missing == 1
        assert not any(step.unreadable for step in steps)
