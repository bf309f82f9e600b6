from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from paperlab.dashboard import text
from tests.paperlab.dashboard.filled import HOSTILE

NOW = datetime(2026, 11, 24, 9, 30, tzinfo=UTC)


def unescaped(markdown: str) -> str:
    """What a Markdown reader shows of escaped text."""
    return re.sub(r"\\([!-/:-@\[-`{-~])", r"\1", markdown).replace("\u2060", "")


@given(st.text())
def test_escaped_text_shows_the_same_characters_on_one_line(words):
    assert unescaped(text.escape(words, 10**6)) == text.plain(words)


@given(st.text(alphabet=st.characters(codec="ascii")))
def test_no_punctuation_is_left_for_markdown_to_read(words):
    assert re.search(r"(?<!\\)(?:\\\\)*[!-/:-@\[\]-`{-~]", re.sub(r"\\[!-/:-@\[-`{-~]", "", text.escape(words))) is None


@pytest.mark.parametrize(
    "live",
    [":material/home:", ":red[hot]", ":smile:", "https://evil.example", "www.evil.example", "a@evil.example", "->"],
)
def test_what_streamlit_looks_for_after_reading_markdown_is_broken_up(live):
    shown = re.sub(r"\\(.)", r"\1", text.escape(f"see {live} there"))
    assert live not in shown
    assert live in shown.replace("\u2060", "")


def test_a_time_of_day_stays_free_of_invisible_characters():
    assert text.escape("at 09:30") == r"at 09\:30"


def test_controls_and_turned_writing_are_dropped():
    assert text.plain("a\x1b[31mb\u202egnp.exe\r\n c") == "a [31mb gnp.exe c"


def test_what_nobody_sees_is_dropped_and_what_scripts_need_stays():
    assert text.plain("\u200bze\ufeffro\u00ad wi\u2060dth \U000e0041") == "zero width"
    assert (
        text.plain("\u0646\u0645\u06cc\u200c\u062e\u0648\u0627\u0647\u0645")
        == "\u0646\u0645\u06cc\u200c\u062e\u0648\u0627\u0647\u0645"
    )


def test_marks_are_not_stacked_without_end():
    assert text.plain("a" + "\u0301" * 1000 + "b") == "a" + "\u0301" * 4 + "b"
    assert text.plain("Vie\u0323\u0302t") == "Vie\u0323\u0302t"


def test_half_a_character_becomes_a_sign_that_can_be_sent():
    assert text.plain("a\ud800b").encode() == "a\ufffdb".encode()


@pytest.mark.parametrize("endless", ["W" * 10**6, "$" * 10**6, "\x00" * 10**6 + "x", "a " * 10**6])
def test_a_text_without_end_is_cut_and_says_so(endless):
    assert len(unescaped(text.escape(endless))) <= text.LONGEST
    assert unescaped(text.escape(endless)).endswith("…")


def test_the_lines_of_an_abstract_are_kept():
    assert text.readable("one\n  two\x00\nthree") == "one\ntwo\nthree"


def test_a_traceback_keeps_its_lines_and_blanks():
    assert text.verbatim("Traceback:\n  File\n\tx\x1b[31m\ud800", 100) == "Traceback:\n  File\n    x [31m\ufffd"
    assert text.verbatim("x" * 50, 10) == "x" * 9 + "…"


def test_a_hostile_title_loses_nothing_but_its_power():
    assert unescaped(text.escape(HOSTILE)) == HOSTILE


@pytest.mark.parametrize(
    ("seconds", "said"),
    [(5, "just now"), (130, "2 min ago"), (3 * 3600, "3 h ago"), (5 * 86400, "5 days ago")],
)
def test_ages_are_said_in_one_unit(seconds, said):
    assert text.age(NOW - timedelta(seconds=seconds), NOW) == said


@pytest.mark.parametrize(("seconds", "said"), [(None, "–"), (42, "42 s"), (185, "3 min 05 s"), (7620, "2 h 07 min")])
def test_durations_are_said_as_people_do(seconds, said):
    assert text.duration(seconds) == said


@pytest.mark.parametrize(
    ("value", "unit", "said"),
    [
        (None, "BLEU", "–"),
        (27.3, "BLEU", "27.3 BLEU"),
        (100000.0, "", "100,000"),
        (0.99400001, "share", "0.994 share"),
        (9876.54, "", "9,876.5"),
        (2.34e19, "FLOP", "2.34e+19 FLOP"),
        (float("inf"), "", "inf"),
    ],
)
def test_numbers_keep_four_digits_and_their_unit(value, unit, said):
    assert text.number(value, unit) == said


def test_nested_tables_become_dotted_paths():
    assert text.fields({"optim": {"lr": 1.0, "betas": [0.9, 0.98]}, "seed": None, "empty": {}}) == {
        "optim.lr": "1.0",
        "optim.betas": "[0.9, 0.98]",
        "seed": "–",
        "empty": "–",
    }


def test_many_authors_are_counted():
    assert text.people(["A", "B", "C"], 2) == "A, B and 1 more"
    assert text.shortened("a long title", 8) == "a long…"
