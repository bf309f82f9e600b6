"""Any number of papers, resampled from real ones, as the public metadata snapshot writes them.

    python benchmarks/corpus.py 1000000 papers.jsonl.gz [--seed 0] [--data ../shared/data]

A made paper takes its categories, length and number of authors from one real paper; its sentences come one by one from
papers of the same primary category, its title from two of them, its authors from all.  So words are as frequent and as
often together as in real abstracts, which random words are not.  Days run from April 2007 to October 2026, ever more
papers a month as on arXiv; a quarter has a second version.  The same number and seed give the same bytes.

The real papers are no part of the repository: PAPERLAB_TEST_DATA or --data names their folder.
"""

from __future__ import annotations

import argparse
import gzip
import json
import os
import random
import re
import sys
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from itertools import accumulate
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from paperlab.entities import Paper  # noqa: E402

FIRST, LAST = (2007, 4), (2026, 10)
END = datetime(LAST[0], LAST[1] + 1, 1, tzinfo=UTC)
"""No version is later: a date in the future would be taken for a mistake."""
GROWTH = 8.0
"""So many times as many papers in the last month as in the first."""
SECOND_VERSIONS = 0.25
_SENTENCE = re.compile(r"(?<=[.!?])\s+(?=[A-Z])")


@dataclass(frozen=True)
class Topic:
    """What the real papers of one primary category bring."""

    sentences: tuple[tuple[str, ...], ...]
    """Of each abstract."""
    titles: tuple[tuple[str, ...], ...]
    """Each as words."""
    authors: tuple[str, ...]
    categories: tuple[tuple[str, ...], ...]
    comments: tuple[str | None, ...]
    numbers_of_authors: tuple[int, ...]


def data_folder() -> Path:
    return Path(os.environ.get("PAPERLAB_TEST_DATA", ROOT.parent / "shared" / "data"))


def topics(data: Path) -> tuple[list[Topic], list[int]]:
    """Real papers by primary category, and how many each has."""
    by_category: dict[str, list[dict[str, Any]]] = defaultdict(list)
    files = sorted((data / "arxiv" / "papers").glob("*_20*.jsonl.gz"))
    if not files:
        raise SystemExit(f"error: no real papers in {data}/arxiv/papers.\n  set PAPERLAB_TEST_DATA")
    for file in [*files, data / "arxiv" / "papers" / "daily_other_sample.jsonl.gz"]:
        with gzip.open(file, "rt", encoding="utf-8") as lines:
            for line in lines:
                real = json.loads(line)
                if real["abstract"] and real["authors"]:
                    by_category[real["primary_category"]].append(real)
    found = []
    for _, papers in sorted(by_category.items()):
        names = [author["name"] for paper in papers for author in paper["authors"]]
        found.append(
            Topic(
                sentences=tuple(tuple(_SENTENCE.split(" ".join(paper["abstract"].split()))) for paper in papers),
                titles=tuple(tuple(paper["title"].split()) for paper in papers),
                authors=tuple(names),
                categories=tuple(tuple(dict.fromkeys(paper["categories"])) for paper in papers),
                comments=tuple(paper["comments"] for paper in papers),
                numbers_of_authors=tuple(len(paper["authors"]) for paper in papers),
            )
        )
    return found, [len(topic.titles) for topic in found]


def papers(number: int, seed: int = 0, data: Path | None = None) -> Iterator[Paper]:
    """`number` papers in the order of their identifiers, each in its newest version; memory does not grow."""
    chosen_from, sizes = topics(data or data_folder())
    upto = list(accumulate(sizes))
    draw = random.Random(seed)
    for (year, month), in_month in zip(_months(), _spread(number), strict=True):
        begin = datetime(year, month, 1, tzinfo=UTC)
        seconds = sorted(draw.randrange(28 * 86_400) for _ in range(in_month))
        digits = 5 if year >= 2015 else 4
        for serial, second in enumerate(seconds, 1):
            topic = draw.choices(chosen_from, cum_weights=upto)[0]
            arxiv_id = f"{year % 100:02d}{month:02d}.{serial:0{digits}d}"
            yield _paper(draw, topic, arxiv_id, begin + timedelta(seconds=second))


