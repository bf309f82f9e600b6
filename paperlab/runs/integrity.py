"""Whether a run's files are those that it wrote: the hashes in result.json, and the one of result.json itself.

They show what was changed by accident or in one place.  Whoever changes everything to fit is not found out: nothing is
signed.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

from reproductions import run_files


class Finding(StrEnum):
    OK = "ok"
    DIFFERS = "differs"
    UNCHECKED = "can't be checked here"


@dataclass(frozen=True)
class Check:
    """One thing that was looked at.  `why` says what differs, or what is missing here."""

    what: str
    finding: Finding
    why: str = ""


def ok(what: str, why: str = "") -> Check:
    return Check(what, Finding.OK, why)


def differs(what: str, why: str) -> Check:
    return Check(what, Finding.DIFFERS, why)


def unchecked(what: str, why: str) -> Check:
    return Check(what, Finding.UNCHECKED, why)


def written_files(folder: Path, result: Mapping[str, Any]) -> Iterator[Check]:
    """Each file that result.json has the hash of, as far as it is there."""
    noted = result.get("files")
    if not isinstance(noted, dict):
        yield unchecked("files", "the run was written before result.json had the hashes of its files")
        return
    for name, file in sorted(noted.items()):
        path = folder / name
        if ".." in Path(name).parts or Path(name).is_absolute() or path.is_symlink():
            yield differs(name, "it is no file of a run")
        elif not path.is_file():
            may_go = name.startswith("checkpoints/")
            yield unchecked(name, "it is not here") if may_go else differs(name, "it is not here")
        else:
            size = path.stat().st_size
            may_grow = name == "events.jsonl"  # `finished` comes after the result
            if size < file["bytes"] or (size > file["bytes"] and not may_grow):
                yield differs(name, f"it has {size} bytes and had {file['bytes']}")
            elif run_files.sha256(path, file["bytes"]) != file["sha256"]:
                yield differs(name, "it has another hash than when it was written")
            else:
                yield ok(name)


def result_file(folder: Path, events: Sequence[Mapping[str, Any]]) -> Check:
    """result.json, by what the event `finished` says of it."""
    noted = [
        event["result_sha256"] for event in events if event.get("event") == "finished" and "result_sha256" in event
    ]
    if not noted:
        return unchecked("result.json", "no event has its hash")
    if run_files.sha256(folder / "result.json") != noted[-1]:
        return differs("result.json", "it has another hash than when it was written")
    return ok("result.json")
