"""A home with papers, receipts and runs in it, written through the same functions that commands use."""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta
from pathlib import Path

from paperlab import settings as settings_module
from paperlab.entities import Paper, ReceiptStatus
from paperlab.library import claims, profiles
from paperlab.library.database import open_or_create
from paperlab.runs import indexer, judging
from paperlab.settings import Settings
from paperlab.store import database, papers, receipts
from reproductions.run_directory import Recorder

LONG_WORD = "siebenhundertachtundzwanzigtausendfünfhundertneunzig"
"""Nowhere a space: a table has to break it."""
HOSTILE = (
    "<script>alert(1)</script> costs $5 and $\\href{javascript:alert(3)}{x}$ [here](javascript:alert(2)) "
    "![i](http://evil.example/a.png) :material/home: :red[hot] https://evil.example/a"
)
FINISHED = "20261120-093001-transformer-base-smoke-aaaa"
STOPPED = "20261121-093001-transformer-base-smoke-bbbb"
TRAINING = "20261122-093001-transformer-base-smoke-cccc"
CLAIM = "paperlab:smoke:number-words:exact-match"
NOW = datetime.now(UTC).replace(microsecond=0)


def paper(number: int, *, title: str = "", version: int = 1, submitted_at: datetime = NOW) -> Paper:
    return Paper(
        arxiv_id=f"2611.{number:05d}",
        version=version,
        title=title or f"On the study number {number} of language models",
        abstract=f"We look at number {number}.\nIt has two lines & a < b.",
        authors=("Ada Example", "Bob Example", "Cy Example", "Di Example", "Ed Example"),
        categories=("cs.CL", "cs.LG") if number % 2 else ("cs.CV",),
        primary_category="cs.CL" if number % 2 else "cs.CV",
        submitted_at=submitted_at,
        updated_at=submitted_at + timedelta(hours=version),
    )


def settings(home: Path) -> Settings:
    return settings_module.load({"PAPERLAB_HOME": str(home)}, home)


def fill(home: Path, n_papers: int = 60) -> None:
    """Papers (one hostile, one revised), a receipt, a finished and an interrupted run."""
    home.mkdir(parents=True, exist_ok=True)
    loaded = settings(home)
    early = NOW - timedelta(days=3)
    engine = open_or_create(loaded, lambda: early)
    sync(engine, loaded, [paper(1, submitted_at=early)], early)
    arriving = [paper(number, submitted_at=NOW - timedelta(minutes=number)) for number in range(2, n_papers)]
    hostile = paper(n_papers, title=HOSTILE)
    sync(engine, loaded, [*arriving, hostile, paper(1, version=2, submitted_at=early)], NOW - timedelta(hours=1))
    write_run(loaded.runs_dir, FINISHED, steps=300, finished=True)
    write_run(loaded.runs_dir, STOPPED, steps=50, finished=False)
    indexer.index(engine, loaded.runs_dir)
    judge(engine)
    engine.dispose()


def judge(engine: database.Engine) -> None:
    """What the finished run says of the claim that it measured goes to the log."""
    everything = claims.load()
    wanted = [claim for claim in everything if claim.id == CLAIM]
    with database.session(engine) as session:
        judged = judging.judgements(session, wanted, {}, among=everything)
        judging.record(session, wanted, judged, now=NOW)


def sync(engine: database.Engine, loaded: Settings, arriving: list[Paper], now: datetime) -> None:
    with database.session(engine) as session:
        receipt = receipts.start(
            session, source="query-api", kind="nightly", query="cs.CL", cursor=None, process={"pid": 1}, now=now
        )
        counts = papers.upsert(session, arriving, now)
        profiles.record(session, loaded.profiles, arriving)
        numbers = {"new": counts.new, "revised": counts.revised, "unchanged": counts.unchanged}
        held = sum(numbers.values())
        changes = {"status": ReceiptStatus.COMPLETE, "finished_at": now, "announced": held, "held": held, **numbers}
        receipts.save(session, type(receipt)(**{**vars(receipt), **changes}))


def write_run(runs_dir: Path, run_id: str, *, steps: int, finished: bool) -> None:
    with begin(runs_dir, run_id) as recorder:
        learn(recorder, range(1, steps + 1))
        recorder.beat()
        if finished:
            recorder.event("finished")
            recorder.result([measurement()], seconds=75.0)


def begin(runs_dir: Path, run_id: str) -> Recorder:
    """A run that has just started; it is running until the recorder is closed."""
    (runs_dir / run_id).mkdir(parents=True)
    recorder = Recorder(runs_dir / run_id)
    recorder.describe(
        {
            "id": run_id,
            "reproduction": "transformer",
            "recipe": "transformer-base",
            "tier": "smoke",
            "seed": 1,
            "overrides": {},
            "recipe_values": {
                "train": {"max_steps": 300, "average_last": 0},
                "optim": {"lr": 1.0},
                "places": {"optim.lr": "section 5.3, equation (3)"},
            },
            "fingerprint": "f" * 64,
            "command": ["python", "-m", "reproductions", "transformer-base", "--tier", "smoke"],
            "created_at": (NOW - timedelta(hours=2)).isoformat(),
            "predicted": None,
            "provenance": {"device": "cpu", "commit": "abc", "packages": {"torch": "2.13.0"}},
        }
    )
    recorder.event("started")
    return recorder


def learn(recorder: Recorder, steps: range) -> None:
    for step in steps:
        recorder.step = step
        loss = 4 * math.exp(-step / 60) + 0.2 + 0.1 * math.sin(step)
        recorder.metrics({"train/loss": loss, "train/lr": 1e-3 * step, "train/tokens_per_second": 9000.0}, step)
        if step % 25 == 0:
            recorder.metrics({"val/loss": loss + 0.1, "val/exact_match": 1 - math.exp(-step / 80)}, step)
            for word, right in (("forty-two", "zweiundvierzig"), ("seven", LONG_WORD)):
                said = right if step > 100 else HOSTILE
                recorder.sample(step=step, source=word, output=said, reference=right, decoding={"beam": 4})


def measurement() -> dict[str, object]:
    return {
        "claim": CLAIM,
        "task": "translation",
        "dataset": "number-words",
        "split": "test",
        "metric": "exact-match",
        "value": 0.994,
        "unit": "share",
        "n": 500,
        "protocol": {"beam": 4, "length_penalty": 0.6},
    }
