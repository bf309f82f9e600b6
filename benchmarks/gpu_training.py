"""Training steps and whole trainings on a GPU, ours beside peers: what gpu.py asks about them.

Every side gets the same shape, batch and optimiser settings, and bf16 autocast.  Ours goes through the engine's
functions, as the trainer calls them.  Peers are imported from a folder and are no part of this repository.
"""

from __future__ import annotations

import contextlib
import io
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from benchmarks.training import program

Step = Callable[[], None]


@dataclass(frozen=True)
class Machine:
    """Where it is measured.  A rehearsal on a CPU has no autocast, and compiles nothing.

    ``only_warms`` ends after the first steps: what they compiled lies in a cache on the disk for the next process.
    """

    device: str
    only_warms: bool = False

    @property
    def on_gpu(self) -> bool:
        return self.device == "cuda"

    def wait(self) -> None:
        if self.on_gpu:
            torch.cuda.synchronize()

    def autocast(self) -> Any:
        return torch.autocast(self.device, dtype=torch.bfloat16, enabled=self.on_gpu)

    def compiled(self, model: nn.Module, dynamic: bool | None = None) -> nn.Module:
        if self.on_gpu:
            model.compile(dynamic=dynamic)
        return model


def in_turn(sides: dict[str, Step], machine: Machine, *, steps: int, rounds: int) -> dict[str, Any]:
    """Milliseconds a step, the median over rounds in which the sides take turns; the ratios within a round."""
    found: dict[str, list[float]] = {name: [] for name in sides}
    for round_number in range(rounds):
        for name in list(sides) if round_number % 2 == 0 else list(sides)[::-1]:
            machine.wait()
            began = time.perf_counter()
            for _ in range(steps):
                sides[name]()
            machine.wait()
            found[name].append(1000 * (time.perf_counter() - began) / steps)
    ratios = {
        name: statistics.median(theirs / mine for theirs, mine in zip(times, found["ours"], strict=True))
        for name, times in found.items()
        if name != "ours"
    }
    return {
        "milliseconds": {name: round(statistics.median(times), 3) for name, times in found.items()},
        "ratio": {name: round(value, 3) for name, value in ratios.items()},
    }


def warmed(name: str, step: Step, machine: Machine, steps: int, into: dict[str, Any]) -> Step:
    """The step after a few of it; what they took (compilation above all) and the peak memory are kept."""
    if machine.on_gpu:
        torch.cuda.reset_peak_memory_stats()
    held = torch.cuda.memory_allocated() if machine.on_gpu else 0
    began = time.perf_counter()
    for _ in range(steps):
        step()
    machine.wait()
    into.setdefault("warm_up_s", {})[name] = round(time.perf_counter() - began, 1)
    if machine.on_gpu:
        into.setdefault("peak_gb", {})[name] = round((torch.cuda.max_memory_allocated() - held) / 1e9, 2)
    return step


def our_gpt(machine: Machine, sizes: Any, vocabulary: int, batch: int, *, betas: tuple[float, float]) -> Step:
    """A step as engine/trainer.py takes it, of fresh random windows."""
    from reproductions.data.transfer import to_device
    from reproductions.engine import optimizers
    from reproductions.engine.recipe import Optim
    from reproductions.gpt.model import GPT

    model = GPT(sizes, vocabulary).to(machine.device).train()
    machine.compiled(model)
    settings = Optim(lr=6e-4, betas=betas, weight_decay=0.1, decay="matrices", clip_norm=1.0)
    optimizer = optimizers.build(settings, model)
    place = torch.device(machine.device)
    count = torch.tensor(1 / (batch * sizes.context), device=place)

    def step() -> None:
        text = torch.randint(vocabulary, (batch, sizes.context + 1))
        tokens, targets = to_device(text[:, :-1], place), to_device(text[:, 1:].flatten(), place)
        with machine.autocast():
            nats = model(tokens, targets)
        torch.autograd.backward(nats)
        optimizers.scale_gradients(model.parameters(), count)
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)

    return step


def nanogpt_model(folder: Path, **config: Any) -> Any:
    module = program("nanogpt_model", folder / "nanoGPT" / "model.py")
    with contextlib.redirect_stdout(io.StringIO()):
        return module.GPT(module.GPTConfig(**config))


