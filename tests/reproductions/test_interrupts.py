"""When a run is asked to stop: early enough that its checkpoint is there in time."""

from __future__ import annotations

import signal
import time

import pytest

from reproductions import durations
from reproductions.engine.interrupts import Interrupts, PreEmpted


class Clock:
    """Time that passes when the test says so."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("2h", 7200),
        ("1h30m", 5400),
        ("90m", 5400),
        ("45s", 45),
        ("1d", 86400),
        ("0.5h", 1800),
        ("30", 30),
        (" 2H ", 7200),
        ("1 h 30 min", 5400),
    ],
)
def test_a_duration_reads_as_people_type_it(text, seconds):
    assert durations.seconds(text) == seconds


@pytest.mark.parametrize("text", ["", "soon", "h", "2x", "-5", "1h then", "1:30:00", "nan", "inf"])
def test_what_is_no_duration_is_refused_with_examples(text):
    with pytest.raises(ValueError, match="is not a duration: 2h, 1h30m"):
        durations.seconds(text)


@pytest.mark.parametrize("lap", [0.5, 10.0, 300.0])
def test_the_loop_is_stopped_while_a_step_and_a_checkpoint_still_fit(lap):
    clock = Clock()
    interrupts = Interrupts(7200, clock)
    while interrupts.reason() is None:
        clock.now += lap
    left = 100.0 + 7200 - clock.now
    assert 2 * lap <= left <= 3 * lap + 30  # half a minute for what nobody has measured


def test_a_single_slow_step_counts_for_all_that_follow():
    clock = Clock()
    interrupts = Interrupts(1000, clock)
    assert interrupts.reason() is None
    clock.now += 200.0
    while interrupts.reason() is None:
        clock.now += 1.0
    assert 400 <= 100.0 + 1000 - clock.now <= 432


def test_preparing_and_evaluating_end_when_the_time_does():
    before, began = signal.getsignal(signal.SIGALRM), time.monotonic()
    with Interrupts(0.2) as interrupts, pytest.raises(PreEmpted, match="the time allowed is used up"):  # noqa: SIM117
        with interrupts.at_once():
            time.sleep(10)
    assert time.monotonic() - began < 5
    assert signal.getsignal(signal.SIGALRM) is before


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGUSR1, signal.SIGUSR2, signal.SIGINT])
def test_each_signal_is_a_reason_that_the_loop_hears_between_steps(number):
    with Interrupts() as interrupts:
        assert interrupts.reason() is None
        signal.raise_signal(number)
        assert interrupts.reason() == number.name
