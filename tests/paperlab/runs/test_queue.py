"""The queue of runs: who takes what, how it ends, and that a death loses nothing."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import threading
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from paperlab.errors import InvalidInput
from paperlab.runs import launch, queue
from paperlab.store import queue as store
from paperlab.store.database import Engine, read_only, session
from tests.paperlab.runs import directories

NOW = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)
ROOT = Path(__file__).parents[3]


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return tmp_path / "home"


def add(engine: Engine, *seeds: int, **changes: Any) -> list[store.Entry]:
    with session(engine) as writing:
        return [
            store.add(writing, store.Wanted("transformer-base", "smoke", seed, **changes), NOW)[0] for seed in seeds
        ]


def entries(engine: Engine) -> list[store.Entry]:
    with read_only(engine) as reading:
        return store.find(reading)


def states(engine: Engine) -> list[str]:
    return [entry.state for entry in entries(engine)]


def work(engine: Engine, home: Path, *codes: launch.Ended, **options: Any) -> list[queue.Outcome]:
    """One worker whose trainings end like this, one after the other (the last for all that follow)."""
    left = list(codes)

    def run(request: launch.Request) -> launch.Ended:
        return left.pop(0) if len(left) > 1 else left[0]

    return list(queue.work(engine, launch.Request("", quiet=True), run, home=home, now=lambda: NOW, **options))


FINISHED = launch.Ended(0, "run-1", Path("/runs/run-1"), "finished")


def test_entries_are_taken_in_the_order_in_which_they_came_and_end_as_finished(engine: Engine, home: Path) -> None:
    add(engine, 3, 1, overrides={"optim.lr": "0.5"})
    asked: list[launch.Request] = []

    def run(request: launch.Request) -> launch.Ended:
        asked.append(request)
        assert [entry.state for entry in entries(engine)][len(asked) - 1] == "running"
        return FINISHED

    done = list(queue.work(engine, launch.Request("", threads=1), run, home=home, now=lambda: NOW))
    assert [(request.seed, request.overrides, request.threads) for request in asked] == [
        (3, ("optim.lr=0.5",), 1),
        (1, ("optim.lr=0.5",), 1),
    ]
    assert [outcome.entry.state for outcome in done] == ["finished", "finished"]
    assert entries(engine)[0].run_id == "run-1"
    assert entries(engine)[0].finished_at == NOW


def test_the_same_run_is_not_queued_twice_until_it_has_ended(engine: Engine, home: Path) -> None:
    (first,) = add(engine, 1)
    with session(engine) as writing:
        again, is_new = store.add(writing, store.Wanted("transformer-base", "smoke", 1), NOW)
    assert (again.id, is_new) == (first.id, False)
    work(engine, home, FINISHED)
    assert add(engine, 1)[0].id != first.id


def test_a_run_that_was_stopped_waits_again_and_stops_its_worker(engine: Engine, home: Path) -> None:
    add(engine, 1, 2)
    stopped = launch.Ended(75, "run-1", Path("/runs/run-1"), "interrupted", refusal={"error": "SIGTERM, after step 3"})
    (outcome,) = work(engine, home, stopped)
    assert outcome.stops
    first, second = entries(engine)
    assert (first.state, first.run_id, first.message, first.worker) == ("waiting", "run-1", "SIGTERM, after step 3", {})
    assert second.state == "waiting"


def test_a_worker_that_is_asked_to_stop_at_the_very_end_of_a_run_takes_no_other(engine: Engine, home: Path) -> None:
    add(engine, 1, 2)
    (outcome,) = work(engine, home, launch.Ended(0, "run-1", Path("/runs/run-1"), "finished", asked_to_stop=True))
    assert outcome.stops
    assert states(engine) == ["finished", "waiting"]


@pytest.mark.parametrize(
    ("ended", "state", "message"),
    [
        (launch.Ended(75, refusal={"error": "another process writes it"}), "waiting", "another process writes it"),
        (launch.Ended(75, "r", stopped_by="SIGKILL"), "waiting", "its training was ended by SIGKILL"),
        (launch.Ended(4, refusal={"error": "no GPU"}), "waiting", f"{socket.gethostname()}: no GPU"),
        (launch.Ended(3, refusal={"error": "no such field"}), "failed", "no such field"),
        (launch.Ended(1, "r"), "failed", "exit code 1"),
    ],
)
def test_what_did_not_finish_says_why_and_the_next_entry_is_taken(
    engine: Engine, home: Path, ended: launch.Ended, state: str, message: str
) -> None:
    add(engine, 1, 2)
    assert [outcome.exit_code for outcome in work(engine, home, ended, FINISHED)] == [ended.exit_code, 0]
    first, second = entries(engine)
    assert (first.state, first.message) == (state, message)
    assert second.state == "finished"


def test_a_worker_takes_no_more_than_it_may(engine: Engine, home: Path) -> None:
    add(engine, 1, 2, 3)
    assert len(work(engine, home, FINISHED, most=2)) == 2
    ticks = iter([0.0, 1.0, 11.0])
    add(engine, 4)
    assert len(work(engine, home, FINISHED, seconds=10.0, clock=lambda: next(ticks))) == 1
    assert states(engine).count("waiting") == 1


def test_an_error_of_the_worker_itself_leaves_nothing_taken(engine: Engine, home: Path) -> None:
    add(engine, 1)

    def run(request: launch.Request) -> launch.Ended:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        list(queue.work(engine, launch.Request(""), run, home=home, now=lambda: NOW))
    assert entries(engine)[0].message == "the worker ended with KeyboardInterrupt"
    assert states(engine) == ["waiting"]


def test_eight_workers_at_once_make_each_run_once(engine: Engine, home: Path) -> None:
    add(engine, *range(1, 13))
    made: list[int] = []
    failed: list[BaseException] = []

    def run(request: launch.Request) -> launch.Ended:
        made.append(request.seed)
        return FINISHED

    def take() -> None:
        try:
            while True:
                with session(engine) as writing:
                    entry = store.take(writing, queue.this_process(), NOW)
                if entry is None:
                    return
                queue._run(engine, entry, launch.Request(""), run, lambda: NOW)
        except BaseException as error:  # noqa: BLE001 - shown by the test
            failed.append(error)

    threads = [threading.Thread(target=take) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failed == []
    assert sorted(made) == list(range(1, 13))


def test_a_killed_worker_is_noticed_and_what_it_held_waits_again(engine: Engine, home: Path, tmp_path: Path) -> None:
    """kill -9 of a real process in the middle of an entry."""
    add(engine, 1)
    url = engine.url.render_as_string(hide_password=False)
    program = f"""
