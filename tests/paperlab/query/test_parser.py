"""Any text is a query or an error that names the place and the fix; a query written out is read as the same query."""

from __future__ import annotations

from datetime import date, timedelta

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from paperlab.errors import InvalidInput
from paperlab.query import And, Field, Flag, Is, Not, Or, Query, Submitted, Text, format, parse


def anywhere(*words: str, prefix: bool = False) -> Text:
    return Text(Field.ANY, words, prefix)


def read(text: str) -> tuple[Query | None, InvalidInput | None]:
    try:
        return parse(text), None
    except InvalidInput as error:
        return None, error


A, B, C = anywhere("a"), anywhere("b"), anywhere("c")


@pytest.mark.parametrize(
    ("text", "query"),
    [
        ("a b", And((A, B))),
        ("a AND b", And((A, B))),
        ("a OR b c", Or((A, And((B, C))))),
        ("(a OR b) c", And((Or((A, B)), C))),
        ("a -b", And((A, Not(B)))),
        ("a NOT b", And((A, Not(B)))),
        ("-(a OR b)", Not(Or((A, B)))),
        ("NOT -a", A),
        ("((a b) c)", And((A, B, C))),
        ('"mixture of experts"', anywhere("mixture", "of", "experts")),
        ("“mixture of experts”", anywhere("mixture", "of", "experts")),
        ("transform*", anywhere("transform", prefix=True)),
        ('"mixture of exp*"', anywhere("mixture", "of", "exp", prefix=True)),
        ('"mixture of exp"*', anywhere("mixture", "of", "exp", prefix=True)),
        ("state-of-the-art", anywhere("state", "of", "the", "art")),
        ("Schrödinger", anywhere("schrodinger")),
        ('abs:"mixture of experts"', Text(Field.ABSTRACT, ("mixture", "of", "experts"))),
        ("au:(bengio OR lecun)", Or((Text(Field.AUTHOR, ("bengio",)), Text(Field.AUTHOR, ("lecun",))))),
        ('au:"Hinton, Geoffrey"', Text(Field.AUTHOR, ("geoffrey", "hinton"))),
        ("title: attention", Text(Field.TITLE, ("attention",))),
        ("TI:attention", Text(Field.TITLE, ("attention",))),
        ("cat:cs.CL", Text(Field.CATEGORY, ("cs.cl",))),
        ("cat:cs.*", Text(Field.CATEGORY, ("cs",))),
        ("cat:(cs.CL OR hep-th)", Or((Text(Field.CATEGORY, ("cs.cl",)), Text(Field.CATEGORY, ("hep-th",))))),
        ('tag:"To  Read"', Text(Field.TAG, ("to read",))),
        ("id:1706.03762v3", Text(Field.ID, ("1706.03762",))),
        ("id:1706.*", Text(Field.ID, ("1706.",), prefix=True)),
        ("is:starred", Is(Flag.STARRED)),
        ("HAS:Code", Is(Flag.CODE)),
        ("year:2024", Submitted(date(2024, 1, 1), date(2024, 12, 31))),
        ("year:2019..2021", Submitted(date(2019, 1, 1), date(2021, 12, 31))),
        ("year:2019-2021", Submitted(date(2019, 1, 1), date(2021, 12, 31))),
        ("year:2019..", Submitted(date(2019, 1, 1), None)),
        ("since:2024-02", Submitted(date(2024, 2, 1), None)),
        ("until:2024-02", Submitted(None, date(2024, 2, 29))),
        ("date:2024-01-05..2024-02", Submitted(date(2024, 1, 5), date(2024, 2, 29))),
    ],
)
def test_a_text_means_this(text, query):
    assert parse(text) == query


@pytest.mark.parametrize(
    ("text", "query"),
    [
        ('"mixture of experts', anywhere("mixture", "of", "experts")),
        ('a "', A),
        ("(a b", And((A, B))),
        ("a) b", And((A, B))),
        ("a - b", And((A, B))),
        ("a * b", And((A, B))),
        ("() a", A),
        ("C++", C),
        ("GPT-4: a", And((anywhere("gpt", "4"), A))),
        ("foo:bar", anywhere("foo", "bar")),
        ("Note: a", And((anywhere("note"), A))),
        ("title:", anywhere("title")),
        ("O(n) a", And((anywhere("o", "n"), A))),
        ("(O(n) OR a)", Or((anywhere("o", "n"), A))),
        ("\U0001f600 a \x00", A),
        ("a and b or c", And((A, anywhere("and"), B, anywhere("or"), C))),
        ("1706.03762", Text(Field.ID, ("1706.03762",))),
        ("https://arxiv.org/abs/1706.03762v2", Text(Field.ID, ("1706.03762",))),
    ],
)
def test_what_people_type_by_accident_is_taken_kindly(text, query):
    assert parse(text) == query


