"""How steps are taken: one loop for every paper.  It names none.

A run that was killed goes on bit for bit (on CPUs, one thread a process), because a checkpoint holds all that the
next step depends on: weights, optimiser, every rank's random generators, the position in the data, and the sums
behind the next logged loss.
"""

from __future__ import annotations

import contextlib
import math
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn
from tqdm import tqdm  # type: ignore[import-untyped]

from reproductions.engine import attempt, checkpoint, distributed, optimizers, provenance, randomness
from reproductions.engine.interrupts import Interrupts, PreEmpted
from reproductions.engine.recipe import Recipe
from reproductions.engine.task import Task
from reproductions.registry import ReproductionError
from reproductions.run_directory import Recorder, RunDirectory

AnyRecipe = Recipe[Any, Any, Any]


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
    stop_after: int | None = None  # a step before the last, after which the attempt ends


class Loop:
    """One attempt at a run, on one rank: `begin`, `take_steps`, `finish`."""

    def __init__(self, given: Given) -> None:
        self.given = given
        self.task, self.train, self.recorder, self.world = given.task, given.recipe.train, given.recorder, given.world
        self.step = 0
        self.seconds_before, self.began = 0.0, time.monotonic()
        self.window: dict[str, torch.Tensor] = {}  # sums since the last logged loss: tokens, loss in nats, extra
        self.gradient_norm: torch.Tensor | None = None
        self.tokens = 0.0  # real target tokens of the logged steps

    def begin(self) -> None:
        """Brings in the data and puts the model where the newest whole checkpoint left it."""
        given, recorder = self.given, self.recorder
        saved = distributed.on_main(
            self.world,
            lambda: attempt.begin(given.run, recorder, given.talk, world_size=self.world.size) if recorder else None,
        )
        hashes = self.task.prepare(given.talk)
        if recorder is not None:
            attempt.keep_hashes(given.run, recorder, hashes)
        randomness.seed_everything(given.seed)
        self.plain = self.task.build_model().to(self.world.device)
        if recorder is not None:
            trained = [weight for weight in self.plain.parameters() if weight.requires_grad]
            attempt.keep_size(given.run, recorder, sum(weight.numel() for weight in trained))
        if self.train.compile != "off" and self.world.device.type == "cuda":
            self.plain.compile(dynamic=self.train.compile == "cuda-any-shape")
        self.model = distributed.spread(self.world, self.plain, self.train.parallel)
        self.optimizer = optimizers.build(given.recipe.optim, self.plain)
        if saved is not None:
            self._restore(checkpoint.load(saved))
            return
        self.stream = self.task.batches(None)
        if self.world.size > 1:
            randomness.seed_rank(given.seed, 0, self.world.rank)

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
                    reason = distributed.agree(self.world, self.given.interrupts.reason() or self._stretch_over())
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
            memory = provenance.peak_memory(str(self.world.device))
            seconds = round(self._seconds(), 3)
            self.recorder.result(measurements, seconds=seconds, peak_memory_bytes=memory, averaged=averaged)
            self.recorder.event("finished")

    def _take_step(self) -> None:
        """One optimiser update: the gradient of the mean loss per real token over the global batch."""
        recipe = self.given.recipe
        rate = recipe.optim.lr * optimizers.factor(recipe.schedule, self.step + 1, self.train.max_steps)
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        sums: dict[str, torch.Tensor] = {}
        for index in range(self.train.accumulate):
            batch = next(self.stream)
            if index not in self.given.mine:
                continue
            with distributed.without_sync(self.model, last=index == self.given.mine[-1]):
                with self._autocast():
                    nats, tokens, extra = self.task.loss(self.model, batch)
                torch.autograd.backward(nats)
            _add(sums, {"tokens": tokens, "loss": nats, **extra}, self.world.device)
        distributed.total(self.world, list(sums.values()))
        # so far it is the gradient of the sum, which DDP and FSDP2 divided by the number of ranks
        optimizers.scale_gradients(self.plain.parameters(), self.world.size / sums["tokens"])
        if recipe.optim.clip_norm is not None:
            self.gradient_norm = nn.utils.clip_grad_norm_(self.plain.parameters(), recipe.optim.clip_norm)
        self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)
        _add(self.window, sums, self.world.device)
        self.step += 1
        if self.recorder is not None:
            self.recorder.step = self.step

    def _log(self) -> str:
        """Records the mean loss since the last log; returns it for the progress bar."""
        sums = {name: value.item() for name, value in self.window.items()}
        tokens = sums.pop("tokens")
        speed = tokens / max(time.monotonic() - self.window_began, 1e-9)
        self.tokens += tokens
        values = {f"train/{name}": value / tokens for name, value in sums.items()}
        values |= {"train/lr": self.optimizer.param_groups[0]["lr"], "train/tokens_per_second": speed}
        values["train/tokens"] = self.tokens
        if self.gradient_norm is not None:
            values["train/grad_norm"] = float(self.gradient_norm)
        self._record(values)
        self.window.clear()
        self.window_began = time.monotonic()
        if not math.isfinite(values["train/loss"]):
            hint = "a smaller learning rate may help: --set optim.lr=..."
            raise ReproductionError(f"the loss is not finite at step {self.step}", hint)
        return f"loss {values['train/loss']:.3f}, {speed:,.0f} tokens/s"

    def _look(self) -> None:
        """Validates and samples where it is time."""
        if self._is_due(self.train.eval_every):
            self._record(self._without_gradients(self.task.validate))
        if self._is_due(self.train.sample_every):
            samples = self._without_gradients(lambda model: self.task.samples(model, self.step))
            if self.recorder is not None:
                for sample in samples:
                    self.recorder.sample(**{"step": self.step, **sample})

    def _save(self, scheduled: bool) -> None:
        model = distributed.model_state(self.plain)
        optimizer = distributed.optimizer_state(self.plain, self.optimizer)
        generators = distributed.gather(self.world, randomness.state())

        def write() -> None:
            recorder, run = self.recorder, self.given.run
            if recorder is None:
                return  # a look ahead (prediction.py) leaves nothing behind
            recorder.sync()  # a resume keeps the lines up to its step, so they must be there
            path = checkpoint.save(
                run.path / "checkpoints",
                step=self.step,
                model=model,
                optimizer=optimizer,
                rng=generators,
                data=self.stream.position(),
                counters={
                    "seconds": self._seconds(),
                    "tokens": self.tokens,
                    "window": {name: value.item() for name, value in self.window.items()},
                },
                scheduled=scheduled,
            )
            recorder.event("checkpointed", checkpoint=path.name, scheduled=scheduled)
            checkpoint.prune(run, max(1, self.train.keep_checkpoints, self.train.average_last))

        # the others wait: torchrun ends all ranks soon after the first has left
        distributed.on_main(self.world, write)

    def _restore(self, saved: checkpoint.Checkpoint) -> None:
        distributed.load_weights(self.plain, saved.model)
        distributed.load_optimizer(self.plain, self.optimizer, saved.optimizer)
        self.stream = self.task.batches(saved.state["data"])
        counters = saved.state["counters"]
        self.step, self.seconds_before = saved.step, counters["seconds"]
        self.tokens = counters["tokens"]
        _add(self.window, counters["window"], self.world.device)
        if len(saved.rng) == self.world.size:
            randomness.restore(saved.rng[self.world.rank])
        else:  # attempt.begin says so
            randomness.seed_rank(self.given.seed, self.step, self.world.rank)

    def _average(self) -> list[str]:
        weights, names = checkpoint.average(self.given.run, self.train.average_last)
        parts, shared = checkpoint.weights_parts(weights)
        target = self.given.run.path / "checkpoints" / "averaged"
        checkpoint.write(target, parts, {"step": self.step, "shared": shared, "averaged": names})
        return names

    def _record(self, values: Mapping[str, float]) -> None:
        if self.recorder is not None:
            self.recorder.metrics(values, self.step)

    def _without_gradients(self, function: Callable[[nn.Module], Any]) -> Any:
        self.plain.eval()
        # What is looked at in between has shapes of its own: to compile for each would take longer than the look.
        with torch.no_grad(), self._autocast(), torch.compiler.set_stance("force_eager"):
            value = function(self.plain)
        self.plain.train()
        return value

    def _stretch_over(self) -> str | None:
        last = self.given.stop_after
        return "the stretch is over" if last is not None and self.step >= last else None

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


def precision(recipe: AnyRecipe, device: torch.device) -> torch.dtype | None:
    """bf16 where the recipe allows it and the GPU computes in it: a CPU without it is 70 times slower."""
    capable = device.type == "cuda" and torch.cuda.is_bf16_supported(including_emulation=False)
    return torch.bfloat16 if recipe.train.precision == "bf16-if-capable" and capable else None


def _add(sums: dict[str, torch.Tensor], values: Mapping[str, Any], device: torch.device) -> None:
    """Adds to running sums on the device, without waiting for it."""
    for name, value in values.items():
        if isinstance(value, torch.Tensor):
            number = value.detach().to(device, torch.float64)
        else:
            number = torch.full((), value, dtype=torch.float64, device=device)  # written there: a copy would wait
        sums[name] = sums[name] + number if name in sums else number
