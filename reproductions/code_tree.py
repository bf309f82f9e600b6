"""The code of reproductions/ as files: its hash, and how its changes since a commit are written down and applied.

Standard library only, and nothing is imported: a tree that somebody else's run came from is read, never executed.
"""

from __future__ import annotations

import hashlib
import os
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path

from reproductions.run_files import sha256 as file_sha256

PATTERNS = (":(top,glob)reproductions/**/*.py", ":(top,glob)reproductions/**/*.toml")
"""What counts as code, as git names it: the files that `files` finds."""

DIFF = (
    *("-c", "core.quotePath=true", "-c", "diff.algorithm=myers", "diff", "--cached", "--no-color", "--no-ext-diff"),
    *("--no-textconv", "--no-renames", "--full-index", "--unified=3", "--src-prefix=a/", "--dst-prefix=b/"),
)
"""git's words for a diff that does not depend on a user's settings."""

LARGEST_DIFF = 2 * 2**20
"""Bytes.  A larger one is not kept, only its hash."""


def files(root: Path) -> Iterator[Path]:
    """The code below `root`/reproductions, in the order of its names."""
    found = [path for suffix in ("py", "toml") for path in (root / "reproductions").rglob(f"*.{suffix}")]
    yield from sorted(path for path in found if "__pycache__" not in path.parts and path.is_file())


def sha256(root: Path) -> str:
    """Over names and contents, the same in a checkout and in an installed copy."""
    digest = hashlib.sha256()
    for path in files(root):
        digest.update(f"{path.relative_to(root).as_posix()}\0{file_sha256(path)}\n".encode())
    return digest.hexdigest()


def rebuild(checkout: Path, commit: str, diff: bytes, target: Path, environment: Mapping[str, str]) -> str:
    """Writes the code of `commit`, with `diff` applied, below the empty folder `target`.

    Returns why it can't; empty where it is there.  The diff may be anybody's: git writes nothing outside `target`
    and follows no link in it.
    """
    git = ["git", "-C", str(checkout)]
    listed = _run([*git, "ls-tree", "-r", "-z", "--full-tree", commit, "--", "reproductions"], environment)
    if listed is None:
        return f"the commit {commit[:12]} is not in this checkout"
    blobs = {}
    for entry in filter(None, listed.split(b"\0")):
        attributes, _, name = entry.partition(b"\t")
        if name.endswith((b".py", b".toml")) and attributes.startswith(b"100"):  # code, and no link
            blobs[name.decode()] = attributes.split()[2]
    contents = _run([*git, "cat-file", "--batch"], environment, b"\n".join(blobs.values()) + b"\n")
    if contents is None:
        return f"the files of the commit {commit[:12]} can't be read"
    at = 0
    for file in blobs:
        end = contents.index(b"\n", at)
        size = int(contents[at:end].split()[2])
        at = end + 1
        path = target / file
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(contents[at : at + size])
        at += size + 1
    alone = {**environment, "GIT_CEILING_DIRECTORIES": str(target.parent), "GIT_CONFIG_GLOBAL": os.devnull}
    if diff and _run(["git", "-C", str(target), "apply", "--whitespace=nowarn", "-"], alone, diff) is None:
        return "the kept diff can't be applied to the commit"
    return ""


def _run(command: list[str], environment: Mapping[str, str], given: bytes = b"") -> bytes | None:
    try:
        done = subprocess.run(command, input=given, capture_output=True, check=False, timeout=60, env=dict(environment))
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout if done.returncode == 0 else None
