"""A dump is read line by line: what is a paper becomes one, what is none is named, and nothing stops the reading."""

from __future__ import annotations

import gzip
import json
import random
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from paperlab.arxiv import snapshot
from paperlab.arxiv.snapshot import Position
from paperlab.entities import Paper
from paperlab.errors import InvalidInput
from tests.fakes import make_papers
from tests.fakes import snapshot as dumps

NOW = datetime(2026, 11, 24, tzinfo=UTC)
RECORD: dict[str, Any] = {
    "id": "0704.0001",
    "submitter": "Pavel Nadolsky",
    "authors": "C. Bal\\'azs, E. L. Berger, P. M. Nadolsky, C.-P. Yuan",
    "title": "Calculation of prompt diphoton production cross sections at Tevatron and\n  LHC energies",
    "comments": "37 pages, 15 figures; published version",
    "journal-ref": "Phys.Rev.D76:013009,2007",
    "doi": "10.1103/PhysRevD.76.013009",
    "report-no": "ANL-HEP-PR-07-12",
    "categories": "hep-ph hep-ex",
    "license": None,
    "abstract": "  A fully differential calculation is presented\nfor the production of photon pairs.\n",
    "versions": [
        {"version": "v1", "created": "Mon, 2 Apr 2007 19:18:42 GMT"},
        {"version": "v2", "created": "Tue, 24 Jul 2007 20:10:27 GMT"},
    ],
    "update_date": "2008-11-26",
    "authors_parsed": [["Balázs", "C.", ""], ["Berger", "E. L.", "Jr."], ["D0 Collaboration", "", ""]],
}


def read(path: Path, start: Position | None = None, categories: tuple[str, ...] = (), batch: int = 4000) -> list[Any]:
    return list(
        snapshot.read(path, start or Position(), categories=categories, not_after=NOW + timedelta(days=2), batch=batch)
    )


def read_one(tmp_path: Path, line: bytes | dict[str, Any]) -> Any:
    raw = line if isinstance(line, bytes) else json.dumps(line).encode()
    (tmp_path / "one.jsonl").write_bytes(raw + b"\n")
    return read(tmp_path / "one.jsonl")[0]


def papers_of(batches: list[Any]) -> list[Paper]:
    return [paper for batch in batches for paper in batch.papers]


def test_a_record_becomes_the_paper_that_the_query_api_would_give(tmp_path):
    (paper,) = read_one(tmp_path, RECORD).papers
    assert paper == Paper(
        arxiv_id="0704.0001",
        version=2,
        title="Calculation of prompt diphoton production cross sections at Tevatron and LHC energies",
        abstract="A fully differential calculation is presented for the production of photon pairs.",
        authors=("C. Balázs", "E. L. Berger Jr.", "D0 Collaboration"),
        categories=("hep-ph", "hep-ex"),
        primary_category="hep-ph",
        submitted_at=datetime(2007, 4, 2, 19, 18, 42, tzinfo=UTC),
        updated_at=datetime(2007, 7, 24, 20, 10, 27, tzinfo=UTC),
        comment="37 pages, 15 figures; published version",
        journal_ref="Phys.Rev.D76:013009,2007",
        doi="10.1103/PhysRevD.76.013009",
        source="snapshot",
    )


def test_lists_iso_dates_and_underscores_are_read_as_well(tmp_path):
    record = {
        "id": "cmp-lg/9404001v1",
        "authors": [{"name": "Yves  Schabes"}, {"name": "Stuart M. Shieber"}],
        "title": "Derivation",
        "journal_ref": "CL 20(1)",
        "categories": ["cmp-lg", "cs.CL", "cs.CL"],
        "primary_category": "cs.CL",
        "abstract": None,
        "versions": [{"version": "v1", "created": "1994-04-03"}, {"version": "v2", "created": "1994-05-03T01:00:00Z"}],
    }
    (paper,) = read_one(tmp_path, record).papers
    assert (paper.arxiv_id, paper.version, paper.abstract, paper.journal_ref) == ("cmp-lg/9404001", 2, "", "CL 20(1)")
    assert paper.authors == ("Yves Schabes", "Stuart M. Shieber")
    assert (paper.categories, paper.primary_category) == (("cmp-lg", "cs.CL"), "cs.CL")
    assert paper.submitted_at == datetime(1994, 4, 3, tzinfo=UTC)
    assert paper.updated_at == datetime(1994, 5, 3, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("A. One, B. Two and C. Three", ("A. One", "B. Two", "C. Three")),
        ("A. One (1), B. Two (1 and 2), and C. Three ((1) MIT, Boston, (2) CERN)", ("A. One", "B. Two", "C. Three")),
        (r"L. Bal\'azs Jr., K. G\'odel", ("L. Balázs Jr.", "K. Gódel")),
        ("Sandy Andover", ("Sandy Andover",)),
        ("", ()),
    ],
)
def test_authors_without_parts_are_split_at_commas_and_and(tmp_path, text, names):
    (paper,) = read_one(tmp_path, RECORD | {"authors": text, "authors_parsed": None}).papers
    assert paper.authors == names


