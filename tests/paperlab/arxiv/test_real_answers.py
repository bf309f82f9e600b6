"""Every captured answer of arXiv parses to what it says.

The texts are no part of the repository: counts come from the index beside them, and single values that are facts.
"""

from __future__ import annotations

import json
from datetime import UTC, date, datetime

import pytest
from lxml import etree

from paperlab.arxiv import oai_pmh, query_api, rss
from paperlab.entities import AnnouncementKind
from paperlab.errors import InvalidInput
from tests.paperlab.arxiv.test_mutations import read_atom

LISTINGS = {
    "ads_arxiv_multi_20230125.xml": 3,
    "agentgraph_2026-09-20_listrecords_arXiv.xml": 3,
    "fatcat_arxivraw_1810.09584.xml": 1,
    "hepcrawl_arxiv-physics-hep-ex.xml": 3,
    "hepcrawl_arxiv-single.xml": 1,
    "hepcrawl_sample_arxiv_record3.xml": 1,
    "hepcrawl_sample_arxiv_record6.xml": 1,
    "hepcrawl_sample_arxiv_record8.xml": 1,
    "hepcrawl_sample_arxiv_record9.xml": 1,
}
FRAGMENTS = (
    *("ads_arxiv_0901_2443.xml", "ads_arxiv_1711_04702.xml", "ads_arxiv_1711_05739.xml"),
    *("fragment_arxivraw_1706.03762.xml", "fragment_arxivraw_2508.11450.xml", "fragment_arxivraw_2609.12825.xml"),
)


@pytest.fixture
def atom(test_data):
    return test_data / "arxiv" / "atom"


@pytest.fixture
def oai(test_data):
    return test_data / "arxiv" / "oai"


def listing(oai, name):
    return oai_pmh.read_listing((oai / name).read_bytes())


def fragment(oai, name):
    return oai_pmh.read_record((oai / name).read_bytes())


# --- the query API --------------------------------------------------------------------------------------------


def test_every_atom_answer_holds_as_many_papers_as_its_index_says(atom):
    index = [json.loads(line) for line in (atom / "index.jsonl").read_text(encoding="utf-8").splitlines()]
    assert {row["file"] for row in index} == {path.name for path in atom.glob("*.xml")}
    for row in index:
        body = (atom / row["file"]).read_bytes()
        if row["status"] != 200:
            with pytest.raises(InvalidInput):
                query_api.read_answer(body)
            continue
        page = read_atom(body)
        assert (len(page.papers), page.entries, page.unreadable) == (row["entries"], row["entries"], ())
        assert page.total == row["total_results"]


def test_every_field_of_every_atom_entry_is_what_its_xml_says(atom):
    names = {"a": "http://www.w3.org/2005/Atom", "x": "http://arxiv.org/schemas/atom"}
    compared = 0
    for path in sorted(atom.glob("*.xml")):
        root = etree.parse(path).getroot()
        if "errors" in root.xpath("string(a:entry/a:id)", namespaces=names):
            continue
        page = read_atom(path.read_bytes())
        for paper, entry in zip(page.papers, root.xpath("a:entry", namespaces=names), strict=True):

            def text(where, entry=entry):
                return " ".join(entry.xpath(f"string({where})", namespaces=names).split())

            assert text("a:id").endswith(f"/{paper.arxiv_id}v{paper.version}")
            assert paper.title == text("a:title")
            assert " ".join(paper.abstract.split()) == text("a:summary")
            assert list(paper.authors) == [
                " ".join(t.split()) for t in entry.xpath("a:author/a:name/text()", namespaces=names)
            ]
            assert paper.submitted_at == datetime.fromisoformat(text("a:published").replace("Z", "+00:00"))
            assert paper.updated_at == datetime.fromisoformat(text("a:updated").replace("Z", "+00:00"))
            assert set(paper.categories) == set(entry.xpath("a:category/@term", namespaces=names))
            assert paper.primary_category == entry.xpath("string(x:primary_category/@term)", namespaces=names)
            assert (paper.comment or "") == text("x:comment")
            assert (paper.journal_ref or "") == text("x:journal_ref")
            assert (paper.doi or "") == text("x:doi")
            compared += 1
    assert compared > 200


def test_the_malformed_identifier_is_refused_in_arxivs_words(atom):
    error = query_api.refusal((atom / "arxivpy_id_abc_s0_m100_b79c8dcf6bc3.xml").read_bytes())
    assert isinstance(error, InvalidInput)
    assert "incorrect id format for abc" in error.message


def test_the_quoted_body_of_a_429_is_no_atom(atom):
    with pytest.raises(query_api.BadAnswer):
        query_api.read_answer((atom / "quoted_http_429_body.txt").read_bytes())


# --- the daily feed -------------------------------------------------------------------------------------------


def test_the_daily_feed_says_what_was_announced_and_how(test_data):
    (path,) = (test_data / "arxiv" / "rss").glob("*.xml")
    feed = rss.read_feed(path.read_bytes())
    assert [(each.arxiv_id, each.version, each.kind) for each in feed.announcements] == [
        ("2609.26811", 1, AnnouncementKind.NEW),
        ("2609.26820", 1, AnnouncementKind.NEW),
        ("2205.06398", 2, AnnouncementKind.CROSS),
        ("2009.13987", 3, AnnouncementKind.REPLACE),
    ]
    assert feed.published_at == datetime(2026, 9, 24, 4, tzinfo=UTC)
    assert (feed.items, feed.unreadable, feed.skip_days) == (4, (), ("Sunday", "Saturday"))


# --- OAI-PMH --------------------------------------------------------------------------------------------------


def test_every_oai_file_is_one_of_those_that_are_compared_here(oai):
    assert {path.name for path in oai.glob("*.xml")} == {*LISTINGS, *FRAGMENTS}


