"""The energy that this run's GPUs drew, where NVIDIA's management library (NVML) tells; no package is needed for it.

GPUs since Volta count millijoules themselves; older ones tell their power, which is sampled once a second and summed.
Either way it is the whole GPU's energy: another process on the same GPU counts in.
"""

from __future__ import annotations

import contextlib
import ctypes
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

COUNTED = "nvml-total-energy"
SAMPLED = "nvml-power-sampled"
_SAMPLE_SECONDS = 1.0

Reading = Mapping[str, Any]
"""{"joules": since the meter began, "method": COUNTED or SAMPLED, "gpus": how many}."""


def library() -> Any:
    """NVML, or None where the driver has brought none."""
    name = "nvml.dll" if sys.platform == "win32" else "libnvidia-ml.so.1"
    try:
        return ctypes.CDLL(name)
    except OSError:
        return None


def gpus(device: str, ranks_here: int) -> list[str]:
    """NVML's names of the GPUs that the ranks on this machine train on; empty on a CPU."""
    if not device.startswith("cuda"):
        return []
    import torch

    count = torch.cuda.device_count()
    indices = range(min(ranks_here, count)) if ranks_here > 1 else [torch.device(device).index or 0]
    names = [str(getattr(torch.cuda.get_device_properties(index), "uuid", "")) for index in indices]
    return [name if name.startswith(("GPU-", "MIG-")) else f"GPU-{name}" for name in names]


@contextlib.contextmanager
def metered(
    nvml: Any, names: Sequence[str], clock: Callable[[], float] = time.monotonic
) -> Iterator[Callable[[], Reading | None]]:
    """Yields what reads the meter: None where a GPU is not known to NVML, or tells neither energy nor power."""
    if nvml is None or not names or nvml.nvmlInit_v2() != 0:
        yield lambda: None
        return
    try:
        handles = [_handle(nvml, name) for name in names]
        known = [handle for handle in handles if handle is not None]
        began = [_energy(nvml, handle) for handle in known]
        if len(known) < len(names):
            yield lambda: None
        elif None not in began:
            yield lambda: _counted(nvml, known, began)
        else:
            with _sampling(nvml, known, clock) as read:
                yield read
    finally:
        nvml.nvmlShutdown()


def _counted(nvml: Any, handles: Sequence[Any], began: Sequence[int | None]) -> Reading | None:
    now = [_energy(nvml, handle) for handle in handles]
    spent = [end - start for start, end in zip(began, now, strict=True) if start is not None and end is not None]
    if len(spent) < len(handles) or min(spent) < 0:
        return None  # the driver was loaded anew meanwhile: its counter began at 0
    return {"joules": sum(spent) / 1000, "method": COUNTED, "gpus": len(handles)}


@contextlib.contextmanager
def _sampling(nvml: Any, handles: Sequence[Any], clock: Callable[[], float]) -> Iterator[Callable[[], Reading | None]]:
    """Sums power times time between samples, by the mean of neighbours."""
    guard, stop = threading.Lock(), threading.Event()
    watts = _power(nvml, handles)
    state = {"joules": 0.0, "at": clock(), "watts": watts}

    def look() -> Reading | None:
        with guard:
            now, power = clock(), _power(nvml, handles)
            before = state["watts"]
            if power is None or before is None:
                state["watts"] = None  # a gap can't be filled afterwards
                return None
            state["joules"] = (state["joules"] or 0.0) + (before + power) / 2 * (now - (state["at"] or 0.0))
            state["at"], state["watts"] = now, power
            return {"joules": state["joules"], "method": SAMPLED, "gpus": len(handles)}

    def watch() -> None:
        while not stop.wait(_SAMPLE_SECONDS):
            look()

    thread = threading.Thread(target=watch, name="energy", daemon=True)
    if watts is not None:
        thread.start()
    try:
        yield look
    finally:
        stop.set()
        if watts is not None:
            thread.join()


def _handle(nvml: Any, name: str) -> Any:
    handle = ctypes.c_void_p()
    found = nvml.nvmlDeviceGetHandleByUUID(ctypes.c_char_p(name.encode()), ctypes.byref(handle)) == 0
    return handle if found else None


def _energy(nvml: Any, handle: Any) -> int | None:
    """Millijoules since the driver was loaded."""
    value = ctypes.c_ulonglong()
    told = nvml.nvmlDeviceGetTotalEnergyConsumption(handle, ctypes.byref(value)) == 0
    return int(value.value) if told else None


def _power(nvml: Any, handles: Sequence[Any]) -> float | None:
    """Watts of all of them together."""
    watts = 0.0
    for handle in handles:
        value = ctypes.c_uint()
        if nvml.nvmlDeviceGetPowerUsage(handle, ctypes.byref(value)) != 0:
            return None
        watts += value.value / 1000
    return watts
