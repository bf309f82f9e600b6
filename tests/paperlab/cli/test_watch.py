"""`paperlab watch` and `paperlab alerts` as people and programs meet them."""

from __future__ import annotations

import shutil
import sys

import pytest

from paperlab.cli import output
from tests.fakes import FakeArxiv, make_papers


@pytest.fixture
def arxiv(paperlab, home, empty_database, monkeypatch):
    home.mkdir()
    shutil.copy(empty_database, home / "paperlab.db")
    with FakeArxiv(make_papers(4)) as server:
        addresses = {"API_URL": server.url, "RSS_URL": server.rss_url, "OAI_URL": server.oai_url}
        for name, value in {**addresses, "INTERVAL": "0"}.items():
            monkeypatch.setenv(f"PAPERLAB_ARXIV_{name}", value)
        paperlab("papers", "add", "2611.00001", "2611.00002")
        yield server


def ids(found: dict[str, list[dict[str, str]]]) -> list[str]:
    return [paper["arxiv_id"] for paper in found["papers"]]


def test_a_watched_paper_is_shown_as_new_once_and_a_revision_is_not_new_again(paperlab, arxiv):
    added = paperlab("watch", "add", "second", 'ti:"study 1" OR ti:"study 2"')
    assert (added.code, added.err) == (0, "second: 1 papers match, 1 of them new\n")
    paperlab("papers", "add", "2611.00003")
    assert paperlab("watch", "list", "--json").json["watchlists"][0]["new"] == 2
    assert ids(paperlab("watch", "show", "second", "--new", "--keep", "--json").json) == ["2611.00002", "2611.00003"]
    assert ids(paperlab("watch", "show", "second", "--new", "--json").json) == ["2611.00002", "2611.00003"]
    arxiv.revise("2611.00002")
    paperlab("papers", "add", "2611.00002")
    assert ids(paperlab("watch", "show", "second", "--new", "--json").json) == []
    assert ids(paperlab("watch", "show", "second", "--json").json) == ["2611.00002", "2611.00003"]


def test_a_match_that_a_revision_took_away_stays_and_is_marked(paperlab, arxiv):
    paperlab("watch", "add", "first", 'ti:"study 0" -ti:revised')
    title = paperlab("papers", "show", "2611.00001", "--json").json
    assert title
    assert "matches no longer" not in paperlab("watch", "show", "first").out
    arxiv.revise("2611.00001", title="Revised")
    paperlab("papers", "add", "2611.00001")
    done = paperlab("watch", "show", "first")
    assert (done.err, "matches no longer" in done.out) == ("1 of 1 papers\n", True)
    shown = paperlab("watch", "show", "first", "--json").json["papers"]
    assert [(paper["arxiv_id"], paper["matches_now"]) for paper in shown] == [("2611.00001", False)]


def test_only_what_was_shown_is_new_no_more(paperlab, arxiv):
    paperlab("watch", "add", "all", "cat:cs.* OR cat:stat.*")
    assert len(ids(paperlab("watch", "show", "all", "--new", "--limit", "1", "--json").json)) == 1
    done = paperlab("watch", "show", "all", "--new")
    assert done.err == "1 of 1 new papers\n"
    assert paperlab("watch", "show", "all").err == "2 of 2 papers\n"


def test_what_could_not_be_written_is_still_new(paperlab, arxiv, monkeypatch):
    paperlab("watch", "add", "all", "cat:cs.* OR cat:stat.*")

    def closed(*_words: object) -> None:
        raise BrokenPipeError

    with monkeypatch.context() as patch:
        patch.setattr(sys, "stdout", sys.stdout)  # the entry point puts another in its place
        patch.setattr(output, "write_table", closed)
        assert paperlab("watch", "show", "all", "--new").code == 0
    assert len(ids(paperlab("watch", "show", "all", "--new", "--json").json)) == 2


def test_a_watchlist_is_edited_and_removed(paperlab, arxiv):
    paperlab("watch", "add", "w", 'ti:"study 1"')
    assert paperlab("watch", "edit", "w", 'ti:"study 0"', "--json").json["all"] == 1
    assert ids(paperlab("watch", "show", "w", "--json").json) == ["2611.00001"]
    removed = paperlab("watch", "remove", "w")
    assert (removed.code, removed.err) == (0, "w is removed; it was: paperlab watch add w 'ti:\"study 0\"'\n")
    assert paperlab("watch", "remove", "w").code == 3
    assert paperlab("watch", "list", "--json").json == {"watchlists": []}


def test_an_author_is_followed(paperlab, arxiv):
    name = arxiv.papers["2611.00001"][-1].authors[0]
    followed = paperlab("watch", "author", name, "--json").json
    assert followed["name"] == name.lower().replace(". ", "-").replace(" ", "-")
    assert followed["all"] >= 1
    assert "2611.00001" in ids(paperlab("watch", "show", followed["name"], "--json").json)
    assert paperlab("watch", "author", name, "--name", "her", "--from-now", "--json").json["new"] == 0


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["add", "w", "is:starred"], "nobody knows it when a paper arrives"),
        (["add", "w", "cat:cs.CL AND"], "has nothing to join"),
        (["add", "a b", "x"], "can't name a watchlist"),
        (["add", "w", ""], "the query is empty"),
        (["show", "momo"], 'no watchlist is called "momo"'),
        (["edit", "mo", "x"], "did you mean: moe"),
        (["author", "!"], "is nobody's name"),
    ],
)
def test_what_cannot_be_watched_is_3_and_says_why(paperlab, words, said):
    paperlab("watch", "add", "moe", "experts")
    done = paperlab("watch", *words)
    assert (done.code, done.out) == (3, "")
    assert said in done.err


def test_a_replaced_paper_of_mine_raises_an_alert_until_it_was_seen(paperlab, arxiv):
    paperlab("papers", "star", "2611.00001")
    arxiv.revise("2611.00001")
    arxiv.revise("2611.00002")
    paperlab("papers", "add", "2611.00001", "2611.00002")
    (alert,) = paperlab("alerts", "--json").json["alerts"]
    assert (alert["arxiv_id"], alert["kind"], alert["details"]["version"]) == ("2611.00001", "replaced", 2)
    table = paperlab("alerts")
    assert "replaced by v2 (changed: abstract); starred" in table.out
    assert "paperlab alerts seen --all" in table.err
    assert paperlab("alerts", "seen", "2611.00001").err == "1 alert seen\n"
    assert paperlab("alerts", "--json").json == {"alerts": []}
    assert len(paperlab("alerts", "--all", "--json").json["alerts"]) == 1
    assert paperlab("alerts", "seen", "--all", "--json").json == {"seen": 0}


@pytest.mark.parametrize("words", [["seen"], ["seen", "1", "--all"], ["seen", "1"], ["seen", "x"]], ids=" ".join)
def test_alerts_that_are_not_named_are_3(paperlab, words):
    assert paperlab("alerts", *words).code == 3
