"""Stars, marks, tags, notes and versions as people and programs meet them."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from dataclasses import replace

import pytest

from tests.fakes import FakeArxiv, make_papers


@pytest.fixture
def arxiv(paperlab, home, empty_database, monkeypatch):
    home.mkdir()
    shutil.copy(empty_database, home / "paperlab.db")
    with FakeArxiv(make_papers(4)) as server:
        addresses = {"API_URL": server.url, "RSS_URL": server.rss_url, "OAI_URL": server.oai_url}
        for name, value in {**addresses, "INTERVAL": "0"}.items():
            monkeypatch.setenv(f"PAPERLAB_ARXIV_{name}", value)
        paperlab("papers", "add", "2611.00001", "2611.00002", "2611.00003")
        yield server


def ids(listed: list[dict[str, str]]) -> list[str]:
    return [paper["arxiv_id"] for paper in listed]


def test_starred_papers_are_on_the_pile_with_the_unread_first(paperlab, arxiv):
    done = paperlab("papers", "star", "2611.00001", "https://arxiv.org/abs/2611.00002")
    assert (done.code, done.out, done.err) == (0, "", "2 papers starred\n")
    assert paperlab("papers", "read", "2611.00002").code == 0
    pile = paperlab("papers", "pile", "--json").json
    assert (ids(pile["papers"]), pile["total"], pile["unread"]) == (["2611.00001", "2611.00002"], 2, 1)
    assert pile["papers"][1]["reading"]["read_at"]
    paperlab("papers", "read", "2611.00002", "--undo")
    paperlab("papers", "skip", "2611.00001")
    assert ids(paperlab("papers", "pile", "--json").json["papers"]) == ["2611.00002"]
    table = paperlab("papers", "pile")
    assert table.out.splitlines()[0].split() == ["id", "starred", "read", "tags", "title"]
    assert table.err == "1 of 1 papers, 1 unread\n"


def test_the_same_again_says_so_and_is_0(paperlab, arxiv):
    paperlab("papers", "star", "2611.00001")
    again = paperlab("papers", "star", "2611.00001")
    assert (again.code, again.err) == (0, "1 paper starred (it was already)\n")
    assert paperlab("papers", "star", "2611.00001", "--json").json["changed"] == 0
    assert paperlab("papers", "unstar", "2611.00001", "--json").json["changed"] == 1
    assert paperlab("papers", "unstar", "2611.00001", "--quiet").err == ""


def test_a_paper_that_is_not_held_is_3_with_the_command_that_brings_it(paperlab, arxiv):
    for words in (["star"], ["unstar"], ["read"], ["skip"], ["note"], ["tag", "moe"], ["diff"]):
        done = paperlab("papers", *words, "1810.04805")
        assert done.code == 3, words
        assert "paperlab papers add 1810.04805" in done.err
    refused = paperlab("papers", "star", "2611.00001", "1810.04805", "--json")
    assert refused.json["hint"] == "paperlab papers add 1810.04805"
    assert paperlab("papers", "pile", "--json").json["total"] == 0


def test_tags_are_put_on_listed_and_taken_off(paperlab, arxiv):
    done = paperlab("papers", "tag", "2611.00001", "2611.00002", "MoE", "to cite")
    assert (done.code, done.err) == (0, "2 papers tagged moe, to cite\n")
    assert paperlab("papers", "tags", "--json").json["tags"] == [
        {"tag": "moe", "papers": 2},
        {"tag": "to cite", "papers": 2},
    ]
    removed = paperlab("papers", "tag", "moe", "2611.00001", "--remove", "--json").json
    assert removed["papers"][0]["tags"] == ["to cite"]
    assert "to cite" in paperlab("papers", "show", "2611.00001").out


@pytest.mark.parametrize("words", [["moe"], ["2611.00001"], ["2611.00001", "2611.0002"], ["2611.00001", ""]])
def test_a_tag_without_paper_or_paper_without_tag_is_3(paperlab, arxiv, words):
    assert paperlab("papers", "tag", *words).code == 3
    assert paperlab("papers", "tags", "--json").json["tags"] == []


def test_notes_are_written_shown_changed_and_deleted(paperlab, arxiv):
    written = paperlab("papers", "note", "2611.00001", "equation 3 is off by one", "--json").json["note"]
    assert written["text"] == "equation 3 is off by one"
    number = str(written["id"])
    paperlab("papers", "note", "2611.00001", "--edit", number, "equation 4")
    shown = paperlab("papers", "note", "2611.00001")
    assert "equation 4" in shown.out
    assert shown.out.startswith(number)
    assert "equation 4" in paperlab("papers", "show", "2611.00001").out
    assert paperlab("papers", "note", "2611.00002", "--delete", number).code == 3
    assert paperlab("papers", "note", "2611.00001", "--delete", number).code == 0
    assert paperlab("papers", "note", "2611.00001", "--json").json == {"notes": []}


@pytest.mark.parametrize(
    "words",
    [["--edit", "1"], ["text", "--delete", "1"], ["--delete", "7"], ["  "], ["--delete", "1" + "0" * 30]],
    ids=" ".join,
)
def test_a_note_that_cannot_be_meant_is_3(paperlab, arxiv, words):
    assert paperlab("papers", "note", "2611.00001", *words).code == 3


def test_a_note_is_found_by_search(paperlab, arxiv):
    paperlab("papers", "note", "2611.00002", "reminds me of zebrafish")
    found = paperlab("papers", "list", "--query", "zebrafish", "--json")
    assert ids(found.json["papers"]) == ["2611.00002"]


def test_two_versions_are_compared_word_by_word(paperlab, arxiv):
    arxiv.revise("2611.00001", title="A new title", comment="now 12 pages")
    paperlab("papers", "add", "2611.00001")
    done = paperlab("papers", "diff", "2611.00001")
    assert done.code == 0
    assert "{+A new title+}" in done.out
    assert "[-" in done.out
    assert "\x1b" not in done.out
    assert done.err.startswith("2611.00001 v1 to v2: changed title, ")
    found = paperlab("papers", "diff", "2611.00001", "v1", "2", "--json").json
    assert [change["field"] for change in found["changes"]] == ["title", "abstract", "comment"]
    assert {"op": "added", "text": "Revised."} in found["changes"][1]["pieces"]
    assert (found["before"]["version"], found["after"]["version"]) == (1, 2)


def test_a_revision_is_no_new_paper(paperlab, arxiv):
    before = paperlab("papers", "list", "--json").json["total"]
    arxiv.revise("2611.00001")
    receipt = paperlab("papers", "add", "2611.00001", "--json").json["receipt"]
    assert (receipt["new"], receipt["revised"]) == (0, 1)
    assert paperlab("papers", "list", "--json").json["total"] == before


def test_an_abstract_that_the_server_wraps_anew_is_no_difference(paperlab, arxiv):
    last = arxiv.papers["2611.00001"][-1]
    arxiv.revise("2611.00001", abstract=last.abstract.replace(" ", "\n ", 5))
    paperlab("papers", "add", "2611.00001")
    done = paperlab("papers", "diff", "2611.00001")
    assert (done.out, done.code) == ("", 0)
    assert "nothing in its record" in done.err


@pytest.mark.parametrize("version", ["v0", "x", "-1", "1.5", "v" + "9" * 20])
def test_what_is_no_version_or_not_held_is_3(paperlab, arxiv, version):
    assert paperlab("papers", "diff", "2611.00001", "--", version).code == 3


def test_a_withdrawn_paper_is_marked_in_lists_and_when_shown(paperlab, arxiv):
    arxiv.revise("2611.00001", comment="This paper has been withdrawn by the author due to an error")
    paperlab("papers", "add", "2611.00001")
    assert paperlab("papers", "show", "2611.00001", "--json").json["paper"]["withdrawn"] is True
    assert "[withdrawn]" in paperlab("papers", "show", "2611.00001").out
    line = next(line for line in paperlab("papers", "list").out.splitlines() if line.startswith("2611.00001"))
    assert "[withdrawn]" in line
    assert "v2 is a withdrawal" in paperlab("papers", "diff", "2611.00001").err


def test_a_paper_is_shown_with_what_the_reader_did_and_its_code(paperlab, arxiv):
    paper = replace(arxiv.papers["2611.00001"][-1], abstract="Our code is at https://github.com/ada/engine.")
    arxiv.papers["2611.00001"] = [replace(paper, version=2)]
    paperlab("papers", "add", "2611.00001")
    paperlab("papers", "star", "2611.00001")
    shown = paperlab("papers", "show", "2611.00001", "--json").json
    assert shown["reading"]["starred_at"]
    assert shown["code"][0]["url"] == "https://github.com/ada/engine"
    text = paperlab("papers", "show", "2611.00001").out
    assert "starred" in text
    assert "https://github.com/ada/engine" in text


@pytest.mark.parametrize(
    "words",
    [
        ["papers", "list", "--limit", "1" + "0" * 20],
        ["papers", "list", "--offset", "1" + "0" * 20],
        ["papers", "list", "--since", "0001-01-01T00:00+14:00"],
        ["papers", "list", "--since", "9999-12-31T23:59-14:00"],
        ["papers", "list", "--query", "\udcff"],
        ["papers", "list", "--since", "\udcff"],
        ["papers", "show", "\udcff"],
        ["papers", "note", "2611.00001", "a\udcffb"],
        ["papers", "tag", "2611.00001", "\udcff"],
        ["papers", "pile", "--limit", "1" + "0" * 20],
        ["watch", "add", "x", "\udcff"],
        ["watch", "add", "\udcff", "x"],
        ["watch", "author", "\udcff"],
        ["watch", "show", "\udcff"],
        ["alerts", "seen", "\udcff"],
    ],
    ids=repr,
)
def test_bytes_that_are_no_text_and_numbers_that_nobody_can_count_are_3(paperlab, words):
    done = paperlab(*words, "--json")
    assert (done.code, done.json["exit"]) == (3, 3)


def test_a_shell_may_hand_over_any_bytes(home):
    done = subprocess.run(
        [sys.executable, "-m", "paperlab", "papers", "list", "--query", b"\xff\xfe", "--json"],
        env={**os.environ, "PAPERLAB_HOME": str(home), "LC_ALL": "C.UTF-8"},
        capture_output=True,
        check=False,
    )
    assert done.returncode == 3
    assert b"is not UTF-8" in done.stderr
