"""Are the papers on top the right ones, beside arxiv-sanity-lite's method on the same papers and the same split?

    python benchmarks/ranking.py                          # both halves of the topics
    python benchmarks/ranking.py --topics development     # the half on which settings may be chosen

The 31,814 real papers about language models of the daily crawl.  A topic is a set of papers that somebody else put
together: those cross-listed in one arXiv category, or those that two or more of a group of co-authors signed.  No topic
is defined by words, and neither categories nor, for the authors' topics, names are features.

A reader starred some papers of the topic: 5, 10, 20, 50 or seven tenths of it, drawn at random.  All others are ranked;
a paper of the topic among the first 20 is a hit.  Both methods see the same stars, and the rest of the topic lies
unmarked among the others for both.

arxiv-sanity-lite (github.com/karpathy/arxiv-sanity-lite: compute.py, serve.py) is measured with its own settings:
20,000 TF-IDF features of title, abstract and authors, and LinearSVC(C=0.01, balanced) on every paper.  For the authors'
topics it is given no names either.

Settings were chosen on the development topics alone.  Differences are paired: per topic the mean over seeds, and over
topics a percentile interval of 10,000 bootstrap samples.
"""

from __future__ import annotations

import argparse
import hashlib
import re
import sys
import tempfile
import time
import zlib
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from itertools import combinations, islice
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.svm import LinearSVC
from threadpoolctl import threadpool_limits

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from benchmarks import record  # noqa: E402
from benchmarks.corpus import data_folder  # noqa: E402
from paperlab.arxiv_id import ArxivId  # noqa: E402
from paperlab.entities import Paper  # noqa: E402
from paperlab.library import ranking  # noqa: E402
from paperlab.settings import Settings  # noqa: E402
from paperlab.store import database, papers, vectorising, vectors  # noqa: E402
from tests.fakes.papers import load_papers  # noqa: E402

STARS: tuple[int | None, ...] = (5, 10, 20, 50, None)
"""None: seven tenths of the topic."""
TRAINED = 0.7
TOP = 20
OF_THE_WHOLE_CORPUS = {"cs.CL", "cs.AI", "cs.LG"}
SAME_CATEGORY = {"eess.SY": "cs.SY", "math.IT": "cs.IT", "eess.AS": "cs.SD"}
"""Aliases at arXiv; and audio processing, whose papers are nearly those of sound: no topic twice."""
MIN_IN_CATEGORY, MIN_OF_AUTHORS = 60, 20
JOINT_PAPERS = 8
"""Co-authors with so many papers together belong to one group."""
LARGEST_TEAM = 20

Scores = Callable[[np.ndarray], np.ndarray]
"""From the positions of the starred papers to a score for every paper."""


def main() -> None:
    parser = argparse.ArgumentParser(description="Precision at 20 beside arxiv-sanity-lite's method.")
    parser.add_argument("--topics", choices=("development", "test", "both"), default="both")
    parser.add_argument("--seeds", type=int, default=4)
    parser.add_argument("--data", type=Path, default=data_folder())
    parser.add_argument("--out", type=Path, default=ROOT / "benchmarks" / "results")
    arguments = parser.parse_args()
    real = real_papers(arguments.data)
    halves = ("development", "test") if arguments.topics == "both" else (arguments.topics,)
    with threadpool_limits(1), tempfile.TemporaryDirectory() as home:
        ours = paperlab(real, Path(home))
        with_names, without = arxiv_sanity_lite(real, names=True), arxiv_sanity_lite(real, names=False)
        kinds = {
            "category": (category_topics(real), with_names),
            "authors": (author_topics(real), without),
        }
        measured: dict[str, Any] = {"papers": len(real), "seeds": arguments.seeds, "top": TOP}
        for half in halves:
            measured[half] = {
                kind: compare(half_of(topics, half), ours, theirs, len(real), arguments.seeds)
                for kind, (topics, theirs) in kinds.items()
            }
    question = "precision at 20 on topics given by cross-lists and by co-authors, beside arxiv-sanity-lite's method"
    path = record.write(arguments.out, "ranking", question, measured)
    print(path.read_text(encoding="utf-8"))


# --- papers and topics ----------------------------------------------------------------------------------------


