"""Claims, Leaderboard, Samples and Trends: what they show of a home with papers and runs."""

from __future__ import annotations

import shutil

import pytest

from paperlab.dashboard import claim_charts, paper_charts
from paperlab.dashboard.text import difference
from paperlab.entities import Decision, DecisionKind, VerdictKind
from paperlab.library import ranking
from paperlab.runs.standings import Standing
from paperlab.store import database, decisions, reading
from tests.paperlab.dashboard import filled
from tests.paperlab.dashboard.test_reading import press
from tests.paperlab.dashboard.test_views import said


def test_claims_shows_every_source_and_leads_to_its_paper(view, filled_home):
    page = view("claims", filled_home)
    assert not page.exception
    assert "1706.03762 paper" in said(page)
    assert "not-attempted" in said(page)


def test_claims_can_be_narrowed_by_the_address(view, filled_home):
    page = view("claims", filled_home, source="1706.03762", verdict="not-attempted")
    assert not page.exception
    assert "28.4" in said(page)


def test_open_claims_are_laid_against_what_would_settle_them(view, filled_home):
    page = view("claims", filled_home, doubt="true")
    assert not page.exception
    assert not page.error
    assert "paperlab queue fill" in said(page)


def test_what_was_retracted_stands_on_the_page(view, filled_home, tmp_path):
    shutil.copytree(filled_home, tmp_path / "home")
    claim = "1706.03762:table-2:big:wmt14-en-de:bleu"
    decision = Decision(claim, DecisionKind.RETRACTED, "not in <b>table 2</b>", "x", filled.NOW, "ada")
    with database.session(database.open_database(filled.settings(tmp_path / "home"))) as session:
        decisions.append(session, decision)
    page = view("claims", tmp_path / "home")
    assert "✘ retracted" in said(page)
    assert "not in <b>table 2</b>" in said(page)


def test_the_leaderboard_has_our_number_under_its_protocol(view, filled_home):
    page = view("leaderboard", filled_home)
    assert not page.exception
    assert "0.994" in said(page)
    assert "beam 4" in said(page)
    assert "entry left out" in said(view("leaderboard", filled_home, hours="0.0001"))


def test_samples_stand_by_checkpoint_with_what_changed(view, filled_home):
    page = view("samples", filled_home, runs=filled.FINISHED)
    assert not page.exception
    table = page.table[0].value
    assert next(iter(table.columns)) == "Prompt"
    assert list(table.columns)[-1] == "Reference"
    assert "**zweiundvierzig** ✔" in table.iloc[0, -2] or "zweiundvierzig ✔" in table.iloc[0, -2]
    assert "evil.example" in said(page)  # as text


def test_samples_of_an_unknown_run_are_an_error_in_words(view, filled_home):
    page = view("samples", filled_home, runs="nothing")
    assert not page.exception


@pytest.mark.parametrize("state", [{}, {"over": "all"}, {"share": "true"}, {"topics": "models; year:x"}])
def test_trends_draws_topics_and_categories(view, filled_home, state):
    page = view("trends", filled_home, **state)
    assert not page.exception
    assert bool(page.error) == ("year:x" in state.get("topics", ""))


def test_months_without_a_paper_are_drawn_as_none():
    figure = paper_charts.months({"a": {"2025-11": 2, "2026-02": 4}}, "t")
    assert list(figure.data[0].x) == ["2025-11", "2025-12", "2026-01", "2026-02"]
    assert list(figure.data[0].y) == [2, 0, 0, 4]
    share = paper_charts.months({"a": {"2026-02": 1}}, "t", 12, {"2026-02": 4})
    assert list(share.data[0].y) == [25.0]
    assert not paper_charts.months({"a": {}}, "t").data[0].x


def test_every_verdict_has_a_shape_in_the_matrix():
    cells = [claim_charts.Cell("1706.03762", "table 2", kind, "<b>x</b>") for kind in VerdictKind]
    figure = claim_charts.matrix(cells)
    assert len({trace.marker.symbol for trace in figure.data}) == len(VerdictKind)
    assert "<b>" not in figure.data[0].text[0]


