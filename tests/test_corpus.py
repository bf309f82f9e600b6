"""The papers of the big measurements: the same for the same seed, valid, and as many as asked for."""

from __future__ import annotations

import gzip
import json
from datetime import datetime
from email.utils import parsedate_to_datetime
from itertools import islice

import pytest

from benchmarks import corpus
from paperlab.arxiv_id import ArxivId


@pytest.fixture
def data(tmp_path):
    """Twenty papers that stand for the real ones."""
    folder = tmp_path / "data" / "arxiv" / "papers"
    folder.mkdir(parents=True)
    rows = [
        {
            "title": f"The {n}th Study",
            "abstract": f"We study {n}. It works well. Code is there.",
            "authors": [{"name": f"Ada B{n}"}, {"name": "Wei Zhang"}],
            "categories": ["cs.CL", "cs.LG"] if n % 2 else ["stat.ML"],
            "primary_category": "cs.CL" if n % 2 else "stat.ML",
            "comments": None,
        }
        for n in range(20)
    ]
    for name in ("daily_2025-q1", "daily_other_sample"):
        with gzip.open(folder / f"{name}.jsonl.gz", "wt", encoding="utf-8") as file:
            file.writelines(json.dumps(row) + "\n" for row in rows)
    return tmp_path / "data"


def test_the_same_seed_gives_the_same_papers_and_another_seed_others(data):
    assert list(corpus.lines(300, 1, data)) == list(corpus.lines(300, 1, data))
    assert list(corpus.lines(300, 1, data)) != list(corpus.lines(300, 2, data))


def test_as_many_papers_as_asked_for_in_the_order_of_valid_identifiers(data):
    papers = list(corpus.papers(5000, 0, data))
    assert len(papers) == 5000
    ordinals = [ArxivId.parse(paper.arxiv_id).ordinal for paper in papers]
    assert ordinals == sorted(set(ordinals))
    assert all(f"{paper.submitted_at:%y%m}" == paper.arxiv_id[:4] for paper in papers)
    assert max(corpus._spread(3_000_000)) < 100_000, "five digits are enough for a month"


def test_sentences_come_from_papers_of_the_same_category(data):
    for paper in islice(corpus.papers(200, 0, data), 200):
        numbers = [int(word.strip(".")) for word in paper.abstract.split() if word.strip(".").isdigit()]
        assert all(n % 2 == (paper.primary_category == "cs.CL") for n in numbers)


def test_a_line_is_one_of_the_snapshot(data):
    for line in islice(corpus.lines(400, 0, data), 400):
        record = json.loads(line)
        versions = [parsedate_to_datetime(version["created"]) for version in record["versions"]]
        assert versions == sorted(versions)
        assert isinstance(versions[0], datetime)
        assert record["authors"].count(",") == len(record["authors_parsed"]) - 1
        assert {"submitter", "journal-ref", "report-no", "license", "update_date"} <= set(record)