def as_snapshot(paper: Paper, draw: random.Random) -> dict[str, Any]:
    """The paper as a line of arXiv's metadata dump."""
    versions = [{"version": "v1", "created": _gmt(paper.submitted_at)}]
    if paper.version > 1:
        versions.append({"version": "v2", "created": _gmt(paper.updated_at)})
    return {
        "id": paper.arxiv_id,
        "submitter": paper.authors[0],
        "authors": ", ".join(paper.authors),
        "title": paper.title,
        "comments": paper.comment,
        "journal-ref": None,
        "doi": f"10.5555/{draw.randrange(10**8)}" if draw.random() < 0.2 else None,
        "report-no": None,
        "categories": " ".join(paper.categories),
        "license": "http://arxiv.org/licenses/nonexclusive-distrib/1.0/",
        "abstract": f"  {paper.abstract}\n",
        "versions": versions,
        "update_date": paper.updated_at.date().isoformat(),
        "authors_parsed": [_parsed(name) for name in paper.authors],
    }


def lines(number: int, seed: int = 0, data: Path | None = None) -> Iterator[str]:
    """The snapshot's lines."""
    draw = random.Random(f"{seed} snapshot")
    for paper in papers(number, seed, data):
        yield json.dumps(as_snapshot(paper, draw), ensure_ascii=False)


def _paper(draw: random.Random, topic: Topic, arxiv_id: str, submitted_at: datetime) -> Paper:
    like, other = draw.randrange(len(topic.titles)), draw.randrange(len(topic.titles))
    sentences = []
    for position in range(len(topic.sentences[like])):
        source = topic.sentences[draw.randrange(len(topic.sentences))]
        sentences.append(source[min(position, len(source) - 1)])
    one, two = topic.titles[like], topic.titles[other]
    title = (*one[: (len(one) + 1) // 2], *two[len(two) // 2 :])
    authors = dict.fromkeys(draw.choice(topic.authors) for _ in range(topic.numbers_of_authors[like]))
    revised = draw.random() < SECOND_VERSIONS
    categories = topic.categories[like]
    return Paper(
        arxiv_id=arxiv_id,
        version=2 if revised else 1,
        title=" ".join(title),
        abstract=" ".join(sentences),
        authors=tuple(authors),
        categories=categories,
        primary_category=categories[0],
        submitted_at=submitted_at,
        updated_at=min(END, submitted_at + timedelta(seconds=draw.randrange(1, 200 * 86_400)))
        if revised
        else submitted_at,
        comment=topic.comments[like],
        source="snapshot",
    )


def _months() -> list[tuple[int, int]]:
    first, last = FIRST[0] * 12 + FIRST[1] - 1, LAST[0] * 12 + LAST[1] - 1
    return [(month // 12, month % 12 + 1) for month in range(first, last + 1)]


def _spread(number: int) -> list[int]:
    """How many papers each month has."""
    months = len(_months())
    weights = [1 + (GROWTH - 1) * position / (months - 1) for position in range(months)]
    upto = [round(number * part / sum(weights)) for part in accumulate(weights)]
    return [high - low for low, high in zip([0, *upto], upto, strict=False)]


def _gmt(moment: datetime) -> str:
    return format_datetime(moment, usegmt=True)


def _parsed(name: str) -> list[str]:
    first, _, last = name.rpartition(" ")
    return [last, first, ""]


def main() -> None:
    parser = argparse.ArgumentParser(description="Make papers, resampled from real ones, as a metadata snapshot.")
    parser.add_argument("number", type=int)
    parser.add_argument("out", type=Path, help="a .jsonl or .jsonl.gz file")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--data", type=Path, help="the folder of real papers (default: PAPERLAB_TEST_DATA)")
    arguments = parser.parse_args()
    if arguments.out.suffix == ".gz":
        with (
            arguments.out.open("wb") as raw,
            gzip.GzipFile(fileobj=raw, mode="wb", filename="", mtime=0, compresslevel=3) as file,
        ):
            for line in lines(arguments.number, arguments.seed, arguments.data):
                file.write(line.encode() + b"\n")
    else:
        with arguments.out.open("w", encoding="utf-8") as text:
            text.writelines(line + "\n" for line in lines(arguments.number, arguments.seed, arguments.data))


if __name__ == "__main__":
    main()