@pytest.mark.parametrize(
    ("text", "message", "hint"),
    [
        ("", "the query is empty", "example: "),
        ("?!", '"?!" has no word', "example: "),
        ("a OR", "OR at character 3 of the query has nothing to join", 'write "or" in lower case'),
        ("AND a", "AND at character 1", 'write "and"'),
        ("a NOT OR b", "NOT at character 3", 'write "not"'),
        ("a year:last", '"year:last" at character 8 of the query is not a time', "year:2024"),
        ("since:2024-02-30", "is not a time", "since:"),
        ("year:2021..2019", "ends before it begins", "year:2019..2021"),
        ("is:good", '"is:good" at character 4 of the query', "is:starred"),
        ("id:attention", "is not an arXiv identifier", "1706.03762"),
        ("cat:c$", "is not a category", "cat:cs.CL"),
        ("a b* c", '"b*" at character 3 of the query is the beginning of too many words', "at least 3 letters"),
        ("(" * 40 + "a", "33 deep at character 33", "at most 32"),
        ("word " * 2000, "2000 terms", "quotes"),
        ('"' + "word " * 2000, "2000 words", "quotes"),
    ],
)
def test_what_can_not_be_read_is_refused_with_the_place_and_the_fix(text, message, hint):
    with pytest.raises(InvalidInput) as refused:
        parse(text)
    assert message in refused.value.message
    assert hint in refused.value.hint


PIECES = (
    *("a", "transformer", "É", "ß", "²", "OR", "AND", "NOT", "-", "(", ")", '"', "*", ":", " ", "“", "\x00", "\ud800"),
    *("title:", "au:", "cat:", "cs.CL", "tag:", "id:", "2401.00001", "year:", "2020", "..", "is:starred", "has:", "\n"),
)


@settings(max_examples=300, deadline=None)
@example("tag:0“")
@example("TAG:0＂ »x«")
@example("tag:a＊")
@example("cat:a..")
@given(st.one_of(st.text(max_size=40), st.lists(st.sampled_from(PIECES), max_size=25).map("".join)))
def test_any_text_is_a_query_or_an_error_and_reads_the_same_when_written_out(text):
    query, error = read(text)
    if query is None:
        assert error.hint
    else:
        assert parse(format(query)) == query


@pytest.mark.parametrize(
    "text", ["(" * 10_000, "title:" * 2000 + "a", "-" * 10_000 + "a", '"' * 10_000, "a OR " * 2500]
)
def test_ten_thousand_characters_of_anything_come_to_an_end(text):
    _, error = read(text)
    assert len(str(error)) < 500


days = st.dates(date(1990, 1, 1), date(2026, 12, 31))
leaf = st.one_of(
    st.builds(
        Text,
        st.sampled_from([Field.ANY, Field.TITLE, Field.ABSTRACT, Field.AUTHOR, Field.COMMENT, Field.NOTE]),
        st.lists(st.sampled_from(["neural", "machine", "traduccion", "привет"]), min_size=1, max_size=3).map(tuple),
        st.booleans(),
    ),
    st.builds(Text, st.just(Field.TAG), st.sampled_from([("to read",), ("x",)]), st.booleans()),
    st.builds(Text, st.just(Field.CATEGORY), st.sampled_from([("cs",), ("cs.cl",), ("hep-th",)]), st.booleans()),
    st.builds(Is, st.sampled_from(Flag)),
    st.builds(Submitted, days, st.none()),
    st.builds(lambda day, length: Submitted(day, day + timedelta(length)), days, st.integers(0, 900)),
)
tree = st.recursive(
    leaf,
    lambda inner: st.one_of(
        inner.filter(lambda part: not isinstance(part, Not)).map(Not),
        *(
            st.lists(inner.filter(lambda part, kind=kind: not isinstance(part, kind)), min_size=2, max_size=3).map(
                lambda parts, kind=kind: kind(tuple(parts))
            )
            for kind in (And, Or)
        ),
    ),
    max_leaves=8,
)


@settings(deadline=None)
@given(tree)
def test_a_tree_written_out_is_read_as_the_same_tree(query):
    assert parse(format(query)) == query