def test_a_withdrawn_paper_is_known_by_its_comment(tmp_path):
    (paper,) = read_one(tmp_path, RECORD | {"comments": "This paper has been withdrawn by the authors"}).papers
    assert paper.withdrawn


def version(created: Any, name: Any = "v1") -> dict[str, Any]:
    return {"versions": [{"version": name, "created": created}]}


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (b'{"id": "0704.0001", "title"', "broken JSON"),
        (b"\x00\xff\xfe", "broken JSON"),
        (b"[" * 5000, "broken JSON"),
        (b"[1, 2]", "no JSON object"),
        (b"null", "no JSON object"),
        (RECORD | {"id": None}, "no id"),
        (RECORD | {"id": 704.0001}, "no id"),
        (RECORD | {"id": "0704.00001"}, "no arXiv identifier"),
        (RECORD | {"id": "; drop table papers"}, "no arXiv identifier"),
        (RECORD | {"title": None}, "no title"),
        (RECORD | {"title": " \n"}, "no title"),
        (RECORD | {"title": ["a"]}, "title is no text"),
        (RECORD | {"abstract": 7}, "abstract is no text"),
        (RECORD | {"title": "a\0b"}, "NUL"),
        (RECORD | {"authors_parsed": [["a\0b", "", ""]]}, "NUL"),
        (RECORD | {"versions": None}, "no versions"),
        (RECORD | {"versions": []}, "no versions"),
        (RECORD | {"versions": ["v1"]}, "no object"),
        (RECORD | {"categories": ""}, "no categories"),
        (RECORD | {"categories": [None]}, "no categories"),
        (RECORD | {"authors_parsed": [["only"]]}, "authors"),
        (RECORD | {"authors_parsed": 5}, "authors"),
        (RECORD | version("Mon, 2 Apr 2007 19:18:42 GMT", "2"), "version '2'"),
        (RECORD | version("Mon, 2 Apr 2007 19:18:42 GMT", "v0"), "version 'v0'"),
        (RECORD | version("Mon, 2 Apr 2070 19:18:42 GMT"), "absurd"),
        (RECORD | version("Mon, 2 Apr 0001 19:18:42 GMT"), "absurd"),
        (RECORD | version("0001-01-01T00:00:00+23:00"), "no time"),
        (RECORD | version("Mon, 31 Feb 2007 19:18:42 GMT"), "no time"),
        (RECORD | version("Mon, 2 Okt 2007 19:18:42 GMT"), "no time"),
        (RECORD | version("yesterday"), "no time"),
        (RECORD | version(None), "no time"),
    ],
)
def test_what_is_no_paper_is_named_with_its_line(tmp_path, line, reason):
    batch = read_one(tmp_path, line)
    assert batch.papers == ()
    ((number, found),) = [(each.line, each.reason) for each in batch.unreadable]
    assert number == 1
    assert reason in found


def test_text_that_only_looks_like_a_nul_is_text(tmp_path):
    (paper,) = read_one(tmp_path, RECORD | {"title": "The escape \\u0000 in JSON"}).papers
    assert paper.title == "The escape \\u0000 in JSON"


@pytest.mark.parametrize("name", ["dump.jsonl", "dump.jsonl.gz"])
def test_bad_lines_blank_lines_and_a_byte_order_mark_stop_nothing(tmp_path, name):
    one, two, three = make_papers(3, NOW)
    long = b'{"id": "' + b"x" * (snapshot.MAX_LINE_BYTES + 10) + b'"}'
    lines = [b"\xef\xbb\xbf" + json.dumps(dumps.as_record(one)).encode(), b"", b"{", two, b"  \r", long, three]
    (batch,) = read(dumps.write(tmp_path / name, lines))
    assert [paper.arxiv_id for paper in batch.papers] == [paper.arxiv_id for paper in (one, two, three)]
    assert [each.line for each in batch.unreadable] == [3, 6]
    assert "longer than 8 MiB" in batch.unreadable[1].reason
    assert batch.end.line == 7


@pytest.mark.parametrize("name", ["dump.jsonl", "dump.jsonl.gz"])
def test_reading_goes_on_from_any_position(tmp_path, name):
    papers = make_papers(23, NOW)
    path = dumps.write(tmp_path / name, papers)
    whole = papers_of(read(path))
    assert [paper.arxiv_id for paper in whole] == [paper.arxiv_id for paper in papers]
    for size in (1, 5, 22, 23, 24):
        batches = read(path, batch=size)
        assert papers_of(batches) == whole
        for at, batch in enumerate(batches, start=1):
            assert papers_of(read(path, batch.end)) == whole[at * size :]