def standing(label: str, mean: float, hours: float, *, best: bool) -> Standing:
    return Standing(
        *(label, "r", "r", "smoke", mean, 3, (mean - 1, mean + 1), (1, 1), "", "a CPU", "CPU-hours", hours, hours),
        *(10**9, (), best),
    )


def test_quality_is_drawn_against_cost_with_the_line_of_the_best():
    entries = [standing("a", 30, 1, best=True), standing("b", 29, 2, best=False), standing("c", 33, 4, best=True)]
    figure = claim_charts.pareto(entries, "bleu", lower_is_better=False)
    assert list(figure.data[0].x) == [1, 2, 4]
    assert list(figure.data[1].y) == [30, 33]


def test_what_a_text_adds_to_another_is_told_by_words():
    assert difference("a b c", "a x c d") == [("a", False), ("x", True), ("c", False), ("d", True)]
    assert difference("", "new") == [("new", True)]


def test_a_search_is_ordered_marked_and_narrowed(view, filled_home):
    page = view("papers", filled_home, q="language models", only="unread")
    assert not page.exception
    assert "best" in said(page) or "relevance" in said(page)
    newest = view("papers", filled_home, q="language models", sort="newest")
    assert "newest" in said(newest)


def test_the_calendar_has_a_cell_for_every_day_up_to_today():
    from datetime import date

    figure = paper_charts.calendar({"2026-11-24": 5}, date(2026, 11, 25), weeks=2)
    cells = figure.data[0].z
    assert [len(row) for row in cells] == [2] * 7
    assert cells[1][1] == 5
    assert cells[6][1] is None


CLAIM = "1706.03762:table-2:big:wmt14-en-de:bleu"


@pytest.mark.parametrize(("name", "state"), [("paper", {"id": "1706.03762"}), ("claims", {"source": "1706.03762"})])
def test_a_claim_shows_its_protocol_and_the_commands_that_decide(view, filled_home, name, state):
    assert "protocol: " not in said(view(name, filled_home, **state))
    words = said(view(name, filled_home, **state, claim=CLAIM))
    assert "protocol: beam" in words
    assert f'paperlab claims confirm {CLAIM} --reason "..."' in words
    assert f'paperlab claims retract {CLAIM} --reason "..."' in words


def test_similar_papers_are_asked_for_and_say_which_words_they_share(view, filled_home, tmp_path):
    home = shutil.copytree(filled_home, tmp_path / "home")
    assert "paperlab recommend" in said(view("paper", home, id="2611.00001"))
    settings = filled.settings(home)
    with database.read_only(database.open_database(settings)) as session:
        ranking.opened(session, settings, tell=ranking.silent)
    assert "most alike of" not in said(view("paper", home, id="2611.00001"))
    page = view("paper", home, id="2611.00001", similar="true")
    assert not page.error
    assert "the 8 most alike of" in said(page)
    assert "study number" in said(page)


def test_a_list_opens_the_notes_of_a_paper_and_counts_them(view, filled_home, tmp_path):
    home = shutil.copytree(filled_home, tmp_path / "home")
    page = press(view("papers", home), "list-note-2611.00002")
    assert not page.exception
    assert page.text_area(key="new-note-2611.00002").label == "new note"
    with database.session(database.open_database(filled.settings(home))) as session:
        reading.add_note(session, "2611.00002", "read again", filled.NOW)
    page = press(view("papers", home), "list-note-2611.00002")
    assert "read again" in [text.value for text in page.text]
    assert "✎ 1" in [button.label for button in page.button]


def test_topics_that_no_paper_is_about_are_said_so(view, filled_home):
    page = view("trends", filled_home, topics="zeppelins")
    assert "No paper held is about any of these" in said(page)
    assert "zeppelins: 0 papers" in said(page)
