from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from paperlab.cli import output


class Colour(StrEnum):
    RED = "red"


@dataclass(frozen=True)
class Thing:
    when: datetime
    colour: Colour
    where: Path
    parts: tuple[int, ...]


def test_json_has_one_object_with_utc_times_and_plain_values(capsys):
    output.write_json(Thing(datetime(2026, 11, 23, 6, 15, tzinfo=UTC), Colour.RED, Path("a/b"), (1, 2)))
    assert json.loads(capsys.readouterr().out) == {
        "when": "2026-11-23T06:15:00Z",
        "colour": "red",
        "where": "a/b",
        "parts": [1, 2],
    }


@given(st.text())
def test_no_text_from_outside_can_move_the_cursor_or_break_a_line(text):
    assert output.cell(text).isprintable()


def test_outside_a_terminal_a_table_keeps_every_cell_whole(capsys):
    output.write_table(["id", "title"], [["1706.03762", "x" * 300], ["1", None]])
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split() == ["id", "title"]
    assert lines[1].endswith("x" * 300)
    assert lines[2].split() == ["1", "-"]


def test_talk_goes_to_stderr_and_quiet_silences_it(capsys):
    output.talk("hello")
    output.talk("nobody", quiet=True)
    captured = capsys.readouterr()
    assert (captured.out, captured.err) == ("", "hello\n")
