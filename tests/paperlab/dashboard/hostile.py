"""A home in which every field that comes from outside is hostile: papers, links, runs, samples, receipts, notes."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

from paperlab.arxiv_id import ArxivId
from paperlab.entities import (
    AlertKind,
    CodeLink,
    Decision,
    DecisionKind,
    LinkKind,
    LinkRole,
    Paper,
    ReceiptStatus,
    ReportedResult,
    Verdict,
    VerdictKind,
)
from paperlab.library import profiles, reading, watchlists
from paperlab.library.database import open_or_create
from paperlab.runs import indexer
from paperlab.store import (
    alerts,
    code_links,
    database,
    decisions,
    gaps,
    queue,
    receipts,
    reported_results,
    verdicts,
)
from reproductions.run_directory import Recorder
from tests.paperlab.dashboard import filled

MARKUP = (
    "<script>window.ran=1</script><img src=http://evil.example/1.png onerror=window.ran=2> "
    "[link](javascript:window.ran=3) ![image](http://evil.example/2.png) <http://evil.example/3> "
    "http://evil.example/4 www.evil.example x@evil.example <svg/onload=window.ran=4> "
    "**b** _i_ ~~s~~ `c` :red[hot] :material/home: :smile: -> <- | a | b | [^1] <b>bold</b> {{x}} %{y}"
)
BLOCKS = "# heading\n\n- list\n\n> quote\n\n    code\n\n```\nfence\n```\n\n|a|b|\n|-|-|\n|c|d|\n\n---\n<details open>"
ENTITIES = (
    "&lt;script&gt;window.ran=5&lt;/script&gt; &#60;img src=http://evil.example/5.png&#62; "
    "&amp;amp; &nbsp;&ZeroWidthSpace;"
)
FORMULAS = (
    r"$\href{javascript:window.ran=6}{x}$ $\includegraphics{http://evil.example/6.png}$ $\url{http://evil.example/7}$ "
    r"$\def\x{\x\x}\x$ $\newcommand{\a}{\a\a}\a$ $\rule{9999em}{9999em}$ $\htmlData{x=y}{z}$ $$\kern9999em x$$ \(x\) "
    + "$"
    + r"\frac{" * 40
    + "x"
    + "}{y}" * 40
    + "$ $"
    + "x_{" * 200
    + "y"
    + "}" * 200
    + "$ $"
    + r"\sqrt{x}" * 40
    + "$"
)
TURNED = (
    "\u202etxt.exe\u202c \u2066a\u2069 \u061cb \u200bz\u200be\u200br\u200bo\ufeff "
    "\u00ads\u00ado\u00adf\u00adt \U000e0041tag"
)
STACKED = "a" + "\u0301\u0489\u0334" * 300 + " \ufdfd" * 20
CONTROLS = "nul\x00 escape\x1b[31m bell\x07 tab\there\r\nline\u2028line\x85line"
ENDLESS = "W" * 100_000
REPEATED = "a " * 50_000
BOMB = "$" + "{" * 500_000 + "x" + "}" * 500_000 + "$"

MIXED = "\n".join((BLOCKS, ENTITIES, TURNED, STACKED, CONTROLS))

EVERY = (MARKUP, MIXED, FORMULAS, ENDLESS, REPEATED, BOMB)
SHORT = " ".join((MARKUP, ENTITIES, TURNED, CONTROLS))
PAPERS = tuple(f"2611.{number:05d}" for number in range(1, len(EVERY) + 1))
RUN = "20261120-093001 <img src=x onerror=window.ran=7> [a](javascript:window.ran=8) $x$ \u202eb`c"
STOPPED = "20261121-093001 " + "w" * 200
HALF = "20261119-093001-half-a-character"
"""Its record has half a character in it, which no database takes: it is known by its directory alone."""
NOW = filled.NOW


def fill(home: Path) -> None:
    """One paper for each kind of text, with that text in every field; two runs; receipts, gaps, notes, a queue."""
    home.mkdir(parents=True, exist_ok=True)
    settings = filled.settings(home)
    engine = open_or_create(settings, lambda: NOW - timedelta(days=3))
    everything = [_paper(arxiv_id, text) for arxiv_id, text in zip(PAPERS, EVERY, strict=True)]
    filled.sync(engine, settings, everything, NOW - timedelta(days=1))
    filled.sync(engine, settings, [_revised(paper) for paper in everything], NOW - timedelta(hours=1))
    with database.session(engine) as session:
        profiles.record(session, settings.profiles, everything)
        for paper, text in zip(everything, EVERY, strict=True):
            _around(session, paper, text)
        _elsewhere(session)
    _runs(settings.runs_dir)
    indexer.index(engine, settings.runs_dir)
    engine.dispose()


def _paper(arxiv_id: str, text: str) -> Paper:
    return Paper(
        arxiv_id=arxiv_id,
        version=1,
        title=text,
        abstract=f"{text}\n{MARKUP}\nlanguage model",
        authors=(text[:200_000], *([SHORT] * 30)),
        categories=("cs.CL", *(f"{SHORT[:200]} {n}" for n in range(30))),
        primary_category="cs.CL",
        submitted_at=NOW - timedelta(hours=2),
        updated_at=NOW - timedelta(hours=2),
        comment=text,
        journal_ref=text,
        doi=text,
    )


def _revised(paper: Paper) -> Paper:
    return replace(paper, version=2, title=f"new {paper.title}", abstract=f"{paper.abstract} and more {SHORT}")


def _around(session: database.Session, paper: Paper, text: str) -> None:
    arxiv_id, cut = paper.arxiv_id, text[:5000]
    urls = (f"javascript:window.ran=9//{cut}", f"https://evil.example/{cut}", "https://evil.example/)](javascript:1)")
    links = [CodeLink(arxiv_id, url, SHORT, LinkKind.REPOSITORY, LinkRole.OWN) for url in urls]
    code_links.add(session, links, NOW)
    reported_results.add(session, [ReportedResult(SHORT, cut, cut, cut, cut, cut, 1.0, arxiv_id)], NOW)
    ids = [ArxivId.parse(arxiv_id)]
    reading.star(session, ids, NOW)
    reading.tag(session, ids, ["<b>tag</b> [x](javascript:1) $x$"], NOW)
    reading.add_note(session, ids[0], text[:9000], NOW)
    gaps.note(session, f"2611.9{arxiv_id[-4:]}", 1, source=SHORT, reason=text, now=NOW)
    news = alerts.News(arxiv_id, AlertKind.REPLACED, 2, {"title": text, "because": [SHORT], "changed": [SHORT]})
    alerts.raise_new(session, [news], NOW)


def _elsewhere(session: database.Session) -> None:
    watchlists.add(session, "bad", '"<img src=http://evil.example/8.png>"', NOW)
    started = receipts.start(
        session, source="query-api", kind="nightly", query=SHORT, cursor=None, process={"pid": 1}, now=NOW
    )
    failed = replace(started, status=ReceiptStatus.FAILED, reason=SHORT + ENDLESS, finished_at=NOW, requests=3)
    receipts.save(session, failed)
    why = {"measurements": [{"run": RUN}, {"run": STOPPED}]}
    for at, text in enumerate(EVERY):
        verdict = Verdict(f"claim {at} {text[:3000]}", VerdictKind.DIFFERS, text)
        verdicts.append_if_changed(session, verdict, why, NOW)
        decision = Decision(verdict.claim_id, DecisionKind.RETRACTED, text, "x", NOW, decided_by=text[:3000])
        decisions.append(session, decision)
    queue.add(session, queue.Wanted(SHORT, SHORT, 1, {SHORT: SHORT}), NOW)


def _runs(runs_dir: Path) -> None:
    for run_id, is_finished in ((RUN, True), (STOPPED, False), (HALF, False)):
        (runs_dir / run_id).mkdir(parents=True)
        with Recorder(runs_dir / run_id) as recorder:
            recorder.describe(_record(run_id))
            recorder.event("started", why=SHORT)
            for step in (1, 2, 3):
                recorder.step = step
                recorder.metrics({"train/loss": 3.0 / step, f"val/{SHORT}": 1.0 * step, ENDLESS[:3000]: 1.0}, step)
            for text in EVERY:
                recorder.sample(step=3, source=text, output=text + "!", reference=text, decoding={SHORT: SHORT})
            svg = f'<svg xmlns="http://www.w3.org/2000/svg" onload="window.ran=10">{_outside()}</svg>'
            recorder.artifact(f"{SHORT}.svg", svg.encode())
            recorder.artifact("attention.svg", b"<svg" + b"<g>" * 20_000)
            recorder.artifact(f"{SHORT[:100]}.png", b"\x89PNG\r\n\x1a\n broken")
            recorder.event("artifact", name=SHORT, file="../../../../etc/passwd", bytes=1, sha256="x")
            if is_finished:
                recorder.event("finished", note=SHORT)
                recorder.result([_measurement()], seconds=9.0)
            else:
                recorder.event("failed", error=SHORT + ENDLESS, traceback=CONTROLS + ENDLESS)
    record = runs_dir / HALF / "run.json"
    record.write_text(record.read_text().replace('"HALF"', json.dumps("\ud800 half a character")))
    with (runs_dir / HALF / "events.jsonl").open("a") as events:
        events.write(json.dumps({"event": "\ud800 half", "time": 1.0, "step": 3, "attempt": 1}) + "\n")


def _outside() -> str:
    return (
        '<image href="http://evil.example/9.png"/><script>window.ran=11</script>'
        "<foreignObject><iframe xmlns='http://www.w3.org/1999/xhtml' src='http://evil.example/10'/></foreignObject>"
    )


def _record(run_id: str) -> dict[str, object]:
    return {
        "id": run_id,
        "reproduction": SHORT,
        "recipe": f"$(touch /tmp/ran); {SHORT}",
        "tier": f"`touch /tmp/ran` {SHORT[:300]}",
        "seed": 1,
        "overrides": {SHORT: SHORT, "a'b; rm -rf x": ENDLESS},
        "recipe_values": {
            "train": {"max_steps": 3},
            SHORT: {SHORT: SHORT},
            "long": ENDLESS,
            "places": {f"{SHORT}.{SHORT}": SHORT, "long": ENDLESS},
        },
        "fingerprint": SHORT,
        "command": [SHORT, ENDLESS],
        "created_at": (NOW - timedelta(hours=2)).isoformat(),
        "predicted": None,
        "provenance": {"device": SHORT, "commit": ENDLESS, SHORT: SHORT, "diff": BOMB, "half": "HALF"},
    }


def _measurement() -> dict[str, object]:
    return {
        "claim": SHORT,
        "task": SHORT,
        "dataset": SHORT,
        "split": SHORT,
        "metric": SHORT,
        "value": 0.5,
        "unit": SHORT,
        "n": 500,
        "protocol": {SHORT: SHORT, "long": ENDLESS},
        "signature": SHORT + ENDLESS,
    }
