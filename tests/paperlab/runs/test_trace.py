"""A series in memory is what its points would give at once, thinned without losing a spike."""

from __future__ import annotations

import math

from hypothesis import given, settings
from hypothesis import strategies as st

from paperlab.runs.trace import Trace
from paperlab.store.point_blocks import FAN, Columns

MOST = 10


def columns(points: list[tuple[int, float]]) -> Columns:
    made = Columns()
    for step, value in points:
        made.add(step, float(step), value)
    return made


values = st.floats(-100, 100) | st.just(math.nan)
act = st.one_of(
    st.tuples(st.just("learn"), st.integers(1, 3 * FAN)),
    st.tuples(st.just("resume"), st.integers(0, 4 * FAN)),
    st.tuples(st.just("again"), st.integers(1, FAN)),
)


@settings(max_examples=60, deadline=None)
@given(acts=st.lists(act, max_size=8), data=st.data())
def test_however_it_came_a_trace_shows_first_last_and_every_extreme(acts, data):
    trace, held, step = Trace(), {}, 0
    for kind, number in acts:
        if kind == "resume":
            step = min(step, number)
            trace.drop_after(step)
            held = {at: value for at, value in held.items() if at <= step}
            continue
        begin = step + 1 if kind == "learn" else max(1, step - number)
        drawn = data.draw(st.lists(values, min_size=number, max_size=number))
        points = list(zip(range(begin, begin + number), drawn, strict=True))
        trace.extend(columns(points))
        held |= dict(points)
        step = max(held)
    finite = {at: value for at, value in held.items() if not math.isnan(value)}
    shown = trace.thinned(MOST)
    assert len(trace) == len(held)
    assert len(shown) <= MOST
    assert all(finite[at] == value for at, value in zip(shown.steps, shown.values, strict=True))
    if finite:
        assert (shown.steps[0], shown.steps[-1]) == (min(finite), max(finite))
        assert (min(shown.values), max(shown.values)) == (min(finite.values()), max(finite.values()))


def test_a_look_costs_what_is_shown_and_not_what_was_recorded():
    trace = Trace()
    for begin in range(0, 200_000, 1000):
        trace.extend(columns([(step, float(step % 97)) for step in range(begin, begin + 1000)]))
    assert len(trace) == 200_000
    assert len(trace._about(1000)) < 16 * 1000 + 3 * FAN


def test_what_was_shown_stays_when_the_run_goes_on():
    trace = Trace()
    trace.extend(columns([(1, 1.0), (2, 2.0)]))
    shown = trace.thinned(MOST)
    trace.extend(columns([(3, 3.0)]))
    assert list(shown.steps) == [1, 2]