def real_papers(data: Path) -> list[Paper]:
    """The papers of the daily crawl, each once, by identifier."""
    found: dict[str, Paper] = {}
    for file in sorted((data / "arxiv" / "papers").glob("daily_20*.jsonl.gz")):
        for paper in load_papers(file):
            found[paper.arxiv_id] = paper
    if not found:
        raise SystemExit(f"error: no daily_20* papers in {data}/arxiv/papers.\n  set PAPERLAB_TEST_DATA")
    return [found[arxiv_id] for arxiv_id in sorted(found, key=lambda each: ArxivId(each).ordinal)]


def category_topics(real: Sequence[Paper]) -> dict[str, list[int]]:
    """Positions of the papers of each arXiv category that is not everywhere."""
    topics: dict[str, set[int]] = defaultdict(set)
    for position, paper in enumerate(real):
        for category in paper.categories:
            if re.fullmatch(r"[a-z]+(-[a-z]+)*(\.[A-Za-z-]+)?", category):  # others are ACM and MSC classes
                topics[SAME_CATEGORY.get(category, category)].add(position)
    return {
        name: sorted(held)
        for name, held in sorted(topics.items())
        if len(held) >= MIN_IN_CATEGORY and name not in OF_THE_WHOLE_CORPUS
    }


def author_topics(real: Sequence[Paper]) -> dict[str, list[int]]:
    """Positions of the papers of each group of co-authors: at least two of its members signed them.

    A group is a pair with JOINT_PAPERS together, and everybody who has as many with both; so namesakes do not meet.
    """
    signed: dict[str, set[int]] = defaultdict(set)
    pairs: Counter[tuple[str, str]] = Counter()
    for position, paper in enumerate(real):
        names = sorted(set(paper.authors))
        for name in names:
            signed[name].add(position)
        if len(names) <= LARGEST_TEAM:
            pairs.update(combinations(names, 2))
    close: dict[str, set[str]] = defaultdict(set)
    for (one, two), together in pairs.items():
        if together >= JOINT_PAPERS:
            close[one].add(two)
            close[two].add(one)
    topics: dict[str, list[int]] = {}
    taken: set[str] = set()
    for (one, two), together in sorted(pairs.items(), key=lambda each: (-each[1], each[0])):
        if together < JOINT_PAPERS:
            break
        if one in taken or two in taken:
            continue
        group = ({one, two} | (close[one] & close[two])) - taken
        taken |= group
        of_group = Counter(position for name in group for position in signed[name])
        held = sorted(position for position, members in of_group.items() if members >= 2)
        if len(held) >= MIN_OF_AUTHORS:
            topics[f"{one} + {two}"] = held
    return topics


def half_of(topics: Mapping[str, list[int]], half: str) -> dict[str, list[int]]:
    """Every second topic in the order of the hashes of their names: fixed before anything was measured."""
    order = sorted(topics, key=lambda name: hashlib.sha256(name.encode()).hexdigest())
    return {name: topics[name] for name in sorted(order[0 if half == "development" else 1 :: 2])}


# --- the two methods ------------------------------------------------------------------------------------------


def paperlab(real: Sequence[Paper], home: Path) -> Scores:
    """The ranking as `paperlab recommend` computes it, over a store with these papers."""
    settings = Settings(home, f"sqlite:///{home / 'paperlab.db'}")
    engine = database.open_database(settings, create=True)
    remaining = iter(real)
    while batch := list(islice(remaining, 5000)):
        with database.session(engine) as session:
            papers.upsert(session, batch, datetime(2026, 11, 23, tzinfo=UTC))
    with database.read_only(engine) as session:
        vectorising.update(session, settings)
    held = vectors.load(settings)
    assert held is not None
    by_ordinal = held.ordinals.argsort()
    assert [ArxivId(paper.arxiv_id).ordinal for paper in real] == held.ordinals[by_ordinal].tolist()

    def scores(starred: np.ndarray) -> np.ndarray:
        liked = [real[position].arxiv_id for position in starred]
        rows = ranking.Rows.of(held, positives=liked, skipped=(), judged=liked, since=None)
        _, weights, offset = ranking.learn(held, rows)
        return vectors.products(held, weights, by_ordinal) + offset

    return scores


