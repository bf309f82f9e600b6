"""Each page on an empty home, on a filled one, and where something is in the way."""

from __future__ import annotations

import shutil
import sqlite3
from datetime import timedelta

import pytest

from paperlab.dashboard import main
from paperlab.entities import Measurement
from paperlab.library import landmarks
from paperlab.library.database import open_or_create
from paperlab.runs import structure
from tests.paperlab.dashboard import filled

LANDMARKS = len({paper.arxiv_id for paper in landmarks.shipped()})
PAGES = tuple(address for pages in main.PAGES.values() for _, address in pages)


def said(page) -> str:
    """Every word on the page, as it was handed to Streamlit, without the escapes of Markdown."""
    kinds = (
        page.title,
        page.header,
        page.subheader,
        page.text,
        page.markdown,
        page.caption,
        page.info,
        page.error,
        page.code,
    )
    words = [str(element.value) for elements in kinds for element in elements]
    cells = [str(cell) for table in page.table for cell in table.value.to_numpy().ravel()]
    links = [f"{link.proto.label} {link.proto.page} {link.proto.query_string}" for link in page.get("page_link")]
    return "\n".join([*words, *cells, *links]).replace("\\", "").replace("\u2060", "")


@pytest.fixture
def empty_home(tmp_path):
    """A home as `paperlab db upgrade` leaves it."""
    open_or_create(filled.settings(tmp_path)).dispose()
    return tmp_path


@pytest.mark.parametrize("name", PAGES)
def test_every_page_works_on_an_empty_database(view, empty_home, name):
    page = view(name, empty_home)
    assert not page.exception
    assert not page.error
    assert page.title


@pytest.mark.parametrize(("name", "state"), [(name, {"id": "1706.03762"} if name == "paper" else {}) for name in PAGES])
def test_without_a_database_a_page_says_which_command_makes_one(view, tmp_path, name, state):
    page = view(name, tmp_path, **state)
    assert not page.exception
    if name not in ("run", "compare", "samples"):  # without an id there is nothing to look up
        assert "paperlab db upgrade" in said(page)
    assert not (tmp_path / "paperlab.db").exists(), "looking creates nothing"


def test_an_old_schema_is_refused_with_the_command_that_helps(view, empty_home):
    with sqlite3.connect(empty_home / "paperlab.db") as database:
        database.execute("UPDATE alembic_version SET version_num = '9999'")
    database.close()
    page = view("today", empty_home)
    assert not page.exception
    assert "9999" in said(page)


def test_a_damaged_database_is_an_error_in_words(view, tmp_path):
    (tmp_path / "paperlab.db").write_bytes(b"this is no database" * 100)
    page = view("papers", tmp_path)
    assert not page.exception
    assert "no SQLite database" in said(page)


def test_an_empty_home_says_which_commands_fill_it(view, empty_home):
    assert "paperlab sync" in said(view("today", empty_home))
    assert "paperlab reproduce" in said(view("today", empty_home))


def test_today_shows_new_relevant_papers_with_their_terms_and_the_receipt(view, filled_home):
    page = view("today", filled_home)
    assert not page.exception
    words = said(page)
    assert "On the study number 2 of language models" in words
    assert "language model*" in words
    assert "59 new · 1 revised" in words
    assert [metric.value for metric in page.metric] == ["59", "58", "1", "0"]
    assert filled.STOPPED in words


def test_today_counts_revisions_apart_from_arrivals(view, filled_home):
    words = said(view("today", filled_home))
    assert "2611.00001v2" in words.partition("Revised")[2]


def test_todays_span_comes_from_the_address(view, filled_home):
    assert view("today", filled_home, since="30 days").metric[0].value == str(60 + LANDMARKS)


def test_papers_are_searched_by_text_category_profile_and_date(view, filled_home):
    assert "1 paper," in said(view("papers", filled_home, q="STUDY number 17 "))
    assert "30 papers" in said(view("papers", filled_home, category="cs.CV"))
    assert "59 papers" in said(
        view("papers", filled_home, profile="llm", since=f"{filled.NOW - timedelta(days=9):%Y-%m-%d}")
    )


def test_papers_are_paged_and_the_page_is_in_the_address(view, filled_home):
    first, third = view("papers", filled_home), view("papers", filled_home, page="3")
    assert "shown 1 to 25" in said(first)
    assert f"shown 51 to {60 + LANDMARKS}" in said(third)


def test_a_page_behind_the_last_one_shows_the_last(view, filled_home):
    assert f"shown 51 to {60 + LANDMARKS}" in said(view("papers", filled_home, page="99"))
    assert not view("papers", filled_home, page="many").exception


def test_an_identifier_leads_to_its_paper_or_to_the_command_that_brings_it(view, filled_home):
    assert "Go to 1706.03762" in said(view("papers", filled_home, q="arXiv:1706.03762"))
    assert "paperlab papers add 2401.00001" in said(view("papers", filled_home, q="2401.00001"))


def test_hostile_text_is_escaped_wherever_markdown_is_read(view, filled_home):
    for name, state in (("papers", {}), ("paper", {"id": "2611.00060"}), ("run", {"id": filled.STOPPED})):
        page = view(name, filled_home, **state)
        labels = [link.proto.label for link in page.get("page_link")]
        texts = [str(element.value) for kind in (page.title, page.markdown, page.caption) for element in kind]
        cells = [str(cell) for table in page.table for cell in table.value.to_numpy().ravel()]
        for words in (*labels, *texts, *cells):
            assert "<script>" not in words
            assert "](javascript" not in words
            assert ":material/" not in words


