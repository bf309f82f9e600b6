"""Hostile text in every field that comes from outside is shown as text: nothing acts, and no page grows by it."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from typing import Any

import pytest

from paperlab.dashboard import mathematics
from paperlab.library import claims
from tests.paperlab.dashboard import hostile
from tests.paperlab.dashboard.hostile import HALF, MARKUP, RUN, STOPPED
from tests.paperlab.dashboard.test_views import said

LARGEST = 250_000
"""Bytes of a page's elements, of which the fields that fill it have a hundred million."""

BOTH = f"{RUN},{STOPPED}"
VIEWS: list[tuple[str, dict[str, Any]]] = [
    ("today", {"since": "7 days"}),
    ("papers", {}),
    ("papers", {"q": "evil OR language"}),
    ("papers", {"q": MARKUP, "category": MARKUP, "only": MARKUP, "page": MARKUP}),
    *(("paper", {"id": arxiv_id}) for arxiv_id in hostile.PAPERS),
    ("paper", {"id": MARKUP}),
    ("claims", {}),
    ("trends", {"topics": f"{MARKUP}; evil"}),
    ("reproductions", {}),
    ("runs", {}),
    ("run", {"id": RUN}),
    ("run", {"id": STOPPED}),
    ("run", {"id": HALF}),
    ("run", {"id": MARKUP}),
    ("compare", {"runs": BOTH, "bands": "true"}),
    ("samples", {"runs": [RUN, STOPPED]}),
    ("leaderboard", {}),
    ("sync", {}),
    ("query", {"sql": "SELECT * FROM papers"}),
    ("query", {"sql": MARKUP}),
]

ESCAPED = re.compile(r"\\[!-/:-@\[-`{-~]")
OURS = re.compile(r"\]\(((?:[a-z]+\?[\w%.&=+*~-]*)|https://arxiv\.org/abs/[\w./-]+)\)")
SWATCH = re.compile(r'<span aria-hidden="true" style="color:#[0-9a-f]{6};font-size:1.1rem;line-height:1">■</span>')
DIRECTIVE = re.compile(r":(?:red|green|blue|orange|violet|gray)(?:-badge)?\[")


@pytest.fixture(scope="session")
def hostile_home(tmp_path_factory):
    home = tmp_path_factory.mktemp("hostile") / "home"
    hostile.fill(home)
    return home


def markdown(page) -> Iterator[str]:
    """Every text on the page that Streamlit reads as Markdown."""
    for block in (page.main, page.sidebar):
        for element in _leaves(block):
            if element.type in ("text", "code", "html", "arrow_data_frame", "plotly_chart"):
                continue
            for name in ("label", "body", "help", "caption"):
                if isinstance(value := getattr(element.proto, name, ""), str):
                    yield value
    for table in page.table:
        yield from map(str, table.value.columns)
        yield from (str(cell) for cell in table.value.to_numpy().ravel())
    for shown in page.get("image"):
        yield from (image.caption for image in shown.proto.imgs)


def _leaves(block) -> Iterator[Any]:
    for child in block.children.values():
        if hasattr(child, "children"):
            yield from _leaves(child)
        yield child


def acting(text: str) -> str:
    """What of a Markdown text acts beyond the links, colours and emphasis that the pages themselves write."""
    bare = ESCAPED.sub("", text)
    pieces = re.split(r"\$", bare)
    if any(not mathematics.is_harmless(formula) for formula in re.split(r"(?<!\\)\$", text)[1::2]):
        return text
    bare = DIRECTIVE.sub("", OURS.sub("", "".join(pieces[::2])))
    found = re.search(r"<|`|!\[|\]\(|://|www\.|javascript:|\n|:[a-z_-]+\[|:[a-z_/]+:|\||&", bare)
    return "" if found is None else bare[max(found.start() - 40, 0) : found.end() + 40]


def weight(page) -> int:
    return sum(
        element.proto.ByteSize() for element in _leaves(page.main) if hasattr(getattr(element, "proto", 0), "ByteSize")
    )


@pytest.mark.parametrize(("name", "state"), VIEWS, ids=[f"{name}-{at}" for at, (name, _) in enumerate(VIEWS)])
def test_nothing_hostile_acts_on_any_page(view, hostile_home, name, state):
    page = view(name, hostile_home, **state)
    assert not page.exception
    assert [found for text in markdown(page) if (found := acting(text))] == []
    assert all(SWATCH.fullmatch(shown.proto.body) for shown in page.get("html"))
    assert weight(page) < LARGEST
    for picture in (image for shown in page.get("image") for image in shown.proto.imgs):
        assert picture.url.startswith("data:image/")


def test_the_check_itself_finds_what_acts():
    for text in (
        MARKUP,
        hostile.BLOCKS,
        hostile.ENTITIES,
        hostile.FORMULAS,
        "[a](https://evil.example)",
        "a :red[b]:smile:",
    ):
        assert acting(text)
    assert not acting(r":green-badge[✔ x] [a\-b](run?id=2%3C) **b** $x^2$ \<script\> costs \$5")


def test_hostile_claims_are_text_too(view, hostile_home, monkeypatch):
    everything = claims.load()
    (first, *_) = [claim for claim in everything if claim.source == "1706.03762"]
    bad = {
        "statement": MARKUP + hostile.ENDLESS,
        "place": {MARKUP: MARKUP},
        "unit": MARKUP,
        "metric": MARKUP,
        "dataset": MARKUP,
    }
    changed = [type(claim)(**{**vars(claim), **bad}) if claim.id == first.id else claim for claim in everything]
    monkeypatch.setattr(claims, "load", lambda: changed)
    for name, state in (("claims", {"source": "1706.03762"}), ("claims", {}), ("paper", {"id": "1706.03762"})):
        page = view(name, hostile_home, **state)
        assert not page.exception
        assert [found for text in markdown(page) if (found := acting(text))] == []
        assert weight(page) < 2 * LARGEST


def test_what_was_hostile_is_still_readable(view, hostile_home):
    words = said(view("paper", hostile_home, id=hostile.PAPERS[0]))
    assert "new <script>window.ran=1</script><img src=http://evil.example/1.png onerror=window.ran=2>" in words
    assert "[link](javascript:window.ran=3) ![image](http://evil.example/2.png)" in words


def test_a_command_to_copy_runs_nothing_that_a_run_brought_along(view, hostile_home):
    page = view("run", hostile_home, id=RUN)
    (command, *_) = [code.value for code in page.code if code.value.startswith("paperlab reproduce")]
    words = shlex.split(command)
    assert words[:2] == ["paperlab", "reproduce"]
    assert words[2].startswith("$(touch /tmp/ran); ")
    assert words[3] == "--tier"
    assert "\x1b" not in command
    assert "\n" not in command
