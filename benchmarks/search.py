"""How long do searches and lists take at a million papers?

    python benchmarks/search.py --database /tmp/million [--number 1000000]

Makes the papers first where the folder has none (benchmarks/corpus.py: resampled from real abstracts).  200 queries of
one to three words: each word from one of five bands of frequency, the twenty most common words included; half of those
with several words take them from one paper.  Beside ours, FTS5's own ranking of the same words in the same index.
On a machine that others use too, wall time is theirs as well: every question is asked in three rounds, the figures are
over each question's best round, and each round's own p95 stands beside them with the load.  Writes
benchmarks/results/search.json.
"""

from __future__ import annotations

import argparse
import os
import random
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from typing import Any

import sqlalchemy as sa

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from benchmarks import corpus, record  # noqa: E402
from paperlab import query as language  # noqa: E402
from paperlab.library import papers as library  # noqa: E402
from paperlab.library import profiles, search  # noqa: E402
from paperlab.query import words  # noqa: E402
from paperlab.settings import LLM_PROFILE, Settings  # noqa: E402
from paperlab.store import bulk, database, full_text, matching  # noqa: E402
from paperlab.store.database import Engine, Session  # noqa: E402
from paperlab.store.papers import PaperFilter  # noqa: E402

QUERIES = 200
BANDS = ((0, 20), (20, 100), (100, 1000), (1000, 10_000), (10_000, 40_000))
"""Ranks of words by how many papers have them."""
SAMPLE = 20_000
LIST_LENGTH = 50
ROUNDS = 3
Round = tuple[list[tuple[float, float]], float]
"""Milliseconds of wall and of CPU time of each question, and the load average at the end."""
OTHERS = {
    "phrase": ['"language model"', '"mixture of experts"', '"of the"', '"state of the art"'],
    "prefix": ["transform*", "quant*", "com*", "pro*"],
    "negation": ["attention -transformer", "model -language -large", "-the"],
    "category": ["cat:cs.CL", "attention cat:cs.CL", "model cat:cs.*", '"mixture of experts" cat:cs.CL -survey'],
    "days": ["year:2012 model", "since:2026-01-15 attention", "transformer date:2010-03..2012-07"],
    "authors": ["au:zhang", 'au:"wei zhang"', "attention au:wang"],
    "marks": ["is:starred", "is:starred model", "has:code", "is:starred OR model", "tag:later"],
}


def main() -> None:
    parser = argparse.ArgumentParser(description="Times of searches and lists at a million papers.")
    parser.add_argument("--database", type=Path, required=True, help="a folder for paperlab.db; kept for the next run")
    parser.add_argument("--number", type=int, default=1_000_000)
    parser.add_argument("--out", type=Path, default=ROOT / "benchmarks" / "results")
    arguments = parser.parse_args()
    engine, filled = opened(arguments.database, arguments.number)
    queries = list(mixed_queries(random.Random(0)))
    with database.read_only(engine) as session:
        measured = {
            "papers": session.execute(sa.text("SELECT count(*) FROM papers")).scalar_one(),
            "index": size(session),
            "filling": filled,
            "lists": lists(session),
            "search": compared(session, queries),
            "other_queries": {name: timed(session, texts) for name, texts in OTHERS.items()},
        }
    question = "milliseconds at 1,000,000 papers; bars: p95 <= 60 for 200 queries of 1-3 words, p95 <= 5 for lists"
    path = record.write(arguments.out, "search", question, measured)
    print(path.read_text(encoding="utf-8"))


# --- the database ---------------------------------------------------------------------------------------------


def opened(home: Path, number: int) -> tuple[Engine, dict[str, float] | None]:
    """The database in this folder, made where it is missing; then also what that took."""
    settings = Settings(home, f"sqlite:///{home / 'paperlab.db'}")
    if (home / "paperlab.db").exists():
        return database.open_database(settings), None
    home.mkdir(parents=True, exist_ok=True)
    engine = database.open_database(settings, create=True)
    return engine, fill(engine, number)


def fill(engine: Engine, number: int) -> dict[str, float]:
    """Made papers with their categories, versions, profile matches and index.  CPU seconds of each part."""
    now, matcher = datetime(2026, 11, 24, tzinfo=UTC), profiles.matcher(LLM_PROFILE)
    seconds = Counter[str]()
    source = corpus.papers(number)
    with bulk.connection(engine) as connection:
        while batch := list(islice(source, 20_000)):
            with bulk.session(connection) as session:
                seconds["rows"] -= time.process_time()
                bulk.insert(session, batch, now)
                bulk.insert_matches(session, [match for paper in batch if (match := matcher.match(paper))], batch)
                seconds["rows"] += time.process_time()
                seconds["index"] -= time.process_time()
                full_text.insert(session, batch)
                seconds["index"] += time.process_time()
    return {f"{name}_cpu_s": round(taken, 1) for name, taken in seconds.items()}


def size(session: Session) -> dict[str, float]:
    tables = "SELECT sum(pgsize) FROM dbstat WHERE name LIKE 'full_text%'"
    pages = session.execute(sa.text("SELECT page_count * page_size FROM pragma_page_count, pragma_page_size"))
    whole = pages.scalar_one()
    try:
        index = session.execute(sa.text(tables)).scalar_one()
    except sa.exc.OperationalError:  # this SQLite was built without dbstat
        index = session.execute(sa.text("SELECT sum(length(block)) FROM full_text_data")).scalar_one()
    return {"index_gb": round(index / 1e9, 3), "database_gb": round(whole / 1e9, 3)}


