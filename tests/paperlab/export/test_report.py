"""Pages of a report: everything that is known is there, and nothing on them acts or loads."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import UTC, datetime
from html.parser import HTMLParser

import pytest

from paperlab.dossier import Dossier, Paper, Repetitions
from paperlab.entities import Claim, ClaimKind, MetricPoint, RunStatus, Sample, Tolerance, Verdict, VerdictKind
from paperlab.export import report, report_html
from tests.paperlab.runs import recorded

HOSTILE = '"><img src=//evil.example/a.png onerror=alert(1)>[x](javascript:alert(2))|`a`<!--\u202e http://evil.example'
DOCUMENT = ("html", "head", "meta", "title", "style", "body", "h1", "h2", "h3", "p", "a", "bdi", "div", "span", "pre")
TABLES = ("table", "thead", "tbody", "tr", "th", "td", "details", "summary")
TAGS = {*DOCUMENT, *TABLES, "figure", "svg", "text", "rect", "path", "circle", "g"}


class Page(HTMLParser):
    """Collects what could act."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.attributes: set[str] = set()
        self.links: list[str] = []
        self.text = ""
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.add(tag)
        self.attributes |= {name for name, _ in attrs}
        self.links += [value for name, value in attrs if name == "href"]

    def handle_data(self, data):
        self.text += data


def claim(claim_id: str = "p:t2:bleu", **changes) -> Claim:
    made = Claim(
        id=claim_id,
        source="1706.03762",
        kind=ClaimKind.VALUE,
        place={"table": "2", "row": "base"},
        statement="It reaches 27.3.",
        task="translation",
        dataset="wmt14",
        split="test",
        metric="bleu",
        value=27.3,
        unit="BLEU",
        protocol={"beam": 4},
        tolerance=Tolerance(0.5, "ours: the spread"),
        reproduction="transformer",
        recipe="transformer-base",
        tier="full",
        confidence="verified-in-text",
    )
    return replace(made, **changes)


def dossier(text: str = "a text", **changes) -> Dossier:
    run = recorded.run(1, id="run-1")
    points = tuple(MetricPoint(step, 0.0, "val/loss", 4.0 - step / 10) for step in range(10))
    repeated = Repetitions(
        label=f"transformer-base smoke {text}",
        runs=(run,),
        hardware=text,
        measurements=(recorded.measurement(run, 27.1, metric=text),),
        curves={"val/loss": (points,), "train/loss": (points,)},
        samples=(Sample(9, text, text, text, {}),),
        provenance={text: text},
    )
    held = Verdict("p:t2:bleu", VerdictKind.REPRODUCED, text, 27.2, (27.0, 27.4), 3)
    refused = Verdict("other", VerdictKind.NOT_COMPARABLE, text, differing_fields=("beam", text))
    waiting = Verdict("waiting", VerdictKind.NOT_ATTEMPTED, text)
    claims = (
        (claim(statement=text), held),
        (claim("other"), refused),
        (claim("waiting", value=None, kind=ClaimKind.TREND, relation="rises", tolerance=None), waiting),
    )
    made = Dossier(
        paper=Paper("1706.03762", text, (text,), text, "https://arxiv.org/abs/1706.03762"),
        claims=claims,
        repetitions=(repeated,),
        unfinished=(recorded.run(2, id="run-2", status=RunStatus.INTERRUPTED),),
        left_out=0,
        commands=(f"paperlab reproduce x --set '{text}'",),
        state_at=datetime(2026, 11, 24, 9, 30, tzinfo=UTC),
        charted=("val/loss",),
    )
    return replace(made, **changes)


def test_a_page_has_the_claim_its_place_both_numbers_the_reason_and_how_to_repeat():
    shown = Page(report_html.html(report.page(dossier()))).text
    for expected in (
        *("a text", "table 2, row base", "27.3 ± 0.5 BLEU", "27.2 [27, 27.4]", "3 seeds", "ours: the spread"),
        *("✔ reproduced", "≠ not-comparable", "differs: beam", "beam 4", "Not attempted (1)", "rises"),
        *("run-1", "run-2", "interrupted", "paperlab reproduce x", "As of 2026-11-24 09:30 UTC"),
    ):
        assert expected in shown, expected


def test_markdown_says_the_same():
    text = report.markdown(report.page(dossier()))
    for expected in ("# a text", "27.3 ± 0.5 BLEU", "27.2 \\[27, 27.4\\]", "✔ reproduced", "differs: beam", "run-1"):
        assert expected in text, expected
    assert "![" in text
    assert "](plots/1706.03762-claims.svg)" in text


def test_strangers_text_is_text_in_html():
    text = report_html.html(report.page(dossier(HOSTILE)), home="index")
    page = Page(text)
    assert page.tags <= TAGS
    assert not [name for name in page.attributes if name.startswith("on") or name in ("src", "srcset", "action")]
    assert set(page.links) == {"index.html", "https://arxiv.org/abs/1706.03762"}
    assert "evil.example/a.png onerror" in page.text
    assert "\u202e" not in text
    assert "default-src 'none'" in text


def test_strangers_text_is_text_in_markdown():
    text = report.markdown(report.page(dossier(HOSTILE)))
    prose = "\n".join(line for line in text.splitlines() if not line.startswith("    "))
    for active in (r"<img", r"\]\(javascript", r"`a", r"http://evil", r"<!--"):
        assert not re.search(rf"(?<!\\){active}", prose), active
    (table, *_) = (block for block in text.split("\n\n") if block.startswith("| claim"))
    bars = {line.replace("\\|", "").count("|") for line in table.splitlines()}
    assert bars == {7}  # no cell breaks out of its column


@pytest.mark.parametrize(
    "address", ["javascript:alert(1)", "data:text/html,x", 'https://a"b', "https://a.example/)(", ""]
)
def test_only_plain_web_addresses_are_links(address):
    assert report.link(address) == ""
    assert report.link("https://arxiv.org/abs/1706.03762v7") != ""


def test_the_index_counts_the_verdicts_and_leads_to_every_page():
    pages = [dossier(), dossier(paper=Paper("https://example.org/x y", HOSTILE))]
    contents = Page(report_html.html(report.index(pages)))
    assert contents.links == [f"{report.page_name(each)}.html" for each in pages]
    assert contents.links[0] == "1706.03762.html"
    assert contents.tags <= TAGS


def test_names_of_pages_are_safe_and_their_own():
    names = [report.page_name(dossier(paper=Paper(source, "t"))) for source in ("../../etc", "A/b", "a-b", "..", "é")]
    assert len(set(names)) == 5
    assert all(name.strip(".") and "/" not in name and not name.startswith(".") for name in names)


def test_a_page_without_runs_says_so():
    empty = dossier(repetitions=(), unfinished=(), charted=(), state_at=None)
    assert "No run of its recipes yet." in Page(report_html.html(report.page(empty))).text


def test_the_same_dossier_gives_the_same_bytes():
    assert report_html.html(report.page(dossier())) == report_html.html(report.page(dossier()))
