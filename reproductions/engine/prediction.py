"""What a run would take on this machine, from a few seconds of it: real steps, a validation, an evaluation.

The trainer's own loop takes the steps, of the recipe's own model at its own batch shape, and writes nothing.  What
comes out are rates; multiplying them by the recipe's counts gives the time.  Everything runs under a clock, and what
did not end in time is said to take at least that long.  The values that validation and evaluation compute are thrown
away: nobody learns anything from the test split here, except how long it takes.
"""

from __future__ import annotations

import contextlib
import dataclasses
import os
import signal
import statistics
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from types import FrameType
from typing import Any

import torch
from torch import nn

from reproductions.engine import distributed, machine, provenance, trainer
from reproductions.engine.interrupts import Interrupts, PreEmpted
from reproductions.engine.recipe import Recipe
from reproductions.engine.task import Task, TaskFactory
from reproductions.registry import NotReady
from reproductions.run_directory import RunDirectory

AnyRecipe = Recipe[Any, Any, Any]

BUDGET_SECONDS = 20.0
_WARM_UP = 2
"""Steps that are not counted: they allocate, and choose kernels."""
_BATCH_FIELDS = ("tokens_per_batch", "batch_tokens", "batch", "batch_size", "sequences_per_batch")
"""Names under which a recipe's data keeps the size of a micro-batch."""
_CPU_FLOP = 2e11
"""A micro-batch that takes more than this on a CPU is probed in a smaller shape: some ten seconds on two cores."""
_SHRINK = 16


@dataclass(frozen=True)
class Rates:
    """What was measured.  Seconds and bytes; None where it did not end in time or could not be tried."""

    step: float | None
    """Median of one optimiser step, at the recipe's own batch."""
    steps: int
    prepare: float | None
    """Bringing in data and building the model."""
    validate: float | None
    samples: float | None
    evaluate: float | None
    parameters: int
    gradients: int
    optimizer: int
    activations: int
    """Kept by the forward pass for the backward pass of one micro-batch."""
    peak: int
    """The most that was in use: of the GPU, or by the process with its libraries and data."""
    scaled: int
    """The probe's micro-batch was the recipe's divided by this; step and memory are extrapolated."""
    notes: tuple[str, ...]


class _TooBig(Exception):
    """The recipe's own batch is too much for a probe of this machine."""


class _OverTime(Exception):
    """The part of the probe that was running has had its share."""


def measure(
    recipe: AnyRecipe,
    *,
    make_task: TaskFactory,
    data_home: Path,
    device: str = "auto",
    tiers: Sequence[AnyRecipe] = (),
    folder: Path,
    seed: int = 1,
    budget: float | None = None,
    talk: Callable[[str], None] = lambda _: None,
) -> dict[str, Any]:
    """{"rates", "seconds", "at_least", "memory_bytes", "machine", "packages", ...} of `recipe` on this machine.

    The steps, the validation and the evaluation together get about `budget` seconds, bringing in the data as much
    again (default: BUDGET_SECONDS).  Raises NotReady (exit 4) where the recipe can't run here, as `session.train`
    does; `folder` is where its run would lie.  Writes nothing outside a temporary folder.
    """
    budget = BUDGET_SECONDS if budget is None else budget
    world = distributed.join(device)
    here = machine.here(str(world.device))
    machine.check(recipe, tiers, here, folder)
    with tempfile.TemporaryDirectory(prefix="paperlab-probe-") as scratch:
        _mirror_files(data_home, Path(scratch))

        def look(shrink: int) -> Rates:
            task = make_task(recipe=_smaller(recipe, shrink), data_home=Path(scratch), device=world.device, seed=seed)
            return _Probe(recipe, task, world, seed=seed, budget=budget, shrink=shrink, talk=talk).rates()

        try:
            rates = look(1)
        except _TooBig:
            rates = look(_SHRINK)
    values = total(recipe, rates)
    _check_memory(recipe, here, values["memory_bytes"])
    kind = trainer.precision(recipe, world.device)
    return {
        "rates": dataclasses.asdict(rates),
        **values,
        "device": str(world.device),
        "threads": torch.get_num_threads(),
        "precision": "fp32" if kind is None else "bf16",
        "machine": dataclasses.asdict(here),
        "packages": provenance.packages(),
    }


