"""Energy as NVML tells it, through the calls that the real library has."""

from __future__ import annotations

import pytest

from reproductions import run_files
from reproductions.engine import energy
from reproductions.run_directory import Recorder, RunDirectory


class Nvml:
    """A driver with GPUs by UUID: each counts millijoules, or tells only its power in milliwatts."""

    def __init__(self, counters=None, power=None):
        self.counters, self.power = counters or {}, power or {}
        self.names = [*self.counters, *self.power]
        self.is_open = False

    def nvmlInit_v2(self):  # noqa: N802 - NVML's name
        self.is_open = True
        return 0

    def nvmlShutdown(self):  # noqa: N802
        self.is_open = False
        return 0

    def nvmlDeviceGetHandleByUUID(self, name, handle):  # noqa: N802
        if name.value.decode() not in self.names:
            return 6
        handle._obj.value = self.names.index(name.value.decode()) + 1
        return 0

    def nvmlDeviceGetTotalEnergyConsumption(self, handle, value):  # noqa: N802
        return self._tell(self.counters, handle, value)

    def nvmlDeviceGetPowerUsage(self, handle, value):  # noqa: N802
        return self._tell(self.power, handle, value)

    def _tell(self, known, handle, value):
        name = self.names[handle.value - 1]
        if name not in known:
            return 3  # not supported
        value._obj.value = known[name]
        return 0


def test_gpus_that_count_are_read_at_both_ends():
    nvml = Nvml(counters={"GPU-a": 5_000, "GPU-b": 70_000})
    with energy.metered(nvml, ["GPU-a", "GPU-b"]) as read:
        nvml.counters = {"GPU-a": 6_500, "GPU-b": 72_000}
        assert read() == {"joules": 3.5, "method": energy.COUNTED, "gpus": 2}
        nvml.counters["GPU-a"] = 10
        assert read() is None, "a counter that began anew says nothing"
    assert not nvml.is_open


def test_a_gpu_without_a_counter_is_sampled():
    now = [100.0]
    nvml = Nvml(power={"GPU-a": 200_000})
    with energy.metered(nvml, ["GPU-a"], clock=lambda: now[0]) as read:
        now[0], nvml.power["GPU-a"] = 102.0, 300_000
        assert read()["joules"] == pytest.approx(500.0)
        now[0] = 103.0
        assert read() == {"joules": pytest.approx(800.0), "method": energy.SAMPLED, "gpus": 1}
        nvml.power.clear()
        assert read() is None, "after a gap the sum would be too small"


@pytest.mark.parametrize("nvml", [None, Nvml(counters={"GPU-other": 1})])
def test_without_a_library_or_the_gpu_there_is_no_reading(nvml):
    with energy.metered(nvml, ["GPU-a"]) as read:
        assert read() is None
    with energy.metered(nvml, []) as read:
        assert read() is None


def test_a_cpu_has_no_meter():
    assert energy.gpus("cpu", 1) == []


def test_a_run_adds_up_the_energy_of_its_attempts(tmp_path):
    with Recorder(tmp_path) as first:
        first.meter = lambda: {"joules": 10.0, "method": energy.COUNTED, "gpus": 1}
        first.event("started")
        first.event("pre-empted", why="asked to")
    with Recorder(tmp_path) as second:
        second.meter = lambda: {"joules": 4.0, "method": energy.COUNTED, "gpus": 1}
        second.attempt = 2
        second.resumed(0)
        second.result([])
    told = RunDirectory(tmp_path).result["energy"]
    assert told == {"joules": 14.0, "method": energy.COUNTED, "gpus": 1, "complete": True}


def test_an_attempt_that_was_killed_makes_the_sum_incomplete():
    events = [{"attempt": 1, "event": "started", "energy_joules": 0.0}, {"attempt": 2, "event": "resumed"}]
    told = run_files.energy(events, 2, {"joules": 1.0, "method": energy.COUNTED, "gpus": 1})
    assert told["joules"] == 1.0
    assert not told["complete"]
    assert run_files.energy(events, 2, None) is None
