"""Structural claims (parameter counts, equations) checked on this machine, without training.

The check imports torch, so it runs as `python -m reproductions NAME --structure` and its answer is kept under the home,
by the fingerprint of the code: while the code is the same, listing claims needs neither torch nor the check.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from paperlab.entities import Measurement
from paperlab.errors import PaperlabError
from paperlab.runs import changes, launch
from reproductions import registry


@dataclass(frozen=True)
class Check:
    """What a structural check measured, or why it could not be made (empty where it was made, or never asked for)."""

    fingerprint: str
    measurements: tuple[Measurement, ...] = ()
    failure: str = ""


def known(names: Iterable[str], home: Path) -> dict[str, Check]:
    """The checks that were made on this machine with the code of now, by reproduction.  Starts nothing."""
    checks = {}
    for name in names:
        with launch.explained():
            fingerprint = registry.fingerprint(name)
        kept = _kept(_file(home, name, fingerprint))
        checks[name] = Check(fingerprint) if kept is None else _check(kept, fingerprint)
    return checks


def check(names: Iterable[str], home: Path, *, python: str = sys.executable) -> dict[str, Check]:
    """The checks of these reproductions, made now where this code has not been checked yet.

    Where torch is missing nothing is measured and `failure` says so.  Raises PaperlabError where a check breaks.
    """
    missing = launch.missing_packages(("torch",))
    checks = {}
    for name, held in known(names, home).items():
        if held.measurements or not missing:
            checks[name] = held if held.measurements else _measure(name, held.fingerprint, home, python)
        else:
            checks[name] = Check(held.fingerprint, failure=f"torch is not installed: {launch.INSTALL}")
    return checks


def _measure(name: str, fingerprint: str, home: Path, python: str) -> Check:
    ended = subprocess.run(
        [python, "-m", "reproductions", name, "--structure", "--json"],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        env={**os.environ, "PAPERLAB_HOME": str(home)},
        check=False,
    )
    if ended.returncode != 0:
        said = (ended.stderr.strip().splitlines() or [f"exit code {ended.returncode}"])[-1]
        raise PaperlabError(
            f"the structural check of {name} failed: {said.removeprefix('error: ').rstrip('.')}",
            f"python -m reproductions {name} --structure",
        )
    answer: dict[str, Any] = json.loads(ended.stdout.splitlines()[-1])
    file = _file(home, name, fingerprint)
    file.parent.mkdir(parents=True, exist_ok=True)
    temporary = file.with_suffix(f".{os.getpid()}.tmp")
    temporary.write_text(json.dumps(answer), encoding="utf-8")
    temporary.replace(file)
    return _check(answer, fingerprint)


def _check(answer: Mapping[str, Any], fingerprint: str) -> Check:
    return Check(
        fingerprint, tuple(changes.measurement(entry, fingerprint=fingerprint) for entry in answer["measurements"])
    )


def _kept(file: Path) -> dict[str, Any] | None:
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
    except (FileNotFoundError, ValueError):
        return None
    return content if isinstance(content, dict) and "measurements" in content else None


def _file(home: Path, name: str, fingerprint: str) -> Path:
    return home / "structure" / f"{name}-{fingerprint[:16]}.json"
