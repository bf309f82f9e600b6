"""What a run that comes from elsewhere has to be: the names its files may have, and what may stand in them.

Nothing of it is executed and nothing believed: each name is on the list, each file no longer than the list allows,
JSON is read by a parser that bounds depth and numbers, and what pages and tables show as names is printable and short.
Whether its numbers are true nobody can see here: a run that was forged as a whole is a well-formed run.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any, BinaryIO

import orjson

from paperlab.errors import InvalidInput
from paperlab.runs import archive
from paperlab.runs.integrity import Finding, written_files
from reproductions.run_directory import FORMAT

MOST_FILES = 5000
LARGEST_RUN = 256 * 2**30
LONGEST_NAME = 200
LONGEST_TEXT = 64 * 2**10
LONGEST_LINE = 2**20

_DOCUMENT = 16 * 2**20
_LIMITS = {
    "run.json": _DOCUMENT,
    "result.json": _DOCUMENT,
    "heartbeat": 4096,
    "metrics.jsonl": archive.LARGEST_FILE,
    "samples.jsonl": archive.LARGEST_FILE,
    "events.jsonl": 2**30,
}
_RUN_ID = re.compile(r"\d{8}-\d{6}-[A-Za-z0-9][A-Za-z0-9._-]{0,120}-[0-9a-f]{4}")
_CHECKPOINT = re.compile(
    r"checkpoints/(step-\d{6,12}|averaged)/((model|optimizer|rng|rng-\d{5})\.safetensors|(?P<state>state\.json))"
)
_ARTIFACT = re.compile(r"artifacts/[0-9a-f]{16}(\.(csv|diff|json|jsonl|md|parquet|png|safetensors|svg|txt))?")
_WORD = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")
_HASH = re.compile(r"[0-9a-f]{64}")
_DEEPEST = 32


def check_id(run_id: str) -> None:
    """Raises InvalidInput for what can't be the name of a run."""
    if not _RUN_ID.fullmatch(run_id):
        raise InvalidInput(f'"{shown(run_id)}" is not the name of a run', "for example 20261124-093012-NAME-smoke-7f3a")


def largest(name: str) -> int | None:
    """How many bytes a file of this name may have; None where a run has no such file."""
    if name in _LIMITS:
        return _LIMITS[name]
    if found := _CHECKPOINT.fullmatch(name):
        return _DOCUMENT if found["state"] else archive.LARGEST_FILE
    return archive.LARGEST_FILE if _ARTIFACT.fullmatch(name) else None


def check(folder: Path, run_id: str, hashes: Mapping[str, str]) -> None:
    """Raises InvalidInput where `folder` is not a run called `run_id`.  `hashes`: of each of its files, by name."""
    if "run.json" not in hashes:
        raise InvalidInput("it has no run.json")
    try:
        _check_run(document(folder / "run.json"), run_id)
        resumes = _check_events(folder / "events.jsonl") if "events.jsonl" in hashes else 0
        for name, check_line in (("metrics.jsonl", _check_point), ("samples.jsonl", _check_sample)):
            if name in hashes:
                torn = sum(line is None or check_line(line) for line in lines(folder / name))
                _check_torn(name, torn, resumes)
        if "result.json" in hashes:
            result = document(folder / "result.json")
            _check_result(result)
            changed = [check for check in written_files(folder, result) if check.finding is Finding.DIFFERS]
            if changed:
                raise InvalidInput(f"{shown(changed[0].what)} is not what result.json says: {changed[0].why}")
        if "heartbeat" in hashes:
            _number(document(folder / "heartbeat").get("time"), "heartbeat")
        for name, digest in hashes.items():
            if name.startswith("artifacts/") and not name.startswith(f"artifacts/{digest[:16]}"):
                raise InvalidInput(f"{name} is named after another content: its hash is {digest[:16]}")
            if name.endswith(".safetensors"):
                _check_tensors(folder / name)
        for state in [name for name in hashes if name.endswith("/state.json")]:
            _check_checkpoint(folder, state, hashes)
        _check_states(hashes)
    except (KeyError, TypeError, AttributeError, ValueError, OverflowError) as error:
        raise InvalidInput(f"it is not a run as ours are: {type(error).__name__} {shown(str(error))}") from error


