"""Words are runs of letters and digits without case and accents."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from paperlab.query import Field, hits, parse, words


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("State-of-the-art, 2nd!", ["state", "of", "the", "art", "2nd"]),
        ("Schrödinger’s naïve Łukasz", ["schrodinger", "s", "naive", "lukasz"]),
        ("x² ﬁne Straße", ["x2", "fine", "strasse"]),
        ("snake_case", ["snake", "case"]),
        ("e\u0301tude", ["etude"]),
        ("机器 学习", ["机器", "学习"]),
        ("— … \x00", []),
    ],
)
def test_a_text_has_these_words(text, found):
    assert words.tokens(text) == found


@given(st.text())
def test_folding_twice_changes_nothing_more(text):
    assert words.fold(words.fold(text)) == words.fold(text)
    assert words.tokens(" ".join(words.tokens(text))) == words.tokens(text)


@given(st.text(alphabet="aAé²½-_ \u0301ﬁ9", max_size=30))
def test_a_text_cut_at_its_hits_is_the_text(text):
    pieces = hits(parse("a OR fi OR 2"), Field.TITLE, text)
    assert "".join(piece for piece, _ in pieces) == text


def test_only_what_is_looked_for_there_is_marked():
    query = parse('"language model" trans* au:model -table')
    pieces = hits(query, Field.TITLE, "A Language-Model and a model: Transformers table")
    assert [piece for piece, is_hit in pieces if is_hit] == ["Language", "Model", "Transformers"]