def test_papers_of_other_categories_are_counted(tmp_path):
    papers = make_papers(40, NOW)
    (batch,) = read(dumps.write(tmp_path / "dump.jsonl", papers), categories=("stat.ML", "math.CO"))
    assert {paper.arxiv_id for paper in batch.papers} == {p.arxiv_id for p in papers if "stat.ML" in p.categories}
    assert batch.outside == 40 - len(batch.papers) > 0


@pytest.mark.parametrize("damage", ["cut", "flipped"])
def test_a_torn_packed_file_ends_with_an_error_after_what_could_be_read(tmp_path, damage):
    path = dumps.write(tmp_path / "dump.jsonl.gz", make_papers(300, NOW))
    content = bytearray(path.read_bytes())
    if damage == "cut":
        del content[len(content) // 2 :]
    else:
        content[len(content) // 2 :] = bytes(len(content) - len(content) // 2)
    path.write_bytes(bytes(content))
    batches = snapshot.read(path, not_after=NOW, batch=50)
    assert len(next(batches).papers) == 50
    with pytest.raises(snapshot.TornFile, match=r"cut or damaged after line [12]\d\d"):
        list(batches)


def test_what_is_no_dump_is_refused(tmp_path):
    (tmp_path / "archive.zip").write_bytes(b"PK\x03\x04....")
    for path in (tmp_path / "archive.zip", tmp_path / "absent", tmp_path):
        with pytest.raises(InvalidInput):
            snapshot.identify(path)


def test_a_file_that_changes_has_another_identity(tmp_path):
    path = dumps.write(tmp_path / "dump.jsonl", make_papers(5, NOW))
    before = snapshot.identify(path)
    assert snapshot.identify(path) == before
    path.write_bytes(path.read_bytes().replace(b"Study 4", b"Study 9"))
    assert snapshot.identify(path).ends != before.ends


@given(st.datetimes(datetime(1985, 1, 1), datetime(2026, 1, 1)))  # noqa: DTZ001
def test_a_date_is_read_as_it_was_written(moment):
    exact = moment.replace(microsecond=0, tzinfo=UTC)
    assert snapshot._moment(format_datetime(exact, usegmt=True)) == exact
    assert snapshot._moment(exact.isoformat()) == exact


def test_random_damage_is_named_and_never_an_error_of_ours(tmp_path):
    rng = random.Random(7)
    good = json.dumps(RECORD).encode()
    values: list[Any] = [None, 0, -1.5, "", "x", [], {}, [[]], [None], {"a": 1}, "\x00", True, "v1", 10**30]
    lines = []
    for _ in range(3000):
        if rng.random() < 0.5:
            raw = bytearray(good)
            for _ in range(rng.randint(1, 4)):
                raw[rng.randrange(len(raw))] = rng.randrange(256)
            lines.append(bytes(raw).replace(b"\n", b" "))
        else:
            record = dict(RECORD) | {rng.choice(list(RECORD)): rng.choice(values)}
            if rng.random() < 0.3:
                record["versions"] = [{rng.choice(["version", "created"]): rng.choice(values)}]
            lines.append(json.dumps(record).encode())
    path = dumps.write(tmp_path / "dump.jsonl", lines)
    batches = read(path, batch=100)
    met = sum(len(batch.papers) + len(batch.unreadable) for batch in batches)
    assert met == sum(1 for line in lines if line.strip())
    assert papers_of(batches)
    assert any(batch.unreadable for batch in batches)


def test_the_same_paper_reads_the_same_from_a_packed_file(tmp_path):
    papers = [replace(paper, journal_ref="J. 1") for paper in make_papers(50, NOW)]
    plain, packed = tmp_path / "a.jsonl", tmp_path / "a.jsonl.gz"
    dumps.write(plain, papers)
    packed.write_bytes(gzip.compress(plain.read_bytes()))
    assert read(plain) == read(packed)
    assert papers_of(read(plain)) == [replace(paper, source="snapshot") for paper in papers]


def test_real_records_with_versions_are_read(test_data):
    folder = test_data / "arxiv" / "papers"
    for name, at_least in (("cscl_1993-2018.jsonl.gz", 11_000), ("classics.jsonl", 15)):
        batches = read(folder / name)
        assert len(papers_of(batches)) >= at_least
        assert {each.reason for batch in batches for each in batch.unreadable} <= {"no versions", "no categories"}


def test_real_records_without_versions_are_named(test_data):
    batches = read(test_data / "arxiv" / "papers" / "daily_2025-q1.jsonl.gz")
    assert papers_of(batches) == []
    assert {each.reason for batch in batches for each in batch.unreadable} == {"no versions"}