def total(recipe: AnyRecipe, rates: Rates) -> dict[str, Any]:
    """The time and memory of the whole run.  `at_least`: a part of it is missing from the seconds."""
    train = recipe.train
    parts: dict[str, tuple[float, float | None]] = {
        "prepare": (1, rates.prepare),
        "steps": (train.max_steps, rates.step),
        "validate": (_times(train.max_steps, train.eval_every), rates.validate),
        "samples": (_times(train.max_steps, train.sample_every), rates.samples),
        "evaluate": (1, rates.evaluate),
    }
    spent = {name: count * seconds for name, (count, seconds) in parts.items() if count and seconds is not None}
    missing = [name for name, (count, seconds) in parts.items() if count and seconds is None]
    return {
        "seconds": None if rates.step is None else round(sum(spent.values()), 3),
        "seconds_by_part": {name: round(seconds, 3) for name, seconds in spent.items()},
        "at_least": missing,
        "memory_bytes": rates.peak + rates.activations * (rates.scaled - 1),
    }


class _Probe:
    """One look at a recipe, in its own shape or with a micro-batch `shrink` times smaller."""

    def __init__(
        self,
        recipe: AnyRecipe,
        task: Task,
        world: distributed.World,
        *,
        seed: int,
        budget: float,
        shrink: int,
        talk: Callable[[str], None],
    ) -> None:
        self.recipe, self.task, self.world, self.budget, self.shrink = recipe, task, world, budget, shrink
        self.notes: list[str] = []
        self.watch = _StopWatch(world.device)
        accumulate = recipe.train.accumulate if shrink == 1 else 1
        probed = _smaller(recipe, shrink)
        # Nothing is looked at, saved or averaged in these steps: each of those is timed by itself.
        steps_only = replace(
            probed.train, accumulate=accumulate, eval_every=0, sample_every=0, checkpoint_every=0, average_last=0
        )
        self.micro_batches = recipe.train.accumulate / accumulate
        given = trainer.Given(
            recipe=replace(probed, train=steps_only),
            task=task,
            seed=seed,
            run=RunDirectory(Path(os.devnull)),
            recorder=None,
            world=world,
            mine=distributed.share_of(world, accumulate),
            precision=trainer.precision(recipe, world.device),
            interrupts=self.watch,
            talk=talk,
        )
        self.loop = trainer.Loop(given)

    def rates(self) -> Rates:
        prepare = self._timed("bringing in the data", self.loop.begin, self.budget)
        if prepare is None:
            return self._nothing()
        if self.shrink == 1 and self._is_heavy():
            raise _TooBig
        self.watch.start(self.budget * 0.4)
        with contextlib.suppress(PreEmpted, _OverTime), _alarm(self.budget * 0.6):
            self._take_steps()
        laps = self.watch.laps[_WARM_UP:] or self.watch.laps
        step = statistics.median(laps) * self.shrink * self.micro_batches if laps else None
        if step is None:
            self.notes.append(f"one step takes more than {self.budget * 0.6:.0f} s")
        if self.shrink > 1:
            self.notes.append(f"steps of 1/{self.shrink} of the batch were taken; time and activations scale with it")
        activations = self._activations()
        model = self.loop.plain
        validate = self._looked("a validation", self.task.validate, self.recipe.train.eval_every)
        samples = self._looked(
            "sampling", lambda m: self.task.samples(m, self.loop.step), self.recipe.train.sample_every
        )
        evaluate = self._looked("the evaluation", self.task.evaluate, 1)
        self.notes.append(
            f"looked at with weights of {self.loop.step} steps: outputs that don't end yet take longer than later ones"
        )
        trainable = [parameter for parameter in model.parameters() if parameter.requires_grad]
        return Rates(
            step=step,
            steps=len(laps),
            prepare=prepare,
            validate=validate,
            samples=samples,
            evaluate=evaluate,
            parameters=_bytes(model.parameters()),
            gradients=_bytes(trainable),
            optimizer=_optimizer_bytes(self.loop.optimizer),
            activations=activations,
            peak=provenance.peak_memory(str(self.world.device)) or 0,
            scaled=self.shrink,
            notes=tuple(self.notes),
        )

    def _take_steps(self) -> None:
        try:
            self.loop.take_steps(progress=False)
        except torch.OutOfMemoryError as error:
            if self.shrink > 1 or _batch_field(self.recipe) is None:
                hint = "a smaller tier, or a smaller batch with more train.accumulate"
                raise NotReady(f"{self.recipe.name} --tier {self.recipe.tier} does not fit: {error}", hint) from error
            raise _TooBig from error

    def _is_heavy(self) -> bool:
        """Whether one micro-batch would take a CPU longer than the whole probe may: 6 operations a weight and token."""
        field = _batch_field(self.recipe)
        if field is None or self.world.device.type != "cpu":
            return False
        weights = sum(parameter.numel() for parameter in self.loop.plain.parameters())
        tokens: int = getattr(self.recipe.data, field)
        return 6.0 * weights * tokens > _CPU_FLOP

    def _looked(self, what: str, look: Callable[[nn.Module], Any], every: int) -> float | None:
        if not every:
            return 0.0
        return self._timed(what, lambda: self._without_gradients(look), self.budget * 0.4)

    def _without_gradients(self, look: Callable[[nn.Module], Any]) -> None:
        self.loop.plain.eval()
        with torch.no_grad(), self._autocast():
            look(self.loop.plain)

    def _autocast(self) -> contextlib.AbstractContextManager[Any]:
        kind = self.loop.given.precision
        return contextlib.nullcontext() if kind is None else torch.autocast(self.world.device.type, dtype=kind)

    def _timed(self, what: str, function: Callable[[], Any], limit: float) -> float | None:
        began = time.monotonic()
        try:
            with _alarm(limit):
                function()
        except _OverTime:
            self.notes.append(f"{what} takes more than {limit:.0f} s, and is left out")
            return None
        _wait_for(self.world.device)
        return time.monotonic() - began

    def _activations(self) -> int:
        """Bytes that one micro-batch's forward pass keeps, each storage once, without the weights themselves."""
        model, kept = self.loop.plain, dict[int, int]()
        own = {parameter.untyped_storage().data_ptr() for parameter in model.parameters()}

        def keep(tensor: torch.Tensor) -> torch.Tensor:
            storage = tensor.untyped_storage()
            if storage.data_ptr() not in own:
                kept[storage.data_ptr()] = storage.nbytes()
            return tensor

        batch = next(self.loop.stream)
        model.train()
        with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor), self._autocast():
            self.task.loss(model, batch)
        return sum(kept.values())

    def _nothing(self) -> Rates:
        nothing = {field.name: 0 for field in dataclasses.fields(Rates)}
        timeless: dict[str, Any] = dict.fromkeys(("step", "prepare", "validate", "samples", "evaluate"))
        return Rates(**{**nothing, **timeless, "scaled": 1, "notes": tuple(self.notes)})


