"""`paperlab sync` as cron and people meet it: exit codes, one JSON object, silence."""

from __future__ import annotations

import json
import os
import re
import resource
import subprocess
import sys
from datetime import UTC, datetime, timedelta

import pytest

from paperlab import settings
from tests import fakes
from tests.conftest import ROOT
from tests.fakes import FakeArxiv, make_paper, make_papers

STATE = ("sources", "open_ids", "requests_24h", "papers")
"""Of what `paperlab status` says, all that a sync changes."""


@pytest.fixture
def serving(paperlab, monkeypatch):
    """An arXiv that the command speaks to, on a machine where nothing ran before."""
    with FakeArxiv(make_papers(60)) as server:
        monkeypatch.setenv("PAPERLAB_ARXIV_API_URL", server.url)
        monkeypatch.setenv("PAPERLAB_ARXIV_RSS_URL", server.rss_url)
        monkeypatch.setenv("PAPERLAB_ARXIV_OAI_URL", server.oai_url)
        monkeypatch.setenv("PAPERLAB_ARXIV_INTERVAL", "0")
        monkeypatch.setenv("PAPERLAB_ARXIV_PAGE_SIZE", "25")
        yield server


@pytest.fixture
def arxiv(serving, engine_for):
    """The same with an empty database: to make one takes longer than most tests."""
    engine_for(settings.load()).dispose()
    return serving


def test_a_sync_on_a_fresh_machine_needs_no_other_command(paperlab, serving):
    done = paperlab("sync")
    assert done.code == 0
    assert done.out == ""
    assert "60 announced, 60 held (60 new" in done.err
    assert "Thank you to arXiv" in done.err


def test_quiet_is_silent_when_all_is_well(paperlab, arxiv):
    done = paperlab("sync", "--quiet")
    assert (done.code, done.out, done.err) == (0, "", "")


def test_json_is_one_object_with_the_receipt(paperlab, arxiv):
    done = paperlab("sync", "--json")
    receipt = done.json["receipt"]
    assert (done.code, receipt["status"], receipt["new"], receipt["open"]) == (0, "complete", 60, 0)
    assert datetime.fromisoformat(receipt["cursor_after"]).tzinfo is not None


def test_a_spent_budget_is_75_with_a_reason_and_the_receipt(paperlab, arxiv):
    done = paperlab("sync", "--source", "query", "--max-requests", "1", "--json")
    assert (done.code, done.json["exit"], done.json["reason"]) == (75, 75, "budget")
    assert done.json["receipt"]["status"] == "partial"
    assert done.json["receipt"]["held"] == 25
    assert paperlab("sync", "--max-requests", "2").err.count("error: the budget is spent") == 1
    assert paperlab("sync").code == 0


def test_a_dry_run_asks_and_writes_nothing(paperlab, serving, home):
    done = paperlab("sync", "--dry-run", "--json")
    assert (done.code, done.json["plan"]["kind"]) == (0, "window")
    said = paperlab("sync", "--dry-run").out
    assert "submittedDate" in said
    assert "/rss/cs.AI+cs.CL+cs.LG+stat.ML" in said
    assert done.json["plan"]["feed"].endswith("/rss/cs.AI+cs.CL+cs.LG+stat.ML")
    assert (done.json["plan"]["open_gaps"], done.json["plan"]["least_requests"]) == (0, 2)
    assert "requests: 2 or more" in said
    assert done.json["plan"]["expected_requests"] is None
    assert paperlab("sync", "--source", "query", "--dry-run", "--json").json["plan"]["feed"] is None
    assert serving.requests == []
    assert not (home / "paperlab.db").exists()


@pytest.mark.sqlite
def test_a_dry_run_shows_all_that_a_night_would_do_and_about_how_many_requests_that_takes(paperlab, arxiv):
    paperlab("sync")
    arxiv.announce([make_paper(number) for number in range(7000, 7003)])  # which the list does not hold
    paperlab("sync")
    before, asked = paperlab("status", "--json").json["status"], len(arxiv.requests)
    planned = paperlab("sync", "--dry-run", "--json").json["plan"]
    assert (planned["kind"], planned["open_gaps"]) == ("nightly", 3)
    said = paperlab("sync", "--dry-run").out
    assert "updated since" in said
    assert "daily feed: " in said
    assert "open gaps: 3 papers by identifier (1 requests)" in said
    assert f"requests: about {planned['expected_requests']}, for about" in said
    after = paperlab("status", "--json").json["status"]
    assert [after[name] for name in STATE] == [before[name] for name in STATE]
    assert len(arxiv.requests) == asked
    arxiv.announce([])
    paperlab("sync")
    assert len(arxiv.requests) - asked in range(planned["expected_requests"], planned["expected_requests"] + 3)


