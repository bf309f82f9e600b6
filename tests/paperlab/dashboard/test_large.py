"""Each page on a home with hundreds of papers and runs: what is shown is bounded, and the page says of how many."""

from __future__ import annotations

import re
import time
from dataclasses import replace
from datetime import timedelta

import pytest

from paperlab.entities import VerdictKind
from paperlab.library.database import open_or_create
from paperlab.runs import indexer
from paperlab.store import database, queue, receipts, runs, verdicts
from paperlab.store.verdicts import Verdict
from tests.paperlab.dashboard import filled
from tests.paperlab.dashboard.test_damaged import PAGES, STATES
from tests.paperlab.dashboard.test_hostile import weight
from tests.paperlab.dashboard.test_views import said

PAPERS = 300
RUNS = 200
OTHERS = 60
"""Verdicts, receipts, entries of the queue."""

PARTS = {
    "papers": r"3\d\d papers, newest submission first; shown 1 to \d+",
    "runs": f"{RUNS} runs, newest first; shown 1 to [0-9]+",
    "reproductions": f"shown [0-9]+ of {OTHERS} entries",
    "today": r"shown \d+ of \d+: all of them",
    "sync": r"shown \d+ of the newest 61",
}


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    folder = tmp_path_factory.mktemp("large") / "home"
    folder.mkdir()
    settings = filled.settings(folder)
    engine = open_or_create(settings, lambda: filled.NOW - timedelta(days=3))
    arriving = [filled.paper(n, submitted_at=filled.NOW - timedelta(hours=n)) for n in range(1, PAPERS + 1)]
    filled.sync(engine, settings, arriving, filled.NOW - timedelta(hours=1))
    for run_id, is_finished in ((filled.FINISHED, True), (filled.STOPPED, False)):
        filled.write_run(settings.runs_dir, run_id, steps=60, finished=is_finished)
    indexer.index(engine, settings.runs_dir)
    with database.session(engine) as session:
        first = runs.find(session)[0]
        for n in range(RUNS - 2):
            moment = first.created_at - timedelta(minutes=n + 1)
            name = f"{moment:%Y%m%d-%H%M%S}-transformer-base-smoke-{n:04x}"
            runs.put(session, replace(first, id=name, path=folder / "gone" / name, created_at=moment, seed=n), {})
        for n in range(OTHERS):
            verdict = Verdict(f"claim {n}", VerdictKind.DIFFERS, f"reason {n}")
            verdicts.append_if_changed(session, verdict, {"measurements": []}, filled.NOW)
            queue.add(session, queue.Wanted("transformer-base", "smoke", n), filled.NOW)
            receipts.start(
                session, source="query-api", kind="nightly", query="q", cursor=None, process={"pid": 1}, now=filled.NOW
            )
    engine.dispose()
    return folder


@pytest.mark.parametrize("name", PAGES)
def test_a_page_shows_a_part_says_of_how_much_and_labels_every_control(view, home, name):
    began = time.process_time()
    page = view(name, home, **STATES.get(name, {}))
    assert not page.exception
    assert not page.error
    assert weight(page) < 400_000
    assert time.process_time() - began < 10, "seconds of this process, of which it takes half a one"
    assert re.search(PARTS.get(name, ""), said(page))
    kinds = ("selectbox", "multiselect", "text_input", "text_area", "number_input", "date_input", "toggle", "button")
    controls = [element for kind in (*kinds, "button_group") for element in page.get(kind)]
    assert [control.type for control in controls if not control.proto.label.strip()] == []
