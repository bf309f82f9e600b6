"""Packed columns come back bit for bit, and what is thinned keeps every spike."""

from __future__ import annotations

import math
import struct
import zlib
from array import array

import pytest
from hypothesis import given
from hypothesis import strategies as st

from paperlab.store import point_blocks
from paperlab.store.point_blocks import BLOCK, FAN, Columns

numbers = st.floats(allow_nan=True, allow_infinity=True)
series = st.dictionaries(st.integers(-(2**63), 2**63 - 1), st.tuples(numbers, numbers), max_size=40)


def columns(points: dict[int, tuple[float, float]]) -> Columns:
    made = Columns()
    for step, (time, value) in sorted(points.items()):
        made.add(step, time, value)
    return made


def line(values: list[float]) -> Columns:
    return columns({step: (float(step), value) for step, value in enumerate(values)})


@given(points=series)
def test_packing_loses_no_bit(points: dict[int, tuple[float, float]]) -> None:
    before = columns(points)
    after = point_blocks.unpack(point_blocks.pack(before))
    assert after.steps.tobytes() == before.steps.tobytes()
    assert after.times.tobytes() == before.times.tobytes()
    assert after.values.tobytes() == before.values.tobytes()


def test_a_block_lies_in_the_file_as_little_endian_numbers_whatever_the_machine() -> None:
    packed = zlib.decompress(point_blocks.pack(columns({258: (0.0, 1.0)}))[1:])
    assert packed == struct.pack("<qdd", 258, 0.0, 1.0)


def test_a_block_of_another_packing_is_refused() -> None:
    with pytest.raises(point_blocks.UnknownPacking, match="is not"):
        point_blocks.unpack(b"\x02" + zlib.compress(b""))


def test_packing_takes_a_third_of_the_bytes_of_a_real_loss_curve() -> None:
    curve = columns({10 * i: (1.79e9 + round(i / 7, 3), 3 / (1 + i / 500) + 0.1 * math.sin(i)) for i in range(BLOCK)})
    assert len(point_blocks.pack(curve)) < BLOCK * 24 / 2


def test_of_several_points_at_one_step_the_last_one_holds() -> None:
    made = Columns()
    for step, value in ((3, 1.0), (1, 2.0), (3, 4.0), (2, 3.0)):
        made.add(step, 0.0, value)
    assert (list(made.ordered().steps), list(made.ordered().values)) == ([1, 2, 3], [2.0, 3.0, 4.0])


@given(values=st.lists(numbers, min_size=1, max_size=300), most=st.integers(4, 60))
def test_a_thinned_series_keeps_its_ends_and_extremes_and_adds_nothing(values: list[float], most: int) -> None:
    before = line(values)
    after = point_blocks.thin(before, most)
    assert len(after) <= most
    assert set(zip(after.steps, after.times, strict=True)) <= set(zip(before.steps, before.times, strict=True))
    assert list(after.steps) == sorted(set(after.steps))
    assert (after.steps[0], after.steps[-1]) == (before.steps[0], before.steps[-1])
    finite = [value for value in values if math.isfinite(value)]
    kept = list(after.finite().values)
    if finite:
        assert (min(kept), max(kept)) == (min(finite), max(finite))


@given(values=st.lists(numbers, min_size=1, max_size=200), fan=st.sampled_from([2, 3, FAN]))
def test_every_stretch_gives_its_least_and_its_greatest_value(values: list[float], fan: int) -> None:
    above = point_blocks.extremes(line(values), fan)
    assert len(above) == 2 * math.ceil(len(values) / fan)
    for number in range(len(above) // 2):
        stretch = [value for value in values[number * fan : (number + 1) * fan] if math.isfinite(value)]
        found = above.values[2 * number : 2 * number + 2]
        if stretch:
            assert sorted(found) == [min(stretch), max(stretch)]
        else:
            assert all(map(math.isnan, found))


def test_levels_end_where_one_block_is_enough() -> None:
    assert point_blocks.lengths(BLOCK) == [BLOCK]
    assert point_blocks.lengths(BLOCK + 1) == [BLOCK + 1, 2 * (BLOCK // FAN + 1)]
    assert point_blocks.lengths(10_000_000)[-1] <= BLOCK
    assert sum(point_blocks.lengths(10_000_000)) < 10_000_000 * 1.07


@pytest.mark.parametrize("points", [1, 1000, BLOCK, BLOCK + 1, 100_000, 10_000_000, 10**9])
def test_the_level_to_read_has_enough_points_and_not_many_more(points: int) -> None:
    level = point_blocks.best_level(points, 1000)
    read = point_blocks.lengths(points)[level]
    assert read >= min(points, 1000)
    assert read <= max(16 * 1000 + 2, BLOCK)


def test_a_value_that_is_not_finite_keeps_its_place_as_a_gap() -> None:
    made = line([1.0, math.inf, 2.0, -math.inf, math.nan])
    assert len(made) == 5
    assert point_blocks.count_gaps(made.values) == 3
    assert list(made.finite().steps) == [0, 2]
    assert made.values[1:2].tobytes() == array("d", [math.nan]).tobytes()
