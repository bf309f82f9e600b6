"""The points of runs: packed blocks with a pyramid of extremes over them (point_blocks.py), one row a series beside.

Reading a line of metrics.jsonl twice changes nothing: of two points at one step the last one holds.  Nothing here
commits.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

import sqlalchemy as sa
from sqlalchemy.orm import Session

from paperlab.entities import MetricPoint
from paperlab.store import point_blocks
from paperlab.store.point_blocks import BLOCK, FAN, Columns
from paperlab.store.schema import RunBlockRow, RunSeriesRow

_SERIES = cast(sa.Table, RunSeriesRow.__table__)
_BLOCKS = cast(sa.Table, RunBlockRow.__table__)
_RUNS_AT_ONCE = 500  # SQLite takes so many values in one statement, and more
_FEWEST = 6
_PARTS = ("step", "time", "value")

Row = Mapping[str, Any]


@dataclass(frozen=True)
class Part:
    """Steps from `first` to `last`, both inclusive; none where it ends before it begins."""

    first: int
    last: int

    def meets(self, row: Row) -> bool:
        return bool(self.first <= self.last and row["first_step"] <= self.last and row["last_step"] >= self.first)

    def holds(self, row: Row) -> bool:
        return bool(self.first <= row["first_step"] and row["last_step"] <= self.last)

    def of(self, columns: Columns) -> Columns:
        begin, end = bisect_left(columns.steps, self.first), bisect_right(columns.steps, self.last)
        return columns if end - begin == len(columns) else columns.cut(begin, end)


@dataclass(frozen=True)
class Series:
    """One metric of one run, or the part of it that was asked for.  `times` are POSIX seconds."""

    run_id: str
    name: str
    steps: Sequence[int]
    times: Sequence[float]
    values: Sequence[float]
    """Finite ones; NaN among them only where gaps were asked for."""
    total: int
    """So many points were recorded in the part that was asked for: more than are given where they are thinned."""
    not_finite: int
    """So many values of the whole series are infinite or no number."""


# --- writing: the indexer's --------------------------------------------------------------------------------------


def add_points(session: Session, run_id: str, points: Iterable[MetricPoint]) -> None:
    """Add points of a run that is held.  A value that is not finite keeps its place as one that is not shown."""
    groups: dict[str, Columns] = {}
    for point in points:
        group = groups.get(point.name)
        if group is None:
            group = groups[point.name] = Columns()
        group.add(point.step, point.time, point.value)
    add_columns(session, run_id, groups)


def add_columns(session: Session, run_id: str, groups: Mapping[str, Columns]) -> None:
    """`add_points`, for points that are already columns by name.  They need not be ordered."""
    if not groups:
        return
    held = {row["name"]: row for row in _rows(session, [run_id], list(groups))}
    blocks: list[Row] = []
    series: list[Row] = []
    for name, columns in groups.items():
        key = {"run_id": run_id, "name": name}
        new, row = columns.ordered(), held.get(name)
        if not len(new):
            continue
        if row is None:
            of_series, levels = _begun(key, new)
            series.append(of_series)
            blocks.extend(levels)
            continue
        start = int(row["points"])
        if new.steps[0] <= row["last_step"]:
            start = _position(session, key, new.steps[0])
            tail = _tail(session, key, start)
            tail.extend(new)
            new = tail.ordered()
        _replace_from(session, key, row, start, new)
    for table, rows in ((_BLOCKS, blocks), (_SERIES, series)):
        if rows:  # of all new series in one statement: there are many small ones
            session.execute(sa.insert(table), rows)


def drop_points_after(session: Session, run_id: str, step: int) -> None:
    """Drop the points that a resume from `step` superseded."""
    for row in _rows(session, [run_id]):
        if row["last_step"] > step:
            key = {"run_id": run_id, "name": row["name"]}
            _replace_from(session, key, row, _position(session, key, step + 1), Columns())


def remove_points(session: Session, run_id: str) -> None:
    """Forget every point of a run."""
    for table in (_BLOCKS, _SERIES):
        session.execute(sa.delete(table).where(table.c.run_id == run_id))


# --- reading -----------------------------------------------------------------------------------------------------


def metric_names(session: Session, run_id: str) -> list[str]:
    statement = sa.select(_SERIES.c.name).where(_SERIES.c.run_id == run_id).order_by(_SERIES.c.name)
    return list(session.execute(statement).scalars())


def points(
    session: Session,
    run_id: str,
    names: Sequence[str] | None = None,
    after_step: int | None = None,
    most: int | None = None,
) -> list[MetricPoint]:
    """The points that count, by name and step; at most `most` of each name, with every least and greatest value."""
    found: list[MetricPoint] = []
    for part in series(session, [run_id], names, after_step=after_step, most=most):
        names_of = [part.name] * len(part.steps)
        found.extend(map(MetricPoint, part.steps, part.times, names_of, part.values))
    return found


def series(
    session: Session,
    run_ids: Sequence[str],
    names: Sequence[str] | None = None,
    *,
    after_step: int | None = None,
    up_to_step: int | None = None,
    most: int | None = None,
    gaps: bool = False,
) -> list[Series]:
    """Metrics of several runs in the order of `run_ids`, by name: all points, or at most `most` (6 or more) of each.

    Thinned series keep their first and last point and, of each of their stretches, the least and the greatest, so no
    spike is lost (but for one in a stretch of the pyramid that `after_step` or `up_to_step` cuts through).  With `gaps`
    a value that is not finite is NaN instead of being left out.
    """
    if most is not None and most < _FEWEST:
        raise ValueError(f"a series is thinned to {_FEWEST} points or more, not to {most}")
    asked = Part(
        first=-(2**63) if after_step is None else after_step + 1, last=2**63 - 1 if up_to_step is None else up_to_step
    )
    rows = [row for row in _rows(session, run_ids, names) if asked.meets(row)]
    totals = [_count(session, row, asked) for row in rows]
    levels = [0 if most is None else point_blocks.best_level(total, most) for total in totals]
    found = []
    for row, total, level, read in zip(rows, totals, levels, _read(session, rows, levels, asked), strict=True):
        columns = read if gaps else read.finite()
        if most is not None:
            columns = point_blocks.thin(columns, most - 2 if level else most)
        if level:
            columns = _with_ends(columns, row, asked)
        shown = (columns.steps, columns.times, columns.values)
        found.append(Series(row["run_id"], row["name"], *shown, total, row["not_finite"]))
    return found


def last_points(session: Session, run_id: str) -> list[MetricPoint]:
    """The newest finite point of each metric, by name."""
    return [
        MetricPoint(row["finite_last_step"], row["finite_last_time"], row["name"], row["finite_last_value"])
        for row in _rows(session, [run_id])
        if row["finite_last_step"] is not None
    ]


# --- one series --------------------------------------------------------------------------------------------------


def _begun(key: Row, points: Columns) -> tuple[Row, list[Row]]:
    """The row of a series that begins with `points`, and its blocks on every level."""
    blocks: list[Row] = []
    top = points
    for level in range(len(point_blocks.lengths(len(points)))):
        top = point_blocks.extremes(top) if level else points
        blocks.extend(_packed(key, level, 0, top))
    numbers = points.finite()
    row = {
        **key,
        "points": len(points),
        "not_finite": len(points) - len(numbers),
        **_range(top),
        "first_step": points.steps[0],
        "last_step": points.steps[-1],
        **_named("finite_first", _point(numbers, 0)),
        **_named("finite_last", _point(numbers, -1)),
    }
    return row, blocks


def _replace_from(session: Session, key: Row, held: Row, start: int, new: Columns) -> None:
    """The series is from now on its first `start` points and then `new`, on every level of its pyramid."""
    had = point_blocks.lengths(held["points"])
    points_now, gaps = start + len(new), _gaps_from(session, key, start)
    rows: list[Row] = []
    level, begin, tail = 0, start, new
    while True:
        position = begin // BLOCK
        head = _block(session, key, level, position).cut(0, begin % BLOCK) if begin % BLOCK else Columns()
        if level < len(had):
            _delete_blocks(session, key, level, position)
        head.extend(tail)
        length = begin + len(tail)
        rows.extend(_packed(key, level, position, head))
        if not point_blocks.length_above(length):
            break
        # What the level above has of the points before `redo` stays; it has nothing where it did not exist.
        redo = begin // FAN * FAN if level + 1 < len(had) else 0
        if redo // BLOCK == position:
            below = head.cut(redo - position * BLOCK)
        else:  # the level above begins now, and the first block of this one was full
            below = _block(session, key, level, 0)
            below.extend(head)
        level, begin, tail = level + 1, 2 * (redo // FAN), point_blocks.extremes(below)
    for above in range(level + 1, len(had)):
        _delete_blocks(session, key, above, 0)
    if rows:
        session.execute(sa.insert(_BLOCKS), rows)
    session.execute(sa.delete(_SERIES).where(*_is(_SERIES, key)))
    if points_now:
        gaps_now = held["not_finite"] - gaps + sum(row["not_finite"] for row in rows if row["level"] == 0)
        row = {
            **key,
            "points": points_now,
            "not_finite": gaps_now,
            **_range(head if position == 0 else _block(session, key, level, 0)),
            **_ends(session, key, held, start, new),
        }
        session.execute(sa.insert(_SERIES), [row])


def _packed(key: Row, level: int, position: int, columns: Columns) -> list[Row]:
    """The rows of `columns`, the first of which begins block `position`."""
    rows: list[Row] = []
    for number, begin in enumerate(range(0, len(columns), BLOCK)):
        part = columns.cut(begin, begin + BLOCK)
        rows.append(
            {
                **key,
                "level": level,
                "position": position + number,
                "first_step": part.steps[0],
                "last_step": part.steps[-1],
                "not_finite": point_blocks.count_gaps(part.values),
                "packed": point_blocks.pack(part),
            }
        )
    return rows


def _ends(session: Session, key: Row, held: Row, start: int, new: Columns) -> Row:
    """First and last step, and first and last finite point, of the first `start` points (written) and `new`."""
    numbers = new.finite()
    first, last = _point(numbers, 0), _point(numbers, -1)
    # Where points were cut off, what was known of the last ones may have gone with them.
    was_cut = start < held["points"]
    if start:
        known = tuple(held[f"finite_first_{part}"] for part in _PARTS)
        if known[0] is not None and (not was_cut or known[0] <= _last_step(session, key, start)):
            first = known
        if last[0] is None:
            last = _last_finite(session, key) if was_cut else tuple(held[f"finite_last_{part}"] for part in _PARTS)
    return {
        "first_step": held["first_step"] if start else new.steps[0],
        "last_step": new.steps[-1] if len(new) else _last_step(session, key, start),
        **_named("finite_first", first),
        **_named("finite_last", last),
    }


def _range(top: Columns) -> Row:
    """The least and the greatest value of a series, from the highest level of its pyramid."""
    numbers = top.finite().values
    return {"least": min(numbers, default=None), "greatest": max(numbers, default=None)}


def _named(end: str, point: tuple[Any, ...]) -> Row:
    return {f"{end}_{part}": value for part, value in zip(_PARTS, point, strict=True)}


def _point(columns: Columns, place: int) -> tuple[Any, ...]:
    """Step, time and value; three None where there is no point."""
    if not len(columns):
        return (None, None, None)
    return (columns.steps[place], columns.times[place], columns.values[place])


def _last_step(session: Session, key: Row, points: int) -> int:
    """The step of the last of the first `points` points."""
    return _block(session, key, 0, (points - 1) // BLOCK).steps[(points - 1) % BLOCK]


def _last_finite(session: Session, key: Row) -> tuple[Any, ...]:
    statement = sa.select(_BLOCKS.c.packed).where(*_is(_BLOCKS, key), _BLOCKS.c.level == 0)
    for packed in session.execute(statement.order_by(_BLOCKS.c.position.desc())).scalars():
        numbers = point_blocks.unpack(packed).finite()
        if len(numbers):
            return _point(numbers, -1)
    return (None, None, None)


def _position(session: Session, key: Row, step: int) -> int:
    """How many points of the series lie before `step`."""
    statement = sa.select(_BLOCKS.c.position, _BLOCKS.c.packed).where(
        *_is(_BLOCKS, key), _BLOCKS.c.level == 0, _BLOCKS.c.last_step >= step
    )
    found = session.execute(statement.order_by(_BLOCKS.c.position).limit(1)).one_or_none()
    if found is None:
        held = sa.select(_SERIES.c.points).where(*_is(_SERIES, key))
        return session.execute(held).scalar() or 0
    return int(found.position) * BLOCK + bisect_left(point_blocks.unpack(found.packed).steps, step)


def _tail(session: Session, key: Row, start: int) -> Columns:
    """The points of the series without its first `start` ones."""
    statement = sa.select(_BLOCKS.c.packed).where(
        *_is(_BLOCKS, key), _BLOCKS.c.level == 0, _BLOCKS.c.position >= start // BLOCK
    )
    columns = Columns()
    for packed in session.execute(statement.order_by(_BLOCKS.c.position)).scalars():
        columns.extend(point_blocks.unpack(packed))
    return columns.cut(start % BLOCK)


def _block(session: Session, key: Row, level: int, position: int) -> Columns:
    statement = sa.select(_BLOCKS.c.packed).where(
        *_is(_BLOCKS, key), _BLOCKS.c.level == level, _BLOCKS.c.position == position
    )
    return point_blocks.unpack(session.execute(statement).scalar_one())


def _delete_blocks(session: Session, key: Row, level: int, position: int) -> None:
    session.execute(
        sa.delete(_BLOCKS).where(*_is(_BLOCKS, key), _BLOCKS.c.level == level, _BLOCKS.c.position >= position)
    )


def _gaps_from(session: Session, key: Row, start: int) -> int:
    """How many values are not finite in the block that `start` lies in and those after it."""
    statement = sa.select(sa.func.sum(_BLOCKS.c.not_finite)).where(
        *_is(_BLOCKS, key), _BLOCKS.c.level == 0, _BLOCKS.c.position >= start // BLOCK
    )
    return int(session.execute(statement).scalar() or 0)


# --- several series ----------------------------------------------------------------------------------------------


def _rows(session: Session, run_ids: Sequence[str], names: Sequence[str] | None = None) -> list[Row]:
    """What is known of each series, in the order of `run_ids` and then by name."""
    found: dict[str, list[Row]] = {}
    for begin in range(0, len(run_ids), _RUNS_AT_ONCE):
        statement = sa.select(_SERIES).where(_SERIES.c.run_id.in_(run_ids[begin : begin + _RUNS_AT_ONCE]))
        if names is not None:
            statement = statement.where(_SERIES.c.name.in_(names))
        for row in session.execute(statement.order_by(_SERIES.c.name)).mappings():
            found.setdefault(row["run_id"], []).append(dict(row))
    return [row for run_id in dict.fromkeys(run_ids) for row in found.get(run_id, [])]


def _count(session: Session, row: Row, asked: Part) -> int:
    if asked.holds(row):
        return int(row["points"])
    key = {"run_id": row["run_id"], "name": row["name"]}
    end = row["points"] if row["last_step"] <= asked.last else _position(session, key, asked.last + 1)
    return int(end) - (0 if asked.first <= row["first_step"] else _position(session, key, asked.first))


def _read(session: Session, rows: Sequence[Row], levels: Sequence[int], asked: Part) -> list[Columns]:
    """Of each series the points of its level that lie in the part asked for."""
    content = {(row["run_id"], row["name"]): Columns() for row in rows}
    together: dict[tuple[int, str], list[str]] = {}
    for row, level in zip(rows, levels, strict=True):
        together.setdefault((level, row["name"]), []).append(row["run_id"])
    for (level, name), run_ids in together.items():
        for begin in range(0, len(run_ids), _RUNS_AT_ONCE):
            statement = sa.select(_BLOCKS.c.run_id, _BLOCKS.c.packed).where(
                _BLOCKS.c.run_id.in_(run_ids[begin : begin + _RUNS_AT_ONCE]),
                _BLOCKS.c.name == name,
                _BLOCKS.c.level == level,
                _BLOCKS.c.first_step <= asked.last,
                _BLOCKS.c.last_step >= asked.first,
            )
            for run_id, packed in session.execute(statement.order_by(_BLOCKS.c.run_id, _BLOCKS.c.position)):
                content[run_id, name].extend(asked.of(point_blocks.unpack(packed)))
    return list(content.values())


def _with_ends(columns: Columns, row: Row, asked: Part) -> Columns:
    """With the series' first and last finite point, which its pyramid need not have."""
    for end in ("first", "last"):
        step, time, value = (row[f"finite_{end}_{part}"] for part in _PARTS)
        if step is not None and asked.first <= step <= asked.last:
            columns.add(step, time, value)
    return columns.ordered()


def _is(table: sa.Table, key: Row) -> tuple[sa.ColumnElement[bool], ...]:
    return (table.c.run_id == key["run_id"], table.c.name == key["name"])
