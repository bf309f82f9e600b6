"""Two machines, one database: syncs take turns, and what both brought is there once."""

from __future__ import annotations

import subprocess
import sys
from datetime import UTC, datetime

import pytest

from paperlab.entities import ReceiptStatus
from paperlab.store import database, full_text, papers, receipts
from tests.conftest import ROOT
from tests.fakes import make_papers
from tests.fakes.server import FakeArxiv

NOW = datetime(2026, 11, 24, tzinfo=UTC)
_SYNC = """
import sys
from pathlib import Path
from paperlab.errors import TryAgain
from paperlab.library import sync
from paperlab.library.plan import SyncOptions
from paperlab.settings import ArxivSettings, Settings
from paperlab.store import database

arxiv = ArxivSettings(api_url=sys.argv[3], rss_url=sys.argv[3], oai_url=sys.argv[3], interval_s=0.0, page_size=20)
settings = Settings(Path(sys.argv[1]), sys.argv[2], arxiv)
for _ in range(3):
    try:
        sync.run(database.open_database(settings), settings, SyncOptions())
        print("synced")
    except TryAgain as busy:
        assert busy.reason == "lock", busy
        print("waited")
"""


@pytest.mark.soak
def test_processes_that_sync_at_once_lose_and_double_nothing(engine, shared_settings, tmp_path):
    with FakeArxiv(make_papers(150)) as arxiv:
        machines = [
            subprocess.Popen(
                [sys.executable, "-c", _SYNC, str(tmp_path / str(n)), shared_settings.database_url, arxiv.url],
                cwd=ROOT,
                stdout=subprocess.PIPE,
                text=True,
            )
            for n in range(3)
        ]
        said = [machine.communicate(timeout=100)[0].split() for machine in machines]
        assert [machine.returncode for machine in machines] == [0, 0, 0]
        truth = arxiv.truth()
    outcomes = [word for words in said for word in words]
    assert len(outcomes) == 9
    with database.session(engine) as session:
        assert {each.arxiv_id: each for each in papers.export(session) if each.source != papers.SEED} == truth
        kept = receipts.latest(session, None)
        assert [receipt.status for receipt in kept] == [ReceiptStatus.COMPLETE] * outcomes.count("synced")
        assert sum(receipt.new for receipt in kept) == len(truth)
        assert full_text.check(session).is_good


def test_who_reads_sees_one_moment_and_waits_for_nobody(engine):
    with database.read_only(engine) as reader:
        assert papers.count(reader) == 0
        with database.session(engine) as writer:
            papers.upsert(writer, make_papers(3), NOW)
            with database.read_only(engine) as other:
                assert papers.count(other) == 0
        assert papers.count(reader) == 0
    with database.read_only(engine) as reader:
        assert papers.count(reader) == 3
