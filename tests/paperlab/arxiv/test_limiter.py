"""The limit holds over processes, nights, crashes and clocks that go wrong."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from paperlab.arxiv.limiter import Clock, Limiter
from paperlab.errors import NotReady, TryAgain
from tests.conftest import ROOT
from tests.fakes import FakeArxiv, make_papers

INTERVAL_S = 3.0


@dataclass
class Hands:
    """A clock that only moves when somebody sleeps."""

    wall: float = 1_795_000_000.0
    running: float = 0.0
    slept: list[float] = field(default_factory=list)

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.wall += seconds
        self.running += seconds

    @property
    def clock(self) -> Clock:
        return Clock(wall=lambda: self.wall, monotonic=lambda: self.running, sleep=self.sleep)


@pytest.fixture
def hands() -> Hands:
    return Hands()


def request(home: Path, hands: Hands, takes_s: float = 0.0) -> float:
    """Seconds that one process waited before its one request."""
    with Limiter(home, INTERVAL_S, hands.clock).turn(60.0) as waited:
        hands.wall += takes_s
        hands.running += takes_s
        return waited


def test_the_first_request_waits_for_nothing(tmp_path, hands):
    assert request(tmp_path, hands) == 0


def test_a_later_process_waits_out_the_rest_of_the_interval(tmp_path, hands):
    request(tmp_path, hands)
    hands.wall += 1.0
    assert request(tmp_path, hands) == pytest.approx(2.0)


def test_the_interval_counts_from_the_end_of_a_slow_request(tmp_path, hands):
    request(tmp_path, hands, takes_s=10.0)
    assert request(tmp_path, hands) == pytest.approx(INTERVAL_S)


def test_the_next_night_waits_for_nothing(tmp_path, hands):
    request(tmp_path, hands)
    hands.wall += 86_400
    assert request(tmp_path, hands) == 0


def test_a_clock_set_back_costs_one_interval_and_no_more(tmp_path, hands):
    request(tmp_path, hands)
    hands.wall -= 365 * 86_400
    assert request(tmp_path, hands) == pytest.approx(INTERVAL_S)
    assert request(tmp_path, hands) == pytest.approx(INTERVAL_S)


def test_a_request_in_flight_when_its_process_died_counts_as_made_now(tmp_path, hands):
    request(tmp_path, hands)
    state = tmp_path / "arxiv-limiter.json"
    state.write_text(json.dumps(json.loads(state.read_text()) | {"in_flight": True}))
    hands.wall += 1000
    assert request(tmp_path, hands) == pytest.approx(INTERVAL_S)


def test_a_torn_state_file_counts_as_a_request_made_now(tmp_path, hands):
    (tmp_path / "arxiv-limiter.json").write_text('{"last_req')
    assert request(tmp_path, hands) == pytest.approx(INTERVAL_S)


def test_a_failed_request_counts_too(tmp_path, hands):
    with pytest.raises(OSError, match="reset"), Limiter(tmp_path, INTERVAL_S, hands.clock).turn(60.0):
        raise OSError("reset")
    assert request(tmp_path, hands) == pytest.approx(INTERVAL_S)


def test_what_arxiv_asked_for_is_remembered_by_the_next_process(tmp_path, hands):
    Limiter(tmp_path, INTERVAL_S, hands.clock).stay_away(40.0, "HTTP 429")
    hands.wall += 10
    assert request(tmp_path, hands) == pytest.approx(30.0)


def test_a_wait_beyond_patience_is_refused_without_waiting(tmp_path, hands):
    Limiter(tmp_path, INTERVAL_S, hands.clock).stay_away(3600.0, "HTTP 429")
    with pytest.raises(TryAgain, match="HTTP 429") as refused:
        request(tmp_path, hands)
    assert refused.value.retry_after_s == 3600
    assert hands.slept == []


def test_a_clock_set_back_does_not_turn_a_minute_into_a_year(tmp_path, hands):
    Limiter(tmp_path, INTERVAL_S, hands.clock).stay_away(50.0, "HTTP 503")
    hands.wall -= 365 * 86_400
    assert request(tmp_path, hands) == pytest.approx(50.0)
    assert request(tmp_path, hands) == pytest.approx(INTERVAL_S)


def test_a_shorter_wait_does_not_take_the_place_of_a_longer_one(tmp_path, hands):
    Limiter(tmp_path, INTERVAL_S, hands.clock).stay_away(12 * 3600.0, "HTTP 403")
    hands.wall += 3600
    Limiter(tmp_path, INTERVAL_S, hands.clock).stay_away(6.0, "timed out")
    assert Limiter(tmp_path, INTERVAL_S, hands.clock).away() == (11 * 3600.0, "HTTP 403")
    Limiter(tmp_path, INTERVAL_S, hands.clock).stay_away(24 * 3600.0, "HTTP 429")
    assert Limiter(tmp_path, INTERVAL_S, hands.clock).away() == (24 * 3600.0, "HTTP 429")


def test_a_clock_set_forward_shortens_nothing_within_a_process(tmp_path, hands):
    limiter = Limiter(tmp_path, INTERVAL_S, hands.clock)
    with limiter.turn(60.0):
        pass
    hands.wall += 3600
    with limiter.turn(60.0) as waited:
        assert waited == pytest.approx(INTERVAL_S)
    limiter.stay_away(50.0, "HTTP 503")
    hands.wall += 3600
    with limiter.turn(60.0) as waited:
        assert waited == pytest.approx(50.0)


def test_a_home_that_cannot_be_written_is_named(tmp_path, hands):
    (tmp_path / "file").write_text("")
    with pytest.raises(NotReady, match="file"):
        Limiter(tmp_path / "file" / "home", INTERVAL_S, hands.clock)


def test_two_processes_together_keep_the_interval_on_one_connection(tmp_path):
    interval_s = 0.06
    program = (
        "import sys\n"
        "from pathlib import Path\n"
        "from paperlab.arxiv.client import Client\n"
        "from paperlab.arxiv.limiter import Limiter\n"
        f"client = Client(Limiter(Path(sys.argv[1]), {interval_s}), timeout_s=10)\n"
        "for _ in range(5):\n"
        "    client.get(sys.argv[2] + '?search_query=cat:cs.CL&max_results=5', check=len, refused=ValueError)\n"
    )
    with FakeArxiv(make_papers(20)) as arxiv:
        words = [sys.executable, "-c", program, str(tmp_path), arxiv.url]
        both = [subprocess.Popen(words, cwd=ROOT) for _ in range(2)]
        assert [process.wait(timeout=60) for process in both] == [0, 0]
        assert len(arxiv.requests) == 10
        assert arxiv.shortest_gap() >= interval_s
        assert arxiv.most_in_flight == 1
