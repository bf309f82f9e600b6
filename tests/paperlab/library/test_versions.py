"""What changed between two versions: words that differ, and never where a line was broken."""

from __future__ import annotations

import gzip
import json
import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import hypothesis
import pytest
from hypothesis import strategies as st

from paperlab.arxiv_id import ArxivId
from paperlab.errors import InvalidInput
from paperlab.library import arrivals, papers, versions
from paperlab.library.versions import Op, Piece
from paperlab.store import database
from tests.fakes import make_paper

NOW = datetime(2026, 11, 24, 6, 15, tzinfo=UTC)
FIRST = replace(
    make_paper(1, NOW),
    title="A model of attention",
    abstract="We train a small\nmodel. It works.",
    authors=("Ada Lovelace", "Alan Turing"),
    comment="9 pages",
)
SECOND = replace(FIRST, version=2, updated_at=NOW + timedelta(days=1))


@pytest.fixture
def settings(settings_for):
    return settings_for()


@pytest.fixture
def session(settings, engine_for):
    with database.session(engine_for(settings)) as session:
        yield session


def change(before, after, field):
    return next(found.pieces for found in versions.compare(before, after).changes if found.field == field)


def test_words_that_went_and_came_are_told_apart():
    after = replace(SECOND, abstract="We train a large model. It works well.")
    assert change(FIRST, after, "abstract") == (
        Piece(Op.SAME, "We train a"),
        Piece(Op.REMOVED, "small"),
        Piece(Op.ADDED, "large"),
        Piece(Op.SAME, "model. It"),
        Piece(Op.REMOVED, "works."),
        Piece(Op.ADDED, "works well."),
    )


def test_an_abstract_wrapped_anew_and_blanks_in_names_are_no_change():
    after = replace(
        SECOND,
        title="A  model\nof attention ",
        abstract=" We train a small model.\n\nIt\u00a0works.",
        authors=("Ada  Lovelace", "Alan\nTuring"),
        comment="9  pages",
    )
    assert versions.compare(FIRST, after).changes == ()
    assert versions.changed_fields(FIRST, after) == ()


def test_an_author_is_compared_as_a_whole_and_another_order_is_a_change():
    added = change(FIRST, replace(SECOND, authors=("Ada Lovelace", "Grace Hopper", "Alan Turing")), "authors")
    assert added == (Piece(Op.SAME, "Ada Lovelace"), Piece(Op.ADDED, "Grace Hopper"), Piece(Op.SAME, "Alan Turing"))
    assert versions.changed_fields(FIRST, replace(SECOND, authors=FIRST.authors[::-1])) == ("authors",)


@pytest.mark.parametrize(
    ("field", "value"),
    [("comment", None), ("journal_ref", "ACL 2026"), ("doi", "10.1/2"), ("categories", ("cs.LG",)), ("title", "B")],
)
def test_every_field_of_a_record_is_compared(field, value):
    assert versions.changed_fields(FIRST, replace(SECOND, **{field: value})) == (field,)


words = st.lists(st.sampled_from(("a", "b", "model", "x.", "(y)")), max_size=25).map(" ".join)


@hypothesis.given(words, words)
def test_the_pieces_give_both_texts_back(before, after):
    found = versions.compare(replace(FIRST, abstract=before), replace(SECOND, abstract=after)).changes
    if before == after:
        assert found == ()
        return
    (abstract,) = found
    old = abstract.joint.join(piece.text for piece in abstract.pieces if piece.op is not Op.ADDED)
    new = abstract.joint.join(piece.text for piece in abstract.pieces if piece.op is not Op.REMOVED)
    assert (old, new) == (before, after)


def test_the_two_newest_versions_are_compared_unless_others_are_named(session, settings):
    third = replace(FIRST, version=3, abstract="Third.")
    arrivals.take(session, settings, [FIRST, replace(SECOND, abstract="Second."), third], NOW)
    base = ArxivId(FIRST.arxiv_id)

    def compared(*named, arxiv_id=base):
        found = versions.diff(session, arxiv_id, *named)
        return found.before.version, found.after.version

    assert compared() == (2, 3)
    assert compared(1) == (1, 3)
    assert compared(1, 2) == (1, 2)
    assert compared(3, 1) == (3, 1)
    assert compared(arxiv_id=ArxivId(FIRST.arxiv_id, 1)) == (1, 3)


def test_a_version_that_is_not_held_names_those_that_are_and_the_command_that_fetches_it(session, settings):
    arrivals.take(session, settings, [FIRST, replace(SECOND, version=3)], NOW)
    with pytest.raises(InvalidInput, match=r"version 2 .* is not held \(held: v1, v3\)") as missing:
        versions.diff(session, ArxivId(FIRST.arxiv_id), 1, 2)
    assert missing.value.hint == f"paperlab papers add {FIRST.arxiv_id}v2"


def test_a_paper_with_one_version_says_what_to_fetch(session, settings):
    arrivals.take(session, settings, [replace(SECOND, version=4)], NOW)
    with pytest.raises(InvalidInput, match="only v4 is held") as alone:
        versions.diff(session, ArxivId(FIRST.arxiv_id))
    assert f"paperlab papers add {FIRST.arxiv_id}v3" in alone.value.hint
    with pytest.raises(InvalidInput, match="not held"):
        versions.diff(session, ArxivId("2401.00001"))


def test_a_withdrawal_is_seen_in_the_history(session, settings):
    withdrawn = replace(SECOND, comment="This paper has been withdrawn by the author", withdrawn=True)
    back = replace(SECOND, version=3, comment="10 pages")
    arrivals.take(session, settings, [FIRST, withdrawn, back], NOW)
    base = ArxivId(FIRST.arxiv_id)
    assert [version.withdrawn for version in papers.show(session, base).versions] == [False, True, False]
    assert versions.diff(session, base, 1, 2).was_withdrawn
    assert not versions.diff(session, base, 2, 3).was_withdrawn


def test_of_real_revisions_those_of_white_space_only_are_no_change(test_data):
    unchanged = changed = 0
    with gzip.open(test_data / "arxiv" / "papers" / "revisions.jsonl.gz", "rt", encoding="utf-8") as lines:
        for line in lines:
            seen = [
                replace(
                    FIRST,
                    title=each["title"],
                    abstract=each["abstract"],
                    comment=each["comments"],
                    authors=tuple(each["authors"]),
                    categories=tuple(each["categories"]),
                )
                for each in json.loads(line)["snapshots"]
            ]
            for before, after in pairwise(seen):
                squeezed = [re.sub(r"\s+", " ", each.abstract).strip() for each in (before, after)]
                fields = versions.changed_fields(before, after)
                assert ("abstract" in fields) == (squeezed[0] != squeezed[1])
                unchanged += not fields and before.abstract != after.abstract
                changed += bool(fields)
    assert unchanged > 0
    assert changed > 0
