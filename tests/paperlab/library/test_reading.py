"""My pile: what the reader does with papers, once or twice, comes to the same."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from paperlab.arxiv_id import ArxivId
from paperlab.entities import Reading
from paperlab.errors import InvalidInput
from paperlab.library import arrivals, reading
from paperlab.store import database
from tests.fakes import make_papers

NOW = datetime(2026, 11, 24, 6, 15, tzinfo=UTC)
PAPERS = make_papers(4, NOW)
A, B, C, D = (ArxivId(paper.arxiv_id) for paper in PAPERS)


@pytest.fixture
def session(settings_for, engine_for):
    settings = settings_for()
    with database.session(engine_for(settings)) as session:
        arrivals.take(session, settings, PAPERS, NOW)
        yield session


def at(minutes: int) -> datetime:
    return NOW + timedelta(minutes=minutes)


def of(session, arxiv_id: ArxivId) -> Reading:
    (found,) = reading.of_papers(session, [arxiv_id.base])
    return found


def test_a_star_keeps_its_first_time_until_it_is_taken_away(session):
    assert reading.star(session, [A, B], at(1)).changed == 2
    assert reading.star(session, [A], at(2)).changed == 0
    assert of(session, A).starred_at == at(1)
    assert reading.unstar(session, [A]).changed == 1
    assert reading.unstar(session, [A]).changed == 0
    assert reading.star(session, [A], at(3)).changed == 1
    assert of(session, A).starred_at == at(3)


def test_read_and_skipped_can_be_taken_back_and_touch_nothing_else(session):
    reading.star(session, [A], at(1))
    reading.set_read(session, [A], at(2))
    reading.set_skipped(session, [A], at(3))
    assert of(session, A) == Reading(A.base, starred_at=at(1), read_at=at(2), skipped_at=at(3))
    assert reading.set_read(session, [A], at(4), undo=True).changed == 1
    assert reading.set_skipped(session, [A], at(4), undo=True).changed == 1
    assert of(session, A) == Reading(A.base, starred_at=at(1))


def test_the_pile_has_unread_papers_first_and_leaves_out_what_was_skipped(session):
    for minutes, paper in enumerate((A, B, C, D)):
        reading.star(session, [paper], at(minutes))
    reading.set_read(session, [D], at(9))
    reading.set_skipped(session, [B], at(9))
    found = reading.pile(session)
    assert [paper.arxiv_id for paper in found.papers] == [C.base, A.base, D.base]
    assert (found.total, found.unread) == (3, 2)
    assert [paper.arxiv_id for paper in reading.pile(session, limit=1, offset=1).papers] == [A.base]
    reading.star(session, [B], at(10))
    assert B.base in [paper.arxiv_id for paper in reading.pile(session).papers]


def test_tags_are_names_without_case_and_double_blanks(session):
    assert reading.tag(session, [A, B], ["MoE", "to  cite"], at(1)).changed == 4
    assert reading.tag(session, [A], ["moe"], at(2)).changed == 0
    assert of(session, A).tags == ("moe", "to cite")
    assert reading.tags_in_use(session) == {"moe": 2, "to cite": 2}
    assert reading.untag(session, [A], ["MOE"]).changed == 1
    assert reading.untag(session, [A], ["MOE"]).changed == 0
    assert reading.tags_in_use(session) == {"moe": 1, "to cite": 2}


def test_papers_and_tags_are_told_apart_in_any_order():
    ids, tags = reading.ids_and_tags(["moe", "2611.00001", "https://arxiv.org/abs/cs/0503050v1", "to read"])
    assert ids == [ArxivId("2611.00001"), ArxivId("cs/0503050", 1)]
    assert tags == ["moe", "to read"]


@pytest.mark.parametrize(
    "word", ["2611.0001", "2613.00001", "cs/12", "https://arxiv.org/list/cs", "arxiv:9", "", " ", "--", 'a"b', "a" * 61]
)
def test_a_mistyped_identifier_does_not_become_a_tag(word):
    with pytest.raises(InvalidInput):
        reading.ids_and_tags([word])


def test_a_note_is_written_changed_and_deleted(session):
    first = reading.add_note(session, A, " compare with B ", at(1))
    assert (first.text, first.written_at) == ("compare with B", at(1))
    assert reading.add_note(session, A, "compare with B", at(2)) == first
    second = reading.add_note(session, A, "line one\nline two", at(2))
    changed = reading.edit_note(session, A, first.id, "compare with C", at(3))
    assert changed == replace(first, text="compare with C", changed_at=at(3))
    assert reading.edit_note(session, A, first.id, "compare with C", at(4)) == changed
    assert reading.notes(session, A) == (changed, second)
    assert reading.delete_note(session, A, first.id) == changed
    assert reading.notes(session, A) == (second,)


def test_a_note_of_another_paper_is_not_touched(session):
    note = reading.add_note(session, A, "mine", at(1))
    with pytest.raises(InvalidInput, match=f"{B.base} has no note {note.id}") as missing:
        reading.delete_note(session, B, note.id)
    assert missing.value.hint == f"paperlab papers note {B.base}"
    with pytest.raises(InvalidInput, match="its notes: "):
        reading.edit_note(session, A, note.id + 1, "text", at(2))
    assert reading.notes(session, A) == (note,)


@pytest.mark.parametrize("text", ["", " \n", "x" * 100_001])
def test_a_note_has_a_text_of_bearable_length(session, text):
    with pytest.raises(InvalidInput):
        reading.add_note(session, A, text, NOW)


def test_nothing_is_done_where_one_paper_is_not_held(session):
    with pytest.raises(InvalidInput, match="1810.04805, 1706.03762 are not held") as missing:
        reading.star(session, [A, ArxivId("1810.04805"), ArxivId("1706.03762", 5)], NOW)
    assert missing.value.hint == "paperlab papers add 1810.04805 1706.03762"
    assert of(session, A) == Reading(A.base)
