"""Answers are believed only when they are whole; real ones say what their index says."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from paperlab.arxiv import query_api
from paperlab.arxiv.client import BadAnswer, Client
from paperlab.arxiv.limiter import Limiter
from paperlab.arxiv_id import ArxivId
from paperlab.errors import InvalidInput, PaperlabError
from paperlab.store.papers import normalised
from tests import fakes
from tests.fakes import FakeArxiv, atom, make_paper, make_papers


@pytest.fixture
def client(tmp_path: Path):
    with Client(Limiter(tmp_path, 0.0), timeout_s=5.0) as client:
        yield client


def fetch(client: Client, url: str, start: int = 0, size: int = 10) -> query_api.Page:
    return query_api.fetch_page(
        client,
        url,
        "cat:cs.CL OR cat:cs.LG OR cat:cs.AI",
        start=start,
        size=size,
        order="submittedDate",
        descending=True,
    )


def feed_of(*papers, **changes) -> bytes:
    return atom.render("/api/query?x", fakes.Exchange(list(papers), len(papers), 0, 10, **changes))


@pytest.mark.parametrize("old_format", [False, True], ids=["since November 2025", "before"])
def test_a_page_is_read_as_the_server_holds_it(client, old_format):
    papers = make_papers(30)
    with FakeArxiv(papers, old_format=old_format) as arxiv:
        page = fetch(client, arxiv.url, start=5, size=10)
    unwrapped = [replace(paper, abstract=normalised(paper.abstract)) for paper in page.papers]
    assert unwrapped == papers[5:15]
    assert (page.total, page.entries) == (30, 10)


def test_one_call_is_one_request_even_if_the_page_is_short(client):
    with FakeArxiv(make_papers(30), schedule=fakes.at({0: ["short"], 1: ["empty"]})) as arxiv:
        assert fetch(client, arxiv.url).entries < 10
        assert fetch(client, arxiv.url).entries == 0
        assert len(arxiv.requests) == 2


def test_an_entry_without_published_is_named_and_the_rest_is_read(client):
    with FakeArxiv(make_papers(30), schedule=fakes.at({0: ["unpublished"]})) as arxiv:
        page = fetch(client, arxiv.url)
    assert (page.entries, len(page.papers)) == (10, 9)
    assert page.unreadable[0].arxiv_id is not None
    assert "no <published>" in str(page.unreadable[0])


def test_identifiers_are_looked_up_and_unknown_ones_are_dropped(client):
    with FakeArxiv(make_papers(3)) as arxiv:
        page = query_api.fetch_ids(client, arxiv.url, [ArxivId("2611.00002"), ArxivId("0808.0539")])
    assert [paper.arxiv_id for paper in page.papers] == ["2611.00002"]
    assert page.total == 1


def test_a_window_is_asked_in_whole_minutes_of_gmt():
    query = query_api.category_query(
        ["cs.CL", "cs.LG"], datetime(2024, 11, 1, tzinfo=UTC), datetime(2024, 11, 8, 12, 30, tzinfo=UTC)
    )
    assert query == "(cat:cs.CL OR cat:cs.LG) AND submittedDate:[202411010000 TO 202411081230]"


@pytest.mark.parametrize(
    ("body", "why"),
    [
        (b"", "empty"),
        (b"<!DOCTYPE html><html></html>", "HTML"),
        (b"<html><body>busy</body></html>", "HTML"),
        (b"Rate exceeded.", "broken XML"),
        (b"<rss><channel/></rss>", "instead of an Atom feed"),
        (b'<?xml version="1.0"?><!DOCTYPE a [<!ENTITY b "c">]><feed>&b;</feed>', "document type"),
    ],
)
def test_anything_but_a_whole_feed_is_refused(body, why):
    with pytest.raises(BadAnswer, match=why):
        query_api.read_answer(body)


def test_a_feed_cut_anywhere_is_refused():
    body = feed_of(*make_papers(3)).rstrip()
    for length in range(1, len(body), 97):
        with pytest.raises(BadAnswer):
            query_api.read_answer(body[:length])


def test_external_entities_are_not_fetched(tmp_path):
    secret = tmp_path / "secret"
    secret.write_text("hidden")
    entity = f'<!DOCTYPE feed [<!ENTITY x SYSTEM "{secret.as_uri()}">]>'
    with pytest.raises(BadAnswer):
        query_api.read_answer(
            f'<?xml version="1.0"?>{entity}<feed xmlns="http://www.w3.org/2005/Atom">&x;</feed>'.encode()
        )


def test_every_real_answer_says_what_its_index_says(test_data):
    index = [json.loads(line) for line in (test_data / "arxiv/atom/index.jsonl").read_text().splitlines()]
    assert index
    for row in index:
        body = (test_data / "arxiv/atom" / row["file"]).read_bytes()
        if row["status"] == 400:
            with pytest.raises(InvalidInput, match="incorrect id format for abc"):
                query_api.read_answer(body)
            continue
        answer = query_api.read_answer(body)
        assert (answer.readable, answer.total, answer.unreadable) == (row["entries"], row["total_results"], ())


def test_real_papers_come_through_the_package_with_all_their_fields(client, test_data):
    name = "arxivpy_q_testing_s0_m100_cfe7536492ca.xml"
    body = (test_data / "arxiv/atom" / name).read_bytes()
    fakes.FAULTS["replay"] = lambda _server, exchange, _rng: setattr(exchange, "body", body)
    try:
        with FakeArxiv(make_papers(1), schedule=lambda _: ["replay"]) as arxiv:
            papers = fetch(client, arxiv.url, size=100).papers
    finally:
        del fakes.FAULTS["replay"]
    assert len(papers) == 100
    assert all(paper.title and paper.abstract and paper.authors and paper.categories for paper in papers)
    assert all(paper.submitted_at <= paper.updated_at for paper in papers)
    assert any(paper.doi for paper in papers)
    assert any("/" in paper.arxiv_id for paper in papers)
    assert all("v" not in paper.arxiv_id.rpartition("/")[2] for paper in papers)


@given(st.data())
def test_a_mutated_answer_raises_nothing_but_our_own_errors(data):
    body = bytearray(feed_of(make_paper(1), make_paper(2)))
    for _ in range(data.draw(st.integers(1, 4))):
        position = data.draw(st.integers(0, len(body) - 1))
        body[position : position + data.draw(st.integers(0, 30))] = data.draw(st.binary(max_size=8))
    try:
        answer = query_api.read_answer(bytes(body))
    except (BadAnswer, PaperlabError):
        return
    assert answer.readable >= 0


@pytest.mark.parametrize("character", [b"\x01", b"\x1f", b"&#1;", b"&#x1F;", b"&#0;"])
def test_a_character_that_xml_forbids_keeps_no_paper_away(character):
    body = feed_of(*make_papers(3))
    answer = query_api.read_answer(body.replace(b"</title>", character + b"</title>"))
    assert answer.readable == 3
    assert character not in answer.body


def test_more_entries_than_were_asked_for_are_asked_for_again(client, monkeypatch):
    monkeypatch.setitem(fakes.FAULTS, "doubled", lambda _server, x, _rng: x.entries.extend(list(x.entries)))
    with FakeArxiv(make_papers(30), schedule=fakes.at({0: ["doubled"]})) as arxiv:
        assert fetch(client, arxiv.url, size=10).entries == 10
        assert len(arxiv.requests) == 2


@pytest.mark.parametrize(("tag", "flaw"), [("author", "no author"), ("summary", "no <summary>"), ("name", "no author")])
def test_an_entry_without_what_every_paper_has_is_not_read_and_its_paper_is_named(tag, flaw):
    body = feed_of(*make_papers(3))
    first = body.index(b"<entry>")
    end = body.index(b"</entry>", first)
    entry = re.sub(rf"<{tag}>.*?</{tag}>".encode(), b"", body[first:end], flags=re.DOTALL)
    answer = query_api.read_answer(body[:first] + entry + body[end:])
    assert answer.readable == 2
    assert [(each.flaw, each.arxiv_id) for each in answer.unreadable] == [(flaw, ArxivId("2611.00001", 1))]


def test_an_empty_summary_is_an_abstract():
    body = re.sub(rb"<summary>.*?</summary>", b"<summary></summary>", feed_of(*make_papers(1)), flags=re.DOTALL)
    assert query_api.read_answer(body).readable == 1


@pytest.mark.parametrize(
    ("said", "heard"), [(b"12", 12), (b"9" * 9, 999_999_999), (b"9" * 10, None), (b"9" * 5000, None)]
)
def test_a_total_with_too_many_digits_is_none(said, heard):
    body = re.sub(rb"(<opensearch:totalResults[^>]*>)\d+", rb"\g<1>" + said, feed_of(*make_papers(1)))
    assert query_api.read_answer(body).total == heard


@pytest.mark.parametrize("version", [b"v0", b"v00", b"v-1", b"v10000", b"v" + b"9" * 26, b"v" + b"9" * 5000, b"v"])
def test_an_entry_whose_version_can_not_be_is_not_read_and_its_paper_is_named(version):
    body = feed_of(*make_papers(2)).replace(b"abs/2611.00001v1", b"abs/2611.00001" + version)
    answer = query_api.read_answer(body)
    assert answer.readable == 1
    (unreadable,) = answer.unreadable
    assert (unreadable.arxiv_id, unreadable.flaw) == (ArxivId("2611.00001"), "no version")
