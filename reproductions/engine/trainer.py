"""How steps are taken: one loop for every paper.

`train` finds or begins the run that its arguments mean, takes the steps that are left, evaluates once and
writes the result.  A run that was killed goes on bit for bit (one process, CPU): a checkpoint holds the weights,
the optimiser, the random generators, the position in the data and the sums behind the next logged loss.
"""

from __future__ import annotations

import contextlib
import math
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import torch
from torch import nn
from tqdm import tqdm  # type: ignore[import-untyped]

from reproductions.engine import (
    attempt,
    checkpoint,
    distributed,
    failures,
    machine,
    optimizers,
    provenance,
    randomness,
)
from reproductions.engine.identity import Identity, open_run
from reproductions.engine.interrupts import Interrupts, PreEmpted
from reproductions.engine.recipe import Recipe, to_dict
from reproductions.engine.task import Task, TaskFactory
from reproductions.registry import ReproductionError
from reproductions.run_directory import Recorder, RunDirectory

AnyRecipe = Recipe[Any, Any, Any]


def train(
    recipe: AnyRecipe,
    seed: int,
    runs_dir: Path,
    *,
    make_task: TaskFactory,
    fingerprint: str,
    data_home: Path,
    now: datetime,
    overrides: Mapping[str, str] | None = None,
    tiers: Sequence[AnyRecipe] = (),
    device: str = "auto",
    again: bool = False,
    max_seconds: float | None = None,
    command: Sequence[str] = (),
    talk: Callable[[str], None] = lambda _: None,
    on_run: Callable[[Path], None] = lambda _: None,
    progress: bool = False,
) -> RunDirectory:
    """Trains `recipe` (overrides applied) to its end, going on with the run of the same identity.

    Returns the finished run, at once where it was finished before.  Raises PreEmpted (exit 75) when asked to
    stop or out of time, Busy (75) where another process trains it, NotReady (4) where the machine lacks
    something, InvalidInput (3) where code or data changed since the run began.  `tiers` are offered where this
    one cannot run; `on_run` learns the run's path as soon as it is known.
    """
    with failures.explained(runs_dir), contextlib.ExitStack() as leaving:
        world = distributed.join(device)
        leaving.callback(distributed.leave, world)
        mine = distributed.share_of(world, recipe.train.accumulate)
        precision = _precision(recipe, world.device)
        identity = Identity(recipe.name, recipe.tier, seed, overrides or {}, to_dict(recipe), fingerprint, again)
        recorder: Recorder | None = None

        def describe() -> dict[str, Any]:
            here = machine.here(str(world.device))
            machine.check(recipe, tiers, here, runs_dir)
            return {
                "reproduction": recipe.reproduction,
                "command": list(command),
                "predicted": None if recipe.predicted is None else dict(recipe.predicted),
                "provenance": provenance.describe(
                    here,
                    device=str(world.device),
                    threads=torch.get_num_threads(),
                    precision="fp32" if precision is None else "bf16",
                    world_size=world.size,
                ),
            }

        def find() -> tuple[Path, bool]:
            nonlocal recorder
            opened = open_run(runs_dir, identity, now=now, describe=describe, talk=talk)
            recorder = opened.recorder
            return opened.run.path, recorder is None

        path, is_finished = distributed.on_main(world, find)
        run = RunDirectory(path)
        on_run(path)
        talk(f"{'finished before' if is_finished else 'run'}: {path}")
        if is_finished:
            return run
        if recorder is not None:
            leaving.enter_context(recorder)
        interrupts = leaving.enter_context(Interrupts(max_seconds))
        leaving.enter_context(failures.noted(recorder))
        task = make_task(recipe=recipe, data_home=data_home, device=world.device, seed=seed)
        loop = Loop(Given(recipe, task, seed, run, recorder, world, mine, precision, interrupts, talk))
        with interrupts.at_once():
            loop.begin()
        loop.take_steps(progress)
        with interrupts.at_once():
            loop.finish()
        return run


@dataclass(frozen=True)
class Given:
    """What an attempt works with.  `recorder` is rank 0's; `mine` are this rank's micro-batches of a step."""

    recipe: AnyRecipe
    task: Task
    seed: int
    run: RunDirectory
    recorder: Recorder | None
    world: distributed.World
    mine: range
    precision: torch.dtype | None
    interrupts: Interrupts
    talk: Callable[[str], None]


