"""Papers for the server: made up, or real ones from JSON lines."""

from __future__ import annotations

import gzip
import hashlib
import json
import random
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from pathlib import Path
from typing import Any, TextIO

from paperlab.entities import Paper

_SENTENCE = (
    "we present a language model that learns to translate sentences with attention over tokens and memory of past "
    "states; results on three benchmarks improve while training takes less time, and an ablation shows why"
)
_WORDS = _SENTENCE.split()
_NO_DAY = datetime(2000, 1, 1, tzinfo=UTC)


def make_paper(number: int, newest: datetime | None = None) -> Paper:
    """Paper `number` of a made-up archive, each submitted 75 seconds before the one of the next lower number."""
    newest = newest or datetime.now(UTC).replace(microsecond=0) - timedelta(hours=1)
    submitted = newest - timedelta(seconds=75 * number)
    return replace(_undated(number), submitted_at=submitted, updated_at=submitted)


@lru_cache(maxsize=4096)
def _undated(number: int) -> Paper:
    """Paper `number` as of no day: its words take longer to draw than a test has time for, again and again."""
    rng = random.Random(number)
    categories = rng.choice((("cs.CL",), ("cs.CL", "cs.LG"), ("cs.LG", "stat.ML"), ("cs.AI", "cs.CL", "cs.LG")))
    return Paper(
        arxiv_id=f"2611.{number + 1:05d}",
        version=1,
        title=f"Study {number} of {' '.join(rng.sample(_WORDS, 4))} & more",
        abstract=" ".join(rng.choices(_WORDS, k=150)) + f" <{number}>.",
        authors=tuple(f"Áda N. Author{rng.randint(1, 999)}" for _ in range(rng.randint(1, 6))),
        categories=categories,
        primary_category=categories[0],
        submitted_at=_NO_DAY,
        updated_at=_NO_DAY,
        comment=f"{number} pages" if number % 3 else None,
    )


def make_papers(count: int, newest: datetime | None = None) -> list[Paper]:
    newest = newest or datetime.now(UTC).replace(microsecond=0) - timedelta(hours=1)
    return [make_paper(number, newest) for number in range(count)]


def load_papers(source: Path) -> Iterator[Paper]:
    """Real papers from JSON lines (a file, or a folder with *.jsonl and *.jsonl.gz), each once.

    Where a source has a day only, the time of day is made up from the identifier, always the same; where it has no day,
    the one before the crawl that first saw the paper stands in.
    """
    files = sorted(source.glob("*.jsonl*")) if source.is_dir() else [source]
    records: dict[str, dict[str, Any]] = {}
    for file in sorted(files, key=lambda path: (path.name.startswith("cscl"), path.name)):
        with _open_text(file) as lines:
            for line in lines:
                record = json.loads(line)
                if record.get("abstract") and record.get("categories"):
                    records.setdefault(record["id"], record)
    for record in records.values():
        yield _as_paper(record)


def _open_text(file: Path) -> TextIO:
    return gzip.open(file, "rt", encoding="utf-8") if file.suffix == ".gz" else file.open(encoding="utf-8")


def _as_paper(record: dict[str, Any]) -> Paper:
    arxiv_id = record["id"]
    known = record.get("versions") or []
    seen = record.get("first_seen")
    if known and known[0].get("created"):
        submitted = _moment(known[0]["created"], arxiv_id)
    elif seen:
        submitted = _moment(seen, arxiv_id) - timedelta(days=1)
    else:
        submitted = _moment(f"20{arxiv_id[:2]}-{arxiv_id[2:4]}-01", arxiv_id)
    updated = max(submitted, _moment(record["update_date"], arxiv_id)) if record.get("update_date") else submitted
    return Paper(
        arxiv_id=arxiv_id,
        version=max(len(known), 1 + (updated > submitted)),
        title=record["title"],
        abstract=record["abstract"],
        authors=tuple(author["name"] for author in record["authors"]),
        categories=tuple(record["categories"]),
        primary_category=record.get("primary_category") or record["categories"][0],
        submitted_at=submitted,
        updated_at=updated,
        comment=record.get("comments"),
        journal_ref=record.get("journal_ref"),
        doi=record.get("doi"),
    )


def _moment(text: str, arxiv_id: str) -> datetime:
    if len(text) > len("2026-11-01"):
        return datetime.fromisoformat(text.replace("Z", "+00:00")).astimezone(UTC)
    second_of_day = int(digest(arxiv_id)[:8], 16) % 86_400
    return datetime.fromisoformat(text).replace(tzinfo=UTC) + timedelta(seconds=second_of_day)


def digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