# --- queries --------------------------------------------------------------------------------------------------


def mixed_queries(draw: random.Random) -> Iterator[str]:
    """One to three words each, from all bands of frequency."""
    texts = [set(words.tokens(f"{paper.title} {paper.abstract}")) for paper in corpus.papers(SAMPLE, seed=1)]
    ranked = [word for word, _ in Counter(word for text in texts for word in sorted(text)).most_common()]
    rank = {word: position for position, word in enumerate(ranked)}
    bands = [ranked[low : min(high, len(ranked))] for low, high in BANDS]
    for number in range(QUERIES):
        length = 1 + number % 3
        if length > 1 and draw.random() < 0.5:
            together = sorted(draw.choice(texts), key=rank.__getitem__)
            yield " ".join(draw.sample(together, min(length, len(together))))
        else:
            yield " ".join(draw.choice(draw.choice(bands)) for _ in range(length))


def compared(session: Session, queries: Sequence[str]) -> dict[str, Any]:
    """Ours by relevance and by time, and FTS5's own ranking: all queries each way, as one person's searches come."""
    plain = sa.text("SELECT rowid FROM full_text WHERE full_text MATCH :match ORDER BY rank LIMIT 20")
    ways: dict[str, Callable[[str], object]] = {
        "relevance": lambda text: search.search(session, text),
        "newest": lambda text: search.search(session, text, sort=search.Sort.NEWEST),
        "plain_bm25": lambda text: (
            session.execute(plain, {"match": matching.expression(language.parse(text))}).scalars().all()
        ),
    }
    rounds = {name: rounds_of(way, queries) for name, way in ways.items()}
    taken = {name: best(times) for name, times in rounds.items()}
    slowest = sorted(zip(taken["relevance"], queries, strict=True), reverse=True)[:5]
    return {
        "queries": len(queries),
        **{name: {**quantiles(times), "rounds": told(rounds[name])} for name, times in taken.items()},
        "slowest": {text: round(wall, 1) for (wall, _), text in slowest},
    }


def timed(session: Session, texts: Sequence[str]) -> dict[str, Any]:
    """Each query's best of three, in ms of wall time."""
    taken = best(rounds_of(lambda text: search.search(session, text), texts))
    return {text: round(wall, 1) for text, (wall, _) in zip(texts, taken, strict=True)}


# --- lists ----------------------------------------------------------------------------------------------------


def lists(session: Session) -> dict[str, Any]:
    """The papers and how many there are, as commands and pages ask for them: each kind with a hundred questions."""
    largest = "SELECT category FROM paper_categories GROUP BY category ORDER BY count(*) DESC LIMIT 20"
    categories = session.execute(sa.text(largest)).scalars().all()
    draw = random.Random(0)
    days = [
        datetime(draw.randint(2008, 2026), draw.randint(1, 10), draw.randint(1, 28), tzinfo=UTC) for _ in range(100)
    ]
    kinds = {
        "newest": [PaperFilter()] * 100,
        "category": [PaperFilter(categories=(category,)) for category in categories] * 5,
        "profile": [PaperFilter(profile="llm")] * 100,
        "since": [PaperFilter(since=day) for day in days],
        "category_since": [PaperFilter(categories=(draw.choice(categories),), since=day) for day in days],
        "two_categories": [PaperFilter(categories=tuple(draw.sample(list(categories), 2))) for _ in range(100)],
    }
    every = [(name, each) for name, filters in kinds.items() for each in filters]
    rounds = rounds_of(lambda asked: library.list_papers(session, asked[1], LIST_LENGTH), every)
    taken = best(rounds)
    measured = {
        name: quantiles([times for times, (kind, _) in zip(taken, every, strict=True) if kind == name])
        for name in kinds
    }
    return {"all": {**quantiles(taken), "rounds": told(rounds)}, **measured}


# --- clocks ---------------------------------------------------------------------------------------------------


def clocked(call: Callable[[Any], object], argument: object) -> tuple[float, float]:
    """Milliseconds of wall and of CPU time."""
    wall, cpu = time.perf_counter(), time.process_time()
    call(argument)
    return (time.perf_counter() - wall) * 1e3, (time.process_time() - cpu) * 1e3


def rounds_of(call: Callable[[Any], object], arguments: Sequence[Any]) -> list[Round]:
    """Each argument once a round."""
    return [([clocked(call, each) for each in arguments], os.getloadavg()[0]) for _ in range(ROUNDS)]


def best(rounds: Sequence[Round]) -> list[tuple[float, float]]:
    """Each argument's best round."""
    return [min(times) for times in zip(*(taken for taken, _ in rounds), strict=True)]


def told(rounds: Sequence[Round]) -> list[dict[str, float]]:
    return [{"p95_ms": quantiles(taken)["p95_ms"], "load": round(load, 2)} for taken, load in rounds]


def quantiles(taken: Sequence[tuple[float, float]]) -> dict[str, float]:
    found = {}
    for name, times in (("ms", sorted(wall for wall, _ in taken)), ("cpu_ms", sorted(cpu for _, cpu in taken))):
        found |= {
            f"p50_{name}": round(times[len(times) // 2], 2),
            f"p95_{name}": round(times[int(len(times) * 0.95)], 2),
        }
    return found


if __name__ == "__main__":
    main()
