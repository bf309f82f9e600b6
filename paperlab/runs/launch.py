"""The one way to train: `python -m reproductions` as a process of its own, which writes a run directory.

The child's talk and progress bar go to our stderr; its last word on stdout says where the run lies.  Asking us to
stop (SIGINT, SIGTERM, SIGHUP, SIGUSR1) asks the child, which writes a checkpoint and ends with exit code 75.
Killing us kills it, where the system can do that (Linux): the same command then goes on from the last checkpoint,
without meeting its own orphan.  With several GPUs the child is torchrun, and its ranks go with it in the same ways.
"""

from __future__ import annotations

import contextlib
import importlib.util
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType
from typing import Any

from paperlab import errors
from paperlab.errors import InvalidInput, NotReady, PaperlabError, TryAgain
from reproductions import registry

TRAINING_PACKAGES = ("torch", "numpy", "safetensors", "tokenizers", "sacrebleu", "tqdm")
INSTALL = "pip install 'paperlab[train]'"

_FORWARDED = ("SIGINT", "SIGTERM", "SIGUSR1", "SIGHUP")


@dataclass(frozen=True)
class Request:
    """What to run; the fields are the options of `paperlab reproduce`."""

    recipe: str
    tier: str = "full"
    seed: int = 1
    overrides: Sequence[str] = ()
    """KEY=VALUE each."""
    again: bool = False
    device: str = "auto"
    threads: int | None = None
    quiet: bool = False
    max_seconds: float | None = None
    """From the start of `run`: before so long the run is stopped with a checkpoint and exit 75."""
    gpus: int = 1
    """Ranks on this machine; with device "cpu" so many processes."""
    prediction: Mapping[str, Any] | None = None
    """What is said of the run before it begins (predict.py); a new run keeps it."""

    def arguments(self, runs_dir: Path) -> list[str]:
        """The command line after `python -m reproductions`."""
        words = [self.recipe, "--tier", self.tier, "--seed", str(self.seed), "--device", self.device]
        for override in self.overrides:
            words += ["--set", override]
        if self.threads is not None:
            words += ["--threads", str(self.threads)]
        if self.gpus > 1:
            words += ["--gpus", str(self.gpus)]
        if self.max_seconds is not None:
            words += ["--max-wall", f"{self.max_seconds:g}"]
        return [*words, *["--again"] * self.again, *["--quiet"] * self.quiet, "--runs-dir", str(runs_dir), "--json"]


@dataclass(frozen=True)
class Ended:
    """How the child ended.  `run_id` and `path` are None where it made no run."""

    exit_code: int
    run_id: str | None = None
    path: Path | None = None
    status: str | None = None
    stopped_by: str | None = None
    """The name of the signal that killed the child, if one did."""
    refusal: Mapping[str, str] = field(default_factory=dict)
    """ "error" and "hint" as the child said them, where it refused."""
    asked_to_stop: bool = False
    """We were asked to stop while it ran, whatever the child made of it: it may have been at its end already."""


def check_name(recipe: str, tier: str) -> registry.Reproduction:
    """The reproduction that has this recipe and tier.  Raises PaperlabError (exit 3) with the names that are near."""
    with explained():
        known = registry.recipe_names()
        if recipe not in known and recipe not in registry.names():
            raise errors.UnknownName("reproduction", recipe, known, "paperlab reproduce --list")
        registry.recipe(recipe, tier)
        return registry.get(recipe)


def missing_packages(names: Sequence[str]) -> list[str]:
    """Those of the packages that are not installed; nothing is imported to find out."""
    return [name for name in names if importlib.util.find_spec(name) is None]


def require_packages() -> None:
    """Raises NotReady (exit 4) with the command that installs what training needs."""
    if missing := missing_packages(TRAINING_PACKAGES):
        raise NotReady(f"training needs {', '.join(missing)}, which {_is(missing)} not installed", INSTALL)