def document(path: Path) -> dict[str, Any]:
    """A JSON object.  Raises InvalidInput: damaged, too deep, numbers that are none or too large."""
    try:
        value = orjson.loads(path.read_bytes())
    except ValueError as error:
        raise InvalidInput(f"{path.name} can't be read: {shown(str(error))}") from error
    if not isinstance(value, dict):
        raise InvalidInput(f"{path.name} is not a JSON object")
    check_value(value, path.name)
    return value


def lines(path: Path) -> Iterator[dict[str, Any] | None]:
    """Each line as an object; None for one that a crash left half written.  Raises InvalidInput for any other."""
    with path.open("rb") as file:
        for line in _bounded(file, path.name):
            try:
                value = orjson.loads(line)
            except ValueError as error:
                if _is_loose_json(line):
                    raise InvalidInput(f"{path.name} has a line that is not JSON: {shown(str(error))}") from error
                yield None
                continue
            if not isinstance(value, dict):
                raise InvalidInput(f"{path.name} has a line that is no object")
            yield value


def check_value(value: Any, where: str, longest: int = LONGEST_TEXT) -> None:
    """Raises InvalidInput for nesting, numbers and texts that no run of ours has."""
    waiting: list[tuple[Any, int]] = [(value, 0)]
    while waiting:
        item, depth = waiting.pop()
        if depth > _DEEPEST:
            raise InvalidInput(f"{where} is nested more than {_DEEPEST} deep")
        if isinstance(item, str) and len(item) > longest:
            raise InvalidInput(f"{where} has a text of {len(item)} characters: at most {longest}")
        if isinstance(item, int | float) and not -(2**63) <= item < 2**64:
            raise InvalidInput(f"{where} has a number beyond all measure")
        if isinstance(item, dict):
            for key in item:
                _name(key, f"a key of {where}")
            waiting.extend((part, depth + 1) for part in item.values())
        elif isinstance(item, list):
            waiting.extend((part, depth + 1) for part in item)


def shown(text: str) -> str:
    """A text from outside as an error message can hold it."""
    short = text if len(text) <= 80 else f"{text[:77]}..."
    return "".join(character if character.isprintable() else "?" for character in short)


def _check_run(run: Mapping[str, Any], run_id: str) -> None:
    if not isinstance(run.get("format"), int) or run["format"] > FORMAT:
        raise InvalidInput(f"run.json has the format {shown(str(run.get('format')))}", "update paperlab")
    if run["id"] != run_id:
        raise InvalidInput(f'run.json is of "{shown(str(run["id"]))}", not of {run_id}')
    for key in ("reproduction", "recipe", "tier"):
        if not _WORD.fullmatch(run[key]):
            raise InvalidInput(f'run.json has the {key} "{shown(run[key])}"')
    check_id(run_id)
    if f"-{run['recipe']}-{run['tier']}-" != run_id[15:-4]:
        raise InvalidInput(f"{run_id} is not the name of a run of {run['recipe']}, tier {run['tier']}")
    if not _HASH.fullmatch(run["fingerprint"]):
        raise InvalidInput("run.json has no fingerprint")
    if type(run["seed"]) is not int or abs(run["seed"]) >= 2**53:
        raise InvalidInput("the seed is no whole number")
    datetime.fromisoformat(run["created_at"]).astimezone()
    for key, value in run.get("overrides", {}).items():
        _name(key, "an override")
        _name(value, f"the override {shown(key)}", LONGEST_TEXT)
    for key in ("recipe_values", "provenance"):
        if not isinstance(run.get(key) or {}, dict):
            raise InvalidInput(f"{key} in run.json is no object")
    _printable(run, "run.json")


def _check_events(path: Path) -> int:
    """Returns how many attempts resumed."""
    torn, resumes = 0, 0
    for event in lines(path):
        if event is None:
            torn += 1
            continue
        check_value(event, "events.jsonl")
        if not _WORD.fullmatch(event["event"]):
            raise InvalidInput(f'events.jsonl has an event called "{shown(event["event"])}"')
        _number(event["time"], "an event's time")
        _whole(event.get("step", 0), "an event's step")
        _whole(event.get("attempt", 1), "an attempt")
        if event["event"] == "resumed":
            resumes += 1
            for key in ("from_step", "metrics_offset", "samples_offset"):
                _whole(event.get(key, 0), key)
    _check_torn("events.jsonl", torn, resumes)
    return resumes


