"""README.md and docs/ tell the truth: every command parses, every link and every named file exists."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest
import typer
from typer.core import TyperCommand, TyperGroup

from paperlab.cli.main import command_line

ROOT = Path(__file__).parents[1]
PAGES = sorted([ROOT / "README.md", ROOT / "CONTRIBUTING.md", *(ROOT / "docs").glob("*.md")])
MAKE_TARGETS = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))


def commands(text: str) -> list[str]:
    """Each `paperlab ...` in a code span or a code block, comments cut off."""
    spans = re.findall(r"`(paperlab [^`\n]+)`", text)
    blocks = [
        line.partition("  #")[0].strip()
        for block in re.findall(r"```sh\n(.*?)```", text, re.DOTALL)
        for line in block.splitlines()
    ]
    return spans + [line for line in blocks if line.startswith("paperlab ")]


@pytest.fixture(scope="module")
def tree() -> TyperCommand | TyperGroup:
    return typer.main.get_command(command_line())


def parse(line: str, tree: TyperCommand | TyperGroup) -> None:
    """Walk the words of a command down the command tree; unknown commands and options raise."""
    command = tree
    words = shlex.split(line)[1:]
    while isinstance(command, TyperGroup) and words and not words[0].startswith("-"):
        child = command.get_command(typer.Context(command), words[0])
        if child is None:
            raise AssertionError(f"{line!r}: no command {words[0]!r}")
        command, words = child, words[1:]
    known = {name for parameter in command.params for name in parameter.opts} | {"--help"}
    unknown = [word for word in words if word.startswith("--") and word.partition("=")[0] not in known]
    assert not unknown, f"{line!r}: unknown options {unknown}"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_command_that_is_named_exists(page, tree):
    for line in commands(page.read_text(encoding="utf-8")):
        for alternative in line.replace("|", " | ").split(" && "):
            first, *others = re.split(r"\s\|\s", alternative)
            parse(first, tree)
            prefix = shlex.split(first)[:-1]
            for other in others:
                parse(shlex.join(prefix) + " " + other, tree)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_relative_link_leads_somewhere(page):
    for target in re.findall(r"\]\((?!https?:|#)([^)#]+)", page.read_text(encoding="utf-8")):
        assert (page.parent / target).exists(), f"{page.name} links to {target}"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_make_target_that_is_named_exists(page):
    named = set(re.findall(r"\bmake ([a-z]+)\b(?=`|\s+#|$| [A-Z]+=)", page.read_text(encoding="utf-8"), re.MULTILINE))
    assert named <= MAKE_TARGETS


def test_every_promise_of_the_coverage_page_has_a_state_a_command_and_a_test():
    text = (ROOT / "docs" / "coverage.md").read_text(encoding="utf-8")
    rows = [line.strip("| ").split(" | ") for line in text.splitlines() if re.match(r"\| (?!what|---)", line)]
    assert len(rows) >= 20
    for row in rows:
        what, state, command, test = (cell.strip() for cell in row)
        assert state in {"yes", "in part", "not yet"}, what
        if state == "not yet":
            continue
        assert command.startswith("`"), what
        for path in re.findall(r"`(tests/[^`:]+)", test):
            assert (ROOT / path).exists(), f"{what}: {path}"
        assert "tests/" in test, what
