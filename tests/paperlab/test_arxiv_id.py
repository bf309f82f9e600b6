from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from paperlab.arxiv_id import ArxivId
from paperlab.errors import InvalidInput

NEW_BASES = st.builds(
    lambda year, month, number: f"{year:02d}{month:02d}.{number:05d}",
    st.integers(15, 49), st.integers(1, 12), st.integers(1, 99_999),
)  # fmt: skip
OLD_BASES = st.builds(
    lambda archive, year, month, number: f"{archive}/{year:02d}{month:02d}{number:03d}",
    st.sampled_from(["cs", "cmp-lg", "hep-th", "math", "astro-ph"]),
    st.integers(91, 99),
    st.integers(1, 12),
    st.integers(1, 999),
)  # fmt: skip
IDS = st.builds(ArxivId, NEW_BASES | OLD_BASES, st.none() | st.integers(1, 40))


@given(IDS)
def test_an_identifier_is_read_back_from_every_way_of_writing_it(arxiv_id):
    ways = [
        str(arxiv_id),
        f" {arxiv_id}\n",
        f"arXiv:{arxiv_id}",
        f"https://arxiv.org/abs/{arxiv_id}",
        f"http://arxiv.org/pdf/{arxiv_id}.pdf",
        f"https://export.arxiv.org/abs/{arxiv_id}?context=cs",
        f"https://arxiv.org/html/{arxiv_id}#S3",
        f"https://doi.org/10.48550/arXiv.{arxiv_id}",
    ]
    assert {ArxivId.parse(way) for way in ways} == {arxiv_id}


def test_the_subject_class_of_an_old_identifier_is_not_part_of_it():
    assert ArxivId.parse("math.GT/0309136") == ArxivId("math/0309136")


@pytest.mark.parametrize(
    "text",
    ["", "abc", "0808.05394", "1706.3762", "1713.00001", "1706.03762v0", "1706.03762v", "1706.00000", "cs/05",
     "१७०६.०३७६२", "https://example.org/abs/1706.03762", "1706.03762; drop table papers", "../1706.03762",
     "1706.03762v10000", "1706.03762v" + "9" * 5000],
)  # fmt: skip
def test_what_arxiv_never_gave_out_is_refused_by_name(text):
    with pytest.raises(InvalidInput, match="not an arXiv identifier") as caught:
        ArxivId.parse(text)
    assert f'"{text[:80]}' in caught.value.message
    assert caught.value.exit_code == 3


def test_a_text_of_any_length_is_refused_in_a_line():
    with pytest.raises(InvalidInput, match='^"x{80}…" is not an arXiv identifier') as caught:
        ArxivId.parse("x" * 100_000)
    assert len(str(caught.value)) < 300


@given(st.text(max_size=40))
def test_any_text_is_an_identifier_or_a_clear_error(text):
    with contextlib.suppress(InvalidInput):
        ArxivId.parse(text)
