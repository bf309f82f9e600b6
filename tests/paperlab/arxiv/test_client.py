"""What heals is asked again; what does not is said, in words and with an exit code."""

from __future__ import annotations

import contextlib
import random
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path

import pytest

from paperlab.arxiv import query_api
from paperlab.arxiv.client import MAX_TRIES, Budget, Client
from paperlab.arxiv.limiter import Clock, Limiter
from paperlab.errors import InvalidInput, NotReady, PaperlabError, TryAgain
from tests import fakes
from tests.fakes import Exchange, FakeArxiv, make_papers


def page(client: Client, url: str) -> query_api.Page:
    return query_api.fetch_page(client, url, "cat:cs.CL", start=0, size=10, order="submittedDate", descending=False)


@pytest.fixture
def client_of(tmp_path: Path) -> Callable[..., Client]:
    def make(
        *, interval_s: float = 0.0, timeout_s: float = 5.0, budget: Budget | None = None, clock: Clock | None = None
    ):
        return Client(Limiter(tmp_path, interval_s, clock), timeout_s=timeout_s, budget=budget, rng=random.Random(1))

    return make


@contextlib.contextmanager
def answering(answer: Callable[[Exchange], object], *, always: bool = True):
    """A server that does this to every answer, or to the first one only."""
    fakes.FAULTS["special"] = lambda _server, exchange, _rng: answer(exchange)
    try:
        schedule = (lambda _: ["special"]) if always else fakes.at({0: ["special"]})
        with FakeArxiv(make_papers(30), schedule=schedule) as arxiv:
            yield arxiv
    finally:
        del fakes.FAULTS["special"]


@pytest.mark.parametrize("fault", ["429", "429-retry-after", "503", "406", "reset", "truncated", "html", "garbage"])
def test_one_bad_answer_heals(fault, client_of):
    with FakeArxiv(make_papers(30), schedule=fakes.at({0: [fault]})) as arxiv, client_of() as client:
        assert len(page(client, arxiv.url).papers) == 10
        assert len(arxiv.requests) == 2


def test_a_stalled_server_is_left_after_the_time_out(client_of):
    with FakeArxiv(make_papers(30), schedule=fakes.at({0: ["stall"]})) as arxiv, client_of(timeout_s=0.3) as client:
        assert len(page(client, arxiv.url).papers) == 10


@pytest.mark.parametrize(("fault", "reason"), [("429", "rate-limit"), ("503", "unavailable"), ("html", "bad-answer")])
def test_what_does_not_heal_ends_with_try_again(fault, reason, client_of):
    with FakeArxiv(make_papers(30), schedule=lambda _: [fault]) as arxiv, client_of() as client:
        with pytest.raises(TryAgain) as stopped:
            page(client, arxiv.url)
        assert stopped.value.reason == reason
        assert len(arxiv.requests) == MAX_TRIES


def test_back_off_doubles_and_scales_with_the_interval(tmp_path, client_of):
    slept: list[float] = []
    wall = [1_795_000_000.0]

    def sleep(seconds: float) -> None:
        slept.append(seconds)
        wall[0] += seconds

    clock = Clock(wall=lambda: wall[0], monotonic=lambda: wall[0], sleep=sleep)
    with (
        FakeArxiv(make_papers(3), schedule=lambda _: ["503"]) as arxiv,
        client_of(interval_s=3.0, clock=clock) as client,
        pytest.raises(TryAgain),
    ):
        page(client, arxiv.url)
    backoffs = [seconds for seconds in slept if seconds > 3.0]
    assert len(backoffs) == MAX_TRIES - 1
    for number, seconds in enumerate(backoffs, start=1):
        assert 0.75 * 3 * 2**number <= seconds <= 1.25 * 3 * 2**number


@pytest.mark.parametrize("form", ["seconds", "date"])
def test_retry_after_is_waited_for(form, client_of):
    slept: list[float] = []
    now = datetime(2026, 11, 24, 6, 15, tzinfo=UTC)
    clock = Clock(lambda: now.timestamp() + sum(slept), lambda: sum(slept), slept.append)
    value = "7" if form == "seconds" else format_datetime(now + timedelta(seconds=7), usegmt=True)
    with (
        answering(lambda x: fakes.set_status(x, 429, Retry_After=value), always=False) as arxiv,
        client_of(clock=clock) as client,
    ):
        assert page(client, arxiv.url).papers
    assert max(slept) == pytest.approx(7)


