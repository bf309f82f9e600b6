"""Bringing files of code links and reported results in: read, kept, counted.  The same file twice adds nothing."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from itertools import islice
from pathlib import Path

from paperlab.entities import CodeLink, ReportedResult
from paperlab.library import result_formats
from paperlab.library.result_formats import Item, PaperDescribed, Row, Unreadable
from paperlab.store import code_links, database, reported_results
from paperlab.store.database import Engine, Session

AS_REPORTED = "numbers are as reported, not measured"
ATTRIBUTION = "Papers with Code data is used under CC-BY-SA 4.0 (https://paperswithcode.com); " + AS_REPORTED

_BATCH = 2000
_EXAMPLES = 5


@dataclass(frozen=True)
class Imported:
    """What came in with one file."""

    file: str
    format: str
    source: str
    """What its results are kept under."""
    rows: int
    """Rows of tables that were read; one row may report several metrics."""
    links: int
    links_new: int
    results: int
    results_new: int
    papers: int
    """Papers that are described: these are not kept, papers come from arXiv."""
    unreadable: Mapping[str, int]
    """How many rows were left out, by reason."""
    examples: tuple[Unreadable, ...]
    """The first of them."""


def attribution(files: Iterable[Imported]) -> str:
    """What has to be said of where the files are from.  A model-index is its author's own."""
    return AS_REPORTED if all(each.format == result_formats.MODEL_INDEX for each in files) else ATTRIBUTION


def import_file(engine: Engine, path: Path, now: datetime) -> Imported:
    """Keep the links and results of a file, all or none.  Raises InvalidInput for one that can't be read."""
    with result_formats.opened(path) as source, database.session(engine) as session:
        counts: Counter[str] = Counter()
        reasons: Counter[str] = Counter()
        examples: list[Unreadable] = []
        for batch in _batches(source.items):
            counts += _keep(session, batch, now)
            unreadable = [item for item in batch if isinstance(item, Unreadable)]
            reasons.update(item.reason for item in unreadable)
            examples += unreadable[: _EXAMPLES - len(examples)]
    named = ("rows", "links", "links_new", "results", "results_new", "papers")
    return Imported(
        file=str(path),
        format=source.format,
        source=source.name,
        **{name: counts[name] for name in named},
        unreadable=dict(reasons),
        examples=tuple(examples),
    )


def _keep(session: Session, batch: Iterable[Item], now: datetime) -> Counter[str]:
    items = list(batch)
    links = [item for item in items if isinstance(item, CodeLink)]
    results = [item for item in items if isinstance(item, ReportedResult)]
    return Counter(
        rows=sum(isinstance(item, Row) for item in items),
        papers=sum(isinstance(item, PaperDescribed) for item in items),
        links=len(links),
        links_new=code_links.add(session, links, now),
        results=len(results),
        results_new=reported_results.add(session, results, now),
    )


def _batches(items: Iterator[Item]) -> Iterator[list[Item]]:
    while batch := list(islice(items, _BATCH)):
        yield batch
