"""Everything that waits for a GPU, in resumable parts of at most nine minutes.

Needs only what reproductions/ needs: torch, numpy, safetensors, tokenizers, sacrebleu, tqdm.

    python benchmarks/gpu.py --peers DIR --out results         # every part whose record is not there yet
    python benchmarks/gpu.py --out results --part step         # one part
    python benchmarks/gpu.py --list                            # the parts, and what is predicted for each
    python benchmarks/gpu.py --rehearse                        # in miniature on the CPU; records nothing

A part writes `gpu-PART.json` (prediction, measurement, machine, commit, date) and is skipped where that file lies.
Peers are measured where they are at hand: DIR/nanoGPT, and fairseq and transformers where they can be imported.
Training parts leave their run directories beside it and go on with them when they are called again.
Predictions were written before anything was run on a GPU; they are kept in the record beside what was measured.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import math
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
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
    peers: Path | None = None  # with nanoGPT/ in it
    only_warms: bool = False

    def machine(self) -> Any:
        from benchmarks.gpu_training import Machine

        return Machine(self.device, self.only_warms)

    def matrix_tflops(self) -> float | None:
        """This card's, from the record of `rates` if it is there."""
        path = self.out / "gpu-rates.json"
        if not path.exists():
            return None
        return float(json.loads(path.read_text(encoding="utf-8"))["measured"]["bf16_tflops"])

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


def translation_step(bench: Bench) -> dict[str, Any]:
    from benchmarks import gpu_translation

    return gpu_translation.translation(bench.machine(), bench.shrink)


def gpt2_step(bench: Bench) -> dict[str, Any]:
    from benchmarks import gpu_training

    return gpu_training.gpt2(bench.machine(), bench.peers, bench.shrink, bench.matrix_tflops())


def decode(bench: Bench) -> dict[str, Any]:
    from benchmarks import gpu_decoding

    return gpu_decoding.gpt2(bench.machine(), bench.shrink)


def beam(bench: Bench) -> dict[str, Any]:
    from benchmarks import gpu_decoding

    return gpu_decoding.beam(bench.machine(), bench.shrink)


def nanogpt_shakespeare(bench: Bench) -> dict[str, Any]:
    """nanoGPT's own best on the whole validation split, and the seconds of training it took."""
    from benchmarks import gpu_shakespeare

    if bench.peers is None:
        raise SystemExit("nanoGPT is needed: put a checkout of it below --peers")
    with tempfile.TemporaryDirectory() as home:
        rows, vocabulary = gpu_shakespeare.shakespeare_rows(Path(home))
    runs = [
        gpu_shakespeare.nanogpt_shakespeare(
            bench.machine(), bench.peers, rows, vocabulary, seed=seed, steps=2500, every=250
        )
        for seed in (0, 1, 2)
    ]
    means = {name: round(statistics.mean(run[name] for run in runs), 4) for name in ("best", "seconds")}
    return {"mean": means, "runs": runs}


