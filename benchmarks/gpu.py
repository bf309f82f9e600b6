"""Everything that waits for a GPU, in resumable parts of at most nine minutes.

Needs only what reproductions/ needs: torch, numpy, safetensors, tokenizers, sacrebleu, tqdm.

    python benchmarks/gpu.py --out results                     # every part whose record is not there yet
    python benchmarks/gpu.py --out results --part step         # one part
    python benchmarks/gpu.py --list                            # the parts, and what is predicted for each
    python benchmarks/gpu.py --rehearse                        # in miniature on the CPU; records nothing

A part writes `gpu-PART.json` (prediction, measurement, machine, commit, date) and is skipped where that file lies.
Training parts leave their run directories beside it and go on with them when they are called again.
Predictions were written before anything was run on a GPU; they are kept in the record beside what was measured.
"""

from __future__ import annotations

import argparse
import json
import math
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from benchmarks import record  # noqa: E402 - the checkout need not be installed

SECONDS_A_PART = 9 * 60


@dataclass(frozen=True)
class Part:
    """One question to a GPU.  `predicted` is what we expect on one H100, with the reason."""

    name: str
    question: str
    predicted: dict[str, Any]
    measure: Callable[[Bench], dict[str, Any]]
    trains: bool = False


@dataclass(frozen=True)
class Bench:
    """Where and how large: everything a part needs to know.  A rehearsal divides sizes by `shrink`."""

    out: Path
    device: str = "cuda"
    shrink: int = 1

    def milliseconds(self, function: Callable[[], Any], repeats: int = 20, warm_up: int = 5) -> float:
        """Median time of one call, the device's queue empty before and after."""
        import torch

        wait = torch.cuda.synchronize if self.device == "cuda" else lambda: None
        times = []
        for count in range(warm_up + repeats):
            wait()
            began = time.perf_counter()
            function()
            wait()
            if count >= warm_up:
                times.append(time.perf_counter() - began)
        return 1000 * statistics.median(times)