def test_a_window_of_days_includes_its_last_day(paperlab, arxiv):
    day = datetime.now(UTC).date() - timedelta(days=1)
    plan = paperlab("sync", "--since", str(day), "--until", str(day), "--dry-run", "--json").json["plan"]
    assert plan["since"] == f"{day}T00:00:00Z"
    assert plan["until"] == f"{day + timedelta(days=1)}T00:00:00Z"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--category", "cs.Cl"], "did you mean: cs.CL"),
        (["--profile", "lmm"], "did you mean: llm"),
        (["--since", "yesterday"], '--since "yesterday"'),
        (["--since", "2026-02-30"], "not a day"),
        (["--since", "2026-02-02", "--until", "2026-01-01"], "empty"),
    ],
)
def test_bad_words_are_3_and_ask_nothing(paperlab, arxiv, words, said):
    done = paperlab("sync", *words)
    assert (done.code, done.out) == (3, "")
    assert done.err.startswith("error: ")
    assert said in done.err
    assert arxiv.requests == []


def test_a_403_stops_at_once_and_is_75(paperlab, arxiv):
    fakes.FAULTS["refused"] = lambda _server, x, _rng: fakes.set_status(x, 403)
    try:
        arxiv.set_schedule(lambda _: ["refused"])
        done = paperlab("sync", "--json")
    finally:
        del fakes.FAULTS["refused"]
    assert (done.code, done.json["reason"]) == (75, "refused")
    assert len(arxiv.requests) == 1


def test_no_network_is_75_and_says_which_host(paperlab, arxiv, monkeypatch):
    monkeypatch.setenv("PAPERLAB_ARXIV_API_URL", "http://127.0.0.1:9/api/query")
    done = paperlab("sync")
    assert done.code == 75
    assert "127.0.0.1:9 can't be reached" in done.err


@pytest.mark.sqlite
def test_a_full_disk_is_4_and_what_was_held_stays(paperlab, arxiv):
    assert paperlab("sync", "--category", "stat.ML").code == 0
    before = paperlab("papers", "list", "--json").json["total"]
    full = subprocess.run(
        [sys.executable, "-m", "paperlab", "sync"],
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (250_000, 250_000)),
    )
    assert (full.returncode, full.stdout) == (4, ""), full.stderr
    assert "can't grow" in full.stderr
    assert paperlab("papers", "list", "--json").json["total"] >= before
    assert paperlab("sync").code == 0
    assert paperlab("papers", "list", "--json").json["total"] >= 60


def test_an_unreadable_settings_file_is_3(paperlab, arxiv, tmp_path):
    (tmp_path / "paperlab.toml").write_text("[profiles", encoding="utf-8")
    done = paperlab("sync")
    assert done.code == 3
    assert "paperlab.toml" in done.err


