"""`paperlab digest` as people, mailers and feed readers meet it."""

from __future__ import annotations

import sys
from datetime import UTC, datetime, timedelta

import feedparser
import pytest

from paperlab import settings
from paperlab.library import arrivals, database
from paperlab.store.database import session
from tests.fakes import make_papers


@pytest.fixture
def held(home):
    """Three relevant papers that came in just now."""
    config = settings.load()
    papers = make_papers(3)
    engine = database.open_or_create(config)
    with session(engine) as opened:
        arrivals.take(opened, config, papers, datetime.now(UTC) - timedelta(seconds=5))
    return papers


def test_the_digest_is_markdown_on_stdout_and_then_has_nothing_new(paperlab, held):
    first = paperlab("digest")
    assert first.code == 0
    assert first.out.count("https://arxiv.org/abs/") == 3
    assert "profile llm" in first.out
    second = paperlab("digest")
    assert second.code == 0
    assert "Nothing new." in second.out
    assert paperlab("digest", "--again").out.count("https://arxiv.org/abs/") == 3


def test_a_peek_shows_the_same_the_next_time(paperlab, held):
    assert paperlab("digest", "--peek", "--json").json["relevant"] == paperlab("digest", "--json").json["relevant"]
    assert paperlab("digest", "--json").json["relevant"] == []


def test_a_limit_leaves_the_rest_for_the_next_digest(paperlab, held):
    first = paperlab("digest", "--limit", "2", "--json").json
    assert (len(first["relevant"]), first["left_out"]) == (2, 1)
    assert len(paperlab("digest", "--json").json["relevant"]) == 1


@pytest.mark.parametrize("form", ["md", "html", "atom"])
def test_a_digest_is_written_to_a_file_whole(paperlab, held, tmp_path, form):
    file = tmp_path / f"digest.{form}"
    done = paperlab("digest", "--since", "2020-01-01", "--format", form, "--out", str(file))
    assert (done.code, done.out) == (0, "")
    assert "3 papers" in done.err
    assert file.read_text(encoding="utf-8").count("https://arxiv.org/abs/") == 3
    assert [path.name for path in tmp_path.glob("digest*")] == [file.name]
    if form == "atom":
        feed = feedparser.parse(str(file))
        assert not feed.bozo
        assert len(feed.entries) == 3


def test_a_feed_keeps_what_earlier_digests_showed(paperlab, held, tmp_path):
    file = tmp_path / "papers.xml"
    words = ("digest", "--format", "atom", "--out", str(file))
    assert paperlab(*words, "--limit", "2").code == 0
    first = [entry.id for entry in feedparser.parse(str(file)).entries]
    paperlab(*words)
    second = [entry.id for entry in feedparser.parse(str(file)).entries]
    assert "nothing new" in paperlab(*words).err
    third = feedparser.parse(str(file))
    assert (len(first), len(second), third.bozo) == (2, 3, False)
    assert set(first) < set(second)
    assert {entry.id for entry in third.entries} == set(second)


def test_a_digest_since_the_first_day_of_the_calendar_is_one_of_everything(paperlab, held):
    assert len(paperlab("digest", "--since", "0001-01-01", "--peek", "--json").json["relevant"]) == 3


def test_what_could_not_be_written_counts_as_not_shown(paperlab, held, tmp_path, monkeypatch):
    assert paperlab("digest", "--out", str(tmp_path / "no" / "digest.md")).code == 4
    with monkeypatch.context() as patched:

        class Gone:
            def write(self, text):
                raise BrokenPipeError

            def flush(self):
                """Nothing was written."""

            def isatty(self):
                return False

        patched.setattr(sys, "stdout", Gone())
        paperlab("digest")
    assert len(paperlab("digest", "--json").json["relevant"]) == 3


@pytest.mark.parametrize(
    "words",
    [
        ["--format", "pdf"],
        ["--since", "soon"],
        ["--profile", "llms"],
        ["--again"],
        ["--again", "--since", "2026-01-01"],
    ],
    ids=" ".join,
)
def test_what_names_nothing_is_3(paperlab, words):
    assert paperlab("digest", *words).code == 3
