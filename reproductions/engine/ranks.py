"""Several processes on one machine: `--gpus N` is torchrun with N ranks of the same command line.

torchrun runs in this process.  As a command it would end with 1 whatever its ranks end with, write its own traceback
below their words, give a checkpoint 30 s to be written when it is asked to stop, and leave its ranks behind when it is
killed.  Here the exit code is that of the ranks, the first signal asks them to stop and waits for them, a second
Ctrl-C ends them at once, and they die with this process where the system can do that (Linux).
"""

from __future__ import annotations

import contextlib
import ctypes
import logging
import os
import signal
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from types import FrameType
from typing import Any, Protocol

from reproductions.engine.recipe import Recipe
from reproductions.registry import InvalidInput, NotReady, ReproductionError, TryAgain

_PARENT, _BEGAN = "PAPERLAB_PARENT", "PAPERLAB_BEGAN"
_ASKS_TO_STOP = ("SIGTERM", "SIGUSR1", "SIGUSR2", "SIGHUP", "SIGINT")
_SECONDS_FOR_A_CHECKPOINT = 3600  # a scheduler that is in a hurry kills sooner
_SECONDS_TO_FOLLOW = 3  # a rank that ends within so long after the first may have ended for the same reason
_PR_SET_PDEATHSIG = 1


class Failure(Protocol):
    """How one rank ended, as torchrun tells it: an exit code, negative for a signal, and when it was seen (seconds)."""

    exitcode: int
    timestamp: int
    local_rank: int


def check(recipe: Recipe[Any, Any, Any], count: int, device: str) -> None:
    """Raises NotReady (exit 4) where this machine has fewer GPUs, InvalidInput where they can't share a step.

    With `device` "cpu" any number is allowed: the ranks are processes that exchange gradients through gloo.
    """
    if recipe.train.accumulate % count:
        raise InvalidInput(
            f"--gpus {count} cannot share train.accumulate={recipe.train.accumulate} micro-batches evenly",
            f"--set train.accumulate={count} with micro-batches as much smaller keeps the global batch",
        )
    if device == "cpu":
        return
    import torch

    found = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if found < count:
        names = sorted({torch.cuda.get_device_name(index) for index in range(found)})
        here = f"{found} ({', '.join(names)})" if found else "none"
        hint = f"--gpus {found}" if found > 1 else "leave out --gpus"
        raise NotReady(
            f"--gpus {count} needs {count} CUDA GPUs that torch can use, and this machine has {here}",
            f"{hint}; --device cpu trains with {count} processes on the CPU",
        )


def start(count: int, words: Sequence[str], began: float) -> int:
    """Runs `python -m reproductions WORDS` as `count` ranks.  Returns the exit code that they come to.

    Their --max-wall counts from `began` (seconds since 1970).  Raises TryAgain where a rank was killed.
    """
    os.environ.update({_PARENT: str(os.getpid()), _BEGAN: str(began), "PET_SIGNALS_TO_HANDLE": "SIGQUIT"})
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    os.environ.setdefault("TORCH_ELASTIC_SHUTDOWN_TIMEOUT", str(_SECONDS_FOR_A_CHECKPOINT))
    from torch.distributed import run as torchrun
    from torch.distributed.elastic.multiprocessing.api import SignalException
    from torch.distributed.elastic.multiprocessing.errors import ChildFailedError

    # how the ranks ended is said here, and in their own words
    for module in ("multiprocessing.api", "agent.server.api"):
        logging.getLogger(f"torch.distributed.elastic.{module}").setLevel(logging.CRITICAL)
    command = ["--standalone", "--nproc-per-node", str(count), "--module", "reproductions", *words]
    try:
        with _asked_to_stop(SignalException):
            torchrun.main(command)
    except ChildFailedError as error:
        return outcome(list(error.failures.values()))
    except SignalException:
        return TryAgain.exit_code
    return 0


def outcome(failures: Sequence[Failure]) -> int:
    """One exit code for all ranks, by what came first: what follows from it (connections that break) says less.

    A rank that was killed: TryAgain.  Otherwise a rank that knows what this machine lacks or what is invalid is
    believed, and then the first.
    """
    first = min(failures, key=lambda failure: failure.timestamp)
    near = [failure for failure in failures if failure.timestamp - first.timestamp <= _SECONDS_TO_FOLLOW]
    # torchrun itself ends the others with SIGTERM
    killed = [failure for failure in near if failure.exitcode < 0 and failure.exitcode != -signal.SIGTERM]
    if killed:
        name = signal.Signals(-killed[0].exitcode).name
        raise TryAgain(f"rank {killed[0].local_rank} was ended by {name}", "the same command goes on with the run")
    codes = [failure.exitcode for failure in near]
    known = [code for code in codes if code in (NotReady.exit_code, InvalidInput.exit_code)]
    if known:
        return known[0]
    return first.exitcode if first.exitcode > 0 else TryAgain.exit_code


def is_one_of_several(environ: Mapping[str, str] = os.environ) -> bool:
    """Whether this process is a rank that torchrun started."""
    return "TORCHELASTIC_RUN_ID" in environ


def stay_with_parent(environ: Mapping[str, str] = os.environ) -> None:
    """Asks Linux for SIGKILL when the parent dies, if it said (PAPERLAB_PARENT) that we are to go with it.

    An orphan would hold the run's lock, the GPU's memory and the port, and the same command could not go on.
    """
    parent = environ.get(_PARENT)
    if parent is None or sys.platform != "linux":
        return
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != int(parent):  # died in between: nobody would tell us
        raise SystemExit(TryAgain.exit_code)


def began(environ: Mapping[str, str] = os.environ) -> float | None:
    """When the command began that started this process, if it said so: seconds since 1970."""
    return float(environ[_BEGAN]) if _BEGAN in environ else None


def is_everyones(error: ReproductionError) -> bool:
    """Whether each rank meets this error, so that one of them says it for all."""
    return isinstance(error, TryAgain | InvalidInput)


@contextlib.contextmanager
def _asked_to_stop(stop: Callable[[str, signal.Signals], Exception]) -> Iterator[None]:
    """Signals become torchrun's own exception, which makes it pass SIGTERM on and wait; only the first does."""
    asked = False

    def receive(number: int, _frame: FrameType | None) -> None:
        nonlocal asked
        if asked and number != signal.SIGINT:
            return
        asked = True
        raise stop(f"stopped early: {signal.Signals(number).name}", signal.SIGTERM)

    numbers = [getattr(signal, name) for name in _ASKS_TO_STOP if hasattr(signal, name)]
    previous = {number: signal.signal(number, receive) for number in numbers}
    try:
        yield
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)