def test_a_home_in_the_way_is_4(paperlab, serving, tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("PAPERLAB_HOME", str(tmp_path / "file" / "home"))
    done = paperlab("sync")
    assert done.code == 4
    assert "PAPERLAB_HOME" in done.err


def test_the_fake_runs_by_hand_with_real_or_made_up_papers(tmp_path):
    record = {
        "id": "1706.03762",
        "title": "A title",
        "abstract": "Text.",
        "authors": [{"name": "A. Author"}],
        "categories": ["cs.CL"],
        "versions": [{"version": "v1", "created": "2017-06-12"}],
    }
    (tmp_path / "papers.jsonl").write_text(json.dumps(record) + "\n", encoding="utf-8")
    words = [sys.executable, "-m", "tests.fakes", "--papers", str(tmp_path / "papers.jsonl")]
    with subprocess.Popen(words, cwd=ROOT, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        line = server.stdout.readline()
        server.terminate()
    assert line.startswith("1 papers; export PAPERLAB_ARXIV_API_URL=http://127.0.0.1:")


# --- sources --------------------------------------------------------------------------------------------------


def test_a_plain_sync_says_that_it_asks_the_feed_and_the_query_api(paperlab, arxiv):
    arxiv.night(new=3, replaced=0)
    done = paperlab("sync", "--json")
    assert "daily feed (RSS)" in done.err
    assert "query API" in done.err
    assert (done.json["feed"]["source"], done.json["receipt"]["source"]) == ("rss", "query-api")
    assert (done.json["feed"]["announced"], done.json["feed"]["open"]) == (3, 0)


def test_how_many_papers_match_the_profile_is_said_and_why_the_others_do_not(paperlab, arxiv):
    said = re.search(
        r"(\d+) of these match llm \((\d+) by term, (\d+) by category\); (\d+) have no", paperlab("sync").err
    )
    assert said is not None
    matching, by_term, by_category, others = map(int, said.groups())
    assert matching == by_term + by_category
    assert matching + others == 60


def test_a_feed_that_is_down_is_said_and_is_no_failure(paperlab, arxiv, monkeypatch):
    monkeypatch.setenv("PAPERLAB_ARXIV_RSS_URL", "http://127.0.0.1:9/rss")
    done = paperlab("sync")
    assert done.code == 0
    assert "daily feed, partial" in done.err
    assert "127.0.0.1:9 can't be reached" in done.err
    assert "60 announced, 60 held" in done.err


def test_the_query_api_or_the_feed_can_be_asked_alone(paperlab, arxiv):
    assert paperlab("sync", "--source", "query", "--quiet").code == 0
    assert not any("/rss" in request.path for request in arxiv.requests)
    arxiv.requests.clear()
    done = paperlab("sync", "--source", "rss", "--json")
    assert (done.code, done.json["receipt"]["source"]) == (0, "rss")
    assert [request.path.startswith("/rss") for request in arxiv.requests] == [True]


def test_a_window_is_a_matter_of_the_query_api(paperlab, arxiv):
    done = paperlab("sync", "--since", "2026-01-01", "--json")
    assert "feed" not in done.json
    assert not any("/rss" in request.path for request in arxiv.requests)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--source", "rss", "--since", "2026-01-01"], "--since does not go with --source rss"),
        (["--source", "oai", "--set", "cs:cs:CL", "--category", "cs.CL"], "--category does not go with --source oai"),
        (["--source", "oai"], "--source oai needs at least one --set"),
        (["--source", "snapshot"], "--source snapshot needs the FILE"),
        (["--source", "snapshot", "x.json", "--until", "2026-01-01"], "--until does not go with --source snapshot"),
        (["x.json"], "FILE does not go with --source nightly"),
        (["--set", "cs:cs:CL"], "--set does not go with --source nightly"),
    ],
)
def test_what_does_not_go_with_a_source_is_a_usage_error_that_names_it(paperlab, arxiv, words, said):
    done = paperlab("sync", *words)
    assert (done.code, done.out) == (2, "")
    assert said in " ".join(done.err.split())
    assert arxiv.requests == []


def test_a_day_without_dashes_is_the_whole_day_too(paperlab, arxiv):
    plan = paperlab("sync", "--since", "20181230", "--until", "20181231", "--dry-run", "--json").json["plan"]
    assert (plan["since"], plan["until"]) == ("2018-12-30T00:00:00Z", "2019-01-01T00:00:00Z")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--since", "0001-01-01"], "before arXiv"),
        (["--since", "0001-01-01T00:00+14:00"], "not a day or time"),
        (["--since", "1990-12-31", "--until", "2000-01-01"], "before arXiv"),
        (["--since", "2999-01-01"], "in the future"),
        (["--until", "9999-12-31"], "not a day or time"),
        (["--since", "2026-01-01", "--until", "9999-01-01"], "far future"),
        (["--source", "oai", "--set", "cs:cs:CL", "--from", "0001-01-01"], "before arXiv"),
        (["--source", "oai", "--set", "cs:cs:CL", "--from", "2017-01-01T10:00"], "not a day"),
    ],
)
def test_absurd_dates_are_3_and_ask_nothing(paperlab, arxiv, words, said):
    done = paperlab("sync", *words)
    assert (done.code, done.out) == (3, "")
    assert said in done.err
    assert arxiv.requests == []
