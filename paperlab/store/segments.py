"""Rows of sparse vectors in files that are written once: segments, which are mapped, joined and thinned out.

A segment NAME is six arrays, NAME.ARRAY.npy: for each row `ordinals` (ArxivId.ordinal), `changed` (microseconds since
1970) and `submitted` (seconds since 1970), all int64; and compressed sparse rows, `starts` (rows + 1, int32), `places`
(entries, int32: the columns) and `values` (entries, float32).  Where several rows describe one paper the last counts.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROWS = 50_000
"""A segment has at most so many rows, about 1 KB each: what is in memory at once."""
ARRAYS = ("ordinals", "changed", "submitted", "starts", "places", "values")

Array = Any
"""A NumPy array: NumPy is loaded where it is needed, since lists of papers start without it."""
Rows = Mapping[str, Array]
"""The six arrays by name."""


@dataclass(frozen=True)
class Segment:
    name: str
    rows: int
    entries: int


def file_names(segment: Segment) -> set[str]:
    return {f"{segment.name}.{array}.npy" for array in ARRAYS}


def read(place: Path, segment: Segment) -> dict[str, Array]:
    """The arrays, mapped.  Raises FileNotFoundError, or ValueError where they are not what was written."""
    arrays = {name: read_array(place / f"{segment.name}.{name}.npy", mapped=segment.entries > 0) for name in ARRAYS}
    rows = {len(arrays[name]) for name in ("ordinals", "changed", "submitted")} | {len(arrays["starts"]) - 1}
    if rows != {segment.rows} or {len(arrays["places"]), len(arrays["values"])} != {segment.entries}:
        raise ValueError(f"{place / segment.name} is not as long as it was written")
    return arrays


def write(place: Path, name: str, rows: Rows) -> Segment:
    for array in ARRAYS:
        write_array(place / f"{name}.{array}.npy", rows[array])
    return Segment(name, len(rows["ordinals"]), len(rows["places"]))


def newest(ordinals: Array) -> Array:
    """(rows,) bool: whether no later row has the same ordinal."""
    import numpy as np

    _, last_from_the_end = np.unique(ordinals[::-1], return_index=True)
    found = np.zeros(len(ordinals), dtype=bool)
    found[len(ordinals) - 1 - last_from_the_end] = True
    return found


def select(rows: Rows, keep: Array) -> dict[str, Array]:
    """The rows for which `keep` (rows,) is true."""
    import numpy as np

    lengths = np.diff(rows["starts"])
    entries = np.repeat(keep, lengths)
    starts = np.concatenate([[0], np.cumsum(lengths[keep])]).astype(np.int32)
    kept = {name: rows[name][keep] for name in ("ordinals", "changed", "submitted")}
    return {**kept, "starts": starts, "places": rows["places"][entries], "values": rows["values"][entries]}


def join(one: Rows, two: Rows) -> dict[str, Array]:
    """Both, one after the other, without the rows that a later one replaces."""
    import numpy as np

    joined = {name: np.concatenate([one[name], two[name]]) for name in ARRAYS if name != "starts"}
    joined["starts"] = np.concatenate([one["starts"], two["starts"][1:] + one["starts"][-1]])
    return select(joined, newest(joined["ordinals"]))


def join_small(place: Path, segments: Sequence[Segment], serial: int) -> tuple[list[Segment], int]:
    """Join the last two while the older is not twice as large: so a row is copied log(n) times in its life.

    Returns the segments and the last serial number used.
    """
    left = list(segments)
    while len(left) > 1 and left[-2].rows <= 2 * left[-1].rows and left[-2].rows + left[-1].rows <= ROWS:
        serial += 1
        joined = join(read(place, left[-2]), read(place, left[-1]))
        left = [*left[:-2], write(place, f"segment-{serial:06d}", joined)]
    return left, serial


def unit_length(values: Array, starts: Array) -> Array:
    """`values` with each row scaled to Euclidean length 1; float32."""
    import numpy as np

    squares = np.concatenate([[0.0], np.cumsum(np.square(values, dtype=np.float64))])
    norms = np.sqrt(squares[starts[1:]] - squares[starts[:-1]])
    return (values / np.repeat(norms, np.diff(starts))).astype(np.float32)


def read_array(path: Path, *, mapped: bool = False) -> Array:
    import numpy as np

    return np.load(path, mmap_mode="r" if mapped else None, allow_pickle=False)


def write_array(path: Path, array: Array) -> None:
    import numpy as np

    with path.open("wb") as file:
        np.save(file, array, allow_pickle=False)
        file.flush()
        os.fsync(file.fileno())


def write_json(path: Path, record: Any) -> None:
    with path.open("w", encoding="utf-8") as file:
        json.dump(record, file, ensure_ascii=False)
        file.flush()
        os.fsync(file.fileno())
