"""model-index: results that a model's authors publish beside it, in two spellings.

- Hugging Face model cards (https://huggingface.co/docs/hub/model-cards): `model-index:` with name and results of task,
  dataset and metrics, in YAML front matter or a file of its own.
- Papers with Code (https://github.com/paperswithcode/model-index): `Models:` with Results and Collections.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import yaml

from paperlab.errors import InvalidInput

LARGEST = 8_000_000
"""Characters; the longest cards have some hundred thousand."""
_MOST_ALIASES = 100


@dataclass(frozen=True)
class Entry:
    """One metric of one model."""

    model: str
    task: str
    dataset: str
    metric: str
    value: Any
    paper: str
    details: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Unusable:
    model: str
    reason: str


def load(text: str, name: str) -> Any:
    """The YAML of a file or of a card's front matter.

    Raises InvalidInput, with line and reason, for what is no YAML or would unfold to far more than it is.
    """
    if len(text) > LARGEST:
        raise InvalidInput(f"{name} has more than {LARGEST:,} characters", "a model-index has some thousand")
    body = front_matter(text) if name.lower().removesuffix(".gz").endswith(".md") else text
    if body is None:
        raise InvalidInput(f"{name} has no front matter with a model-index", "a card begins with --- and ends it so")
    try:
        _refuse_bombs(body, name)
        return yaml.load(body, Loader=yaml.CSafeLoader)  # the safe loader, in C
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = f"line {mark.line + 1}: " if mark else ""
        reason = getattr(error, "problem", None) or getattr(error, "reason", None) or type(error).__name__
        raise InvalidInput(f"{name} is not valid YAML: {line}{reason}", "mend the file, or leave it out") from error
    except (RecursionError, ValueError) as error:
        raise InvalidInput(f"{name} can't be read as YAML: {error}", "mend the file, or leave it out") from error


def front_matter(text: str) -> str | None:
    """What stands between the first two lines of three hyphens."""
    match = re.match(r"\ufeff?---[ \t]*\r?\n(.*?)^---[ \t]*\r?$", text, re.DOTALL | re.MULTILINE)
    return match[1] if match else None


def _refuse_bombs(text: str, name: str) -> None:
    """An alias inside an anchored node is how ten lines become a billion."""
    anchored: list[bool] = []
    aliases = 0
    for event in yaml.parse(text, Loader=yaml.CSafeLoader):
        if isinstance(event, (yaml.SequenceStartEvent, yaml.MappingStartEvent)):
            anchored.append(event.anchor is not None or (bool(anchored) and anchored[-1]))
            if len(anchored) > 100:
                raise InvalidInput(f"{name} is nested more than 100 deep", "a model-index is flat")
        elif isinstance(event, (yaml.SequenceEndEvent, yaml.MappingEndEvent)):
            anchored.pop()
        elif isinstance(event, yaml.AliasEvent):
            aliases += 1
            if (anchored and anchored[-1]) or aliases > _MOST_ALIASES:
                raise InvalidInput(f"{name} has aliases within aliases, or too many", "write the values out")


def entries(document: Any) -> Iterator[Entry | Unusable]:
    """Every metric of every model in either spelling.  Raises InvalidInput for a document that has no models."""
    found = document if isinstance(document, Mapping) else {}
    if "model-index" in found:
        for model in _many(found["model-index"]):
            yield from _of_card(model)
    elif "Models" in found:
        collections = {_text(item, "Name"): item for item in _many(found.get("Collections"))}
        for model in _many(found["Models"]):
            yield from _of_models(model, collections)
    else:
        shown = ", ".join(sorted(map(str, found))[:8]) or "none"
        raise InvalidInput(
            f"no model-index is in it (its fields: {shown})", "import the file that has model-index: or Models:"
        )


def _of_card(model: Any) -> Iterator[Entry | Unusable]:
    name = _text(model, "name") or "unnamed model"
    for result in _many(_get(model, "results")):
        task, dataset = _get(result, "task"), _get(result, "dataset")
        parts = [_text(dataset, "name") or _text(dataset, "type"), _text(dataset, "config"), _text(dataset, "split")]
        source = {"link": url} if (url := _text(_get(result, "source"), "url")) else {}
        for metric in _many(_get(result, "metrics")):
            value = _get(metric, "value")
            yield from _one(
                Entry(
                    name,
                    _text(task, "name") or _text(task, "type"),
                    " ".join(dict.fromkeys(part for part in parts if part)),
                    _text(metric, "name") or _text(metric, "type"),
                    value,
                    "",
                    {**source, **({"verified": True} if _get(metric, "verified") is True else {})},
                )
            )


def _of_models(model: Any, collections: Mapping[str, Any]) -> Iterator[Entry | Unusable]:
    if isinstance(model, str):
        yield Unusable(model, "it is the name of another file")
        return
    name = _text(model, "Name") or "unnamed model"
    collection = collections.get(_text(model, "In Collection"))
    paper = _get(model, "Paper") or _get(collection, "Paper") or ""
    code = _get(model, "Code") or _get(collection, "Code") or ""
    address = {"code_links": [url]} if (url := _address(code)) else {}
    for result in _many(_get(model, "Results")):
        metrics = _get(result, "Metrics")
        for metric, value in (metrics if isinstance(metrics, Mapping) else {}).items():
            yield from _one(
                Entry(
                    name, _text(result, "Task"), _text(result, "Dataset"), str(metric), value, _address(paper), address
                )
            )


def _one(entry: Entry) -> Iterator[Entry | Unusable]:
    lacking = [what for what in ("task", "dataset", "metric") if not getattr(entry, what)]
    if lacking or isinstance(entry.value, (Mapping, list)) or entry.value is None:
        yield Unusable(entry.model, f"a result without {', '.join(lacking) or 'a single value'}")
    else:
        yield entry


def _address(value: Any) -> str:
    """A paper or code field: an address, an identifier, or an object with one."""
    return (_text(value, "URL") if isinstance(value, Mapping) else str(value)).strip()


def _get(record: Any, name: str) -> Any:
    return record.get(name) if isinstance(record, Mapping) else None


def _text(record: Any, name: str) -> str:
    value = _get(record, name)
    return str(value).strip() if isinstance(value, (str, int, float)) and not isinstance(value, bool) else ""


def _many(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [] if value is None else [value]
