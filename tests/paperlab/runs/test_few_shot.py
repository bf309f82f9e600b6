"""Examples before a prompt: what the model reads, which examples it gets, and files that are none."""

from __future__ import annotations

import json
from collections import Counter

import pytest

from paperlab.errors import InvalidInput
from paperlab.runs import few_shot

WORDS = [("cheese", "Käse"), ("bread", "Brot"), ("dog", "Hund"), ("snow", "Schnee"), ("house", "Haus")]


@pytest.fixture
def file(tmp_path):
    """Writes the lines and gives the path."""

    def write(*values):
        path = tmp_path / "task.jsonl"
        path.write_text("\n".join(value if isinstance(value, str) else json.dumps(value) for value in values) + "\n")
        return path

    return write


@pytest.fixture
def task(file):
    head = {"description": "Translate English to German:\n"}
    return few_shot.read(file(head, *({"context": f"{a} =>", "completion": f" {b}"} for a, b in WORDS)))


def test_the_model_reads_description_examples_and_the_prompt_as_they_stand(task):
    (prompt,) = few_shot.prompts(task, ["cat =>"], 2, seed=0)
    first, second = prompt.examples
    assert prompt.text == (
        f"Translate English to German:\n{first.context}{first.completion}\n{second.context}{second.completion}\ncat =>"
    )
    assert prompt.asked == "cat =>"
    assert few_shot.prompts(task, ["cat =>"], 0, seed=0)[0].text == "Translate English to German:\ncat =>"


def test_each_prompt_draws_its_own_examples_and_the_same_seed_draws_the_same(task):
    asked = ["cat =>"] * 40
    found = few_shot.prompts(task, asked, 3, seed=1)
    assert found == few_shot.prompts(task, asked, 3, seed=1)
    assert found[:7] == few_shot.prompts(task, asked[:7], 3, seed=1)
    assert found != few_shot.prompts(task, asked, 3, seed=2)
    assert all(len({example.line for example in prompt.examples}) == 3 for prompt in found)
    assert len({tuple(example.line for example in prompt.examples) for prompt in found}) > 10
    assert set(Counter(example.line for prompt in found for example in prompt.examples)) == {2, 3, 4, 5, 6}


def test_the_answer_to_the_prompt_is_never_among_its_examples(task):
    for prompt in few_shot.prompts(task, ["dog =>"] * 20, 4, seed=0):
        assert "dog" not in prompt.text.removesuffix("dog =>")
    with pytest.raises(InvalidInput, match="5 examples are asked for, and there are 4 besides"):
        few_shot.prompts(task, ["cat =>", "dog =>"], 5, seed=0)


def test_a_file_may_name_its_delimiter_and_have_empty_lines(file):
    found = few_shot.read(file({"delimiter": "\n\n"}, "", {"context": "Q: a\nA:", "completion": " b"}, ""))
    assert (found.description, found.delimiter) == ("", "\n\n")
    assert few_shot.prompts(found, ["Q: c\nA:"], 1, seed=0)[0].text == "Q: a\nA: b\n\nQ: c\nA:"


@pytest.mark.parametrize(
    ("lines", "what"),
    [
        (("{",), "line 1 of .* is not JSON"),
        (("[1]",), "line 1 of .* is not an object"),
        ((), "has no examples"),
        (({"description": "x"},), "has no examples"),
        (({"context": "a", "completion": "b"}, {"context": "a"}), "line 2 of .* lacks completion"),
        (({"context": "a", "completion": "b"}, {"description": "late"}), "line 2 of .* has description"),
        (({"context": "a", "completion": "b", "label": "c"},), "line 1 of .* has label"),
        (({"context": "a", "completion": 3},), "line 1 of .* has a completion that is no text"),
        (({"delimiter": ""}, {"context": "a", "completion": "b"}), "line 1 of .* has an empty delimiter"),
    ],
)
def test_a_file_that_is_no_task_says_which_line_is_wrong(file, lines, what):
    with pytest.raises(InvalidInput, match=what):
        few_shot.read(file(*lines))


def test_a_file_that_is_not_there_or_no_text_is_named(tmp_path):
    with pytest.raises(InvalidInput, match="can't be read"):
        few_shot.read(tmp_path / "nothing.jsonl")
    (tmp_path / "bytes.jsonl").write_bytes(b"\xff\xfe")
    with pytest.raises(InvalidInput, match="is not UTF-8"):
        few_shot.read(tmp_path / "bytes.jsonl")
