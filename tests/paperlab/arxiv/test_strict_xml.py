"""What XML 1.0 forbids becomes a blank; everything else is left as it came."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from paperlab.arxiv import strict_xml
from paperlab.arxiv.client import BadAnswer

FORBIDDEN_BYTES = [b"\x00", b"\x0b", b"\x1f", b"\xef\xbf\xbe", b"\xef\xbf\xbf", b"\xed\xa0\x80", b"\xed\xbf\xbf"]
FORBIDDEN_REFERENCES = [
    *(b"&#0;", b"&#000;", b"&#x1;", b"&#X0B;", b"&#31;", b"&#x1f;"),
    *(b"&#xD800;", b"&#xdfff;", b"&#x000DFFF;", b"&#55296;", b"&#00057343;"),
    *(b"&#xFFFE;", b"&#xffff;", b"&#65534;", b"&#65535;", b"&#x110000;", b"&#1114112;", b"&#" + b"9" * 5000 + b";"),
]
ALLOWED = [b"&#9;", b"&#x0A;", b"&#x20;", b"&#xD7FF;", b"&#xE000;", b"&#65533;", b"&#x10000;", b"&#1114111;"]


@pytest.mark.parametrize("forbidden", FORBIDDEN_BYTES + FORBIDDEN_REFERENCES)
def test_a_character_that_xml_forbids_becomes_a_blank(forbidden):
    root = strict_xml.parse(b"<rss>one" + forbidden + b"two</rss>", "RSS")
    assert root.text == "one two"


@pytest.mark.parametrize("allowed", ALLOWED)
def test_a_reference_to_a_character_that_may_be_written_stays(allowed):
    body = b"<rss>one" + allowed + b"two</rss>"
    assert strict_xml.cleaned(body) == body
    assert len(strict_xml.parse(body, "RSS").text) == 7


@given(st.text(alphabet=st.characters(exclude_categories=["Cs", "Cc"], exclude_characters="\ufffe\uffff&<>")))
def test_text_without_such_characters_is_left_as_it_came(text):
    body = text.encode()
    assert strict_xml.cleaned(body) == body


@pytest.mark.parametrize("body", [b"", b"<rss>", b"<rss>\xff</rss>", b"<rss>&nbsp;</rss>", b"<html/>"])
def test_what_is_cut_or_something_else_is_a_bad_answer(body):
    with pytest.raises(BadAnswer):
        strict_xml.parse(body, "RSS")