def run(
    request: Request,
    *,
    home: Path,
    python: str = sys.executable,
    on_start: Callable[[subprocess.Popen[str]], None] = lambda _: None,
) -> Ended:
    """Trains, and waits for the end.  Raises NotReady where a package of training is missing.

    `on_start` is given the training process.
    """
    require_packages()
    command = [python, "-m", "reproductions", *request.arguments(home / "runs")]
    with _child(command, home, request.prediction) as (child, asked):
        on_start(child)
        written, _ = child.communicate()
    said = _last_object(written)
    return Ended(
        exit_code=child.returncode if child.returncode >= 0 else errors.TRY_AGAIN,
        run_id=said.get("run"),
        path=Path(said["path"]) if "path" in said else None,
        status=said.get("status"),
        stopped_by=signal.Signals(-child.returncode).name if child.returncode < 0 else None,
        refusal={name: str(said[name]) for name in ("error", "hint") if name in said},
        asked_to_stop=bool(asked),
    )


def self_test(request: Request, *, home: Path, python: str = sys.executable) -> dict[str, Any]:
    """Trains the recipe's first steps twice, once with a kill, and returns what `python -m reproductions` says of them.

    "exit" is 0 where they are the same.  Raises PaperlabError where the test itself came to no end.
    """
    require_packages()
    words = [word for word in request.arguments(home / "runs") if word != "--again"]
    with _child([python, "-m", "reproductions", *words, "--self-test-resume"], home) as (child, _):
        written, _ = child.communicate()
    said = _last_object(written)
    if "same" not in said:
        with explained():
            reason = said.get("error") or f"the self-test ended with exit code {child.returncode}"
            code = child.returncode if child.returncode > 0 else errors.TRY_AGAIN
            raise registry.ReproductionError(str(reason), str(said.get("hint", "")), code)
    return said


@contextlib.contextmanager
def explained() -> Iterator[None]:
    """Turns errors of `reproductions` into those of paperlab, exit code and all."""
    try:
        yield
    except registry.ReproductionError as error:
        hint = error.hint.replace("python -m reproductions", "paperlab reproduce")
        if error.exit_code == errors.TRY_AGAIN:
            raise TryAgain(error.message, hint, reason="busy") from error
        known = {errors.INVALID_INPUT: InvalidInput, errors.NOT_READY: NotReady}
        raise known.get(error.exit_code, PaperlabError)(error.message, hint) from error


@contextlib.contextmanager
def _child(
    command: Sequence[str], home: Path, prediction: Mapping[str, Any] | None = None
) -> Iterator[tuple[subprocess.Popen[str], list[int]]]:
    """The child in a session of its own: a Ctrl-C reaches it once, through us, and not by the terminal as well.

    With it the signals that asked us to stop.
    """
    said = {} if prediction is None else {"PAPERLAB_PREDICTION": json.dumps(prediction)}
    # with the number of its parent the child asks the system for its own end when we die
    said |= {"PAPERLAB_PARENT": str(os.getpid()), "PAPERLAB_BEGAN": str(time.time())}
    child = subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PAPERLAB_HOME": str(home), **said},
        start_new_session=True,
    )
    try:
        with _forwarding(child) as asked:
            yield child, asked
    finally:
        if child.poll() is None:
            child.terminate()
            child.wait()


@contextlib.contextmanager
def _forwarding(child: subprocess.Popen[str]) -> Iterator[list[int]]:
    """Passes on being asked to stop, as SIGTERM; a Ctrl-C after that as itself, which ends the child at once."""
    asked: list[int] = []

    def forward(number: int, _frame: FrameType | None) -> None:
        child.send_signal(signal.SIGINT if asked and number == signal.SIGINT else signal.SIGTERM)
        asked.append(number)

    numbers = [getattr(signal, name) for name in _FORWARDED if hasattr(signal, name)]
    previous = {number: signal.signal(number, forward) for number in numbers}
    try:
        yield asked
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)


def _last_object(text: str) -> dict[str, Any]:
    """The JSON object that the child wrote last, or an empty one."""
    for line in reversed(text.splitlines()):
        try:
            value = json.loads(line)
        except ValueError:
            continue
        if isinstance(value, dict):
            return value
    return {}


def _is(names: Sequence[str]) -> str:
    return "is" if len(names) == 1 else "are"