@pytest.mark.parametrize("name", LISTINGS)
def test_every_record_of_an_oai_answer_is_read(oai, name):
    read = listing(oai, name)
    assert (len(read.records), read.unreadable) == (LISTINGS[name], ())
    assert all(record.description and record.description.title for record in read.records)


@pytest.mark.parametrize("name", FRAGMENTS)
def test_every_oai_record_says_what_its_xml_says(oai, name):
    record = fragment(oai, name)
    root = etree.parse(oai / name).getroot()

    def every(local):
        return [" ".join((each.text or "").split()) for each in root.iter() if etree.QName(each).localname == local]

    told = record.description
    assert every("identifier")[0] == f"oai:arXiv.org:{record.arxiv_id}"
    assert str(record.datestamp) == every("datestamp")[0]
    assert list(record.sets) == every("setSpec")
    assert [told.title] == every("title")
    assert " ".join(told.abstract.split()) == (every("abstract") or every("description"))[0]
    if told.format == "arXivRaw":
        assert " ".join(told.categories) == every("categories")[0]
        assert [told.comment, told.doi] == [(every(local) or [None])[0] for local in ("comments", "doi")]
        assert len(told.versions) == len(every("version"))
    else:
        assert list(told.subjects) == every("subject")
        assert f"Comment: {told.comment}" == every("description")[1]
        assert [str(day) for day in told.dates] == every("date")


def test_seven_versions_of_one_paper_have_their_seven_dates(oai):
    record = fragment(oai, "fragment_arxivraw_1706.03762.xml")
    assert [(v.number, v.submitted_at) for v in record.description.versions] == [
        (1, datetime(2017, 6, 12, 17, 57, 34, tzinfo=UTC)),
        (2, datetime(2017, 6, 19, 16, 49, 45, tzinfo=UTC)),
        (3, datetime(2017, 6, 20, 5, 20, 2, tzinfo=UTC)),
        (4, datetime(2017, 6, 30, 17, 29, 30, tzinfo=UTC)),
        (5, datetime(2017, 12, 6, 3, 30, 32, tzinfo=UTC)),
        (6, datetime(2023, 7, 24, 0, 48, 54, tzinfo=UTC)),
        (7, datetime(2023, 8, 2, 0, 41, 18, tzinfo=UTC)),
    ]
    paper = record.paper
    assert (paper.version, paper.submitted_at, paper.updated_at) == (
        7,
        record.description.versions[0].submitted_at,
        record.description.versions[-1].submitted_at,
    )
    assert (paper.title, paper.authors[0], paper.authors[-1], len(paper.authors)) == (
        "Attention Is All You Need",
        "Ashish Vaswani",
        "Illia Polosukhin",
        8,
    )
    assert (paper.categories, paper.primary_category, paper.comment, paper.source) == (
        ("cs.CL", "cs.LG"),
        "cs.CL",
        "15 pages, 5 figures",
        "oai",
    )
    assert record.datestamp == date(2023, 8, 3)


def test_names_in_tex_are_read_as_the_query_api_shows_them(oai):
    assert fragment(oai, "fragment_arxivraw_2609.12825.xml").paper.authors == (
        "Mustafa Bora Çelik",
        "Hayriye Aktaş Dinçer",
        "Ayse Keles",
    )
    (record,) = listing(oai, "fatcat_arxivraw_1810.09584.xml").records
    assert record.paper.authors == ("Raphael Chetrite", "Shamik Gupta", "Izaak Neri", "Édgar Roldán")
    assert (record.paper.journal_ref, record.paper.doi) == ("EPL 124,60006 (2018)", "10.1209/0295-5075/124/60006")


def test_a_version_without_a_source_type_is_a_version(oai):
    paper = fragment(oai, "fragment_arxivraw_2508.11450.xml").paper
    assert (paper.version, paper.primary_category, paper.authors[-1]) == (2, "eess.IV", "Jagath C. Rajapakse")
    assert (paper.submitted_at.date(), paper.updated_at.date()) == (date(2025, 8, 15), date(2026, 9, 11))


def test_the_created_day_of_the_arxiv_format_makes_no_paper(oai):
    read = listing(oai, "agentgraph_2026-09-20_listrecords_arXiv.xml")
    assert [(r.arxiv_id, r.description.dates[0], r.paper) for r in read.records] == [
        ("2504.11237", date(2025, 4, 15), None),
        ("2508.21012", date(2025, 12, 16), None),
        ("2510.07502", date(2025, 12, 31), None),
    ]
    assert read.responded_at == datetime(2026, 9, 20, 5, 54, 30, tzinfo=UTC)
    assert read.records[0].sets[-1] == "physics:quant-ph"
    assert read.records[0].description.authors == ("Chunhai Lyu", "Christoph H. Keitel", "Zoltán Harman")
    assert read.token is None


def test_the_old_servers_token_and_dublin_core_are_read(oai):
    read = listing(oai, "ads_arxiv_multi_20230125.xml")
    assert read.token == "6460044|1001"
    told = read.records[2].description
    assert (told.format, told.authors[2], told.doi) == ("oai_dc", "Aaron D. Lauda", "10.1112/jlms.12001")
    assert told.journal_ref == "Journal of the London Mathematical Society, Vol 95, Issue 1, 2017, pages 248-276"
    assert told.dates == (date(2014, 12, 3), date(2023, 1, 23))
    assert fragment(oai, "ads_arxiv_0901_2443.xml").description.authors[0] == "B. Özel"


def test_a_lone_colon_is_no_author(oai):
    (record,) = listing(oai, "hepcrawl_sample_arxiv_record8.xml").records
    assert record.description.authors[:2] == ("Super-Kamiokande Collaboration", "K. Abe")
    assert len(record.description.authors) == 7
