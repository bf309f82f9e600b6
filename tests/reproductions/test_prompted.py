"""Texts that answer a text: conversations of novels, functions and sessions of Python, sums in words, real sets."""

import ast
import os
import re
from pathlib import Path

import pytest

from reproductions.applications.decoding import calculate
from reproductions.applications.measures import final_answer
from reproductions.data import prompted, python_functions, quoted_turns, word_problems
from reproductions.registry import InvalidInput

TEXTS = Path(os.environ.get("PAPERLAB_TEST_DATA", Path(__file__).parents[3] / "shared" / "data")) / "text"
BOOK = [
    "The First Book.",
    '"Come in," said he, "and sit down."',
    '"I will not."',
    "He was silent.",
    '"Then go!"',
    '"This goes on in the next paragraph.',
    '"And ends here."',
    "“Who is there?”",
    '"Nobody."',
]


def pairs(paragraphs):
    return [(turn, reply) for turn, reply, _ in quoted_turns.pairs(paragraphs)]


def test_a_turn_and_its_reply_are_two_quoted_paragraphs_side_by_side():
    assert pairs(BOOK) == [
        ("Come in, and sit down.", "I will not."),
        ("And ends here.", "Who is there?"),
        ("Who is there?", "Nobody."),
    ]


def test_a_book_ends_a_conversation_and_names_its_pairs():
    paragraphs = ["One.", '"A."', '"B."', quoted_turns.END_OF_BOOK, '"C."', '"D."']
    assert list(quoted_turns.pairs(paragraphs)) == [("A.", "B.", "One."), ("C.", "D.", '"C."')]


def test_a_speech_is_no_turn():
    assert quoted_turns.turn(f'"{"word " * (quoted_turns.MOST_WORDS + 1)}"') is None
    assert quoted_turns.turn('""') is None
    assert quoted_turns.turn("'Tis late,' said he.") is None


def test_functions_are_whole_and_their_modules_are_on_one_side_only():
    functions = python_functions.functions()
    assert len(functions) > 1000
    assert {function.split for function in functions} == {"train", "val", "test"}
    for function in functions[::50]:
        tree = ast.parse(f"{function.header}\n{function.body}")
        assert ast.get_docstring(tree.body[0])
        assert function.header.endswith(('"', "'"))
    assert len({(function.header, function.body) for function in functions}) == len(functions)


@pytest.mark.parametrize(
    ("body", "accepted"),
    [
        ("    return 1", True),
        ("", False),  # a docstring alone is a function for Python, and no body
        ("    return (", False),
        ("    return 1\nimport os", False),
        ("    x = '\0'", False),
        ("    return " + "(" * 500, False),
    ],
)
def test_a_body_is_accepted_by_the_parser_or_not(body, accepted):
    assert python_functions.is_function('def f():\n    """Does it."""', body) is accepted


def test_docstrings_and_sessions_have_two_sides():
    docstrings, sessions = python_functions.docstrings(), python_functions.sessions()
    assert len(docstrings) > 500
    assert len(sessions) > 200
    assert all(each.summary and each.rest and each.summary not in each.rest for each in docstrings[:5])
    assert len({each.statement for each in sessions}) == len(sessions)
    assert not any(each.statement.startswith(">>>") for each in sessions)


def test_word_problems_are_worked_right_and_no_question_is_in_two_splits():
    of = {split: list(word_problems.problems(split, 300)) for split in ("train", "val", "test")}
    assert list(word_problems.problems("val", 300)) == of["val"]
    questions = {split: {problem.question for problem in found} for split, found in of.items()}
    assert not questions["train"] & questions["test"]
    assert not questions["train"] & questions["val"]
    for problem in of["train"]:
        steps = re.findall(r"<<([^=]+)=([^>]+)>>", problem.solution)
        assert steps
        assert all(calculate(expression) == value for expression, value in steps)
        assert final_answer(problem.solution) == steps[-1][1]
        assert int(steps[-1][1]) > 0


def test_an_unknown_set_is_refused_with_those_that_there_are(tmp_path):
    with pytest.raises(InvalidInput, match="no prompted texts") as error:
        prompted.Examples("cnn", tmp_path, None, print)
    assert "scitldr" in error.value.hint


@pytest.mark.skipif(not (TEXTS / "scitldr").is_dir(), reason="the shared texts are not here")
def test_scitldr_has_its_papers_and_summaries(tmp_path):
    examples = prompted.Examples("scitldr", tmp_path, str(TEXTS), lambda _: None)
    sizes = {split: len(found) for split, found in examples.splits.items()}
    assert sizes["train"] + sizes["val"] == 1992
    assert sizes["test"] == 619
    # The paper counts 1,452 in dev; the released file has one more.
    assert sum(len(example.references) for example in examples.splits["test"]) == 1453
    assert all(example.target == f" {example.references[0]}" for example in examples.splits["train"])


@pytest.mark.skipif(not (TEXTS / "gsm8k").is_dir(), reason="the shared texts are not here")
def test_gsm8k_has_its_problems_and_the_calculator_agrees_with_their_annotations(tmp_path):
    examples = prompted.Examples("gsm8k", tmp_path, str(TEXTS), lambda _: None)
    assert len(examples.splits["train"]) + len(examples.splits["val"]) == 7473
    assert len(examples.splits["test"]) == 1319
    annotations = [
        pair for example in examples.splits["val"] for pair in re.findall(r"<<([^=]+)=([^>]+)>>", example.target)
    ]
    computed = [(calculate(expression), value.replace(",", "")) for expression, value in annotations]
    close = [
        found is not None and abs(float(found) - float(value)) < 0.01 for found, value in computed if _is_number(value)
    ]
    assert sum(close) / len(annotations) > 0.98  # the rest is rounded, or has units in it
    assert all(final_answer(example.target) for example in examples.splits["test"])


def _is_number(text):
    return re.fullmatch(r"-?\d*\.?\d+", text) is not None