import sys, time
from datetime import UTC, datetime
from pathlib import Path
from paperlab.runs import launch, queue
from paperlab.settings import Settings
from paperlab.store.database import open_database

def run(request):
    print("taken", flush=True)
    time.sleep(60)

home = Path({str(home)!r})
engine = open_database(Settings(home, {url!r}))
list(queue.work(engine, launch.Request(""), run, home=home, now=lambda: datetime.now(UTC)))
"""
    child = subprocess.Popen([sys.executable, "-c", program], cwd=ROOT, stdout=subprocess.PIPE, text=True)
    try:
        assert child.stdout is not None
        assert child.stdout.readline() == "taken\n"
        (entry,) = entries(engine)
        assert (entry.state, entry.worker["pid"]) == ("running", child.pid)
        assert queue.is_at_work(entry, home)
        assert queue.is_served(engine, home)
        assert queue.release_dead(engine, home) == []
    finally:
        child.kill()
        child.wait()
        child.stdout.close()
    assert not queue.is_served(engine, home)
    assert [released.id for released in queue.release_dead(engine, home)] == [entry.id]
    assert states(engine) == ["waiting"]
    assert entries(engine)[0].message == f"its worker on {socket.gethostname()} died"
    assert [outcome.entry.state for outcome in work(engine, home, FINISHED)] == ["finished"]


def test_another_process_with_the_number_of_a_dead_worker_is_not_taken_for_it(engine: Engine, home: Path) -> None:
    add(engine, 1)
    with session(engine) as writing:
        store.take(writing, {**queue.this_process(), "began": "1"}, NOW)
    assert len(queue.release_dead(engine, home)) == 1


def test_a_worker_on_another_host_is_judged_by_the_heartbeat_of_its_run(engine: Engine, home: Path) -> None:
    add(engine, 1)
    with session(engine) as writing:
        entry = store.take(writing, {"host": "elsewhere", "pid": 1, "began": "1"}, NOW)
    assert entry is not None
    assert queue.is_at_work(entry, home) is None
    assert queue.release_dead(engine, home) == []  # it can't be seen from here, so it is left alone
    with directories.begin(home / "runs"):
        assert queue.is_at_work(entry, home) is True
    assert len(queue.release_dead(engine, home)) == 1


def test_something_serves_while_it_looks_for_work_and_not_after(engine: Engine, home: Path) -> None:
    assert not queue.is_served(engine, home)
    with queue.serving(home):
        assert queue.is_served(engine, home)
    assert not queue.is_served(engine, home)
    assert list((home / "workers").iterdir()) == []


def cancel(engine: Engine, entry_id: int) -> store.Entry:
    with session(engine) as writing:
        return queue.cancel(writing, entry_id, NOW)


def test_only_what_waits_can_be_cancelled(engine: Engine, home: Path) -> None:
    first, second = add(engine, 1, 2)
    assert cancel(engine, first.id).state == "cancelled"
    with pytest.raises(InvalidInput, match="is cancelled already"):
        cancel(engine, first.id)
    with pytest.raises(InvalidInput, match="no entry 99"):
        cancel(engine, 99)
    with session(engine) as writing:
        store.take(writing, queue.this_process(), NOW)
    with pytest.raises(InvalidInput, match=f"being trained by process {os.getpid()}"):
        cancel(engine, second.id)
    assert work(engine, home, FINISHED) == []
