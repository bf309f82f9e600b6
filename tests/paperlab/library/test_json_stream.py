"""Whatever a file unpacks to, little of it is in memory, and what has no end is refused."""

from __future__ import annotations

import gzip
import io
import tracemalloc

import pytest

from paperlab.errors import InvalidInput
from paperlab.library import json_stream, result_formats


class Endless(io.TextIOBase):
    """A beginning, then one text again and again; it counts what was read."""

    def __init__(self, beginning: str, again: str) -> None:
        self.rest, self.again, self.taken = beginning, again, 0

    def read(self, size: int | None = -1) -> str:
        assert size is not None
        assert size > 0
        endless = self.rest + self.again * (size // len(self.again) + 1)
        piece, self.rest = endless[:size], endless[size:]
        self.taken += size
        return piece


@pytest.mark.parametrize(
    ("beginning", "again", "said"),
    [
        ("", " ", "blanks"),
        ("", "\n", "blanks"),
        ("[", " ", "blanks"),
        ('[{"a": 1}', "\r\n", "blanks"),
        ('{"a": 1}', "\t", "blanks"),
        ('[{"a": "', "x", "longer than"),
        ('[{"a": "', "\N{PILE OF POO}", "longer than"),
        ('{"a": [', "{},", "longer than"),
        ('[{"a":', " ", "longer than"),
        ('[{"a": ', "1", "longer than|beyond reason"),
        ("1.", "5", "longer than"),
        ("[", "[", "nested"),
    ],
)
def test_a_file_without_end_is_refused_after_some_megabytes(beginning, again, said):
    file = Endless(beginning, again)
    tracemalloc.start()
    try:
        with pytest.raises(InvalidInput, match=said) as refused:
            list(json_stream.items(file, "bomb.json"))
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert "bomb.json" in refused.value.message
    assert file.taken <= 16 << 20
    assert peak < 110e6


def test_what_is_just_within_the_bounds_is_read(monkeypatch):
    monkeypatch.setattr(json_stream, "_CHUNK", 7)
    monkeypatch.setattr(json_stream, "LONGEST_ITEM", 100)
    monkeypatch.setattr(json_stream, "MOST_BLANKS", 20)
    longest, longer = "x" * 98, "x" * 99
    assert list(json_stream.items(io.StringIO(f'["{longest}"{" " * 20},{" " * 20}1]'), "x")) == [longest, 1]
    for text in (f'["{longer}"]', f"[{' ' * 21}1]"):
        with pytest.raises(InvalidInput):
            list(json_stream.items(io.StringIO(text), "x"))


def test_an_error_in_the_middle_of_a_large_file_is_named_where_it_stands():
    text = '[{"a": 1},\n{"a": oops},\n' + '{"a": 2},\n' * 600_000 + "]"
    with pytest.raises(InvalidInput, match=r"line 2: Expecting value"):
        list(json_stream.items(io.StringIO(text), "x"))


@pytest.mark.parametrize(
    ("name", "beginning", "again"),
    [
        ("bomb.json.gz", "", " "),
        ("bomb.csv.gz", "", " "),
        ("bomb.csv.gz", "paper_arxiv_id,repo_url\n", ","),
        ("bomb.csv.gz", "paper_arxiv_id,repo_url\n", '"\n",'),
        ("bomb.yml.gz", "", " "),
    ],
)
def test_a_packed_bomb_is_refused_without_being_unpacked(tmp_path, name, beginning, again):
    path = tmp_path / name
    with gzip.open(path, "wt", encoding="utf-8", compresslevel=1, newline="") as file:
        file.write(beginning)
        for _ in range(40):
            file.write(again * ((1 << 20) // len(again)))
    tracemalloc.start()
    try:
        with pytest.raises(InvalidInput, match=r"bomb"), result_formats.opened(path) as source:
            list(source.items)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 110e6
