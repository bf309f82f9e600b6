"""What a run keeps besides numbers: pictures such as attention maps, and its checkpoints."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Any

import streamlit as st

from paperlab.dashboard.text import brief, count, escape, number
from paperlab.errors import PaperlabError
from reproductions.run_directory import ReproductionError, RunDirectory

_PICTURES_SHOWN = 8
_LARGEST_PICTURE = 2_000_000
_PNG = b"\x89PNG\r\n\x1a\n"


def artifacts(path: Path) -> None:
    """Pictures are shown as pictures, which run nothing and load nothing; other files are named."""
    try:
        found = RunDirectory(path).artifacts()
    except (ReproductionError, PaperlabError, OSError, KeyError, TypeError, ValueError):
        return  # a damaged directory: what can be said of it the page says elsewhere
    if not found:
        return
    st.header("Artifacts")
    pictures = [(item, content) for item in found if (content := _picture(path, item)) is not None]
    for left in range(0, min(len(pictures), _PICTURES_SHOWN), 2):
        for column, (item, content) in zip(st.columns(2), pictures[left : left + 2], strict=False):
            with column:
                st.image(content, caption=escape(_name(item)))
    st.table(
        {
            "Name": [escape(_name(item)) for item in found],
            "File": [escape(str(item["file"]), 120) for item in found],
            "Size": [number(item.get("bytes"), "bytes") for item in found],
            "Step": [number(item.get("step")) for item in found],
        },
        hide_index=True,
        border="horizontal",
    )
    st.caption(f"shown {min(len(pictures), _PICTURES_SHOWN)} of {count(len(pictures), 'picture')}")


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
