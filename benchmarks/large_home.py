"""A home as years of use leave it: papers, nights of receipts, a pile, and claims that many seeds have measured.

Comes after benchmarks/runs.py, which makes the run directories and indexes them.  Everything is written through the
functions that the commands use, but for what the finished runs measured: their directories say that made-up numbers
belong to no claim, and only the tables of this home are told otherwise, so that judging has its real load.
What is there already is left as it is.
"""

from __future__ import annotations

import json
import random
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import sqlalchemy as sa

from benchmarks import corpus, search
from paperlab.arxiv_id import ArxivId
from paperlab.entities import AlertKind, Claim, ClaimKind, Measurement, ReceiptStatus, RunStatus
from paperlab.library import claims, imports, landmarks, ranking, reading, watchlists
from paperlab.runs import judging
from paperlab.settings import Settings
from paperlab.store import alerts, database, papers, queue, receipts, reported_results, vectorising
from paperlab.store import runs as stored_runs
from paperlab.store.alerts import News
from paperlab.store.papers import PaperFilter
from paperlab.store.queue import Wanted
from reproductions import registry

NOW = datetime(2026, 11, 24, 6, tzinfo=UTC)
"""When benchmarks/search.py says that its papers came in."""
NIGHTS = 730
SOURCES = ("query-api", "rss")
STARS, READ, SKIPPED, NOTES = 300, 2000, 200, 60
TAGS = ("later", "moe", "scaling", "teaching")
WATCHED = (
    "mixture of experts",
    "retrieval",
    "au:wang",
    "cat:cs.CL survey",
    "diffusion",
    "quantization",
    "abs:reasoning",
)
ALERTS, QUEUED = 40, 30
TABLES = ("eff", "nlp-progress", "ogb", "redditsota")
"""Files of reported results."""
_FOUND = 8000


def fill(home: Path, number: int) -> dict[str, int]:
    """Adds what is missing; says what the home holds."""
    settings = Settings(home, f"sqlite:///{home / 'paperlab.db'}")
    engine = database.open_database(settings, create=True)
    with database.read_only(engine) as session:
        held, nights = papers.count(session), len(receipts.latest(session, 1))
    if held < number:
        search.fill(engine, number)
    landmarks.seed(engine, settings, NOW)
    if not nights:
        draw = random.Random(0)
        _nights(engine, draw)
        _pile(engine, draw)
        _results(engine)
        _measured(engine, draw)
        _judged(engine)
        _queued(engine)
    ranking.require_packages()
    with database.read_only(engine) as session:
        vectorising.update(session, settings)
        found = {
            "papers": papers.count(session),
            "runs": stored_runs.count(session),
            "points": int(session.execute(sa.text("SELECT sum(points) FROM run_series")).scalar() or 0),
            "measurements": len(stored_runs.measurements(session)),
            "receipts": len(receipts.latest(session, None)),
            "reported_results": reported_results.count(session),
            "stars": STARS,
        }
    engine.dispose()
    return found


def _nights(engine: database.Engine, draw: random.Random) -> None:
    with database.session(engine) as session:
        for night in range(NIGHTS):
            began = NOW - timedelta(days=NIGHTS - 1 - night)
            for source in SOURCES:
                receipt = receipts.start(
                    session, source=source, kind="nightly", query="cs.CL", cursor=None, process={"pid": 1}, now=began
                )
                new, revised, unchanged = draw.randint(0, 400), draw.randint(0, 200), draw.randint(0, 300)
                missing = draw.choice((0, 0, 0, 0, 0, 0, 0, 0, 0, 3))
                held = new + revised + unchanged
                changes = {
                    "status": ReceiptStatus.PARTIAL if missing else ReceiptStatus.COMPLETE,
                    "finished_at": began + timedelta(seconds=draw.randint(20, 300)),
                    **{"announced": held + missing, "held": held, "new": new, "revised": revised},
                    **{"unchanged": unchanged, "open": missing, "requests": draw.randint(1, 20)},
                }
                receipts.save(session, replace(receipt, **changes))


def _pile(engine: database.Engine, draw: random.Random) -> None:
    with database.session(engine) as session:
        found = papers.find(session, PaperFilter(profile="llm"), _FOUND)
        chosen = [ArxivId.parse(paper.arxiv_id) for paper in draw.sample(found, STARS + READ + SKIPPED)]
        stars, rest = chosen[:STARS], chosen[STARS:]
        reading.star(session, stars, NOW - timedelta(days=20))
        reading.set_read(session, rest[:READ], NOW - timedelta(days=10))
        reading.set_skipped(session, rest[READ:], NOW - timedelta(days=10))
        for at, tag in enumerate(TAGS):
            reading.tag(session, stars[at :: len(TAGS)], [tag], NOW)
        for arxiv_id in stars[:NOTES]:
            reading.add_note(session, arxiv_id, "To be read again beside its predecessor.", NOW)
        for at, query in enumerate(WATCHED):
            watchlists.add(session, f"list-{at}", query, NOW, from_now=True)
        titles = {paper.arxiv_id: paper.title for paper in found}
        replaced = [
            News(
                str(arxiv_id),
                AlertKind.REPLACED,
                2,
                {"title": titles[str(arxiv_id)], "fields": ["abstract"], "why": ["starred"]},
            )
            for arxiv_id in stars[:ALERTS]
        ]
        alerts.raise_new(session, replaced, NOW)


def _results(engine: database.Engine) -> None:
    for name in TABLES:
        imports.import_file(engine, corpus.data_folder() / "arxiv" / "pwc" / f"sota-extractor_{name}.json", NOW)


def _measured(engine: database.Engine, draw: random.Random) -> None:
    """Finished runs are of the code of now, and measured the claims of their recipe and tier near what is reported."""
    of_recipe: dict[tuple[str | None, str | None], list[Claim]] = defaultdict(list)
    for claim in claims.load():
        if claim.recipe is not None and claim.kind in (ClaimKind.VALUE, ClaimKind.BOUND):
            of_recipe[claim.recipe, claim.tier].append(claim)
    code = {key: registry.fingerprint(*map(str, key)) for key in of_recipe}
    with database.session(engine) as session:
        for run in stored_runs.find(session):
            key = (run.recipe, run.tier)
            if run.status is not RunStatus.FINISHED or key not in code:
                continue
            now = replace(run, fingerprint=code[key])
            stored_runs.put(session, now, stored_runs.state(session, run.id) or {})
            stored_runs.set_measurements(session, run.id, [_near(claim, now.id, draw) for claim in of_recipe[key]])


def _near(claim: Claim, run_id: str, draw: random.Random) -> Measurement:
    reported = claim.value or 0.0
    spread = claim.tolerance.value if claim.tolerance is not None else abs(reported) / 50
    return Measurement(
        claim_id=claim.id,
        run_id=run_id,
        recipe=claim.recipe,
        tier=claim.tier,
        seed=None,
        fingerprint="",
        **{name: getattr(claim, name) for name in ("task", "dataset", "split", "metric", "unit")},
        value=draw.gauss(reported, spread),
        n=1000,
        protocol=json.loads(json.dumps(claim.protocol)),
    )


def _judged(engine: database.Engine) -> None:
    everything = claims.load()
    with database.session(engine) as session:
        judging.record(session, everything, judging.judgements(session, everything, {}), now=NOW)


def _queued(engine: database.Engine) -> None:
    names: Sequence[str] = list(registry.recipe_names())
    with database.session(engine) as session:
        for at in range(QUEUED):
            queue.add(session, Wanted(names[at % len(names)], "smoke", seed=at, overrides={}), NOW)
