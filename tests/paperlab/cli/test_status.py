"""`paperlab status` as people and programs meet it."""

from __future__ import annotations

import pytest

from tests.fakes import FakeArxiv, make_paper, make_papers


@pytest.fixture
def arxiv(paperlab, monkeypatch):
    with FakeArxiv(make_papers(60)) as server:
        monkeypatch.setenv("PAPERLAB_ARXIV_API_URL", server.url)
        monkeypatch.setenv("PAPERLAB_ARXIV_RSS_URL", server.rss_url)
        monkeypatch.setenv("PAPERLAB_ARXIV_OAI_URL", server.oai_url)
        monkeypatch.setenv("PAPERLAB_ARXIV_INTERVAL", "0")
        yield server


def test_before_the_first_sync_it_says_which_command_to_run(paperlab, home):
    done = paperlab("status")
    assert done.code == 0
    assert done.out.startswith("NO NIGHTLY SYNC HAS SUCCEEDED YET: run paperlab sync\n")
    assert not home.exists()


def test_after_a_sync_it_shows_sources_gaps_requests_and_the_next_time(paperlab, arxiv):
    missing = make_paper(900)
    arxiv.announce([missing])
    assert paperlab("sync").code == 0
    asked = len(arxiv.requests)
    out = paperlab("status").out
    assert "open gaps: 1, the oldest since" in out
    assert missing.arxiv_id in out
    assert f"requests in the last 24 h: {asked}" in out
    assert "next sensible sync:" in out
    assert "query-api" in out
    assert "rss" in out
    assert "SILENT" not in out
    assert len(arxiv.requests) == asked


def test_json_is_one_object(paperlab, arxiv):
    paperlab("sync")
    state = paperlab("status", "--json").json["status"]
    assert [each["source"] for each in state["sources"]] == ["query-api", "rss"]
    assert (state["silent"], state["open_gaps"], state["papers"]) == (False, 0, 60)
