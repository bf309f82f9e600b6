"""The words of every paper as TF-IDF vectors, in files beside the database: derived, and made again when lost.

A row is a paper: (1 + ln tf) idf for each term of the vocabulary, scaled to length 1 (Salton and Buckley,
Term-weighting approaches in automatic text retrieval, Information Processing & Management 24(5), 1988).  Rows lie in
segments that are never changed; a revised paper gets a new row, and its newest one counts.

state.json names the files that belong together.  store/vectorising.py writes them.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from paperlab.settings import Settings
from paperlab.store import segments
from paperlab.store.segments import Array, Segment
from paperlab.store.terms import Vocabulary

FORMAT = 1
_READING_TRIES = 5


@dataclass(frozen=True)
class State:
    """What belongs together; everything else in the folder is a leftover."""

    format: int
    database: str
    """Hash of the database's address: another database is other papers."""
    serial: int
    """Grows with every file written, so that a name is never used for two things."""
    vocabulary: str
    idf: str
    counts: str
    """For each term, how many papers hold it."""
    segments: tuple[Segment, ...]
    papers: int
    vocabulary_papers: int
    """How many there were when the vocabulary was chosen."""
    idf_papers: int
    """How many there were when the rows were last weighed."""
    reached: int
    """The newest change that is in, in microseconds since 1970."""


@dataclass(frozen=True)
class Vectors:
    """The rows of all segments, opened.  Arrays over rows have them in the order of the segments."""

    state: State
    vocabulary: Vocabulary
    idf: Array
    """(terms,) float32: as the rows were weighed with."""
    counts: Array
    """(terms,) int64."""
    parts: tuple[Any, ...]
    """One a segment: scipy CSR matrices (rows, terms), float32, mapped."""
    ordinals: Array
    """(rows,) int64: ArxivId.ordinal."""
    changed: Array
    """(rows,) int64: `last_changed_at` in microseconds since 1970."""
    submitted: Array
    """(rows,) int64: seconds since 1970."""
    newest: Array
    """(rows,) bool: false where a later row describes the same paper."""


def folder(settings: Settings) -> Path:
    return settings.home / "vectors"


def load(settings: Settings) -> Vectors | None:
    """The vectors as they are, or None where there are none that can be used for this database."""
    place = folder(settings)
    for _ in range(_READING_TRIES):
        state = read_state(place, settings)
        if state is None:
            return None
        try:
            return _open(place, state)
        except FileNotFoundError:
            continue  # an update has removed what this state named: there is a newer one
        except (ValueError, TypeError, EOFError):  # as numpy and json call a file that is damaged
            return None
    return None


def rows_of(vectors: Vectors, ordinals: Iterable[int]) -> Array:
    """The rows (int64) of those of the papers that are in, in the order of the vectors."""
    import numpy as np

    wanted = np.isin(vectors.ordinals, np.asarray(sorted(ordinals), dtype=np.int64))
    return np.flatnonzero(wanted & vectors.newest)


def matrix(vectors: Vectors, rows: Array) -> Any:
    """The CSR matrix (len(rows), terms) of these rows, in their order; a copy."""
    import numpy as np
    from scipy import sparse

    if not vectors.parts:
        return sparse.csr_matrix((0, len(vectors.vocabulary.terms)), dtype=np.float32)
    starts = np.cumsum([0, *(part.shape[0] for part in vectors.parts)])
    of_part = np.searchsorted(starts[1:], rows, side="right")
    chosen = [part[rows[of_part == i] - starts[i]] for i, part in enumerate(vectors.parts)]
    by_part = np.argsort(of_part, kind="stable")
    return sparse.vstack(chosen, format="csr")[np.argsort(by_part, kind="stable")]


def products(vectors: Vectors, weights: Array, rows: Array) -> Array:
    """Row times `weights` (terms,) for each of `rows`: float32 (len(rows),).

    A few rows are copied out; where many are asked for all are multiplied, without a copy.
    """
    import numpy as np

    if len(rows) * 4 < len(vectors.ordinals):
        return matrix(vectors, rows) @ weights
    every = [part @ weights for part in vectors.parts]
    return (np.concatenate(every) if every else np.zeros(0, np.float32))[rows]


def read_state(place: Path, settings: Settings) -> State | None:
    """The state, or None where there is none, a damaged one, or that of another database or format."""
    try:
        record = json.loads((place / "state.json").read_text(encoding="utf-8"))
        state = State(**{**record, "segments": tuple(Segment(**each) for each in record["segments"])})
    except (FileNotFoundError, NotADirectoryError, ValueError, TypeError, KeyError):
        return None
    return state if (state.format, state.database) == (FORMAT, database_key(settings)) else None


def database_key(settings: Settings) -> str:
    """Stands for the database's address, which may hold a password."""
    return hashlib.sha256(settings.database_url.encode()).hexdigest()[:16]


def _open(place: Path, state: State) -> Vectors:
    import numpy as np
    from scipy import sparse

    record = json.loads((place / state.vocabulary).read_text(encoding="utf-8"))
    vocabulary = Vocabulary(tuple(record["terms"]), tuple(record["spellings"]))
    size = len(vocabulary.terms)
    opened = [segments.read(place, segment) for segment in state.segments]
    parts = tuple(
        sparse.csr_matrix((arrays["values"], arrays["places"], arrays["starts"]), shape=(segment.rows, size))
        for segment, arrays in zip(state.segments, opened, strict=True)
    )
    ordinals, changed, submitted = (
        np.concatenate([np.zeros(0, np.int64), *(arrays[name] for arrays in opened)])
        for name in ("ordinals", "changed", "submitted")
    )
    idf, counts = segments.read_array(place / state.idf), segments.read_array(place / state.counts)
    if not len(idf) == len(counts) == size == len(vocabulary.spellings):
        raise ValueError(f"{place}: vocabulary and counts do not belong together")
    return Vectors(
        state=state,
        vocabulary=vocabulary,
        idf=idf,
        counts=counts,
        parts=parts,
        ordinals=ordinals,
        changed=changed,
        submitted=submitted,
        newest=segments.newest(ordinals),
    )
