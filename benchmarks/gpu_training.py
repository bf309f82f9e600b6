"""Training steps and whole trainings on a GPU, ours beside peers: what gpu.py asks about them.

Every side gets the same shape, batch and optimiser settings, and bf16 autocast.  Ours goes through the engine's
functions, as the trainer calls them.  Peers are imported from a folder and are no part of this repository.
"""

from __future__ import annotations

import contextlib
import io
import math
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from itertools import cycle, pairwise
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


# ---- GPT-2


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


# ---- transformer-base


def wmt_batches(machine: Machine, tokens: int, vocabulary: int, count: int) -> list[Any]:
    """Bucketed batches with the lengths of WMT's sentences, as transformer/task.py makes them."""
    from benchmarks.translation import pairs_of
    from reproductions.data.parallel import BatchStream

    pairs = pairs_of("wmt", 60_000 if machine.on_gpu else 500, None, vocabulary)
    stream = BatchStream(pairs, tokens_per_batch=tokens, seed=0, pad=0, bos=1)
    return [next(stream).to(torch.device(machine.device)) for _ in range(count)]


def our_translation(machine: Machine, shape: Any, vocabulary: int, batches: list[Any]) -> Step:
    from reproductions.engine import optimizers
    from reproductions.transformer.model import Transformer
    from reproductions.transformer.recipes import FULL

    model = Transformer(shape, vocabulary).to(machine.device).train()
    machine.compiled(model, dynamic=FULL.train.compile == "cuda-any-shape")
    optimizer = optimizers.build(replace(FULL.optim, lr=1e-4), model)
    stream = cycle(batches)

    def step() -> None:
        batch = next(stream)
        with machine.autocast():
            nats, _ = model(batch.source, batch.target_in, batch.source_mask, batch.target_out, batch.real)
        torch.autograd.backward(nats)
        factor = torch.full((), 1 / len(batch.target_out), device=machine.device)
        optimizers.scale_gradients(model.parameters(), factor)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)

    return step


def fairseq_parts(shape: Any, vocabulary: int) -> tuple[Any, Any]:
    """(model, dictionary) of fairseq's transformer with our shape: post-norm, one embedding for all, sinusoids.

    Its dictionary has 4 special tokens of its own, of which pad is 1.
    """
    import argparse
    import logging

    logging.disable(logging.INFO)
    from fairseq.data import Dictionary
    from fairseq.models.transformer import TransformerModel, base_architecture

    words = Dictionary()
    for number in range(vocabulary - len(words)):
        words.add_symbol(f"w{number}")
    arguments = argparse.Namespace(
        encoder_layers=shape.num_layers,
        decoder_layers=shape.num_layers,
        encoder_embed_dim=shape.d_model,
        decoder_embed_dim=shape.d_model,
        encoder_ffn_embed_dim=shape.d_ff,
        decoder_ffn_embed_dim=shape.d_ff,
        encoder_attention_heads=shape.num_heads,
        decoder_attention_heads=shape.num_heads,
        dropout=shape.dropout,
        share_all_embeddings=True,
        max_source_positions=shape.max_positions,
        max_target_positions=shape.max_positions,
    )
    base_architecture(arguments)
    task = argparse.Namespace(source_dictionary=words, target_dictionary=words)
    return TransformerModel.build_model(arguments, task), words


def fairseq_translation(machine: Machine, shape: Any, vocabulary: int, batches: list[Any]) -> Step:
    """Its model and its label-smoothed criterion, under the same autocast, with torch's fused Adam."""
    from fairseq.criterions.label_smoothed_cross_entropy import label_smoothed_nll_loss

    model, words = fairseq_parts(shape, vocabulary)
    model.to(machine.device).train()
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-4, betas=(0.9, 0.98), eps=1e-9, fused=True)
    pad = words.pad()

    def theirs(batch: Any) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        source = batch.source.clone()
        if batch.source_mask is not None:
            source[~batch.source_mask[:, 0, 0]] = pad
        target = torch.full_like(batch.target_in, pad)
        flat = target.view(-1)
        flat[slice(None) if batch.real is None else batch.real] = batch.target_out
        return source, (source != pad).sum(dim=1), batch.target_in, target

    stream = cycle([theirs(batch) for batch in batches])

    def step() -> None:
        source, lengths, before, target = next(stream)
        with machine.autocast():
            logits = model(source, lengths, before)
            scores = model.get_normalized_probs(logits, log_probs=True)
            loss, _ = label_smoothed_nll_loss(
                scores.view(-1, scores.shape[-1]), target.view(-1, 1), shape.label_smoothing, ignore_index=pad
            )
        (loss / (target != pad).sum()).backward()
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)

    return step