def arxiv_sanity_lite(real: Sequence[Paper], *, names: bool) -> Scores:
    """Its features and its classifier, with the settings of its compute.py and serve.py."""
    texts = [" ".join([paper.title, paper.abstract, *([" ".join(paper.authors)] if names else [])]) for paper in real]
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
    features = vectorizer.fit_transform(texts).astype(np.float32)

    def scores(starred: np.ndarray) -> np.ndarray:
        labels = np.zeros(len(real), dtype=np.float32)
        labels[starred] = 1.0
        model = LinearSVC(class_weight="balanced", max_iter=10_000, tol=1e-6, C=0.01, random_state=0)
        return np.asarray(model.fit(features, labels).decision_function(features))

    return scores


# --- comparing ------------------------------------------------------------------------------------------------


def compare(topics: Mapping[str, list[int]], ours: Scores, theirs: Scores, size: int, seeds: int) -> dict[str, Any]:
    """Precision at TOP by number of stars, per topic and in the mean, with the paired difference."""
    by_stars: dict[str, dict[str, list[tuple[float, float]]]] = defaultdict(lambda: defaultdict(list))
    seconds = [0.0, 0.0]
    for name, held in topics.items():
        for starred, stars in draws(name, np.asarray(held), seeds):
            relevant = np.zeros(size, dtype=bool)
            relevant[np.setdiff1d(held, starred)] = True
            precisions = []
            for which, method in enumerate((ours, theirs)):
                began = time.process_time()
                scores = method(starred).astype(np.float64)
                seconds[which] += time.process_time() - began
                scores[starred] = -np.inf
                precisions.append(float(relevant[np.argsort(-scores, kind="stable")[:TOP]].mean()))
            by_stars[stars][name].append((precisions[0], precisions[1]))
    runs = sum(len(pairs) for of_topics in by_stars.values() for pairs in of_topics.values())
    everything: dict[str, list[tuple[float, float]]] = defaultdict(list)
    for of_topics in by_stars.values():
        for name, pairs in of_topics.items():
            everything[name].append((float(np.mean([p for p, _ in pairs])), float(np.mean([p for _, p in pairs]))))
    return {
        "topics": {name: len(held) for name, held in topics.items()},
        "by_stars": {stars: summary(of_topics) for stars, of_topics in by_stars.items()},
        "all": summary(everything),
        "by_topic": {
            name: {"paperlab": round(mean[0], 3), "arxiv_sanity_lite": round(mean[1], 3)}
            for name, pairs in everything.items()
            for mean in [np.mean(pairs, axis=0)]
        },
        "cpu_s_per_ranking": {
            "paperlab": round(seconds[0] / runs, 3),
            "arxiv_sanity_lite": round(seconds[1] / runs, 3),
        },
    }


def draws(name: str, held: np.ndarray, seeds: int) -> Iterator[tuple[np.ndarray, str]]:
    """Starred papers of a topic, the same for every method; fewer stars are the first of more."""
    largest = round(TRAINED * len(held))
    for seed in range(seeds):
        shuffled = np.random.default_rng(zlib.crc32(f"{name}/{seed}".encode())).permutation(held)
        for stars in STARS:
            if stars is None:
                yield shuffled[:largest], "70 %"
            elif stars < largest:
                yield shuffled[:stars], str(stars)


def summary(of_topics: Mapping[str, list[tuple[float, float]]]) -> dict[str, Any]:
    """Means over topics, and the difference with its interval at 95 %."""
    means = np.asarray([np.mean(pairs, axis=0) for pairs in of_topics.values()])
    differences = means[:, 0] - means[:, 1]
    resampled = np.random.default_rng(0).integers(len(differences), size=(10_000, len(differences)))
    low, high = np.percentile(differences[resampled].mean(axis=1), [2.5, 97.5])
    return {
        "topics": len(means),
        "paperlab": round(float(means[:, 0].mean()), 4),
        "arxiv_sanity_lite": round(float(means[:, 1].mean()), 4),
        "difference": round(float(differences.mean()), 4),
        "interval_95": [round(float(low), 4), round(float(high), 4)],
        "better_equal_worse": [
            int((differences > 0).sum()),
            int((differences == 0).sum()),
            int((differences < 0).sum()),
        ],
    }


if __name__ == "__main__":
    main()
