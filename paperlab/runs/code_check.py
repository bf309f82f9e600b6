"""Whether a run's code is known: today's, or its commit with the changes that it kept.  Nothing of it is executed."""

from __future__ import annotations

import hashlib
import os
import re
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from paperlab.runs import admission
from paperlab.runs.integrity import Check, differs, ok, unchecked
from reproductions import code_tree, registry
from reproductions.registry import ReproductionError

_COMMIT = re.compile(r"[0-9a-f]{40,64}")
ROOT = Path(registry.__file__).parents[1]


def check(folder: Path, run: Mapping[str, Any], today: str | None, checkout: Path = ROOT) -> Check:
    """The code whose fingerprint run.json has.  `today`: that of the code here; `checkout`: has its commit."""
    code, name = run.get("code"), str(run["reproduction"])
    if not isinstance(code, str):
        return unchecked("code", "the run was written before its code had a fingerprint of its own")
    if today is None:
        return unchecked("code", f"no reproduction here is called {admission.shown(name)}")
    if today == code:
        return ok("code", "it is the code of today")
    return _of_commit(folder, name, code, run.get("provenance") or {}, checkout)


def _of_commit(folder: Path, name: str, code: str, source: Mapping[str, Any], checkout: Path) -> Check:
    commit, diff = str(source.get("commit")), _kept(folder, source)
    if source.get("code_sha256") == code_tree.sha256(ROOT):
        return differs("code", "the files are those of today, and their fingerprint is another")
    if not _COMMIT.fullmatch(commit):
        return unchecked("code", "it has changed since, and the run comes from no checkout")
    if diff is None:
        return unchecked("code", "it has changed since, and the changes to its commit were not kept or are not here")
    with tempfile.TemporaryDirectory() as target:
        why = code_tree.rebuild(checkout, commit, diff, Path(target), os.environ)
        found = "" if why else _fingerprint(name, Path(target))
    if why:
        return unchecked("code", f"it has changed since, and {why}")
    if found != code:
        return differs("code", f"commit {commit[:12]} with its changes comes to {found[:12]}, not to {code[:12]}")
    return ok("code", f"it is commit {commit[:12]}{' with the changes that were kept' if diff else ''}")


def _kept(folder: Path, source: Mapping[str, Any]) -> bytes | None:
    """The changes to the commit: empty where there were none, None where they are not here as they were."""
    digest = source.get("diff_sha256")
    if digest is None:
        return b"" if source.get("dirty") is False else None
    path = folder / "artifacts" / f"{str(digest)[:16]}.diff"
    if not path.is_file() or path.is_symlink() or path.stat().st_size > code_tree.LARGEST_DIFF:
        return None
    diff = path.read_bytes()
    return diff if hashlib.sha256(diff).hexdigest() == digest else None


def _fingerprint(name: str, root: Path) -> str:
    try:
        return registry.fingerprint(name, root=root)
    except (ReproductionError, SyntaxError, ValueError, RecursionError, MemoryError) as error:
        return f"none ({type(error).__name__})"
