"""The doctor finds what is wrong, says what helps, and asks arXiv no more than it has to."""

from __future__ import annotations

import sqlite3
import time
from contextlib import closing, contextmanager
from datetime import UTC, datetime, timedelta
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

import pytest

from paperlab.arxiv import reachability
from paperlab.arxiv.limiter import Limiter
from paperlab.entities import ReceiptStatus
from paperlab.library import database as opening
from paperlab.library import doctor
from paperlab.library.findings import Check, State
from paperlab.settings import ArxivSettings
from paperlab.store import database, receipts

NOW = datetime(2026, 11, 23, 6, 30, tzinfo=UTC)
BODIES = {"/api": b"<?xml version='1.0'?><feed/>", "/rss/cs.CL": b"<rss/>", "/oai": b"<OAI-PMH/>"}


@contextmanager
def server(status=200, headers=(), bodies=BODIES):
    """Answers like arXiv's three interfaces; what was asked is in the list that comes with the address."""
    asked = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            asked.append(self.path)
            body = bodies.get(self.path.partition("?")[0], b"nothing")
            self.send_response_only(status)
            for name, value in {
                "Date": formatdate(usegmt=True),
                "Content-Length": str(len(body)),
                **dict(headers),
            }.items():
                if value:
                    self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *args):
            """Quiet."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as http:
        thread = Thread(target=http.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield f"http://127.0.0.1:{http.server_port}", asked
        finally:
            http.shutdown()
            thread.join()


def environ_of(home, url="http://127.0.0.1:9"):
    return {
        "PAPERLAB_HOME": str(home),
        "PAPERLAB_ARXIV_API_URL": f"{url}/api",
        "PAPERLAB_ARXIV_RSS_URL": f"{url}/rss",
        "PAPERLAB_ARXIV_OAI_URL": f"{url}/oai",
        "PAPERLAB_ARXIV_INTERVAL": "0",
        "PAPERLAB_ARXIV_TIMEOUT": "5",
    }


def examine(environ, cwd, now=NOW, offline=True):
    found = doctor.examine(
        environ, cwd, now, offline=offline, torch=lambda: Check("environment", "torch", State.OK, "not asked here")
    )
    return {check.name: check for check in found.checks}


@pytest.fixture
def home(tmp_path, engine_for, settings_for):
    """A home with an empty database."""
    engine_for(settings_for(home=tmp_path / "home")).dispose()
    return tmp_path / "home"


def test_with_all_in_order_there_is_no_problem_and_each_interface_is_asked_once(home, tmp_path, address_for):
    with server() as (url, asked):
        environ = {**environ_of(home, url), "PAPERLAB_DATABASE_URL": address_for(home)}
        found = examine(environ, tmp_path, datetime.now(UTC), offline=False)
    assert {name for name, check in found.items() if check.state is State.PROBLEM} == set()
    assert [path.partition("?")[0] for path in asked] == ["/api", "/rss/cs.CL", "/oai"]
    assert found["clock"].state is State.OK
    assert found["integrity"].state is State.OK
    assert found["full text"].state is State.OK
    assert found["last sync"].help == "paperlab sync"


def test_offline_asks_nothing(home, tmp_path):
    with server() as (url, asked):
        found = examine(environ_of(home, url), tmp_path)
    assert asked == []
    assert found["interfaces"].state is State.SKIPPED


def test_a_clock_that_is_two_minutes_off_is_a_warning(home, tmp_path):
    with server(headers={"Date": formatdate(time.time() + 120, usegmt=True)}) as (url, _):
        found = examine(environ_of(home, url), tmp_path, offline=False)
    assert found["clock"].state is State.WARNING
    assert "behind arXiv's" in found["clock"].found


def test_the_age_of_a_cached_answer_is_no_skew(tmp_path):
    stale = {"Date": formatdate(time.time() - 600, usegmt=True), "Age": "600"}
    with server(headers=stale) as (url, _):
        arxiv = ArxivSettings(api_url=f"{url}/api")
        reply = reachability.ask(Limiter(tmp_path, 0.0), reachability.interfaces(arxiv)[0], timeout_s=5)
    assert abs(reply.skew_s) < 5
    assert doctor.clock(None).state is State.SKIPPED


@pytest.mark.parametrize(
    ("answers", "word"),
    [
        ({"status": 404}, "HTTP 404"),
        (
            {"status": 301, "headers": {"Location": "https://elsewhere.example/"}},
            "points to https://elsewhere.example/",
        ),
        ({"bodies": {}}, "does not begin with <feed>"),
    ],
)
def test_an_interface_that_does_not_speak_its_language_is_a_problem(home, tmp_path, answers, word):
    with server(**answers) as (url, _):
        found = examine(environ_of(home, url), tmp_path, offline=False)
    assert found["query API"].state is State.PROBLEM
    assert word in found["query API"].found


def test_after_a_429_nothing_more_is_asked_and_everyone_stays_away(home, tmp_path):
    with server(status=429, headers={"Retry-After": "500"}) as (url, asked):
        found = examine(environ_of(home, url), tmp_path, offline=False)
    assert len(asked) == 1
    assert found["daily feed"].state is State.WARNING
    seconds, reason = Limiter(home, 0.0).away()
    assert 490 < seconds <= 500
    assert reason == "HTTP 429"


def test_nobody_listening_is_a_problem_with_the_address(home, tmp_path):
    found = examine(environ_of(home), tmp_path, offline=False)
    assert found["OAI-PMH"].state is State.PROBLEM
    assert "127.0.0.1:9" in found["OAI-PMH"].found


def test_settings_that_can_not_be_read_are_a_problem_and_the_rest_is_looked_at(tmp_path):
    (tmp_path / "paperlab.toml").write_text("[profiles\n")
    found = examine(environ_of(tmp_path / "home"), tmp_path)
    assert found["settings"].state is State.PROBLEM
    assert "paperlab.toml" in found["settings"].found
    assert "Python" in found


@pytest.mark.sqlite
def test_no_database_yet_is_a_warning_and_a_foreign_one_a_problem(home, tmp_path):
    assert examine(environ_of(tmp_path / "empty"), tmp_path)["schema"].state is State.WARNING
    with closing(sqlite3.connect(home / "paperlab.db")) as connection, connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999'")
    found = examine(environ_of(home), tmp_path)
    assert found["schema"].state is State.PROBLEM
    assert "newer than this paperlab" in found["schema"].found


@pytest.mark.sqlite
def test_a_damaged_database_is_a_problem(home, tmp_path):
    file = home / "paperlab.db"
    with closing(sqlite3.connect(file)) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    content = bytearray(file.read_bytes())
    content[len(content) // 2 :] = b"\xff" * (len(content) - len(content) // 2)
    file.write_bytes(content)
    found = examine(environ_of(home), tmp_path)
    assert State.PROBLEM in {found[name].state for name in ("schema", "integrity") if name in found}


@pytest.mark.sqlite
def test_a_paper_that_is_not_indexed_is_a_problem_that_a_reindex_mends(home, tmp_path, settings_for):
    settings = settings_for(home=home)
    opening.upgrade_database(settings)  # the landmark papers
    with closing(sqlite3.connect(home / "paperlab.db")) as connection, connection:
        connection.execute("INSERT INTO full_text (full_text) VALUES ('delete-all')")
    check = examine(environ_of(home), tmp_path)["full text"]
    assert check.state is State.PROBLEM
    assert check.help == "paperlab db reindex"
    assert opening.reindex(settings) > 0
    assert examine(environ_of(home), tmp_path)["full text"].state is State.OK


@pytest.mark.parametrize("expected", [(30, State.OK), (40, State.WARNING)])
def test_silence_for_longer_than_36_hours_is_a_warning(home, tmp_path, settings_for, address_for, expected):
    from dataclasses import replace

    hours, state = expected
    ended = NOW - timedelta(hours=hours)
    with database.session(database.open_database(settings_for(home=home))) as session:
        receipt = receipts.start(
            session, source="query-api", kind="nightly", query="", cursor=None, process={}, now=ended
        )
        receipts.save(session, replace(receipt, status=ReceiptStatus.COMPLETE, finished_at=ended))
    environ = {**environ_of(home), "PAPERLAB_DATABASE_URL": address_for(home)}
    check = examine(environ, tmp_path)["last sync"]
    assert check.state is state
    assert f"{hours} hours ago" in check.found


def test_time_zones_that_are_missing_are_a_warning():
    assert doctor.time_zones().state is State.OK
    assert doctor.time_zones("Nowhere/At_All").state is State.WARNING