class Loop:
    """One attempt at a run, on one rank: `begin`, `take_steps`, `finish`."""

    def __init__(self, given: Given) -> None:
        self.given = given
        self.task, self.train, self.recorder, self.world = given.task, given.recipe.train, given.recorder, given.world
        self.step = 0
        self.seconds_before, self.began = 0.0, time.monotonic()
        self.nats = torch.zeros((), dtype=torch.float64, device=self.world.device)  # since the last logged loss
        self.tokens = torch.zeros((), dtype=torch.float64, device=self.world.device)
        self.gradient_norm: torch.Tensor | None = None
        self.extra: dict[str, Any] = {}

    def begin(self) -> None:
        """Brings in the data and puts the model where the newest whole checkpoint left it."""
        given, recorder = self.given, self.recorder
        saved = distributed.on_main(
            self.world, lambda: attempt.begin(given.run, recorder, given.talk) if recorder else None
        )
        hashes = self.task.prepare(given.talk)
        if recorder is not None:
            attempt.keep_hashes(given.run, recorder, hashes)
        randomness.seed_everything(given.seed)
        self.plain = self.task.build_model().to(self.world.device)
        if self.train.compile == "cuda" and self.world.device.type == "cuda":
            self.plain.compile(dynamic=True)
        self.model = distributed.spread(self.world, self.plain, self.train.parallel)
        self.optimizer = optimizers.build(given.recipe.optim, self.plain)
        if saved is None:
            self.stream = self.task.batches(None)
        else:
            self._restore(checkpoint.load(saved))
        if self.world.size > 1:  # dropout must differ by rank
            randomness.seed_everything(hash((given.seed, self.step, self.world.rank)) % 2**32)

    def take_steps(self, progress: bool) -> None:
        """Steps until the last, with the records and checkpoints that the recipe asks for."""
        last = self.train.max_steps
        self.plain.train()
        self.window_began = time.monotonic()
        with tqdm(total=last, initial=self.step, unit="step", disable=not progress, file=sys.stderr) as bar:
            while self.step < last:
                self._take_step()
                bar.update()
                if self._is_due(self.train.log_every) or self.step == 1:
                    bar.set_postfix_str(self._log())
                with self._clock_stopped():
                    self._look()
                    scheduled = self._is_due(self.train.checkpoint_every) or self.step == last
                    reason = distributed.agree(self.world, self.given.interrupts.reason())
                    if scheduled or reason is not None:
                        self._save(scheduled)
                if reason is not None:
                    raise PreEmpted(f"{reason}, after step {self.step} of {last}")

    def finish(self) -> None:
        """Evaluates the last weights, or the mean of the last checkpoints, and writes result.json."""
        averaged: list[str] = []
        if self.train.average_last:
            averaged = distributed.on_main(self.world, self._average)
            weights = checkpoint.load_weights(self.given.run.path / "checkpoints" / "averaged")
            distributed.load_weights(self.plain, weights)
        if self.recorder is not None:
            self.recorder.event("evaluating", averaged=averaged)
        measurements = self._without_gradients(self.task.evaluate)
        if self.recorder is not None:
            self.recorder.result(measurements, seconds=round(self._seconds(), 3), averaged=averaged)
            self.recorder.event("finished")

    def _take_step(self) -> None:
        """One optimiser update: the gradient of the mean loss per real token over the global batch."""
        recipe = self.given.recipe
        rate = recipe.optim.lr * optimizers.factor(recipe.schedule, self.step + 1, self.train.max_steps)
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        sums = torch.zeros(2, dtype=torch.float64, device=self.world.device)  # nats, tokens
        for index in range(self.train.accumulate):
            batch = next(self.stream)
            if index not in self.given.mine:
                continue
            with distributed.without_sync(self.model, last=index == self.given.mine[-1]):
                with self._autocast():
                    nats, tokens, self.extra = self.task.loss(self.model, batch)
                torch.autograd.backward(nats)
            sums[0] += nats.detach()
            sums[1] += tokens
        distributed.total(self.world, sums)
        # so far it is the gradient of the sum, which DDP and FSDP2 divided by the number of ranks
        optimizers.scale_gradients(self.plain.parameters(), self.world.size / sums[1])
        if recipe.optim.clip_norm is not None:
            self.gradient_norm = nn.utils.clip_grad_norm_(self.plain.parameters(), recipe.optim.clip_norm)
        self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)
        self.nats += sums[0]
        self.tokens += sums[1]
        self.step += 1
        if self.recorder is not None:
            self.recorder.step = self.step

    def _log(self) -> str:
        """Records the mean loss since the last log; returns it for the progress bar."""
        tokens = self.tokens.item()
        loss = self.nats.item() / tokens
        speed = tokens / max(time.monotonic() - self.window_began, 1e-9)
        rate = self.optimizer.param_groups[0]["lr"]
        values = {"train/loss": loss, "train/lr": rate, "train/tokens_per_second": speed}
        if self.gradient_norm is not None:
            values["train/grad_norm"] = float(self.gradient_norm)
        values |= {f"train/{name}": float(value) for name, value in self.extra.items()}
        self._record(values)
        self.nats.zero_()
        self.tokens.zero_()
        self.window_began = time.monotonic()
        if not math.isfinite(loss):
            hint = "a smaller learning rate may help: --set optim.lr=..."
            raise ReproductionError(f"the loss is not finite at step {self.step}", hint)
        return f"loss {loss:.3f}, {speed:,.0f} tokens/s"

    def _look(self) -> None:
        """Validates and samples where it is time."""
        if self._is_due(self.train.eval_every):
            self._record(self._without_gradients(self.task.validate))
        if self._is_due(self.train.sample_every):
            samples = self._without_gradients(lambda model: self.task.samples(model, self.step))
            for sample in samples if self.recorder else []:
                self.recorder.sample(**{"step": self.step, **sample})

    def _save(self, scheduled: bool) -> None:
        model = distributed.model_state(self.plain)
        optimizer = distributed.optimizer_state(self.plain, self.optimizer)
        if self.recorder is None:
            return
        self.recorder.sync()  # a resume keeps the lines up to its step, so they must be there
        sums = {"nats": self.nats.item(), "tokens": self.tokens.item(), "seconds": self._seconds()}
        path = checkpoint.save(
            self.given.run.path / "checkpoints",
            step=self.step,
            model=model,
            optimizer=optimizer,
            data=self.stream.position(),
            counters=sums,
            scheduled=scheduled,
        )
        self.recorder.event("checkpointed", checkpoint=path.name, scheduled=scheduled)
        checkpoint.prune(self.given.run, max(1, self.train.keep_checkpoints, self.train.average_last))

    def _restore(self, saved: checkpoint.Checkpoint) -> None:
        distributed.load(self.plain, self.optimizer, saved.model, saved.optimizer)
        self.stream = self.task.batches(saved.state["data"])
        counters = saved.state["counters"]
        self.step, self.seconds_before = saved.step, counters["seconds"]
        self.nats.fill_(counters["nats"])
        self.tokens.fill_(counters["tokens"])
        randomness.restore(saved.rng)

    def _average(self) -> list[str]:
        weights, names = checkpoint.average(self.given.run, self.train.average_last)
        content = {"model.safetensors": checkpoint.weights_bytes(weights)}
        target = self.given.run.path / "checkpoints" / "averaged"
        checkpoint.write(target, content, {"step": self.step, "scheduled": False, "averaged": names})
        return names

    def _record(self, values: Mapping[str, float]) -> None:
        if self.recorder is not None:
            self.recorder.metrics(values, self.step)

    def _without_gradients(self, function: Callable[[nn.Module], Any]) -> Any:
        self.plain.eval()
        with torch.no_grad(), self._autocast():
            value = function(self.plain)
        self.plain.train()
        return value

    def _is_due(self, every: int) -> bool:
        return every > 0 and (self.step % every == 0 or self.step == self.train.max_steps)

    def _seconds(self) -> float:
        return self.seconds_before + time.monotonic() - self.began

    def _autocast(self) -> contextlib.AbstractContextManager[Any]:
        if self.given.precision is None:
            return contextlib.nullcontext()
        return torch.autocast(self.world.device.type, dtype=self.given.precision)

    @contextlib.contextmanager
    def _clock_stopped(self) -> Iterator[None]:
        """Leaves validation and checkpoints out of the tokens per second."""
        stopped = time.monotonic()
        yield
        self.window_began += time.monotonic() - stopped


def _precision(recipe: AnyRecipe, device: torch.device) -> torch.dtype | None:
    """bf16 where the recipe allows it and the GPU computes in it: a CPU without it is 70 times slower."""
    capable = device.type == "cuda" and torch.cuda.is_bf16_supported(including_emulation=False)
    return torch.bfloat16 if recipe.train.precision == "bf16-if-capable" and capable else None
