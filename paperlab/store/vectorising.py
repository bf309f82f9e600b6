"""Keeping the vectors of store/vectors.py up to date with the papers, at a constant cost per paper.

New papers are counted with the vocabulary there is and with the idf in force: the work is theirs alone.  How many
papers hold a term is counted on, and when the papers have grown by a fifth every row is weighed anew with that count.
When they have doubled, or when it is asked for, the vocabulary is chosen anew.

state.json is replaced in one step after the files that it names are on the disk: whoever is killed leaves the state
before, and files that nobody names and the next update removes.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, cast

import sqlalchemy as sa
from filelock import FileLock, Timeout
from sqlalchemy.orm import Session

from paperlab.errors import NotReady, TryAgain
from paperlab.settings import Settings
from paperlab.store import segments, terms
from paperlab.store.schema import PaperRow
from paperlab.store.segments import Array, Segment
from paperlab.store.terms import Vocabulary
from paperlab.store.vectors import FORMAT, State, Vectors, database_key, folder, load, matrix, read_state, rows_of

LOCK_PATIENCE_S = 120.0
REWEIGH_GROWTH = 1.2
REBUILD_GROWTH = 2.0
VOCABULARY_SAMPLE = 20_000
"""The vocabulary is chosen from at most so many papers, evenly spread over their identifiers."""

_OVERLAP = timedelta(days=1)
"""So far back what changed is compared once more: a transaction may commit after one that began later."""
_BATCH = 500
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_PAPERS = cast(sa.Table, PaperRow.__table__)


@dataclass(frozen=True)
class Update:
    """What an update did."""

    papers: int
    """In the vectors now."""
    read: int
    """New and revised papers that were counted."""
    rebuilt: bool
    """The vocabulary was chosen anew."""
    reweighed: bool


def update(session: Session, settings: Settings, *, rebuild: bool = False) -> Update:
    """Bring the vectors to what the database holds; `rebuild` chooses the vocabulary anew whatever has grown.

    Reads the database and writes files only.  Raises TryAgain while another process updates, NotReady where the folder
    can't be written.
    """
    place = folder(settings)
    held = load(settings)
    if held is not None and not rebuild and _is_current(session, held):
        return Update(held.state.papers, read=0, rebuilt=False, reweighed=False)
    with _locked(place):
        held = load(settings)
        done = (
            _build(session, settings, place)
            if held is None or rebuild or _has_outgrown(held, _total(session))
            else _catch_up(session, place, held)
        )
        _remove_leftovers(place, settings)
        return done


@contextmanager
def _locked(place: Path) -> Iterator[None]:
    try:
        place.mkdir(parents=True, exist_ok=True)
        with FileLock(place / "lock", timeout=LOCK_PATIENCE_S):
            yield
    except Timeout as error:
        raise TryAgain(
            f"another process is counting words in {place}",
            "run the same command again",
            reason="lock",
            retry_after_s=LOCK_PATIENCE_S,
        ) from error
    except OSError as error:
        raise NotReady(
            f"{place} can't be written: {error.strerror or error}", "make room or make it writable; nothing is lost"
        ) from error


def _has_outgrown(held: Vectors, total: int) -> bool:
    return total > held.state.vocabulary_papers and total >= REBUILD_GROWTH * held.state.vocabulary_papers


def _is_current(session: Session, held: Vectors) -> bool:
    """Whether as many papers as in the database are in, as many of them changed lately, and none later.

    Three look-ups in indexes.  Blind to a paper that a late transaction changed with the time of an earlier one within
    the last day: the next update that has anything to do finds it.
    """
    since = _time(held.state.reached) - _OVERLAP
    statement = sa.select(sa.func.count(), sa.func.max(_PAPERS.c.last_changed_at))
    lately, last = session.execute(statement.where(_PAPERS.c.last_changed_at >= since)).one()
    in_vectors = held.newest & (held.changed >= _microseconds(since))
    return (
        (last is None or _microseconds(last) <= held.state.reached)
        and lately == int(in_vectors.sum())
        and _total(session) == held.state.papers
    )


def _build(session: Session, settings: Settings, place: Path) -> Update:
    """Choose the vocabulary from a sample, then count every paper."""
    import numpy as np

    every = session.execute(sa.select(_PAPERS.c.ordinal).order_by(_PAPERS.c.ordinal)).scalars().all()
    sample = every[:: max(1, -(-len(every) // VOCABULARY_SAMPLE))]
    vocabulary = terms.choose((row.title, row.abstract) for rows in _texts(session, sample) for row in rows)
    serial = _highest_serial(place) + 1
    state = State(
        format=FORMAT,
        database=database_key(settings),
        serial=serial,
        vocabulary=f"vocabulary-{serial:06d}.json",
        idf="",
        counts="",
        segments=(),
        papers=len(every),
        vocabulary_papers=len(every),
        idf_papers=len(every),
        reached=0,
    )
    segments.write_json(place / state.vocabulary, asdict(vocabulary))
    counts, plain = np.zeros(len(vocabulary.terms), np.int64), np.ones(len(vocabulary.terms), np.float32)
    state = _count(session, place, state, every, vocabulary=vocabulary, counts=counts, idf=plain)
    _weigh(place, state, counts, plain)
    return Update(len(every), read=len(every), rebuilt=True, reweighed=True)


def _catch_up(session: Session, place: Path, held: Vectors) -> Update:
    """Count the papers that are new or changed since the state was written; let go of those that are no more held."""
    import numpy as np

    rows: Array = np.flatnonzero(held.newest)
    rows = rows[np.argsort(held.ordinals[rows])]
    inside = held.ordinals[rows]
    total = _total(session)
    there, changed = _changes(session, since=_time(held.state.reached) - _OVERLAP)
    if len(np.union1d(inside, there)) != total:  # papers have gone, or came with an old date
        there, changed = _changes(session, since=None)
        gone = np.setdiff1d(inside, there)
    else:
        gone = np.zeros(0, np.int64)
    at: Array = np.searchsorted(inside, there)
    same = np.zeros(len(there), dtype=bool)
    known: Array = np.flatnonzero(at < len(inside))
    match = known[inside[at[known]] == there[known]]
    same[match] = held.changed[rows[at[match]]] == changed[match]
    wanted = there[~same].tolist()
    if not wanted and not len(gone):
        return Update(held.state.papers, read=0, rebuilt=False, reweighed=False)

    counts = held.counts.copy()
    outdated = rows_of(held, {*wanted, *gone.tolist()})
    for start in range(0, len(outdated), segments.ROWS):
        counts -= np.bincount(matrix(held, outdated[start : start + segments.ROWS]).indices, minlength=len(counts))
    state = _count(session, place, held.state, wanted, vocabulary=held.vocabulary, counts=counts, idf=held.idf)
    state = replace(state, papers=total)
    superseded = sum(segment.rows for segment in state.segments) - total
    reweigh = bool(
        len(gone) or total >= REWEIGH_GROWTH * state.idf_papers or superseded > (REWEIGH_GROWTH - 1) * state.papers
    )
    if reweigh:
        _weigh(place, state, counts, held.idf, gone=gone)
    else:
        joined, serial = segments.join_small(place, state.segments, state.serial)
        state = replace(state, serial=serial + 1, segments=tuple(joined), counts=f"counts-{serial + 1:06d}.npy")
        segments.write_array(place / state.counts, counts)
        _commit(place, state)
    return Update(total, read=len(wanted), rebuilt=False, reweighed=reweigh)


def _count(
    session: Session,
    place: Path,
    state: State,
    ordinals: Sequence[int],
    *,
    vocabulary: Vocabulary,
    counts: Array,
    idf: Array,
) -> State:
    """The state with segments of these papers, weighed with `idf`; their terms are added to `counts`."""
    import numpy as np

    places = {term: i for i, term in enumerate(vocabulary.terms)}
    written, serial, reached = list(state.segments), state.serial, state.reached
    for start in range(0, len(ordinals), segments.ROWS):
        rows = _vectorise(session, ordinals[start : start + segments.ROWS], places, idf)
        counts += np.bincount(rows["places"], minlength=len(counts))
        reached = max(reached, int(rows["changed"].max(initial=0)))
        serial += 1
        written.append(segments.write(place, f"segment-{serial:06d}", rows))
    return replace(state, segments=tuple(written), serial=serial, reached=reached)


def _weigh(place: Path, state: State, counts: Array, idf_before: Array, gone: Array | None = None) -> None:
    """Write every row that counts with the idf of `counts`, and make that the state."""
    import numpy as np

    idf = (np.log((1 + state.papers) / (1 + counts)) + 1).astype(np.float32)
    ratio = idf / idf_before
    ordinals = [segments.read_array(place / f"{segment.name}.ordinals.npy") for segment in state.segments]
    every = np.concatenate([np.zeros(0, np.int64), *ordinals])
    keep = segments.newest(every)
    if gone is not None:
        keep &= ~np.isin(every, gone)
    written: list[Segment] = []
    serial, start = state.serial, 0
    for segment in state.segments:
        rows = segments.select(segments.read(place, segment), keep[start : start + segment.rows])
        rows["values"] = segments.unit_length(rows["values"] * ratio[rows["places"]], rows["starts"])
        start += segment.rows
        serial += 1
        written.append(segments.write(place, f"segment-{serial:06d}", rows))
    joined, serial = segments.join_small(place, [segment for segment in written if segment.rows], serial)
    serial += 1
    state = replace(
        state,
        serial=serial,
        idf=f"idf-{serial:06d}.npy",
        counts=f"counts-{serial:06d}.npy",
        segments=tuple(joined),
        idf_papers=state.papers,
    )
    segments.write_array(place / state.idf, idf)
    segments.write_array(place / state.counts, counts)
    _commit(place, state)


def _vectorise(session: Session, ordinals: Sequence[int], places: Mapping[str, int], idf: Array) -> dict[str, Array]:
    """The arrays of a segment for these papers, in the order of their ordinals."""
    import numpy as np

    per_row: list[tuple[int, int, int]] = []
    found: list[int] = []
    tf: list[int] = []
    starts = [0]
    for rows in _texts(session, ordinals):
        for row in rows:
            counted = sorted(terms.count(row.title, row.abstract, places).items())
            found.extend([place for place, _ in counted])
            tf.extend([n for _, n in counted])
            starts.append(len(found))
            submitted = int((row.submitted_at - _EPOCH).total_seconds())
            per_row.append((row.ordinal, _microseconds(row.last_changed_at), submitted))
    by_row = np.asarray(per_row, dtype=np.int64).reshape(-1, 3)
    entries = np.asarray(found, dtype=np.int32)
    values = (1 + np.log(np.asarray(tf, dtype=np.float32))) * idf[entries]
    first = np.asarray(starts, dtype=np.int32)
    return {
        "ordinals": by_row[:, 0].copy(),
        "changed": by_row[:, 1].copy(),
        "submitted": by_row[:, 2].copy(),
        "starts": first,
        "places": entries,
        "values": segments.unit_length(values, first),
    }


# --- the database ---------------------------------------------------------------------------------------------


def _total(session: Session) -> int:
    return int(session.execute(sa.select(sa.func.count()).select_from(_PAPERS)).scalar_one())


def _texts(session: Session, ordinals: Sequence[int]) -> Iterator[Sequence[sa.Row[Any]]]:
    columns: tuple[sa.Column[Any], ...] = (
        *(_PAPERS.c.ordinal, _PAPERS.c.title, _PAPERS.c.abstract),
        *(_PAPERS.c.submitted_at, _PAPERS.c.last_changed_at),
    )
    for start in range(0, len(ordinals), _BATCH):
        batch = ordinals[start : start + _BATCH]
        statement: sa.Select[Any] = sa.select(*columns).where(_PAPERS.c.ordinal.in_(batch)).order_by(_PAPERS.c.ordinal)
        yield session.execute(statement).all()


def _changes(session: Session, since: datetime | None) -> tuple[Array, Array]:
    """Ordinals (int64) and times of change (microseconds) of the papers that changed at `since` or later."""
    import numpy as np

    statement = sa.select(_PAPERS.c.ordinal, _PAPERS.c.last_changed_at)
    if since is not None:
        statement = statement.where(_PAPERS.c.last_changed_at >= since)
    found = [(row.ordinal, _microseconds(row.last_changed_at)) for row in session.execute(statement)]
    both = np.asarray(found, dtype=np.int64).reshape(-1, 2)
    return both[:, 0], both[:, 1]


def _microseconds(moment: datetime) -> int:
    return (moment - _EPOCH) // timedelta(microseconds=1)


def _time(microseconds: int) -> datetime:
    return _EPOCH + max(timedelta(microseconds=microseconds), _OVERLAP)


# --- files ----------------------------------------------------------------------------------------------------


def _commit(place: Path, state: State) -> None:
    segments.write_json(place / "state.json.new", asdict(state))
    (place / "state.json.new").replace(place / "state.json")


def _highest_serial(place: Path) -> int:
    """Of the files there are, which a reader may still have mapped."""
    return max((int(path.name.partition("-")[2].partition(".")[0]) for path in place.glob("*-[0-9]*.*")), default=0)


def _remove_leftovers(place: Path, settings: Settings) -> None:
    state = read_state(place, settings)
    if state is None:
        return
    named = {state.vocabulary, state.idf, state.counts, "state.json", "lock"}
    named = named.union(*(segments.file_names(segment) for segment in state.segments))
    for path in place.iterdir():
        if path.name not in named:
            path.unlink()
