"""`paperlab papers` and `paperlab db` as people and programs meet them."""

from __future__ import annotations

import csv
import json
import re
import sqlite3
from contextlib import closing

import pytest

from tests.fakes import FakeArxiv, make_papers


@pytest.fixture
def arxiv(paperlab, monkeypatch):
    with FakeArxiv(make_papers(20)) as server:
        for name, value in {
            "API_URL": server.url,
            "RSS_URL": "http://127.0.0.1:9/rss",
            "OAI_URL": "http://127.0.0.1:9/oai",
            "INTERVAL": "0",
        }.items():
            monkeypatch.setenv(f"PAPERLAB_ARXIV_{name}", value)
        yield server


def test_papers_are_added_by_identifier_and_address(paperlab, arxiv):
    done = paperlab("papers", "add", "2611.00001", "https://arxiv.org/abs/2611.00002v1", "--json")
    assert done.code == 0
    assert [paper["arxiv_id"] for paper in done.json["papers"]] == ["2611.00001", "2611.00002"]
    assert done.json["receipt"]["new"] == 2


def test_an_unknown_identifier_is_3_and_the_others_are_kept(paperlab, arxiv):
    done = paperlab("papers", "add", "2611.00001", "2611.99999")
    assert done.code == 3
    assert "2611.99999" in done.err
    assert paperlab("papers", "show", "2611.00001").code == 0


def test_a_malformed_identifier_is_3_and_costs_no_request(paperlab, arxiv):
    done = paperlab("papers", "add", "nonsense")
    assert done.code == 3
    assert '"nonsense" is not an arXiv identifier' in done.err
    assert arxiv.requests == []


def test_a_list_is_filtered_paged_and_counted(paperlab, arxiv):
    assert paperlab("sync", "--quiet").code == 0
    listed = paperlab("papers", "list", "--category", "cs.CL", "--limit", "3", "--offset", "1", "--json").json
    expected = [p for p in make_papers(20) if "cs.CL" in p.categories]
    assert [paper["arxiv_id"] for paper in listed["papers"]] == [paper.arxiv_id for paper in expected[1:4]]
    assert listed["total"] >= len(expected)
    found = paperlab(
        "papers", "list", "--query", "study 7 ", "--profile", "llm", "--since", "2020-01-01", "--json"
    ).json
    assert [paper["arxiv_id"] for paper in found["papers"]] == ["2611.00008"]


def test_a_list_for_people_is_a_table_and_says_of_how_many(paperlab, arxiv):
    paperlab("sync", "--quiet")
    done = paperlab("papers", "list", "--limit", "2")
    assert done.out.splitlines()[0].split() == ["id", "submitted", "category", "title"]
    assert len(done.out.splitlines()) == 3
    assert done.err.startswith("2 of ")


@pytest.mark.parametrize(
    "words", [["--category", "cs.Cl"], ["--profile", "x"], ["--since", "soon"]], ids=lambda words: words[0]
)
def test_filters_that_name_nothing_are_3(paperlab, words):
    assert paperlab("papers", "list", *words).code == 3


def test_a_paper_is_shown_with_versions_and_matches(paperlab, arxiv):
    paperlab("papers", "add", "2611.00001")
    arxiv.revise("2611.00001")
    paperlab("papers", "add", "2611.00001")
    shown = paperlab("papers", "show", "2611.00001", "--json").json
    assert [version["version"] for version in shown["versions"]] == [1, 2]
    assert shown["paper"]["version"] == 2
    text = paperlab("papers", "show", "2611.00001").out
    assert "v1, v2" in text
    assert "https://arxiv.org/abs/2611.00001" in text


def test_a_paper_that_is_not_held_is_3_with_the_command_that_brings_it(paperlab):
    done = paperlab("papers", "show", "1810.04805")
    assert done.code == 3
    assert "paperlab papers add 1810.04805" in done.err


def test_the_export_is_one_object_a_line_on_stdout_or_in_a_file(paperlab, arxiv, tmp_path):
    paperlab("sync", "--quiet")
    lines = paperlab("papers", "export", "--format", "jsonl").out.splitlines()
    ids = [json.loads(line)["arxiv_id"] for line in lines]
    assert ids == sorted(ids)
    assert {paper.arxiv_id for paper in make_papers(20)} <= set(ids)
    assert paperlab("papers", "export", "--out", str(tmp_path / "papers.jsonl")).code == 0
    assert (tmp_path / "papers.jsonl").read_text(encoding="utf-8").splitlines() == lines
    assert paperlab("papers", "export", "--format", "xml").code == 3
    assert paperlab("papers", "export", "--out", str(tmp_path / "no" / "folder.jsonl")).code == 4


def test_an_export_is_bibtex_or_csv_of_named_starred_or_found_papers(paperlab, arxiv, tmp_path):
    paperlab("papers", "add", "2611.00001", "2611.00002", "2611.00003")
    paperlab("papers", "star", "2611.00002")
    named = paperlab("papers", "export", "2611.00003", "https://arxiv.org/abs/2611.00001v1", "--format", "bibtex").out
    assert re.findall(r"eprint +=\s*{(.*?)}", named) == ["2611.00001", "2611.00003"]
    starred = paperlab("papers", "export", "--starred", "--format", "csv", "--out", str(tmp_path / "starred.csv"))
    assert (starred.code, starred.out) == (0, "")
    with (tmp_path / "starred.csv").open(encoding="utf-8", newline="") as file:
        assert [row["arxiv_id"] for row in csv.DictReader(file, strict=True)] == ["2611.00002"]
    assert (tmp_path / "starred.csv").read_bytes().count(b"\r\n") == 2
    found = paperlab("papers", "export", "--query", "id:2611.00002 OR id:2611.00003").out.splitlines()
    assert [json.loads(line)["arxiv_id"] for line in found] == ["2611.00002", "2611.00003"]


def test_an_export_of_what_is_not_held_or_not_clear_is_3_and_writes_nothing(paperlab, tmp_path):
    for words in (["1810.99999"], ["--query", "(("], ["1706.03762", "--starred"], ["--query", "x", "--starred"]):
        done = paperlab("papers", "export", *words, "--out", str(tmp_path / "papers"))
        assert (done.code, done.out) == (3, ""), words
    assert "paperlab papers add 1810.99999" in paperlab("papers", "export", "1810.99999").err
    assert list(tmp_path.glob("papers*")) == []


@pytest.mark.sqlite
def test_the_database_is_made_checked_and_copied(paperlab, tmp_path):
    missing = paperlab("db", "check")
    assert missing.code == 4
    assert "paperlab db upgrade" in missing.err
    assert "created" in paperlab("db", "upgrade").out
    assert paperlab("db", "upgrade", "--json").json["seeded"] == 0
    assert paperlab("db", "check", "--json").json["state"] == "current"
    assert paperlab("db", "backup", str(tmp_path / "copy.db")).code == 0
    assert paperlab("db", "backup", str(tmp_path / "copy.db")).code == 3
    with closing(sqlite3.connect(tmp_path / "copy.db")) as copy:
        assert copy.execute("PRAGMA integrity_check").fetchone() == ("ok",)


@pytest.mark.sqlite
def test_a_database_from_the_future_is_4_everywhere(paperlab, home):
    paperlab("db", "upgrade")
    with closing(sqlite3.connect(home / "paperlab.db")) as connection, connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999'")
    for words in (["papers", "list"], ["db", "check"], ["db", "upgrade"], ["sync"], ["papers", "add", "1706.03762"]):
        done = paperlab(*words)
        assert (done.code, done.out) == (4, ""), words
        assert "newer than this paperlab" in done.err