class _StopWatch(Interrupts):
    """Asked by the loop after every step whether to stop: a lap."""

    def __init__(self, device: torch.device) -> None:
        super().__init__()
        self.device = device
        self.laps: list[float] = []

    def start(self, seconds: float) -> None:
        _wait_for(self.device)
        self._began = self._last = time.monotonic()
        self._seconds = seconds

    def reason(self) -> str | None:
        _wait_for(self.device)
        now = time.monotonic()
        self.laps.append(now - self._last)
        self._last = now
        return "enough was measured" if now - self._began > self._seconds else None


def _smaller(recipe: AnyRecipe, shrink: int) -> AnyRecipe:
    name = _batch_field(recipe)
    if shrink == 1 or name is None:
        return recipe
    return replace(recipe, data=replace(recipe.data, **{name: max(1, getattr(recipe.data, name) // shrink)}))


def _batch_field(recipe: AnyRecipe) -> str | None:
    return next((name for name in _BATCH_FIELDS if isinstance(getattr(recipe.data, name, None), int)), None)


def _check_memory(recipe: AnyRecipe, here: machine.Machine, needed: int) -> None:
    have = here.gpu_memory if here.gpu is not None else here.memory
    if have is not None and needed > have:
        where = "GPU memory" if here.gpu is not None else "memory"
        hint = "a smaller tier, or a smaller batch with more train.accumulate"
        what = f"about {needed / 1e9:.1f} GB of {where}, here are {have / 1e9:.1f}"
        raise NotReady(f"{recipe.name} --tier {recipe.tier} needs {what}", hint)


def _times(steps: int, every: int) -> int:
    """How often something happens that is due every so many steps and after the last."""
    return 0 if not every else -(-steps // every)


def _bytes(tensors: Any) -> int:
    return sum(tensor.numel() * tensor.element_size() for tensor in tensors)


def _optimizer_bytes(optimizer: torch.optim.Optimizer) -> int:
    values = [value for state in optimizer.state.values() for value in state.values()]
    return _bytes(value for value in values if isinstance(value, torch.Tensor))


def _wait_for(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)


@contextlib.contextmanager
def _alarm(seconds: float) -> Iterator[None]:
    """Raises _OverTime in the main thread, where a system can do that; elsewhere the block takes what it takes."""
    if not hasattr(signal, "setitimer") or threading.current_thread() is not threading.main_thread():
        yield
        return

    def ring(_number: int, _frame: FrameType | None) -> None:
        raise _OverTime

    previous = signal.signal(signal.SIGALRM, ring)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, previous)


def _mirror_files(source: Path, target: Path) -> None:
    """Every file of `source` as a link in `target`: what is prepared is used, and what is new is written there."""
    for folder, _, files in os.walk(source):
        inside = target / Path(folder).relative_to(source)
        inside.mkdir(parents=True, exist_ok=True)
        for name in files:
            if not name.endswith((".lock", ".part")):  # those are opened for writing
                (inside / name).symlink_to(Path(folder).absolute() / name)