def rates(bench: Bench) -> dict[str, Any]:
    """The two ceilings of this card: bf16 matrix products, and bytes moved in memory."""
    import torch

    size = 8192 // bench.shrink
    a, b = (torch.randn(size, size, device=bench.device).bfloat16() for _ in range(2))
    product = bench.milliseconds(lambda: a @ b)
    source = torch.randn(2**30 // bench.shrink**2, device=bench.device)
    target = torch.empty_like(source)
    copy = bench.milliseconds(lambda: target.copy_(source))
    return {
        "bf16_tflops": 2 * size**3 / product / 1e9,
        "copy_tb_per_s": 2 * source.numel() * source.element_size() / copy / 1e9,
    }


def step(bench: Bench) -> dict[str, Any]:
    """transformer-base: one update with 25,000 source and 25,000 target tokens in sentences of 28, bf16 autocast."""
    import torch

    from reproductions.transformer.model import Transformer, label_smoothed_loss
    from reproductions.transformer.recipes import FULL

    vocabulary, length = FULL.data.vocabulary // bench.shrink, 28
    sentences = max(2, FULL.data.tokens_per_batch // length // bench.shrink)
    shape = replace(FULL.model, num_layers=max(1, FULL.model.num_layers // bench.shrink))
    on_gpu = bench.device == "cuda"
    torch.manual_seed(0)
    source, target = (torch.randint(4, vocabulary, (sentences, length), device=bench.device) for _ in range(2))
    measured: dict[str, Any] = {"tokens": 2 * sentences * length}
    for name in ("eager", "compiled") if on_gpu else ("eager",):
        model = Transformer(shape, vocabulary).to(bench.device)
        if name == "compiled":
            model.encode = torch.compile(model.encode)  # type: ignore[method-assign]
            model.decode = torch.compile(model.decode)  # type: ignore[method-assign]
        optimizer = torch.optim.Adam(model.parameters(), lr=1e-4, betas=(0.9, 0.98), eps=1e-9, fused=True)

        def update(model: Any = model, optimizer: Any = optimizer) -> None:
            with torch.autocast(bench.device, dtype=torch.bfloat16, enabled=on_gpu):
                hidden = model.decode(target, model.encode(source))
                loss, _ = label_smoothed_loss(
                    hidden.flatten(0, 1), model.embedding.weight, target.flatten(), shape.label_smoothing
                )
            (loss / target.numel()).backward()
            optimizer.step()
            optimizer.zero_grad(set_to_none=True)

        if on_gpu:
            torch.cuda.reset_peak_memory_stats()
        measured[f"{name}_ms"] = bench.milliseconds(update, *((20, 5) if on_gpu else (1, 0)))
        if on_gpu:
            measured[f"{name}_peak_gb"] = torch.cuda.max_memory_allocated() / 1e9
    weights = sum(parameter.numel() for parameter in model.parameters())
    # The encoder meets the source tokens, decoder and output layer the target tokens: 6 FLOP a weight and token.
    measured["flop_per_update"] = 6 * weights * sentences * length
    return measured


def beam(bench: Bench) -> dict[str, Any]:
    """Beam 4 on transformer-base with random weights: 128 sentences of 25 tokens, at most 40 out."""
    import torch

    from reproductions.transformer.model import Transformer
    from reproductions.transformer.recipes import FULL
    from reproductions.transformer.search import beam_search

    torch.manual_seed(0)
    shape = replace(FULL.model, num_layers=max(1, FULL.model.num_layers // bench.shrink))
    vocabulary, sentences = FULL.data.vocabulary // bench.shrink, max(2, 128 // bench.shrink)
    model = Transformer(shape, vocabulary).to(bench.device).eval()
    source = torch.randint(4, vocabulary, (sentences, 25), device=bench.device)
    words: dict[str, Any] = {"bos": 1, "eos": 2, "beam": 4, "alpha": 0.6, "max_lengths": [40] * sentences}
    with torch.inference_mode():
        took = bench.milliseconds(lambda: beam_search(model, source, None, **words), repeats=3, warm_up=1) / 1000
    return {"seconds": took, "sentences_per_s": sentences / took}


def train(bench: Bench, recipe: str, tier: str, seeds: tuple[int, ...]) -> dict[str, Any]:
    """Train and evaluate with `python -m reproductions`, one seed after the other; every call goes on where it was."""
    deadline = time.monotonic() + SECONDS_A_PART
    runs: list[dict[str, Any]] = []
    for seed in seeds:
        words = [recipe, "--tier", tier, "--seed", str(seed), "--device", "cuda", "--json"]
        words += ["--runs-dir", str(bench.out / "runs")]
        began = time.monotonic()
        done = subprocess.run(
            [sys.executable, "-m", "reproductions", *words],
            cwd=ROOT,
            stdout=subprocess.PIPE,
            text=True,
            check=False,
            timeout=max(30.0, deadline - time.monotonic()),
        )
        if done.returncode != 0:
            raise SystemExit(f"{recipe} {tier} seed {seed} ended with {done.returncode}; call again to go on")
        run = json.loads(done.stdout.strip().splitlines()[-1])
        result = json.loads((Path(run["path"]) / "result.json").read_text(encoding="utf-8"))
        runs.append({"seed": seed, "wall_s": time.monotonic() - began, "run": run["run"], "result": result})
    return {"runs": runs}


PARTS = (
    Part(
        "rates",
        "What are this card's ceilings?",
        {"bf16_tflops": 798, "copy_tb_per_s": 3.0, "why": "measured on such a card before"},
        rates,
    ),
    Part(
        "step",
        "How long is one update of transformer-base with 25k + 25k tokens?",
        {
            "eager_ms": 45,
            "compiled_ms": 30,
            "why": "9.5 TFLOP an update; 24 ms at half of 798 TFLOP/s, plus the logits' traffic: 25,000 x 37,000 "
            "in bf16 and their normaliser in fp32 move about 8 GB forward and backward",
        },
        step,
    ),
    Part(
        "mini",
        "Which BLEU does transformer-base reach on Multi30k, and in what time?",
        {
            "bleu_lowercased_tokenised": 39.0,
            "training_s": 120,
            "why": "launch-bound: 12 to 15 ms an eager update at this size; 39 is what like models report",
        },
        lambda bench: train(bench, "transformer-base", "mini", (0, 1, 2)),
        trains=True,
    ),
    Part(
        "beam",
        "How many sentences a second does beam 4 translate?",
        {"sentences_per_s": 200, "why": "launch-bound: about 15 ms for each of 40 positions, 128 sentences at once"},
        beam,
    ),
)


def card() -> dict[str, Any]:
    """The GPU that the figures hold for."""
    import torch

    properties = torch.cuda.get_device_properties(0)
    memory = round(properties.total_memory / 2**30, 1)
    return {"gpu": properties.name, "memory_gb": memory, "torch": torch.__version__, "cuda": torch.version.cuda}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=ROOT / "benchmarks" / "results")
    parser.add_argument("--part", choices=[part.name for part in PARTS], action="append")
    parser.add_argument("--list", action="store_true")
    parser.add_argument("--rehearse", action="store_true")
    words = parser.parse_args()
    if words.list:
        for part in PARTS:
            print(f"{part.name:8} {part.question}  predicted: {json.dumps(part.predicted)}")
        return 0
    if words.rehearse:
        for part in PARTS:
            if not part.trains:
                print(part.name, json.dumps(part.measure(Bench(words.out, device="cpu", shrink=64))))
        return 0
    import torch

    if not torch.cuda.is_available():
        print("error: this machine has no CUDA device; nothing was measured.", file=sys.stderr)
        return 4
    words.out.mkdir(parents=True, exist_ok=True)
    for part in PARTS:
        name = f"gpu-{part.name}"
        if (words.part and part.name not in words.part) or (words.out / f"{name}.json").exists():
            continue
        print(f"{part.name}: {part.question}", file=sys.stderr)
        began = time.monotonic()
        measured = part.measure(Bench(words.out))
        seconds = math.ceil(time.monotonic() - began)
        content = {"predicted": part.predicted, "measured": measured, "seconds": seconds, "card": card()}
        record.write(words.out, name, part.question, content)
        print(json.dumps(measured))
    return 0


if __name__ == "__main__":
    sys.exit(main())