def test_a_paper_leads_to_claims_runs_curves_and_samples(view, filled_home):
    page = view("paper", filled_home, id="1706.03762")
    assert not page.exception
    assert not page.error
    words = said(page)
    assert "https://arxiv.org/abs/1706.03762" in words
    assert "table 2" in words
    assert "not-attempted" in words
    assert f"run id={filled.FINISHED}" in words
    assert "zweiundvierzig" in words
    assert len(page.get("plotly_chart")) >= 3


def test_a_paper_without_claims_says_so_and_keeps_its_lines(view, filled_home):
    page = view("paper", filled_home, id="2611.00001")
    assert "No claims of this paper are recorded" in said(page)
    assert "We look at number 1.\nIt has two lines & a < b." in [text.value for text in page.text]
    assert "2 versions seen" in [expander.label for expander in page.expander] or "v2" in said(page)


@pytest.mark.parametrize(
    ("asked", "answer"), [("2401.00001", "paperlab papers add 2401.00001"), ("nonsense", "not an arXiv identifier")]
)
def test_a_paper_that_is_not_there_is_an_error_in_words(view, filled_home, asked, answer):
    page = view("paper", filled_home, id=asked)
    assert not page.exception
    assert answer in said(page)


def test_reproductions_show_tiers_needs_commands_and_runs(view, filled_home):
    words = said(view("reproductions", filled_home))
    assert "paperlab reproduce transformer-base --tier smoke" in words
    assert "a CUDA GPU" in words
    assert filled.FINISHED in words
    assert "not-attempted" in words


def test_a_reproduction_says_whether_its_code_was_checked_here(view, filled_home, monkeypatch):
    assert "paperlab claims check --kind structural" in said(view("reproductions", filled_home, name="attention"))
    measured = Measurement(None, None, None, None, None, "f", "", "", "", "parameters", 5.0, "", None, {})
    monkeypatch.setattr("paperlab.dashboard.data.structural_check", lambda _: structure.Check("f", (measured,)))
    words = said(view("reproductions", filled_home, name="attention"))
    assert "✔ checked here]: 1 quantity" in words
    assert "--self-test-resume" in words


def test_a_run_that_failed_shows_its_traceback(view, tmp_path):
    filled.fill(tmp_path, n_papers=2)
    with filled.begin(tmp_path / "runs", filled.TRAINING) as recorder:
        recorder.event("failed", why="no more", traceback="Traceback:\n  File x\nValueError: no more")
    page = view("run", tmp_path, id=filled.TRAINING)
    assert "Traceback:\n  File x\nValueError: no more" in [code.value for code in page.code]
    assert "paperlab reproduce transformer-base --tier smoke" in said(page)


def test_an_unknown_reproduction_is_an_error_in_words(view, filled_home):
    page = view("reproductions", filled_home, name="transfomer")
    assert not page.exception
    assert "did you mean: transformer" in said(page)


def test_a_finished_run_shows_result_provenance_and_places(view, filled_home):
    page = view("run", filled_home, id=filled.FINISHED)
    assert not page.exception
    words = said(page)
    assert "✔ finished" in words
    assert "0.994 share" in words
    assert "section 5.3, equation (3)" in words
    assert "packages.torch" in words
    assert "paper id=1706.03762" in words


def test_samples_are_chosen_by_step_in_the_address(view, filled_home):
    assert "<script>" in said(view("run", filled_home, id=filled.FINISHED, step="25"))
    assert "<script>" not in said(view("run", filled_home, id=filled.FINISHED))


def test_an_interrupted_run_says_how_to_go_on(view, filled_home):
    words = said(view("run", filled_home, id=filled.STOPPED))
    assert "‖ interrupted" in words
    assert "paperlab reproduce transformer-base --tier smoke --seed 1" in words


@pytest.mark.parametrize("asked", ["nope", "../../etc", ".hidden"])
def test_a_run_that_is_not_there_is_an_error_in_words(view, filled_home, asked):
    page = view("run", filled_home, id=asked)
    assert not page.exception
    assert "paperlab runs list" in said(page)


def test_a_training_run_is_followed_from_page_to_page_before_it_is_indexed(view, tmp_path):
    home = tmp_path / "home"
    filled.fill(home, n_papers=2)
    with filled.begin(home / "runs", filled.TRAINING) as recorder:
        filled.learn(recorder, range(1, 30))
        recorder.flush()
        recorder.beat()
        assert f"run id={filled.TRAINING}" in said(view("today", home))
        page = view("run", home, id=filled.TRAINING)
        assert "▶ running" in said(page)
        filled.learn(recorder, range(30, 60))
        recorder.flush()
        assert "shown 61 of 61 points" in page.run().get("plotly_chart")[0].proto.spec


def test_a_run_whose_directory_has_gone_is_shown_from_the_tables(view, tmp_path):
    home = tmp_path / "home"
    filled.fill(home, n_papers=2)
    shutil.rmtree(home / "runs" / filled.FINISHED)
    page = view("run", home, id=filled.FINISHED)
    assert not page.exception
    assert "0.994 share" in said(page)
    assert len(page.get("plotly_chart")) == 4


def test_a_write_by_another_process_is_seen_at_the_next_look(view, tmp_path):
    home = tmp_path / "home"
    filled.fill(home, n_papers=3)
    page = view("papers", home)
    assert f"{3 + LANDMARKS} papers" in said(page)
    settings = filled.settings(home)
    engine = open_or_create(settings)
    filled.sync(engine, settings, [filled.paper(77)], filled.NOW)
    engine.dispose()
    assert f"{4 + LANDMARKS} papers" in said(page.run())
