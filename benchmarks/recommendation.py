"""What do a recommendation and a night cost at 100,000 papers, beside arxiv-sanity-lite's method?

    nice -n 5 python benchmarks/recommendation.py [--papers 100000]

Papers are resampled from real ones (benchmarks/corpus.py).  One thread.  A recommendation is the whole of
`library.ranking.recommend`: stars read from the database, vectors checked and opened, the fit, the scores, the papers
and their words.  "cold" is the command in a new process.  A night brings 1,000 new papers; what comes seldom (weighing
anew, choosing the vocabulary anew) is measured by itself and shared out over the papers between two of them.

arxiv-sanity-lite (compute.py, serve.py) fits its TF-IDF anew on every sync and a LinearSVC on all papers for every
recommendation; its loading of pickles and its database are left out, which favours it.  Both rank in turns with the
same stars; ratios are of process CPU time.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.svm import LinearSVC
from threadpoolctl import threadpool_limits

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from benchmarks import corpus, record  # noqa: E402
from paperlab.entities import Paper  # noqa: E402
from paperlab.library import ranking  # noqa: E402
from paperlab.settings import Settings  # noqa: E402
from paperlab.store import database, papers, reading, vectorising, vectors  # noqa: E402
from paperlab.store.reading import Mark  # noqa: E402

NIGHT, NIGHTS = 1000, 5
STARS = 20
NOW = datetime(2026, 11, 1, tzinfo=UTC)


def main() -> None:
    parser = argparse.ArgumentParser(description="Cost of recommendations and nights at many papers.")
    parser.add_argument("--papers", type=int, default=100_000)
    parser.add_argument("--rounds", type=int, default=15, help="recommendations in turns with the other method")
    parser.add_argument("--data", type=Path, default=corpus.data_folder())
    parser.add_argument("--out", type=Path, default=ROOT / "benchmarks" / "results")
    arguments = parser.parse_args()
    with threadpool_limits(1), tempfile.TemporaryDirectory() as home:
        measured = measure(Path(home), arguments.papers, arguments.rounds, arguments.data)
    question = "recommendation <= 0.2 s warm, night <= 1 s per 1,000 new papers at 100,000; beside arxiv-sanity-lite"
    path = record.write(arguments.out, "recommendation", question, measured)
    print(path.read_text(encoding="utf-8"))


def measure(home: Path, size: int, rounds: int, data: Path) -> dict[str, Any]:
    settings = Settings(home, f"sqlite:///{home / 'paperlab.db'}")
    engine = database.open_database(settings, create=True)
    every = list(corpus.papers(size + NIGHT * NIGHTS, data=data))
    held, coming = every[:size], every[size:]
    take(engine, held, NOW)
    ranking.require_packages()
    before = peak_mb()

    def update(*, rebuild: bool = False) -> vectorising.Update:
        with database.read_only(engine) as session:
            return vectorising.update(session, settings, rebuild=rebuild)

    built = timed(update)
    peak_of_build = peak_mb() - before
    nights = []
    for night in range(NIGHTS):
        take(engine, coming[night * NIGHT : (night + 1) * NIGHT], NOW + timedelta(days=night + 1))
        spent = timed(update)
        assert (spent["result"].read, spent["result"].rebuilt, spent["result"].reweighed) == (NIGHT, False, False)
        nights.append(spent)
    reweighed = reweigh(settings, engine, held[0])

    stars = starred_sets(every, rounds)
    texts = [" ".join([p.title, p.abstract, *p.authors]) for p in every]
    fitted = timed(lambda: arxiv_sanity_lite_features(texts))
    recent, of_all, theirs = [], [], []
    for liked in stars:
        with database.session(engine) as session:
            reading.unmark(session, sorted(reading.marked(session, Mark.STARRED)), Mark.STARRED)
            reading.mark(session, [every[position].arxiv_id for position in liked], Mark.STARRED, NOW)
        with database.read_only(engine) as session:
            month = every[-1].submitted_at - timedelta(days=30)
            recent.append(timed(lambda: ranking.recommend(session, settings, since=month)))  # noqa: B023
            of_all.append(timed(lambda: ranking.recommend(session, settings, since=None)))
        theirs.append(timed(lambda: arxiv_sanity_lite_ranking(fitted["result"], liked)))  # noqa: B023
    per_paper = amortised(nights, reweighed, built, size)
    return {
        "papers": size,
        "entries_per_paper": round(sum(s.entries for s in vectors.load(settings).state.segments) / len(every), 1),
        "recommend_last_30_days": {**spread(recent), "candidates": recent[-1]["result"].candidates},
        "recommend_all": {**spread(of_all), "candidates": of_all[-1]["result"].candidates},
        "recommend_cold_process_s": cold(home),
        "night_of_1000": spread(nights),
        "seldom": {"weigh_anew_s": reweighed, "build_s": round(built["cpu"], 2)},
        "night_of_1000_with_its_share_of_the_seldom_cpu_s": per_paper,
        "vectors_mb_on_disk": round(sum(f.stat().st_size for f in vectors.folder(settings).iterdir()) / 1e6, 1),
        "peak_memory_of_build_mb": round(peak_of_build),
        "arxiv_sanity_lite": {"sync_refit_cpu_s": round(fitted["cpu"], 2), "recommendation": spread(theirs)},
        "times_faster_cpu": {
            "recommendation_last_30_days": ratio(theirs, recent),
            "recommendation_all": ratio(theirs, of_all),
            "sync": round(fitted["cpu"] / per_paper, 1),
        },
    }


def take(engine: database.Engine, arriving: Iterable[Paper], now: datetime) -> None:
    remaining = iter(arriving)
    while batch := list(islice(remaining, 5000)):
        with database.session(engine) as session:
            papers.upsert(session, batch, now)


def starred_sets(every: list[Paper], rounds: int) -> list[np.ndarray]:
    """For each round, STARS papers of one category, another one each time."""
    by_category: dict[str, list[int]] = {}
    for position, paper in enumerate(every):
        by_category.setdefault(paper.primary_category, []).append(position)
    large = [held for _, held in sorted(by_category.items()) if len(held) >= 5 * STARS]
    draw = np.random.default_rng(0)
    return [draw.choice(large[number % len(large)], STARS, replace=False) for number in range(rounds)]


def reweigh(settings: Settings, engine: database.Engine, revised: Paper) -> float:
    """CPU seconds of weighing every row anew, as when the papers have grown by a fifth."""
    growth = vectorising.REWEIGH_GROWTH
    try:
        vectorising.REWEIGH_GROWTH = 1.0
        take(engine, [replace(revised, version=9, abstract=f"{revised.abstract} Revised.")], NOW + timedelta(days=9))
        with database.read_only(engine) as session:
            spent = timed(lambda: vectorising.update(session, settings))
    finally:
        vectorising.REWEIGH_GROWTH = growth
    assert spent["result"].reweighed
    return round(spent["cpu"], 2)


def amortised(nights: list[dict[str, Any]], reweighed: float, built: dict[str, Any], size: int) -> float:
    """CPU seconds per NIGHT papers with the share of weighing (every fifth more) and building (every doubling)."""
    own = float(np.mean([night["cpu"] for night in nights]))
    share = reweighed / (size * (1 - 1 / vectorising.REWEIGH_GROWTH)) + built["cpu"] / (
        size * (1 - 1 / vectorising.REBUILD_GROWTH)
    )
    return round(own + NIGHT * share, 3)


def cold(home: Path) -> float:
    """Median wall seconds of the command in a new process, of five."""
    environ = os.environ | {"PAPERLAB_HOME": str(home), "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    spent = []
    for _ in range(5):
        began = time.perf_counter()
        words = [sys.executable, "-m", "paperlab", "recommend", "--all", "--json"]
        done = subprocess.run(words, cwd=ROOT, env=environ, stdout=subprocess.PIPE, check=True)
        spent.append(time.perf_counter() - began)
        assert len(json.loads(done.stdout)["papers"]) == 20
    return round(float(np.median(spent)), 2)


def arxiv_sanity_lite_features(texts: list[str]) -> Any:
    vectorizer = TfidfVectorizer(
        strip_accents="unicode",
        stop_words="english",
        token_pattern=r"(?u)\b[a-zA-Z_][a-zA-Z0-9_]+\b",
        ngram_range=(1, 2),
        max_features=20_000,
        sublinear_tf=True,
        max_df=0.1,
        min_df=5,
    )
    vectorizer.fit(texts)
    return vectorizer.transform(texts).astype(np.float32)


def arxiv_sanity_lite_ranking(features: Any, liked: np.ndarray) -> np.ndarray:
    labels = np.zeros(features.shape[0], dtype=np.float32)
    labels[liked] = 1.0
    model = LinearSVC(class_weight="balanced", max_iter=10_000, tol=1e-6, C=0.01, random_state=0)
    return np.argsort(-model.fit(features, labels).decision_function(features))


def timed(work: Callable[[], Any]) -> dict[str, Any]:
    began, processor = time.perf_counter(), time.process_time()
    result = work()
    return {"wall": time.perf_counter() - began, "cpu": time.process_time() - processor, "result": result}


def spread(spent: list[dict[str, Any]]) -> dict[str, float]:
    wall, cpu = ([each[name] for each in spent] for name in ("wall", "cpu"))
    return {
        "wall_p50_s": round(float(np.percentile(wall, 50)), 3),
        "wall_p95_s": round(float(np.percentile(wall, 95)), 3),
        "cpu_p50_s": round(float(np.percentile(cpu, 50)), 3),
        "cpu_p95_s": round(float(np.percentile(cpu, 95)), 3),
    }


def ratio(theirs: list[dict[str, Any]], ours: list[dict[str, Any]]) -> float:
    return round(float(np.median([t["cpu"] / o["cpu"] for t, o in zip(theirs, ours, strict=True)])), 1)


def peak_mb() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1000


if __name__ == "__main__":
    main()
