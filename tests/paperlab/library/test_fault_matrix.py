"""Whatever goes wrong, alone or five at once: after two clean syncs the store is what the server holds.

A schedule is a way to sync (every night, a window, a harvest), some faults and a seed.  Two faulty nights, in a world
that goes on, then two clean ones.  Then every receipt balances, none is still running, no gap is open, and no two
requests were closer than the interval.
"""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

import pytest

from benchmarks import record
from paperlab.arxiv.limiter import Clock
from paperlab.entities import Paper, ReceiptStatus
from paperlab.errors import PaperlabError
from paperlab.library import harvest, night, sync
from paperlab.library.harvest import HarvestOptions
from paperlab.library.plan import SyncOptions
from paperlab.settings import Settings
from paperlab.store import database, gaps, papers, receipts
from paperlab.store.database import Engine
from tests import fakes
from tests.conftest import ROOT
from tests.fakes import FakeArxiv, make_papers

INTERVAL_S = 0.002
KILLED_INTERVAL_S = 0.02
PAPERS, PAGE, OAI_PAGE = 26, 12, 6
SETS = ("cs",)
WAYS = ("nightly", "window", "harvest")
FAULTS = (
    *("429", "429-retry-after", "503", "406", "reset", "stall", "truncated", "html", "garbage", "empty", "short"),
    *("shuffled", "duplicated", "total-missing", "total-moves", "arrival", "revision", "expiry", "edit", "ties"),
    *("unpublished", "clock", "kill"),
)
OF_THE_MACHINE = {"clock", "kill"}
"""Not the server's doing: a wrong clock on a faulty night, and SIGKILL of the real command."""


@dataclass(frozen=True)
class Schedule:
    way: str
    faults: tuple[str, ...]
    rate: float
    seed: int

    def __str__(self) -> str:
        return f"{self.way}: {'+'.join(self.faults)} at {self.rate}, seed {self.seed}"


def alone() -> list[Schedule]:
    """Every fault by itself, in every way to sync."""
    return [Schedule(way, (fault,), 0.4, 7) for fault in FAULTS for way in WAYS]


def mixed(seed: int, *, slow: bool = True) -> Schedule:
    """Five faults at once.  Without `slow`, none that takes seconds."""
    rng = random.Random(f"matrix {seed}")
    names = FAULTS if slow else tuple(name for name in FAULTS if name not in {"kill", "stall"})
    return Schedule(WAYS[seed % len(WAYS)], tuple(sorted(rng.sample(names, 5))), 0.15, seed)


# --- the world ------------------------------------------------------------------------------------------------


def world(seed: int) -> list[Paper]:
    """Papers of the last six days.  One of the days has more records than OAI-PMH puts on two pages."""
    rng = random.Random(f"world {seed}")
    now = datetime.now(UTC).replace(microsecond=0) - timedelta(hours=2)
    crowded = rng.randrange(1, 5)
    moments = [now]  # what changes later gets a later datestamp than anything before
    for number in range(1, PAPERS):
        day = crowded if number % 2 else rng.randrange(6)
        moments.append(now - timedelta(days=day, seconds=rng.randrange(36_000)))
    moments.sort(reverse=True)
    made = zip(make_papers(PAPERS), moments, strict=True)
    return [replace(paper, submitted_at=moment, updated_at=moment) for paper, moment in made]


def live_on(arxiv: FakeArxiv, rng: random.Random) -> None:
    """A night passes: papers arrive and are replaced, the feed announces them, records are edited."""
    arxiv.night(new=2, replaced=0)
    arxiv.revise(rng.choice(sorted(arxiv.papers)))
    arxiv.edit(rng.choice(sorted(arxiv.papers)))


def run(way: str, engine: Engine, settings: Settings, clock: Clock) -> None:
    if way == "harvest":
        harvest.run(engine, settings, HarvestOptions(SETS), clock=clock)
    elif way == "nightly":
        night.run(engine, settings, SyncOptions(), clock=clock)
    else:
        sync.run(engine, settings, window(), clock=clock)


def window() -> SyncOptions:
    today = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    return SyncOptions(since=today - timedelta(days=7), until=today + timedelta(days=2))


def clock_of(offset_s: float = 0.0) -> Clock:
    """Back-off is waited for at a hundredth of its length: what is tested is that it heals."""
    return Clock(
        wall=lambda: time.time() + offset_s,
        sleep=lambda seconds: time.sleep(seconds if seconds <= INTERVAL_S else seconds / 100),
    )


