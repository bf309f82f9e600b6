"""OAI-PMH answers say what they say, and are refused when they are not whole."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime
from urllib.parse import parse_qs, urlsplit

import pytest

from paperlab.arxiv import oai_pmh
from paperlab.arxiv.client import BadAnswer, Client
from paperlab.arxiv.limiter import Limiter
from paperlab.arxiv.oai_pmh import Question
from paperlab.errors import InvalidInput
from tests.fakes import FakeArxiv, make_papers

ENVELOPE = """<?xml version="1.0"?><OAI-PMH xmlns="http://www.openarchives.org/OAI/2.0/">
<responseDate>2026-11-23T10:00:00Z</responseDate><request verb="ListRecords">x</request>{}</OAI-PMH>"""
RECORD = """<record><header{status}><identifier>oai:arXiv.org:{id}</identifier><datestamp>{day}</datestamp></header>
<metadata><arXivRaw xmlns="http://arxiv.org/OAI/arXivRaw/"><id>{id}</id><submitter>S</submitter>{versions}
<title>A  title</title><authors>A. One and B. Two</authors><categories>{categories}</categories>
<comments>{comment}</comments><abstract>  Words
 of it.
</abstract></arXivRaw></metadata></record>"""
VERSION = '<version version="v{}"><date>{}</date><size>1kb</size><source_type>{}</source_type></version>'
FIRST = VERSION.format(1, "Mon, 22 Oct 2018 22:41:50 GMT", "D")


def record(**changes):
    told = {
        "id": "1810.09584",
        "day": "2019-01-15",
        "versions": FIRST,
        "categories": "cs.CL cs.LG",
        "comment": "7 pages",
    }
    return RECORD.format(**({"status": ""} | told | changes))


def read(*records, token=""):
    return oai_pmh.read_listing(ENVELOPE.format(f"<ListRecords>{''.join(records)}{token}</ListRecords>").encode())


@pytest.fixture
def client(tmp_path):
    with Client(Limiter(tmp_path, 0.0), timeout_s=5.0) as client:
        yield client


# --- asking


def asked(question):
    return {name: values[0] for name, values in parse_qs(urlsplit(question.url("http://oai")).query).items()}


def test_a_question_names_set_days_and_format():
    assert asked(Question("cs:cs:CL", date(2017, 1, 1), date(2017, 2, 1))) == {
        "verb": "ListRecords",
        "metadataPrefix": "arXivRaw",
        "set": "cs:cs:CL",
        "from": "2017-01-01",
        "until": "2017-02-01",
    }
    assert asked(Question()) == {"verb": "ListRecords", "metadataPrefix": "arXivRaw"}


def test_a_token_is_asked_for_alone_and_as_it_was_given():
    token = "verb%3DListRecords%26skip%3D5|a b&c"
    assert asked(Question("cs", date(2017, 1, 1), token=token)) == {"verb": "ListRecords", "resumptionToken": token}


def test_no_day_before_arxivs_first_datestamp_is_asked_for():
    assert asked(Question(since=date(1991, 1, 1)))["from"] == "2005-09-16"


def test_a_page_is_read_as_the_server_holds_it(client):
    papers = make_papers(12)
    with FakeArxiv(papers) as arxiv:
        arxiv.oai.page_size = 5
        first = oai_pmh.fetch(client, arxiv.oai_url, Question("cs"))
        second = oai_pmh.fetch(client, arxiv.oai_url, Question(token=first.token))
        third = oai_pmh.fetch(client, arxiv.oai_url, Question(token=second.token))
    listed = [each for page in (first, second, third) for each in page.records]
    assert [each.paper for each in listed] == [replace(paper, source="oai") for paper in reversed(papers)]
    assert (len(first.records), len(second.records), third.token) == (5, 5, None)


def test_what_the_server_says_in_an_error_element_is_told(client):
    with FakeArxiv(make_papers(3)) as arxiv:
        assert oai_pmh.fetch(client, arxiv.oai_url, Question("econ")).records == ()
        assert oai_pmh.fetch(client, arxiv.oai_url, Question(token="stale")).expired
        with pytest.raises(InvalidInput, match="badArgument.*Set does not exist"):
            oai_pmh.fetch(client, arxiv.oai_url, Question("nonsense"))
        with pytest.raises(InvalidInput, match="badArgument"):
            oai_pmh.fetch(client, arxiv.oai_url, Question("cs", date(2026, 2, 2), date(2026, 2, 1)))
        assert len(arxiv.requests) == 4  # none of them heals by asking again


# --- reading


def test_versions_give_the_dates_and_the_newest_ones_number():
    versions = VERSION.format(2, "Sun, 13 Jan 2019 11:17:09 GMT", "") + FIRST
    (told,) = read(record(versions=versions)).records
    assert (told.paper.version, told.paper.submitted_at, told.paper.updated_at) == (
        2,
        datetime(2018, 10, 22, 22, 41, 50, tzinfo=UTC),
        datetime(2019, 1, 13, 11, 17, 9, tzinfo=UTC),
    )
    assert (told.paper.title, told.paper.abstract, told.paper.authors) == (
        "A title",
        "Words\n of it.",
        ("A. One", "B. Two"),
    )
    assert (told.paper.categories, told.paper.primary_category) == (("cs.CL", "cs.LG"), "cs.CL")


def test_a_withdrawn_version_is_known_by_its_source_type_or_its_words():
    taken_back = FIRST + VERSION.format(2, "Sun, 13 Jan 2019 11:17:09 GMT", "I")
    assert read(record(versions=taken_back)).records[0].paper.withdrawn
    assert read(record(comment="This paper has been withdrawn by the authors")).records[0].paper.withdrawn
    assert not read(record()).records[0].paper.withdrawn
    back_again = taken_back + VERSION.format(3, "Mon, 14 Jan 2019 11:17:09 GMT", "D")
    assert not read(record(versions=back_again)).records[0].paper.withdrawn


def test_a_deleted_record_is_told_without_a_paper():
    told = "<identifier>oai:arXiv.org:cs/0503050</identifier><datestamp>2026-01-01</datestamp>"
    header = f'<record><header status="deleted">{told}</header></record>'
    (told,) = read(header).records
    assert (told.arxiv_id, told.deleted, told.paper, told.datestamp) == ("cs/0503050", True, None, date(2026, 1, 1))


def test_an_empty_token_is_the_end_of_the_list():
    assert read(record(), token="<resumptionToken/>").token is None
    assert read(record(), token="<resumptionToken expirationDate='x'> </resumptionToken>").token is None
    assert read(record(), token="<resumptionToken>a%3Db</resumptionToken>").token == "a%3Db"


@pytest.mark.parametrize(
    ("changes", "flaw"),
    [
        ({"id": "what"}, "no arXiv identifier"),
        ({"day": "yesterday"}, "is no day"),
        ({"day": "2019-13-40"}, "is no day"),
        ({"versions": ""}, "no versions"),
        ({"versions": VERSION.format(1, "some day", "")}, "is no time"),
        ({"versions": VERSION.format("one", "Mon, 22 Oct 2018 22:41:50 GMT", "")}, "version"),
        ({"versions": VERSION.format("0", "Mon, 22 Oct 2018 22:41:50 GMT", "")}, 'version "v0"'),
        ({"versions": VERSION.format("9" * 26, "Mon, 22 Oct 2018 22:41:50 GMT", "")}, 'version "v999'),
        ({"versions": FIRST + FIRST}, "a version twice"),
        ({"categories": ""}, "no title or category"),
    ],
)
def test_a_record_that_cant_be_read_is_named_and_keeps_no_other_away(changes, flaw):
    listing = read(record(id="1706.03762"), record(**changes))
    assert [each.arxiv_id for each in listing.records] == ["1706.03762"]
    (unreadable,) = listing.unreadable
    assert flaw in unreadable.flaw


def test_metadata_of_another_paper_is_no_record():
    mixed = record().replace("<id>1810.09584</id>", "<id>1706.03762</id>")
    assert "metadata of 1706.03762" in read(record(id="1706.03762"), mixed).unreadable[0].flaw


def test_a_format_that_is_not_known_makes_a_record_without_a_description():
    odd = record().replace("arXivRaw", "somethingElse")
    assert read(odd).records[0].description is None


@pytest.mark.parametrize(
    "inside",
    [
        "",
        "<ListRecords></ListRecords>",
        "<ListRecords><resumptionToken>t</resumptionToken></ListRecords>",
        "<Identify/>",
    ],
)
def test_an_answer_without_records_is_no_answer(inside):
    with pytest.raises(BadAnswer):
        oai_pmh.read_listing(ENVELOPE.format(inside).encode())


@pytest.mark.parametrize("moment", ["", "soon", "99999-01-01T00:00:00Z"])
def test_an_answer_of_no_time_is_no_answer(moment):
    body = ENVELOPE.format(f"<ListRecords>{record()}</ListRecords>").replace("2026-11-23T10:00:00Z", moment)
    with pytest.raises(BadAnswer):
        oai_pmh.read_listing(body.encode())


def test_a_400_is_told_in_arxivs_words():
    body = ENVELOPE.format("<error code='badArgument'>start date too early</error>").encode()
    assert "start date too early" in oai_pmh.refusal(body).message
    assert "does not say why" in oai_pmh.refusal(b"<html>").message
