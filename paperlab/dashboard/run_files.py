"""What a run keeps besides numbers: pictures such as attention maps, and its checkpoints."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import streamlit as st

from paperlab.dashboard.text import brief, count, escape, number
from paperlab.errors import PaperlabError
from reproductions.run_directory import ReproductionError, RunDirectory

_PICTURES_SHOWN = 8
_FILES_SHOWN = 40
_LARGEST_PICTURE = 2_000_000
_DAMAGED = (ReproductionError, PaperlabError, OSError, KeyError, TypeError, ValueError, AttributeError)
"""What a damaged directory raises: what can be said of it, the page says elsewhere."""
_PNG = b"\x89PNG\r\n\x1a\n"


def artifacts(path: Path) -> None:
    """Pictures are shown as pictures, which run nothing and load nothing; other files are named.

    Those that belong to samples stand beside them (`maps`).
    """
    try:
        of_samples = {each.file for group in _pictures_of_samples(path).values() for each in group}
        found = [item for item in RunDirectory(path).artifacts() if item["file"] not in of_samples]
    except _DAMAGED:
        return
    if not found:
        return
    st.header("Artifacts")
    shown = found[-_FILES_SHOWN:]
    pictures = [(_name(item), content) for item in shown if (content := _picture(path, item)) is not None]
    _pairs(pictures)
    st.table(
        {
            "Name": [escape(_name(item)) for item in shown],
            "File": [escape(str(item["file"]), 120) for item in shown],
            "Size": [number(item.get("bytes"), "bytes") for item in shown],
            "Step": [number(item.get("step")) for item in shown],
        },
        hide_index=True,
        border="horizontal",
    )
    said = f"shown {min(len(pictures), _PICTURES_SHOWN)} of {count(len(pictures), 'picture')}"
    st.caption(f"{said}, {len(shown)} of {count(len(found), 'file')}")


def maps(path: Path, step: int) -> None:
    """Pictures that belong to the samples of a step, such as where a translation looked in its source."""
    try:
        found = _pictures_of_samples(path).get(step, [])
    except _DAMAGED:
        return
    drawn = [(each, content) for each in found if (content := _picture(path, {"file": each.file})) is not None]
    if not drawn:
        return
    st.subheader("Attention maps" if all("attention" in each.name for each, _ in drawn) else "Pictures of samples")
    _pairs([(f"{brief(each.source, 160)} → {brief(each.output, 160)}", content) for each, content in drawn])
    st.caption(f"shown {min(len(drawn), _PICTURES_SHOWN)} of {count(len(drawn), 'picture')} of this step's samples")


def _pairs(pictures: Sequence[tuple[str, str]]) -> None:
    """Caption and picture, two beside each other."""
    for left in range(0, min(len(pictures), _PICTURES_SHOWN), 2):
        for column, (said, content) in zip(st.columns(2), pictures[left : left + 2], strict=False):
            with column:
                st.image(content, caption=escape(said))


@dataclass(frozen=True)
class _Belonging:
    """A picture of a sample."""

    name: str
    file: str
    source: str
    output: str


def _pictures_of_samples(path: Path) -> dict[int, list[_Belonging]]:
    file = path / "samples.jsonl"
    return _belonging(str(path), file.stat().st_mtime_ns) if file.is_file() else {}


@st.cache_data(show_spinner=False, max_entries=16)
def _belonging(path: str, stamp: int) -> dict[int, list[_Belonging]]:
    """By step.  `stamp` is the file's: it is read again once it has grown."""
    del stamp
    found: dict[int, list[_Belonging]] = {}
    for line in RunDirectory(Path(path)).samples():
        for name, file in (line.get("artifacts") or {}).items():
            each = _Belonging(str(name), str(file), str(line.get("source") or ""), str(line["output"]))
            found.setdefault(int(line["step"]), []).append(each)
    return found


def took(path: Path) -> list[str]:
    """What a finished run took besides its time, in words: memory, energy."""
    try:
        result = RunDirectory(path).result or {}
        peak, energy = result.get("peak_memory_bytes"), (result.get("energy") or {}).get("joules")
        said = [f"peak memory {number(peak / 1e9, 'GB')}"] if peak else []
        return [*said, f"{number(energy / 3600, 'Wh')} on the GPU"] if energy else said
    except _DAMAGED:
        return []


def _name(item: dict[str, Any]) -> str:
    return brief(str(item["name"]), 120)


def _picture(path: Path, item: dict[str, Any]) -> str | None:
    """A PNG or SVG as a data URL; None for what is neither, too large, or not inside the directory.

    As it is, without a look inside: what is wrong with it the browser finds out, which draws nothing then.
    """
    file = (path / str(item["file"])).resolve()
    if not file.is_relative_to((path / "artifacts").resolve()) or not file.is_file():
        return None
    if file.stat().st_size > _LARGEST_PICTURE:
        return None
    content = file.read_bytes()
    if content.startswith(_PNG):
        kind = "png"
    elif file.suffix == ".svg" and content.lstrip().startswith(b"<svg"):
        kind = "svg+xml"
    else:
        return None
    return f"data:image/{kind};base64,{base64.b64encode(content).decode()}"


def checkpoints(path: Path) -> None:
    """The whole checkpoints that are there, with their sizes."""
    folder = path / "checkpoints"
    whole = sorted(each for each in folder.glob("*") if (each / "state.json").is_file()) if folder.is_dir() else []
    if not whole:
        return
    with st.expander(f"Checkpoints: {len(whole)}"):
        sizes = [sum(file.stat().st_size for file in each.iterdir() if file.is_file()) for each in whole]
        st.table(
            {
                "Checkpoint": [escape(each.name) for each in whole],
                "Size": [number(size / 1e6, "MB") for size in sizes],
                "Path": [escape(str(each)) for each in whole],
            },
            hide_index=True,
            border="horizontal",
        )