def nanogpt(machine: Machine, folder: Path, sizes: Any, batch: int, *, betas: tuple[float, float]) -> Step:
    """As its train.py: compiled, autocast, its padded vocabulary, its fused AdamW, pinned batches ahead of time."""
    vocabulary = 50_304
    model = nanogpt_model(
        folder,
        block_size=sizes.context,
        vocab_size=vocabulary,
        n_layer=sizes.num_layers,
        n_head=sizes.num_heads,
        n_embd=sizes.d_model,
        dropout=0.0,
        bias=False,
    )
    model.to(machine.device).train()
    with contextlib.redirect_stdout(io.StringIO()):
        optimizer = model.configure_optimizers(0.1, 6e-4, betas, machine.device)
    compiled = torch.compile(model) if machine.on_gpu else model

    def windows() -> tuple[Tensor, Tensor]:
        text = torch.randint(50_257, (batch, sizes.context + 1))
        pair = text[:, :-1].contiguous(), text[:, 1:].contiguous()
        if not machine.on_gpu:
            return pair
        return tuple(side.pin_memory().to(machine.device, non_blocking=True) for side in pair)  # type: ignore[return-value]

    ahead = [windows()]

    def step() -> None:
        with machine.autocast():
            _, loss = compiled(*ahead[0])
        ahead[0] = windows()
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)

    return step


def trainer_milliseconds(machine: Machine, sizes: Any, batch: int, steps: int) -> float:
    """transformers' Trainer as its documentation has it: GPT2LMHeadModel, bf16=True, nothing else changed."""
    import tempfile

    import transformers

    transformers.logging.set_verbosity_error()
    config = transformers.GPT2Config(
        n_positions=sizes.context, n_embd=sizes.d_model, n_layer=sizes.num_layers, n_head=sizes.num_heads
    )
    rows = torch.randint(config.vocab_size, (batch * (steps + 5), sizes.context))
    times: list[float] = []

    class Clock(transformers.TrainerCallback):  # type: ignore[misc]
        def on_step_end(self, *_: Any, **__: Any) -> None:
            machine.wait()
            times.append(time.perf_counter())

    with tempfile.TemporaryDirectory() as folder:
        arguments = transformers.TrainingArguments(
            output_dir=folder,
            per_device_train_batch_size=batch,
            max_steps=steps,
            bf16=machine.on_gpu,
            use_cpu=not machine.on_gpu,
            report_to=[],
            save_strategy="no",
            disable_tqdm=True,
        )
        transformers.Trainer(
            model=transformers.GPT2LMHeadModel(config),
            args=arguments,
            train_dataset=[{"input_ids": row, "labels": row} for row in rows],
            callbacks=[Clock()],
        ).train()
    gaps = [after - before for before, after in pairwise(times)]
    return 1000 * statistics.median(gaps[len(gaps) // 3 :])


def gpt2(machine: Machine, peers: Path | None, shrink: int, matrix_tflops: float | None) -> dict[str, Any]:
    """124M, context 1024, 16 windows a step; ours and nanoGPT compiled, transformers' Trainer as people run it."""
    from reproductions.gpt.sizes import GPT_2

    whole = replace(GPT_2["gpt-2"], bias=False, dropout=0.0)
    sizes = whole if shrink == 1 else replace(whole, num_layers=1, d_model=64, num_heads=2, context=64)
    batch, betas = max(2, 16 // shrink), (0.9, 0.95)
    found: dict[str, Any] = {"tokens_a_step": batch * sizes.context}
    warm = 5 if machine.on_gpu else 1
    sides = {"ours": warmed("ours", our_gpt(machine, sizes, 50_257, batch, betas=betas), machine, warm, found)}
    if peers is not None:
        step = nanogpt(machine, peers, sizes, batch, betas=betas)
        sides["nanoGPT"] = warmed("nanoGPT", step, machine, warm, found)
    if machine.only_warms:
        return found
    found |= in_turn(sides, machine, steps=10 if machine.on_gpu else 1, rounds=6 if machine.on_gpu else 1)
    rate = found["tokens_a_step"] / found["milliseconds"]["ours"] * 1000
    found["tokens_per_s"] = round(rate)
    if matrix_tflops and shrink == 1:
        found["of_measured_matrix_rate"] = round(rate * 855e6 / (matrix_tflops * 1e12), 3)
    sides.clear()
    with contextlib.suppress(ImportError):
        took = trainer_milliseconds(machine, sizes, batch, 30 if machine.on_gpu else 3)
        found["milliseconds"]["transformers' Trainer"] = round(took, 3)
        found["ratio"]["transformers' Trainer"] = round(took / found["milliseconds"]["ours"], 3)
    return found
