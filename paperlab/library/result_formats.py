"""The public formats of reported results and code links, read as what they say.

- Papers with Code dumps (https://github.com/paperswithcode/paperswithcode-data, CC-BY-SA 4.0): links between papers
  and code, evaluation tables, papers with abstracts; the JSON answers of its REST API.
- sota-extractor files (https://github.com/paperswithcode/sota-extractor): the same tables, by scraper.
- model-index: https://github.com/paperswithcode/model-index, and the front matter of Hugging Face model cards.

JSON is streamed.  A row that can't be used is counted with its reason; a file that can't be read is an InvalidInput.
"""

from __future__ import annotations

import csv
import gzip
import itertools
import zlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TextIO, cast

from paperlab.arxiv_id import ArxivId
from paperlab.entities import CodeLink, LinkRole, ReportedResult
from paperlab.errors import InvalidInput
from paperlab.library import code_hosts, json_stream, model_index, reported_values
from paperlab.store.code_links import PAPERS_WITH_CODE

MODEL_INDEX = "model-index"
FORMATS = (
    "links-between-papers-and-code, evaluation-tables, papers-with-abstracts, sota-extractor, "
    "Papers with Code REST API v1, model-index (YAML or a model card), as .json, .jsonl, .csv, .yml, .md, each also .gz"
)


_LONGEST_CSV_ROW = 1 << 20
"""Characters, blank lines before it included.  The public rows have some hundred; a packed file may have gigabytes."""
_DEEPEST = 20
"""Levels of subtasks or subdatasets; the public files have two."""


@dataclass(frozen=True)
class Unreadable:
    """A row that is not kept."""

    what: str
    reason: str


@dataclass(frozen=True)
class Row:
    """A row of a table was read; its results follow.  Files are compared by their number of rows."""


@dataclass(frozen=True)
class PaperDescribed:
    """A paper's metadata: counted and not kept, papers come from arXiv itself."""


Item = CodeLink | ReportedResult | Unreadable | Row | PaperDescribed


@dataclass(frozen=True)
class Source:
    """A file whose format is known, and its items one after the other."""

    format: str
    name: str
    """What its results are kept under: the file's name without endings."""
    items: Iterator[Item]


