"""Whatever arXiv does: after at most two clean syncs the store is what the server holds, and every receipt balances.

The first window alone, in a larger world than that of test_fault_matrix.py, which has the schedules of every run.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import replace

import pytest

from paperlab.arxiv.limiter import Clock
from paperlab.entities import Receipt, ReceiptStatus
from paperlab.errors import PaperlabError, TryAgain
from paperlab.library import sync
from paperlab.library.plan import SyncOptions
from paperlab.settings import Settings
from paperlab.store import database, papers, receipts
from paperlab.store.database import Engine
from tests import fakes
from tests.fakes import FakeArxiv, make_papers

pytestmark = pytest.mark.soak
INTERVAL_S = 0.002
SEEDS = range(30)


def run(engine: Engine, settings: Settings) -> Receipt:
    # Back-off is waited for at a hundredth of its length: what is tested is that it heals, test_client has the waits.
    clock = Clock(sleep=lambda seconds: time.sleep(seconds if seconds <= INTERVAL_S else seconds / 100))
    return sync.run(engine, settings, SyncOptions(), clock=clock)


def check(engine: Engine, arxiv: FakeArxiv, settings: Settings) -> None:
    with database.read_only(engine) as session:
        held = {paper.arxiv_id: paper for paper in papers.export(session) if paper.source != papers.SEED}
        written = receipts.latest(session, None)
        for arxiv_id, versions in arxiv.papers.items():
            assert papers.versions(session, arxiv_id)[-1] == versions[-1]
    assert held == arxiv.truth()
    for receipt in written:
        assert receipt.announced == receipt.held + receipt.open, receipt
        assert receipt.held == receipt.new + receipt.revised + receipt.unchanged, receipt
        assert receipt.status is not ReceiptStatus.RUNNING, receipt
    assert arxiv.shortest_gap() >= settings.arxiv.interval_s


@pytest.fixture
def meet(settings_for, engine_for) -> Callable[..., None]:
    """Faulty nights, then two clean ones, in a world that goes on."""

    def meet(names: Sequence[str], rate: float, seed: int, nights: int) -> None:
        with FakeArxiv(make_papers(60), seed=seed, stall_s=5.0) as arxiv:
            # A short time-out where one is meant to be met; elsewhere a busy machine must not look like a stall.
            timeout_s = 0.3 if "stall" in names else 20.0
            settings = settings_for(arxiv.url, interval_s=INTERVAL_S, timeout_s=timeout_s, page_size=15)
            engine = engine_for(settings)
            rng = random.Random(seed)
            for _ in range(nights):
                arxiv.set_schedule(fakes.mix(seed, names, rate))
                with suppress(PaperlabError):
                    run(engine, settings)
                arxiv.arrive()
                arxiv.revise(rng.choice(sorted(arxiv.papers)))
            if "stall" not in names:
                assert arxiv.most_in_flight == 1
            arxiv.set_schedule(fakes.never)
            settings = replace(settings, arxiv=replace(settings.arxiv, timeout_s=20.0))
            for _ in range(2):
                with suppress(TryAgain):
                    run(engine, settings)
            check(engine, arxiv, settings)

    return meet


@pytest.mark.parametrize("name", fakes.FAULTS)
def test_each_fault_alone_loses_nothing(name, meet):
    meet([name], rate=0.4, seed=7, nights=1)


@pytest.mark.parametrize("seed", SEEDS)
def test_five_faults_mixed_lose_nothing(seed, meet):
    names = random.Random(seed).sample(sorted(fakes.FAULTS), 5)
    meet(names, rate=0.15, seed=seed, nights=2)