def _check_torn(name: str, torn: int, resumes: int) -> None:
    if torn > resumes + 1:
        raise InvalidInput(
            f"{name} has {torn} lines that can't be read, and only {resumes} restarts that could explain it"
        )


def _check_point(line: Mapping[str, Any]) -> bool:
    _whole(line["step"], "a step")
    _number(line["time"], "a point's time")
    _name(line["name"], "a metric")
    if line["value"] is not None:
        _number(line["value"], f"the value of {shown(line['name'])}")
    return False


def _check_sample(line: Mapping[str, Any]) -> bool:
    check_value(line, "samples.jsonl", longest=LONGEST_LINE)
    _whole(line["step"], "a step")
    _number(line["time"], "a sample's time")
    for key in ("source", "output", "reference"):
        if not isinstance(line["output"] if key == "output" else line.get(key), str | None):
            raise InvalidInput(f"a sample's {key} is no text")
    return False


def _check_result(result: Mapping[str, Any]) -> None:
    _whole(result["step"], "the last step")
    _printable(result, "result.json")
    for measured in result["measurements"]:
        _number(measured["value"], "a measurement")
        _name(measured["metric"], "a metric")
        for key in ("claim", "task", "dataset", "split", "unit", "signature"):
            if measured.get(key) is not None:
                _name(measured[key], f"a measurement's {key}")


def _check_checkpoint(folder: Path, state: str, hashes: Mapping[str, str]) -> None:
    content = document(folder / state)
    place = state.removesuffix("state.json")
    there = {name.removeprefix(place) for name in hashes if name.startswith(place)} - {"state.json"}
    if set(content["files"]) != there:
        raise InvalidInput(f"{place} has other files than its state.json says")
    for name, file in content["files"].items():
        if file["sha256"] != hashes[place + name] or file["bytes"] != (folder / place / name).stat().st_size:
            raise InvalidInput(f"{place}{name} is not what its state.json says")


def _check_states(hashes: Mapping[str, str]) -> None:
    places = {name.rpartition("/")[0] for name in hashes if name.startswith("checkpoints/")}
    for place in places:
        if f"{place}/state.json" not in hashes:
            raise InvalidInput(f"{place} has no state.json, so it is no whole checkpoint")


def _check_tensors(path: Path) -> None:
    """Raises InvalidInput where a file is no safetensors, such as a pickle of that name."""
    size = path.stat().st_size
    with path.open("rb") as file:
        length = int.from_bytes(file.read(8), "little")
        if size < 10 or not 2 <= length <= min(size - 8, 100 * 2**20):
            raise InvalidInput(f"{path.name} is no safetensors file")
        table = orjson.loads(file.read(length))
    for name, entry in table.items():
        if name != "__metadata__":
            begin, end = entry["data_offsets"]
            if not 0 <= begin <= end <= size - 8 - length:
                raise InvalidInput(f"{path.name} points outside itself")


def _bounded(file: BinaryIO, name: str) -> Iterator[bytes]:
    while line := file.readline(LONGEST_LINE + 1):
        if len(line) > LONGEST_LINE:
            raise InvalidInput(f"{name} has a line of more than {LONGEST_LINE} bytes")
        yield line


def _is_loose_json(line: bytes) -> bool:
    """Whether a lenient reader would take the line: NaN, a number or a depth beyond bounds."""
    try:
        json.loads(line)
    except ValueError:
        return False
    except RecursionError:
        pass
    return True


def _printable(value: Any, where: str) -> None:
    waiting = [value]
    while waiting:
        item = waiting.pop()
        if isinstance(item, str) and any(ord(character) < 32 and character not in "\n\t" for character in item):
            raise InvalidInput(f"{where} has control characters")
        waiting.extend(item.values() if isinstance(item, dict) else item if isinstance(item, list) else ())


def _name(value: Any, what: str, longest: int = LONGEST_NAME) -> None:
    if not isinstance(value, str) or len(value) > longest or not value.isprintable():
        raise InvalidInput(f'{what} is "{shown(str(value))}": at most {longest} printable characters')


def _whole(value: Any, what: str) -> None:
    if type(value) is not int or not 0 <= value < 2**53:
        raise InvalidInput(f"{what} is {shown(repr(value))}, which is no count")


def _number(value: Any, what: str) -> None:
    if type(value) not in (int, float) or abs(value) > 1e300:
        raise InvalidInput(f"{what} is {shown(repr(value))}, which is no number")