@contextmanager
def opened(path: Path) -> Iterator[Source]:
    """The file as a Source.  Raises InvalidInput for one that is missing, damaged or of no known format."""
    endings, name = _endings(path.name)
    try:
        with _text(path) as file:
            if endings[-1:] in ([".yml"], [".yaml"], [".md"]):
                yield Source(MODEL_INDEX, name, _of_model_index(file, path.name, name))
            elif endings[-1:] == [".csv"]:
                yield _from_csv(file, path.name)
            else:
                yield _from_json(file, path.name, name)
    except (OSError, EOFError, zlib.error, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        raise InvalidInput(f"{path} can't be read: {reason}", "name a text file, plain or .gz") from error


def _endings(name: str) -> tuple[list[str], str]:
    endings = [ending.lower() for ending in Path(name).suffixes if ending.lower() != ".gz"]
    stem = name.removesuffix(".gz")
    return endings, stem.rpartition(".")[0] or stem


@contextmanager
def _text(path: Path) -> Iterator[TextIO]:
    if path.name.endswith(".gz"):
        with gzip.open(path, "rt", encoding="utf-8", newline="") as file:
            yield cast(TextIO, file)
    else:
        with path.open(encoding="utf-8", newline="") as file:
            yield file


# --- which format ---------------------------------------------------------------------------------------------


def _from_json(file: TextIO, file_name: str, name: str) -> Source:
    rows = json_stream.items(file, file_name)
    first = next(rows, None)
    everything = itertools.chain([] if first is None else [first], rows)
    keys = set(first) if isinstance(first, Mapping) else set()
    if "repo_url" in keys:
        return Source("links-between-papers-and-code", PAPERS_WITH_CODE, _each(everything, _link))
    if "task" in keys or ("datasets" in keys and "categories" in keys):
        return Source("evaluation tables", name, _tables(everything, name))
    if {"count", "results"} <= keys:
        listed = itertools.chain.from_iterable(_list(page, "results") for page in everything)
        return Source("Papers with Code REST API v1", name, _each(listed, _described))
    if {"url_abs", "title"} <= keys:
        return Source("papers with abstracts", name, _each(everything, _described))
    if "model-index" in keys or "Models" in keys:
        return Source(MODEL_INDEX, name, _model_items([first], name))
    shown = ", ".join(sorted(map(str, keys))[:8]) or "none"
    raise InvalidInput(f"{file_name} has no format that is known (its fields: {shown})", f"known: {FORMATS}")


def _from_csv(file: TextIO, file_name: str) -> Source:
    rows = _csv_rows(file, file_name)
    fields = list(next(rows))
    if "repo_url" in fields:
        return Source("links-between-papers-and-code", PAPERS_WITH_CODE, _each(rows, _link))
    if {"GitHub Link", "Link"} <= set(fields):
        return Source("trending papers", PAPERS_WITH_CODE, _each(rows, _trending))
    shown = ", ".join(fields[:8]) or "none"
    raise InvalidInput(f"{file_name} has no format that is known (its columns: {shown})", f"known: {FORMATS}")


def _csv_rows(file: TextIO, file_name: str) -> Iterator[Mapping[str, Any]]:
    """The names of the fields, then every row by them; blank lines are none."""
    taken = 0  # characters since the last row that was handed on

    def lines() -> Iterator[str]:
        nonlocal taken
        while line := file.readline(_LONGEST_CSV_ROW + 1):
            taken += len(line)
            if taken > _LONGEST_CSV_ROW:
                raise csv.Error(f"one row has more than {_LONGEST_CSV_ROW:,} characters")
            yield line

    reader = csv.reader(lines())
    fields: list[str] = []
    try:
        for row in reader:
            if not row:
                continue
            taken = 0
            if fields:
                yield dict(zip(fields, row, strict=False))
            else:
                fields = row
                yield dict.fromkeys(fields)
        if not fields:
            yield {}
    except csv.Error as error:
        raise InvalidInput(
            f"{file_name} is not valid CSV: line {reader.line_num}: {error}", "mend the file, or leave it out"
        ) from error


def _each(rows: Iterator[Any], read: Callable[[Mapping[str, Any]], Item]) -> Iterator[Item]:
    for row in rows:
        yield read(row) if isinstance(row, Mapping) else Unreadable(str(row)[:80], "it is no object")


# --- links ----------------------------------------------------------------------------------------------------


def _link(row: Mapping[str, Any]) -> Item:
    url = str(row.get("repo_url") or "")
    arxiv_id = arxiv_id_of(row.get("paper_arxiv_id")) or arxiv_id_of(row.get("paper_url_abs"))
    place = code_hosts.canonical(url)
    if place is None:
        return Unreadable(url or "a link", "its address is none of a repository or page")
    if arxiv_id is None:
        return Unreadable(url, "its paper has no arXiv identifier")
    official = _flag(row.get("is_official"))
    named = {
        **{name: _flag(row.get(name)) for name in ("mentioned_in_paper", "mentioned_in_github") if name in row},
        **{name: str(row[name]) for name in ("framework", "paper_url", "paper_title") if row.get(name)},
    }
    details = {"is_official": official, "licence": "CC-BY-SA-4.0", **named}
    role = LinkRole.OWN if official else LinkRole.OTHER
    return CodeLink(arxiv_id, place[0], PAPERS_WITH_CODE, place[1], role, details)


def _trending(row: Mapping[str, Any]) -> Item:
    """A row of the trending page, which names papers by Papers with Code's own address only."""
    return _link({"repo_url": row["GitHub Link"], "paper_url": row["Link"], "paper_title": row.get("Title")})


def _described(row: Mapping[str, Any]) -> Item:
    if "url_abs" in row or "arxiv_id" in row:
        return PaperDescribed()
    return Unreadable(str(row.get("id") or row.get("name") or "an entry")[:80], "it describes no paper")


def _flag(value: Any) -> bool:
    return value is True or str(value).strip().lower() in {"true", "1", "t"}


# --- tables ---------------------------------------------------------------------------------------------------


def _tables(tasks: Iterator[Any], source: str, depth: int = 0) -> Iterator[Item]:
    for task in tasks:
        if not isinstance(task, Mapping) or depth > _DEEPEST:
            yield Unreadable(str(task)[:80], "it is no task" if depth <= _DEEPEST else "it is nested too deeply")
            continue
        link = _text_of(_dict(task, "source_link").get("url") or task.get("source_link"))
        for dataset in _list(task, "datasets"):
            yield from _dataset(dataset, _text_of(task.get("task")), {"link": link} if link else {}, source)
        yield from _tables(iter(_list(task, "subtasks")), source, depth + 1)


def _dataset(
    dataset: Any, task: str, shared: Mapping[str, Any], source: str, *, above: str = "", depth: int = 0
) -> Iterator[Item]:
    if not isinstance(dataset, Mapping) or depth > _DEEPEST:
        yield Unreadable(str(dataset)[:80], "it is no dataset" if depth <= _DEEPEST else "it is nested too deeply")
        return
    own = _text_of(dataset.get("dataset") or dataset.get("subdataset"))
    name = f"{above}: {own}" if above and own else own or above
    for row in _list(_dict(dataset, "sota"), "rows"):
        yield Row()
        yield from _results(row, task, name, shared, source)
    for part in _list(dataset, "subdatasets"):
        yield from _dataset(part, task, shared, source, above=name, depth=depth + 1)


def _results(row: Any, task: str, dataset: str, shared: Mapping[str, Any], source: str) -> Iterator[Item]:
    if not isinstance(row, Mapping) or not isinstance(row.get("metrics"), Mapping) or not row["metrics"]:
        yield Unreadable(f"{task} / {dataset}", "the row reports no metric")
        return
    texts = {name: _text_of(row.get(name)) for name in ("paper_title", "paper_url", "paper_date")}
    code = [_text_of(link.get("url")) for link in _list(row, "code_links") if isinstance(link, Mapping)]
    details = {
        **{name: text for name, text in texts.items() if text},
        **({"code_links": [url for url in code if url]} if any(code) else {}),
        **({"uses_additional_data": True} if _flag(row.get("uses_additional_data")) else {}),
        **shared,
    }
    for metric, value in row["metrics"].items():
        text, number, remarks = reported_values.parse(value)
        yield ReportedResult(
            source=source,
            task=task or "unnamed task",
            dataset=dataset or "unnamed dataset",
            model=_text_of(row.get("model_name")),
            metric=str(metric).strip(),
            value_text=text,
            value=number,
            arxiv_id=arxiv_id_of(texts["paper_url"]),
            details={**details, **remarks},
        )


# --- model-index ----------------------------------------------------------------------------------------------


def _of_model_index(file: TextIO, file_name: str, source: str) -> Iterator[Item]:
    yield from _model_items([model_index.load(file.read(model_index.LARGEST + 1), file_name)], source)


def _model_items(documents: list[Any], source: str) -> Iterator[Item]:
    for entry in itertools.chain.from_iterable(model_index.entries(document) for document in documents):
        if isinstance(entry, model_index.Unusable):
            yield Unreadable(entry.model, entry.reason)
            continue
        text, number, remarks = reported_values.parse(entry.value)
        yield Row()
        yield ReportedResult(
            source=source,
            task=entry.task,
            dataset=entry.dataset,
            model=entry.model,
            metric=entry.metric,
            value_text=text,
            value=number,
            arxiv_id=arxiv_id_of(entry.paper),
            details={**entry.details, **({"paper_url": entry.paper} if entry.paper else {}), **remarks},
        )


# --- plain values ---------------------------------------------------------------------------------------------


def arxiv_id_of(text: Any) -> str | None:
    """The arXiv identifier that a text or address is, without version; None where it is none."""
    try:
        return ArxivId.parse(text).base if isinstance(text, str) and text.strip() else None
    except InvalidInput:
        return None


def _text_of(value: Any) -> str:
    return value.strip() if isinstance(value, str) else ""


def _list(record: Any, name: str) -> list[Any]:
    value = record.get(name) if isinstance(record, Mapping) else None
    return value if isinstance(value, list) else []


def _dict(record: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    value = record.get(name)
    return value if isinstance(value, Mapping) else {}