def command(way: str) -> list[str]:
    options = {
        "nightly": [],
        "window": ["--since", f"{window().since:%Y-%m-%d}", "--until", f"{window().until:%Y-%m-%d}"],
        "harvest": ["--source", "oai", *(word for name in SETS for word in ("--set", name))],
    }
    return [sys.executable, "-m", "paperlab", "sync", "--quiet", *options[way]]


def environment(settings: Settings, arxiv: FakeArxiv) -> dict[str, str]:
    return os.environ | {
        "PAPERLAB_HOME": str(settings.home),
        "PAPERLAB_DATABASE_URL": settings.database_url,
        "PAPERLAB_ARXIV_API_URL": arxiv.url,
        "PAPERLAB_ARXIV_RSS_URL": arxiv.rss_url,
        "PAPERLAB_ARXIV_OAI_URL": arxiv.oai_url,
        "PAPERLAB_ARXIV_INTERVAL": str(KILLED_INTERVAL_S),
        "PAPERLAB_ARXIV_TIMEOUT": str(settings.arxiv.timeout_s),
        "PAPERLAB_ARXIV_PAGE_SIZE": str(settings.arxiv.page_size),
    }


def killed_night(schedule: Schedule, settings: Settings, arxiv: FakeArxiv, rng: random.Random) -> None:
    """The real command, killed a moment after its first request."""
    before = len(arxiv.requests)
    with subprocess.Popen(
        command(schedule.way), cwd=ROOT, env=environment(settings, arxiv), stderr=subprocess.DEVNULL
    ) as process:
        while process.poll() is None and len(arxiv.requests) == before:
            time.sleep(0.005)
        with suppress(subprocess.TimeoutExpired):
            process.wait(timeout=rng.uniform(0, 0.4))
        process.send_signal(signal.SIGKILL)


# --- one schedule ---------------------------------------------------------------------------------------------


def survive(schedule: Schedule, settings: Settings, engine: Engine, arxiv: FakeArxiv) -> None:
    """Raises AssertionError where something was lost, does not balance, or was asked too early."""
    rng = random.Random(f"{schedule}")
    faults = [name for name in schedule.faults if name not in OF_THE_MACHINE]
    # A short time-out where one is meant to be met; elsewhere a busy machine must not look like a stall.
    faulty = replace(settings, arxiv=replace(settings.arxiv, timeout_s=0.3 if "stall" in faults else 20.0))
    for number in range(2):
        arxiv.set_schedule(fakes.mix(schedule.seed * 10 + number, faults, schedule.rate))
        if "kill" in schedule.faults and number == 0:
            killed_night(schedule, faulty, arxiv, rng)
        else:
            skew = rng.choice((-86_400.0, -3_600.0, 3_600.0, 5 * 86_400.0)) if "clock" in schedule.faults else 0.0
            with suppress(PaperlabError):
                run(schedule.way, engine, faulty, clock_of(skew))
        live_on(arxiv, rng)
    arxiv.set_schedule(fakes.never)
    for _ in range(2):
        with suppress(PaperlabError):
            run(schedule.way, engine, settings, clock_of())
    check(schedule, engine, settings, arxiv)


def check(schedule: Schedule, engine: Engine, settings: Settings, arxiv: FakeArxiv) -> None:
    with database.read_only(engine) as session:
        held = {paper.arxiv_id: paper for paper in papers.export(session) if paper.source != papers.SEED}
        written = receipts.latest(session, None)
        still_open = gaps.still_open(session)
        versions = {arxiv_id: papers.versions(session, arxiv_id)[-1] for arxiv_id in held}
    source = "oai" if schedule.way == "harvest" else "query-api"
    truth = {arxiv_id: replace(paper, source=source) for arxiv_id, paper in arxiv.truth().items()}
    lost = {arxiv_id for arxiv_id in truth.keys() | held.keys() if held.get(arxiv_id) != truth.get(arxiv_id)}
    assert not lost, f"{schedule}: {sorted(lost)} differ"
    assert versions == truth, f"{schedule}: histories differ"
    assert not still_open, f"{schedule}: {still_open}"
    for receipt in written:
        assert receipt.announced == receipt.held + receipt.open, f"{schedule}: {receipt}"
        assert receipt.held == receipt.new + receipt.revised + receipt.unchanged, f"{schedule}: {receipt}"
        assert receipt.status is not ReceiptStatus.RUNNING, f"{schedule}: {receipt}"
    assert written[0].status is ReceiptStatus.COMPLETE, f"{schedule}: {written[0]}"
    assert arxiv.shortest_gap() >= settings.arxiv.interval_s, f"{schedule}: {arxiv.shortest_gap()} s"
    if "stall" not in schedule.faults and "kill" not in schedule.faults:
        assert arxiv.most_in_flight == 1, f"{schedule}: {arxiv.most_in_flight} at once"


