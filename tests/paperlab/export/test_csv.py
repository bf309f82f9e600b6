"""Comma-separated values as other programs read them."""

from __future__ import annotations

import csv
import io

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from paperlab.export import csv as export
from tests.paperlab.export.test_bibtex import paper


def read(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text, newline=""), strict=True))


def test_a_paper_is_one_record_under_a_header():
    [row] = read("".join(export.lines([paper(title='He said "yes", twice', abstract="two\nlines")])))
    assert row["title"] == 'He said "yes", twice'
    assert row["authors"] == "Ashish Vaswani; Noam Shazeer"
    assert row["categories"] == "cs.CL cs.LG"
    assert row["submitted_at"] == "2017-06-12T00:00:00Z"
    assert row["abstract"] == "two\nlines"
    assert row["withdrawn"] == "false"


def test_lines_end_as_rfc_4180_says():
    assert all(line.endswith("\r\n") for line in export.lines([paper(), paper()]))


@pytest.mark.parametrize("start", ["=", "+", "-", "@", "\t", "\r"])
def test_no_cell_is_a_formula(start):
    [row] = read("".join(export.lines([paper(title=f'{start}HYPERLINK("http://x")')])))
    assert row["title"] == f'\'{start}HYPERLINK("http://x")'


@settings(max_examples=200, deadline=None)
@given(st.text(st.characters(exclude_categories=["Cs"])), st.text(st.characters(exclude_categories=["Cs"])))
def test_every_text_comes_back(title, abstract):
    [row] = read("".join(export.lines([paper(title=title, abstract=abstract)])))
    assert export.unguarded(row["title"]) == title
    assert export.unguarded(row["abstract"]) == abstract
