"""Is a training step of ours as fast as a peer's?  One thread, process CPU time, interleaved, the same work.

    python benchmarks/training.py gpt --peers DIR [--out benchmarks/results]     # DIR/nanoGPT: a checkout of it

Both sides get the same shape, batch, optimiser settings and clipping and take whole steps: forward, loss, backward,
clip, update.  Ours goes through the engine's functions, as the trainer calls them.  A repeat times some steps of each
in turn; a ratio is the peer's time over ours within one repeat, and the median of the repeats is what counts: above 1
ours is faster.  Nothing of a peer is part of this repository.
"""

from __future__ import annotations

import argparse
import contextlib
import importlib.util
import io
import statistics
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from benchmarks import record  # noqa: E402 - the checkout need not be installed


@dataclass(frozen=True)
class Shape:
    """What is trained, and how fast ours has to be beside nanoGPT."""

    num_layers: int
    d_model: int
    num_heads: int
    context: int
    batch: int
    vocabulary: int
    bar: float
    steps: int


SHAPES = {
    "6x384": Shape(6, 384, 6, 256, 4, 65, bar=0.97, steps=2),
    "124M-2-layers": Shape(2, 768, 12, 256, 2, 50_257, bar=1.03, steps=1),
    "2x128": Shape(2, 128, 4, 64, 12, 65, bar=0.95, steps=20),
}


def ours(shape: Shape) -> Callable[[], None]:
    """A step as engine/trainer.py takes it."""
    import torch

    from reproductions.engine import optimizers
    from reproductions.engine.recipe import Optim
    from reproductions.gpt.model import GPT
    from reproductions.gpt.sizes import Model

    sizes = Model(
        num_layers=shape.num_layers,
        d_model=shape.d_model,
        num_heads=shape.num_heads,
        context=shape.context,
        bias=False,
        gelu="exact",
    )
    model = GPT(sizes, shape.vocabulary).train()
    settings = Optim(lr=1e-3, betas=(0.9, 0.99), weight_decay=0.1, decay="matrices", clip_norm=1.0)
    optimizer = optimizers.build(settings, model)
    text = torch.randint(0, shape.vocabulary, (shape.batch, shape.context + 1))
    tokens, targets = text[:, :-1], text[:, 1:].flatten()

    def step() -> None:
        nats = model(tokens, targets)
        torch.autograd.backward(nats)
        optimizers.scale_gradients(model.parameters(), torch.tensor(1 / len(targets)))
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)

    return step


def nanogpt(shape: Shape, folder: Path) -> Callable[[], None]:
    """A step as nanoGPT's train.py takes it, with its own optimiser."""
    import torch

    module = program("nanogpt_model", folder / "nanoGPT" / "model.py")
    with contextlib.redirect_stdout(io.StringIO()):
        model = module.GPT(
            module.GPTConfig(
                block_size=shape.context,
                vocab_size=shape.vocabulary,
                n_layer=shape.num_layers,
                n_head=shape.num_heads,
                n_embd=shape.d_model,
                dropout=0.0,
                bias=False,
            )
        ).train()
        optimizer = model.configure_optimizers(0.1, 1e-3, (0.9, 0.99), "cpu")
    text = torch.randint(0, shape.vocabulary, (shape.batch, shape.context + 1))
    tokens, targets = text[:, :-1].contiguous(), text[:, 1:].contiguous()

    def step() -> None:
        _, loss = model(tokens, targets)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)

    return step


def interleaved(sides: dict[str, Callable[[], Any]], steps: int, repeats: int) -> dict[str, list[float]]:
    """CPU seconds a step, by side, one value a repeat; the sides take turns, in alternating order."""
    for step in sides.values():
        step()
        step()
    found: dict[str, list[float]] = {name: [] for name in sides}
    for repeat in range(repeats):
        names = list(sides) if repeat % 2 == 0 else list(sides)[::-1]
        for name in names:
            began = time.process_time()
            for _ in range(steps):
                sides[name]()
            found[name].append((time.process_time() - began) / steps)
    return found


def compare(times: dict[str, list[float]]) -> dict[str, Any]:
    """Medians in milliseconds, and how many times faster ours is than each peer."""
    mine = times["ours"]
    ratios = {
        name: [theirs / own for theirs, own in zip(values, mine, strict=True)]
        for name, values in times.items()
        if name != "ours"
    }
    return {
        "milliseconds": {name: round(1000 * statistics.median(values), 3) for name, values in times.items()},
        "ratio": {name: round(statistics.median(values), 3) for name, values in ratios.items()},
        "ratio_quartiles": {
            name: [round(cut, 3) for cut in statistics.quantiles(values, n=4)[::2]] for name, values in ratios.items()
        },
    }


def program(name: str, path: Path) -> Any:
    """A peer's Python file as a module."""
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None or not path.exists():
        raise SystemExit(f"{path} is not there: put a checkout of the peer below --peers")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


def main() -> int:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("question", choices=("gpt",))
    arguments.add_argument("--peers", type=Path, required=True, help="the folder with the peers' checkouts")
    arguments.add_argument("--shape", action="append", choices=tuple(SHAPES), help="default: all")
    arguments.add_argument("--repeats", type=int, default=15)
    arguments.add_argument("--out", type=Path, help="write a record there")
    chosen = arguments.parse_args()

    import torch

    torch.set_num_threads(1)
    measured: dict[str, Any] = {}
    for name in chosen.shape or SHAPES:
        shape = SHAPES[name]
        torch.manual_seed(0)
        sides = {"ours": ours(shape), "nanoGPT": nanogpt(shape, chosen.peers)}
        found = compare(interleaved(sides, shape.steps, chosen.repeats))
        measured[name] = {**found, "bar": shape.bar, "reached": found["ratio"]["nanoGPT"] >= shape.bar}
        print(f"{name:<16} {measured[name]}", flush=True)
    if chosen.out is not None:
        question = "how many times faster is a GPT's training step than nanoGPT's, on one CPU thread?"
        details = {
            "repeats": chosen.repeats,
            "torch": torch.__version__,
            "shapes": {n: vars(SHAPES[n]) for n in measured},
        }
        print(record.write(chosen.out, "training-gpt", question, {"measured": measured, **details}))
    return 0


if __name__ == "__main__":
    sys.exit(main())