@pytest.fixture
def meet(settings_for, engine_for, tmp_path) -> Callable[[Schedule], int]:
    """Runs a schedule in a home of its own.  Returns how many requests it took."""

    def meet(schedule: Schedule) -> int:
        home = tmp_path / f"{schedule.way}-{'-'.join(schedule.faults)}-{schedule.seed}"
        with FakeArxiv(world(schedule.seed), seed=schedule.seed, stall_s=5.0) as arxiv:
            arxiv.oai.page_size = OAI_PAGE
            settings = settings_for(
                arxiv.url,
                rss_url=arxiv.rss_url,
                oai_url=arxiv.oai_url,
                home=home,
                interval_s=INTERVAL_S,
                timeout_s=20.0,
                page_size=PAGE,
            )
            engine = engine_for(settings)
            try:
                survive(schedule, settings, engine, arxiv)
            finally:
                engine.dispose()
            return len(arxiv.requests)

    return meet


QUICK = [mixed(seed, slow=False) for seed in range(18)] + [
    Schedule("nightly", ("kill", "short"), 0.15, 1),
    Schedule("harvest", ("kill", "short"), 0.15, 1),
    Schedule("window", ("stall",), 0.15, 1),
]
"""Every fault twice or more, and nearly every one in every way to sync; the rest is long."""
REST = [pytest.param(mixed(seed, slow=False), marks=pytest.mark.soak) for seed in range(18, 27)]


@pytest.mark.parametrize("schedule", [*QUICK, *REST], ids=str)
def test_faults_lose_nothing(schedule, meet):
    meet(schedule)


def test_two_processes_keep_the_interval_together(settings_for, engine_for, tmp_path):
    """A sync and a look-up of single papers."""
    interval_s = 0.05
    with FakeArxiv(world(0)) as arxiv:
        settings = settings_for(
            arxiv.url, rss_url=arxiv.rss_url, oai_url=arxiv.oai_url, home=tmp_path / "home", page_size=8
        )
        engine_for(settings).dispose()
        environ = environment(settings, arxiv) | {"PAPERLAB_ARXIV_INTERVAL": str(interval_s)}
        words = [command("nightly"), [sys.executable, "-m", "paperlab", "papers", "add", "2611.00001", "2611.00002"]]
        processes = [subprocess.Popen(each, cwd=ROOT, env=environ, stderr=subprocess.PIPE) for each in words]
        for process in processes:
            process.communicate()
        assert [process.returncode for process in processes] == [0, 0]
        assert arxiv.shortest_gap() >= interval_s
        assert arxiv.most_in_flight == 1
        assert len({"id_list" in request.path for request in arxiv.requests}) == 2


@pytest.mark.soak
@pytest.mark.timeout(3600)
def test_three_hundred_schedules_lose_nothing(meet):
    began = time.monotonic()
    schedules = alone() + [mixed(seed) for seed in range(1000, 1000 + 300 - len(alone()))]
    schedules += [mixed(seed) for seed in range(2000, 2060)]
    requests = 0
    failures: dict[str, str] = {}
    for schedule in schedules:
        try:
            requests += meet(schedule)
        except AssertionError as error:
            failures[str(schedule)] = str(error)[:400]
            sys.stdout.write(f"\n{failures[str(schedule)]}\n")
    wall = time.monotonic() - began
    sys.stdout.write(f"\n{len(schedules)} schedules, {len(failures)} failures, {requests} requests, {wall:.0f} s\n")
    if folder := os.environ.get("PAPERLAB_SOAK_RESULTS"):
        record.write(
            ROOT / folder,
            "fault-matrix",
            "After faults, alone and five at once: is the store what the server holds, once two clean syncs have run?",
            {
                "schedules": len(schedules),
                "by_way": dict(Counter(schedule.way for schedule in schedules)),
                "by_fault": dict(sorted(Counter(name for each in schedules for name in each.faults).items())),
                "failures": failures,
                "requests": requests,
                "interval_s": INTERVAL_S,
                "wall_s": round(wall, 1),
            },
        )
    assert not failures
