"""What is read back is what a plain dict would hold, whatever was appended, repeated or cut in between."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import sqlalchemy as sa
from hypothesis import example, given, settings
from hypothesis import strategies as st
from sqlalchemy.orm import Session

from paperlab.entities import MetricPoint
from paperlab.store import point_blocks, run_points, runs
from paperlab.store.database import Engine
from paperlab.store.schema import Base
from tests.paperlab.store.test_runs import RUN

Model = dict[str, dict[int, float]]


@pytest.fixture(scope="module")
def tables(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    """The tables alone; every test rolls back."""
    engine = sa.create_engine(f"sqlite:///{tmp_path_factory.mktemp('points') / 'points.db'}")
    Base.metadata.create_all(engine)
    yield engine
    engine.dispose()


@contextmanager
def small_blocks(block: int = 8, fan: int = 4) -> Iterator[None]:
    """Blocks so small that a few points make a pyramid of several levels."""
    with pytest.MonkeyPatch.context() as patch:
        for module in (point_blocks, run_points):
            patch.setattr(module, "BLOCK", block)
            patch.setattr(module, "FAN", fan)
        patch.setattr(point_blocks.extremes, "__defaults__", (fan,))
        yield


@contextmanager
def rolled_back(engine: Engine) -> Iterator[Session]:
    with Session(engine) as opened:
        runs.put(opened, RUN, {})
        yield opened
        opened.rollback()


def line(values: dict[int, float], name: str = "loss") -> list[MetricPoint]:
    return [MetricPoint(step, float(step), name, value) for step, value in values.items()]


def levels(session: Session, name: str) -> list[list[tuple[int, float]]]:
    """Every level of a series as it is stored, NaN as a string so that it equals itself."""
    found: dict[int, list[tuple[int, float]]] = {}
    key = {"run_id": RUN.id, "name": name}
    table = run_points._BLOCKS
    rows = session.execute(
        sa.select(table).where(*run_points._is(table, key)).order_by(table.c.level, table.c.position)
    ).all()
    for row in rows:
        content = point_blocks.unpack(row.packed)
        assert len(content) <= point_blocks.BLOCK
        assert (row.first_step, row.last_step) == (content.steps[0], content.steps[-1])
        assert row.not_finite == sum(map(math.isnan, content.values))
        found.setdefault(row.level, []).extend(zip(content.steps, map(plain, content.values), strict=True))
    return [found[level] for level in sorted(found)]


def plain(value: float) -> float:
    return value if math.isfinite(value) else 1e300  # NaN is not equal to itself


def expected_levels(model: dict[int, float]) -> list[list[tuple[int, float]]]:
    columns = point_blocks.Columns()
    for step in sorted(model):
        columns.add(step, 0.0, model[step])
    found = []
    while len(columns):
        found.append(list(zip(columns.steps, map(plain, columns.values), strict=True)))
        above = point_blocks.length_above(len(columns))
        columns = point_blocks.extremes(columns) if above else point_blocks.Columns()
    return found


value = st.one_of(st.floats(-100, 100), st.just(math.nan), st.just(math.inf))
act = st.one_of(
    st.tuples(st.just("append"), st.integers(1, 60), st.lists(value, min_size=1, max_size=5)),
    st.tuples(st.just("repeat"), st.integers(1, 30), st.lists(value, min_size=1, max_size=5)),
    st.tuples(st.just("resume"), st.integers(0, 80), st.just([0.0])),
)


@settings(max_examples=80, deadline=None)
@given(acts=st.lists(act, max_size=12), names=st.lists(st.sampled_from(["a", "b"]), min_size=12, max_size=12))
def test_blocks_hold_what_a_dict_would(tables: Engine, acts: list[tuple[str, int, list[float]]], names: list[str]):
    with small_blocks(), rolled_back(tables) as writing:
        model: Model = {"a": {}, "b": {}}
        for (what, amount, values), name in zip(acts, names, strict=False):
            last = max(model[name], default=0)
            if what == "resume":
                step = max((max(series, default=0) for series in model.values()), default=0) - amount
                model = {each: {s: v for s, v in series.items() if s <= step} for each, series in model.items()}
                runs.drop_points_after(writing, RUN.id, step)
                continue
            first = last + 1 if what == "append" else last - amount
            new = {first + 2 * i: values[i % len(values)] for i in range(amount)}
            model[name] |= new
            runs.add_points(writing, RUN.id, line(new, name))
        held = {name: series for name, series in model.items() if series}
        assert runs.metric_names(writing, RUN.id) == list(held)
        for name, series in held.items():
            assert levels(writing, name) == expected_levels(series)
            finite = {step: v for step, v in sorted(series.items()) if math.isfinite(v)}
            assert [(p.step, p.value) for p in runs.points(writing, RUN.id, [name])] == list(finite.items())
            (row,) = run_points._rows(writing, [RUN.id], [name])
            assert row["points"] == len(series)
            assert row["not_finite"] == len(series) - len(finite)
            assert (row["first_step"], row["last_step"]) == (min(series), max(series))
            assert (row["least"], row["greatest"]) == (
                min(finite.values(), default=None),
                max(finite.values(), default=None),
            )
            ends = (row["finite_first_step"], row["finite_last_step"])
            assert ends == (min(finite, default=None), max(finite, default=None))
        last_finite = {name: {s: v for s, v in series.items() if math.isfinite(v)} for name, series in held.items()}
        assert {p.name: (p.step, p.value) for p in runs.last_points(writing, RUN.id)} == {
            name: (max(series), series[max(series)]) for name, series in last_finite.items() if series
        }


@settings(max_examples=60, deadline=None)
@given(
    values=st.lists(value, min_size=1, max_size=400),
    most=st.integers(6, 50),
    part=st.tuples(st.none() | st.integers(-5, 400), st.none() | st.integers(0, 405)),
)
@example(values=[0.0, 0.0, 0.0], most=6, part=(1, 0))
def test_a_thinned_part_has_its_spikes_and_says_how_many_points_there_are(
    tables: Engine, values: list[float], most: int, part: tuple[int | None, int | None]
):
    after, up_to = part
    with small_blocks(), rolled_back(tables) as writing:
        runs.add_points(writing, RUN.id, line(dict(enumerate(values))))
        found = runs.series(writing, [RUN.id], ["loss"], after_step=after, up_to_step=up_to, most=most)
        first = -1 if after is None else after
        last = len(values) if up_to is None else up_to
        asked = {step: v for step, v in enumerate(values) if first < step <= last}
        if not asked:
            assert [(len(series.steps), series.total) for series in found] in ([], [(0, 0)])
            return
        (series,) = found
        shown = dict(zip(series.steps, series.values, strict=True))
        assert len(series.steps) <= most
        assert series.total == len(asked)
        assert list(series.steps) == sorted(shown)
        finite = {step: v for step, v in asked.items() if math.isfinite(v)}
        assert shown.items() <= finite.items()
        if after is None and up_to is None and finite:
            assert {min(shown.values()), max(shown.values())} == {min(finite.values()), max(finite.values())}
            assert {min(shown), max(shown)} == {min(finite), max(finite)}


def test_gaps_are_shown_to_who_asks_for_them(tables: Engine) -> None:
    with rolled_back(tables) as writing:
        runs.add_points(writing, RUN.id, line({1: 2.0, 2: math.nan, 3: 1.0}))
        (without,) = runs.series(writing, [RUN.id])
        (with_gaps,) = runs.series(writing, [RUN.id], gaps=True)
        assert (list(without.steps), without.total, without.not_finite) == ([1, 3], 3, 1)
        assert list(with_gaps.steps) == [1, 2, 3]
        assert math.isnan(with_gaps.values[1])


def test_an_overlay_has_the_runs_in_the_order_asked_for(tables: Engine) -> None:
    with rolled_back(tables) as writing:
        for number in range(3):
            run_points.add_points(writing, f"run-{number}", line({1: float(number)}))
        found = runs.series(writing, ["run-2", "run-0", "gone", "run-2"], ["loss"], most=100)
        assert [(series.run_id, list(series.values)) for series in found] == [("run-2", [2.0]), ("run-0", [0.0])]


def test_a_thinning_to_almost_nothing_is_refused(tables: Engine) -> None:
    with rolled_back(tables) as writing, pytest.raises(ValueError, match="6 points or more"):
        runs.series(writing, [RUN.id], most=5)


def test_a_real_block_boundary_is_crossed_both_ways(tables: Engine) -> None:
    """With the real sizes: one point beyond a block makes the pyramid, cutting it off removes it."""
    with rolled_back(tables) as writing:
        runs.add_points(writing, RUN.id, line({step: float(step) for step in range(point_blocks.BLOCK)}))
        assert len(levels(writing, "loss")) == 1
        runs.add_points(writing, RUN.id, line({point_blocks.BLOCK: -1.0}))
        assert [len(level) for level in levels(writing, "loss")] == [4097, 258]
        runs.drop_points_after(writing, RUN.id, point_blocks.BLOCK - 1)
        assert [len(level) for level in levels(writing, "loss")] == [4096]
        (row,) = run_points._rows(writing, [RUN.id])
        assert (row["points"], row["least"], row["greatest"]) == (4096, 0.0, 4095.0)


def test_one_run_is_forgotten_and_no_other(tmp_path: Path) -> None:
    engine = sa.create_engine(f"sqlite:///{tmp_path / 'x.db'}")
    Base.metadata.create_all(engine)
    with Session(engine) as writing:
        for run_id in ("one", "two"):
            run_points.add_points(writing, run_id, line({1: 1.0}))
        run_points.remove_points(writing, "one")
        assert [each.run_id for each in runs.series(writing, ["one", "two"])] == ["two"]
    engine.dispose()