def test_a_long_retry_after_ends_the_command_and_is_kept_for_the_next(client_of):
    with answering(lambda x: fakes.set_status(x, 503, Retry_After="7200")) as arxiv, client_of() as client:
        with pytest.raises(TryAgain) as stopped:
            page(client, arxiv.url)
        assert stopped.value.retry_after_s == 7200
        with pytest.raises(TryAgain, match="not to be asked"):
            page(client_of(), arxiv.url)
        assert len(arxiv.requests) == 1


@pytest.mark.parametrize("value", ["999999999", "9" * 400, "Fri, 31 Dec 9999 23:59:59 GMT"])
def test_no_retry_after_keeps_away_for_more_than_a_week(client_of, value):
    with answering(lambda x: fakes.set_status(x, 429, Retry_After=value)) as arxiv, client_of() as client:
        with pytest.raises(TryAgain) as stopped:
            page(client, arxiv.url)
        assert stopped.value.retry_after_s == 7 * 24 * 3600


@pytest.mark.parametrize("value", ["soon", "-5", "nan", "1.5", "Mon, 01 Jan 2001 00:00:00 GMT", "Mon, 99 Foo 2026"])
def test_a_retry_after_that_says_nothing_leaves_the_back_off(client_of, value):
    with answering(lambda x: fakes.set_status(x, 429, Retry_After=value), always=False) as arxiv, client_of() as client:
        assert page(client, arxiv.url).papers


def test_a_refusal_is_not_argued_with(client_of):
    with answering(lambda x: fakes.set_status(x, 403)) as arxiv, client_of() as client:
        with pytest.raises(TryAgain, match="attack") as stopped:
            page(client, arxiv.url)
        assert stopped.value.reason == "refused"
        with pytest.raises(TryAgain):
            page(client_of(), arxiv.url)
        assert len(arxiv.requests) == 1


def test_a_400_says_what_arxiv_says(client_of):
    with FakeArxiv(make_papers(3)) as arxiv, client_of() as client:
        with pytest.raises(InvalidInput, match="incorrect query: all:nonsense"):
            query_api.fetch_page(
                client, arxiv.url, "all:nonsense", start=0, size=5, order="submittedDate", descending=True
            )
        assert len(arxiv.requests) == 1


@pytest.mark.parametrize("status", [301, 404])
def test_a_wrong_address_is_said(status, client_of):
    with (
        answering(lambda x: fakes.set_status(x, status, Location="https://elsewhere/")) as arxiv,
        client_of() as client,
    ):
        with pytest.raises(NotReady, match=f"HTTP {status}") as wrong:
            page(client, arxiv.url)
        assert "PAPERLAB_ARXIV_API_URL" in wrong.value.hint
        assert len(arxiv.requests) == 1


def test_without_a_network_it_gives_up_soon(client_of):
    with client_of() as client:
        with pytest.raises(TryAgain, match="can't be reached") as stopped:
            page(client, "http://127.0.0.1:9/api/query")
        assert stopped.value.reason == "unreachable"
        assert client.spent.requests == 2


def test_the_budget_of_requests_is_kept(client_of):
    with FakeArxiv(make_papers(30), schedule=lambda _: ["503"]) as arxiv:
        with client_of(budget=Budget(max_requests=3)) as client, pytest.raises(TryAgain) as stopped:
            page(client, arxiv.url)
        assert stopped.value.reason == "budget"
        assert len(arxiv.requests) == 3


def test_the_budget_of_seconds_is_kept(client_of):
    with FakeArxiv(make_papers(30), schedule=lambda _: ["stall"]) as arxiv:
        with client_of(budget=Budget(max_seconds=0.4)) as client, pytest.raises(TryAgain) as stopped:
            page(client, arxiv.url)
        assert stopped.value.reason == "budget"


def test_an_answer_without_end_is_cut_off(client_of, monkeypatch):
    monkeypatch.setattr("paperlab.arxiv.client.MAX_BODY_BYTES", 1000)
    with FakeArxiv(make_papers(30)) as arxiv, client_of() as client, pytest.raises(TryAgain, match="MiB"):
        page(client, arxiv.url)


def test_errors_are_all_ours(client_of):
    """Whatever single fault meets every request, nothing but our own errors comes out."""
    for fault in fakes.FAULTS:
        schedule = fakes.mix(1, [fault], rate=1.0)
        with (
            FakeArxiv(make_papers(30), schedule=schedule, stall_s=0.05) as arxiv,
            client_of(timeout_s=2.0) as client,
            contextlib.suppress(PaperlabError),
        ):
            assert page(client, arxiv.url).entries <= 10