def shakespeare(bench: Bench) -> dict[str, Any]:
    """When our runs are as low as the mean of nanoGPT's best, which `nanogpt` has measured on the same card."""
    from benchmarks import gpu_shakespeare
    from reproductions.run_directory import RunDirectory

    theirs = bench.out / "gpu-nanogpt.json"
    if not theirs.exists():
        raise SystemExit("measure nanoGPT first: --part nanogpt")
    mean = json.loads(theirs.read_text(encoding="utf-8"))["measured"]["mean"]
    runs = train(bench, "gpt-char", "full", (0, 1, 2))["runs"]
    ours = []
    for run in runs:
        points = RunDirectory(bench.out / "runs" / run["run"]).metrics()
        ours.append({"seed": run["seed"], **gpu_shakespeare.seconds_to(mean["best"], points)})
    reached = [run["seconds"] for run in ours if run["seconds"] is not None]
    ratio = round(mean["seconds"] / statistics.mean(reached), 2) if len(reached) == len(ours) else None
    return {"target": mean["best"], "ours": ours, "times_as_fast": ratio, "runs": runs}


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
        "gpt2",
        "How long is a training step of GPT-2 124M, beside nanoGPT's and transformers' Trainer's?",
        {
            "tokens_per_s": 420_000,
            "ratio": {"nanoGPT": 1.08, "transformers' Trainer": 2.2},
            "why": "nanoGPT reaches 41 % of the matrix rate; ours has the same products, fewer passes over the logits",
        },
        gpt2_step,
    ),
    Part(
        "step",
        "How long is an update of transformer-base with 25k + 25k tokens, beside fairseq's?",
        {
            "milliseconds": 30,
            "ratio": {"fairseq": 1.6},
            "why": "9.5 TFLOP an update: 24 ms at half of 798 TFLOP/s, and some 8 GB of logits back and forth",
        },
        translation_step,
    ),
    Part(
        "decode",
        "How fast does GPT-2 124M write at batch 1, beside transformers' generate?",
        {
            "tokens_per_s": {"float32": 1200, "bfloat16": 1500},
            "ratio": 10,
            "why": "some 140 kernels of 3 to 5 microseconds in a CUDA graph; transformers waits for 300 launches",
        },
        decode,
    ),
    Part(
        "beam",
        "How many sentences a second does beam 4 translate, beside transformers and fairseq?",
        {
            "sentences_per_s": 800,
            "ratio": {"fairseq": 2.0, "transformers": 2.5},
            "why": "launch-bound: about 4 ms for each of 40 positions, 128 sentences at once",
        },
        beam,
    ),
    Part(
        "nanogpt",
        "What is nanoGPT's best loss on tiny Shakespeare, 6 layers of 384, and when does it reach it?",
        {"best": 1.47, "seconds": 16, "why": "its sampled best is 1.4697 at 2,000 steps or so, of 6 to 8 ms each"},
        nanogpt_shakespeare,
        trains=True,
    ),
    Part(
        "shakespeare",
        "In what time do we reach it?",
        {
            "times_as_fast": 2.0,
            "why": "a schedule that ends early, from an initialisation that bears a larger rate: half of the steps",
        },
        shakespeare,
        trains=True,
    ),
    Part(
        "mini",
        "Which BLEU does transformer-base reach on Multi30k, and in what time?",
        {
            "bleu_lowercased_tokenised": 39.0,
            "training_s": 60,
            "why": "launch-bound: 12 to 15 ms an eager update at this size; 39 is what like models report",
        },
        lambda bench: train(bench, "transformer-base", "mini", (0, 1, 2)),
        trains=True,
    ),
    Part(
        "novels",
        "What do GPT-1 and BERT of the mini tier learn from English novels?  Their runs are parents for fine-tuning.",
        {
            "gpt-1": {"blimp": 72, "training_s": 60},
            "bert-base": {"blimp": 68, "training_s": 400},
            "why": "6,000 steps of 5 to 8 ms; 20,000 of 15 to 20 ms, for which one process makes the pairs",
        },
        lambda bench: {name: train(bench, name, "mini", (0,)) for name in ("gpt-1", "bert-base")},
        trains=True,
    ),
)


def card() -> dict[str, Any]:
    """The GPU that the figures hold for."""
    import torch

    properties = torch.cuda.get_device_properties(0)
    memory = round(properties.total_memory / 2**30, 1)
    return {"gpu": properties.name, "memory_gb": memory, "torch": torch.__version__, "cuda": torch.version.cuda}


def peers_at_hand(folder: Path | None) -> list[str]:
    """What a part could be measured beside; what is missing here is missing from its ratios."""
    found = [name for name in ("transformers", "fairseq") if importlib.util.find_spec(name) is not None]
    return found + (["nanoGPT"] if folder is not None and (folder / "nanoGPT" / "model.py").exists() else [])


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=ROOT / "benchmarks" / "results")
    parser.add_argument("--part", choices=[part.name for part in PARTS], action="append")
    parser.add_argument("--peers", type=Path, help="the folder with nanoGPT's checkout; other peers are imported")
    parser.add_argument("--warm", action="store_true", help="compile what --part needs, and measure nothing")
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
                bench = Bench(words.out, device="cpu", shrink=64, peers=words.peers)
                print(part.name, json.dumps(part.measure(bench)))
        return 0
    import torch

    if not torch.cuda.is_available():
        print("error: this machine has no CUDA device; nothing was measured.", file=sys.stderr)
        return 4
    words.out.mkdir(parents=True, exist_ok=True)
    code = 0
    for part in PARTS:
        name = f"gpu-{part.name}"
        if (words.part and part.name not in words.part) or (words.out / f"{name}.json").exists():
            continue
        print(f"{part.name}: {part.question}", file=sys.stderr)
        began = time.monotonic()
        try:
            measured = part.measure(Bench(words.out, peers=words.peers, only_warms=words.warm))
        except SystemExit as refused:  # the other parts go on; this one has no record, so the next call tries it again
            print(f"error: {part.name} was not measured: {refused}", file=sys.stderr)
            code = 4
            continue
        if words.warm:
            print(json.dumps(measured))
            continue
        seconds = math.ceil(time.monotonic() - began)
        content = {"predicted": part.predicted, "measured": measured, "seconds": seconds, "card": card()}
        content["peers_at_hand"] = peers_at_hand(words.peers)
        record.write(words.out, name, part.question, content)
        print(json.dumps(measured))
    return code


if __name__ == "__main__":
    sys.exit(main())