def translation(machine: Machine, shrink: int) -> dict[str, Any]:
    """transformer-base, 25,000 source and 25,000 target tokens a batch of sentences of like length."""
    from reproductions.transformer.recipes import FULL

    vocabulary = FULL.data.vocabulary // shrink
    shape = FULL.model if shrink == 1 else replace(FULL.model, num_layers=1, d_model=64, d_ff=128)
    batches = wmt_batches(machine, FULL.data.tokens_per_batch // shrink, vocabulary, 8 if machine.on_gpu else 1)
    real = statistics.mean(len(batch.target_out) for batch in batches)
    found: dict[str, Any] = {"target_tokens_a_step": round(real)}
    warm = 2 * len(batches)
    sides = {"ours": warmed("ours", our_translation(machine, shape, vocabulary, batches), machine, warm, found)}
    with contextlib.suppress(ImportError):
        step = fairseq_translation(machine, shape, vocabulary, batches)
        sides["fairseq"] = warmed("fairseq", step, machine, warm, found)
    if machine.only_warms:
        return found
    rounds = 5 if machine.on_gpu else 1
    return found | in_turn(sides, machine, steps=len(batches), rounds=rounds)


# ---- tiny Shakespeare


def nanogpt_shakespeare(
    machine: Machine, folder: Path, rows: tuple[Any, Any], vocabulary: int, *, seed: int, steps: int, every: int
) -> dict[str, Any]:
    """Its train.py on its 6x384 setting, judged as we judge: the whole validation split, every `every` steps.

    Seconds are those of its training steps alone, after a first step that compiles.
    """
    train, val = rows
    torch.manual_seed(seed)
    model = nanogpt_model(
        folder, block_size=256, vocab_size=vocabulary, n_layer=6, n_head=6, n_embd=384, dropout=0.2, bias=False
    )
    model.to(machine.device).train()
    with contextlib.redirect_stdout(io.StringIO()):
        optimizer = model.configure_optimizers(0.1, 1e-3, (0.9, 0.99), machine.device)
    compiled = torch.compile(model) if machine.on_gpu else model
    data = torch.from_numpy(train)
    seconds, curve = 0.0, []
    began = time.perf_counter()

    def windows() -> tuple[Tensor, Tensor]:
        starts = torch.randint(len(data) - 256, (64,))
        pair = [torch.stack([data[at + shift : at + shift + 256] for at in starts.tolist()]) for shift in (0, 1)]
        if machine.on_gpu:
            pair = [side.pin_memory().to(machine.device, non_blocking=True) for side in pair]
        return pair[0], pair[1]

    ahead = windows()
    for step in range(steps):
        cosine = 0.5 * (1 + math.cos(math.pi * (step - 100) / 4900))
        rate = 1e-3 * (step + 1) / 101 if step < 100 else 1e-4 + cosine * 9e-4
        for group in optimizer.param_groups:
            group["lr"] = rate
        with machine.autocast():
            _, loss = compiled(*ahead)
        ahead = windows()
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        if step == 0:
            machine.wait()
            began = time.perf_counter()
        if (step + 1) % every == 0:
            machine.wait()
            seconds += time.perf_counter() - began
            curve.append((step + 1, round(seconds, 3), round(whole_split(model, val, machine), 4)))
            model.train()
            began = time.perf_counter()
    best = min(curve, key=lambda point: point[2])
    return {"seed": seed, "best": best[2], "step": best[0], "seconds": best[1], "curve": curve}


@torch.no_grad()
def whole_split(model: Any, val: Any, machine: Machine) -> float:
    """Nats a character over the whole split: each predicted from those before it in its own window of 256."""
    model.eval()
    data = torch.from_numpy(val).to(machine.device)
    whole = (len(data) - 1) // 256
    nats, count = 0.0, 0
    inputs, targets = data[: whole * 256].view(-1, 256), data[1 : whole * 256 + 1].view(-1, 256)
    for first in range(0, whole, 64):
        with machine.autocast():
            _, loss = model(inputs[first : first + 64], targets[first : first + 64])
        nats += float(loss) * inputs[first : first + 64].numel()
        count += inputs[first : first + 64].numel()
    if len(data) - 1 > whole * 256:
        with machine.autocast():
            _, loss = model(data[None, whole * 256 : -1], data[None, whole * 256 + 1 :])
        nats, count = nats + float(loss) * (len(data) - 1 - whole * 256), count + len(data) - 1 - whole * 256
    return nats / count


def shakespeare_rows(data_home: Path) -> tuple[tuple[Any, Any], int]:
    """The characters of both splits as ids, in nanoGPT's order: ours, encoded by our tokenizer."""
    import os

    import numpy as np

    from reproductions.data import manifest
    from reproductions.data.corpus import Corpus
    from reproductions.gpt.recipes import NANOGPT_FULL

    corpus = Corpus(NANOGPT_FULL.data, data_home, os.environ.get(manifest.MIRROR), lambda _: None)
    tokenizer = corpus.tokenizer()
    rows = [corpus.tokens(split, tokenizer) for split in ("train", "val")]
    whole = [np.ascontiguousarray(row.window(0, len(row)).astype(np.int64)) for row in rows]
    return (whole[0], whole[1]), tokenizer.size


def seconds_to(target: float, points: list[dict[str, Any]]) -> dict[str, Any]:
    """When a run's validation loss first was at most `target`: its step, and seconds of training steps up to there.

    Seconds are tokens over tokens per second of each logged window; `compiling_s` is the first step's.
    """
    speed = {point["step"]: point["value"] for point in points if point["name"] == "train/tokens_per_second"}
    tokens = {point["step"]: point["value"] for point in points if point["name"] == "train/tokens"}
    losses = sorted((point["step"], point["value"]) for point in points if point["name"] == "val/loss")
    first, seconds, before = min(speed), 0.0, 0.0
    spent: dict[int, float] = {}
    for step in sorted(speed):
        took = (tokens[step] - before) / speed[step]
        before = tokens[step]
        if step != first:
            seconds += took
        spent[step] = seconds
    reached = next((step for step, loss in losses if loss <= target), None)
    return {
        "best": round(min(loss for _, loss in losses), 4),
        "step": reached,
        "seconds": None if reached is None else round(spent[max(at for at in spent if at <= reached)], 3),
        "all_seconds": round(seconds, 3),
        "compiling_s": round(tokens[first] / speed[first], 1),
    }
