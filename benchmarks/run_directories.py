"""Any number of run directories as the recorder writes them, made a thousand times as fast as by training.

    python benchmarks/run_directories.py HOME/runs --runs 10000 --points 5000

Of fifty runs one is long (25 times the mean), as in a real collection, where most are tries; one was interrupted and
one failed.  Recipes, tiers and their values are the registered ones.  The same number, seed and recipes give the same
bytes, and a call that was stopped is gone on with by the same call: a directory gets its name when it is whole.
"""

from __future__ import annotations

import argparse
import json
import random
import shutil
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import chain, pairwise
from pathlib import Path
from typing import Any

import numpy as np

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from reproductions import registry  # noqa: E402
from reproductions.run_directory import FORMAT, new_run_id  # noqa: E402

TRAIN = ("train/loss", "train/lr", "train/grad_norm", "train/tokens_per_second")
VAL = ("val/loss", "val/bleu")
FIRST = datetime(2026, 1, 5, 8, tzinfo=UTC)
BETWEEN = timedelta(minutes=43)
"""Between the beginnings of two runs: 10,000 of them take ten months."""
GROUP = 50
LONG, INTERRUPTED, FAILED = 7, 23, 41
"""Which of each group of 50 is long, interrupted, failed."""
_LINE = '{"step": %d, "time": %r, "name": "NAME", "value": %r}\n'
_STEP = "".join(_LINE.replace("NAME", name) for name in TRAIN)
_EVALUATION = "".join(_LINE.replace("NAME", name) for name in VAL)


@dataclass(frozen=True)
class Plan:
    """What one run is to be."""

    position: int
    seed: int
    recipe: str
    tier: str
    points: int

    @property
    def begun_at(self) -> datetime:
        return FIRST + self.position * BETWEEN

    @property
    def run_id(self) -> str:
        return new_run_id(self.begun_at, self.recipe, self.tier, f"{self.position:04x}")


def make(runs_dir: Path, number: int, points: int, seed: int = 0) -> Iterator[Path]:
    """Makes those of the `number` runs that are not there, with `points` points each on average.

    Yields every one of them; stop asking to stop making.
    """
    if points < 10 or points % 2:
        raise ValueError(f"a run has an even number of points, 10 or more, not {points}")
    runs_dir.mkdir(parents=True, exist_ok=True)
    values = {
        (name, tier): registry.changed(name, tier, {})
        for name in registry.recipe_names()
        for tier in registry.tiers(name)
    }
    for position in range(number):
        recipe, tier = random.Random(f"{seed} {position} recipe").choice(sorted(values))
        plan = Plan(position, seed, recipe, tier, length(position, points))
        path = runs_dir / plan.run_id
        if not path.exists():
            hidden = runs_dir / f".{plan.run_id}"
            if hidden.exists():
                shutil.rmtree(hidden)
            hidden.mkdir()
            _write(hidden, plan, values[recipe, tier])
            hidden.rename(path)
        yield path


def length(position: int, points: int) -> int:
    """How many points the run at this position has: `points` on average over each fifty."""
    short = max(10, points // 4 * 2)
    return GROUP * points - (GROUP - 1) * short if position % GROUP == LONG else short


def _write(path: Path, plan: Plan, values: Mapping[str, Any]) -> None:
    draw = random.Random(f"{plan.seed} {plan.position} run")
    began = plan.begun_at.timestamp()
    evaluations = max(1, plan.points // 100)
    while (plan.points - len(VAL) * evaluations) % len(TRAIN):
        evaluations += 1
    steps = (plan.points - len(VAL) * evaluations) // len(TRAIN)
    pace = round(draw.uniform(0.05, 0.6), 3)
    ended = round(began + steps * pace + 3.0, 3)
    kind = {INTERRUPTED: None, FAILED: "failed"}.get(plan.position % GROUP, "finished")
    wanted = steps if kind == "finished" else 2 * steps
    _document(path / "run.json", _description(plan, {**values, "train": {**values["train"], "max_steps": wanted}}))
    with (path / "metrics.jsonl").open("w", encoding="utf-8") as file:
        random_numbers = np.random.default_rng([plan.seed, plan.position])
        file.writelines(_metrics(random_numbers, began, steps, pace, evaluations))
    _lines(path / "samples.jsonl", _samples(draw, ended, steps))
    stages = [("started", 0), *(("checkpointed", steps * part // 4) for part in (1, 2, 3))]
    stages += [(kind, steps)] if kind else []
    _lines(
        path / "events.jsonl",
        [{"time": round(began + step * pace, 3), "event": e, "step": step, "attempt": 1} for e, step in stages],
    )
    beat = {"time": ended, "pid": 4242, "attempt": 1, "step": steps, "inode": 0}
    (path / "heartbeat").write_text(json.dumps(beat).ljust(160) + "\n", encoding="utf-8")
    if kind == "finished":
        _document(path / "result.json", _result(draw, ended, steps, ended - began))


def _metrics(draw: np.random.Generator, began: float, steps: int, pace: float, evaluations: int) -> Iterator[str]:
    """The lines: four values a step, and two more at each evaluation.  Losses fall as a power of the step."""
    step = np.arange(1, steps + 1)
    floor, height, power = draw.uniform(1.2, 3.5), draw.uniform(3.0, 7.0), draw.uniform(0.25, 0.6)
    clean = floor + height * step**-power
    loss = clean * (1 + 0.03 * draw.standard_normal(steps))
    rate = 1e-3 * np.minimum(step / 400, (400 / step) ** 0.5)
    norm = np.exp(0.3 * draw.standard_normal(steps))
    speed = 50_000 * (1 + 0.02 * draw.standard_normal(steps))
    times = np.round(began + step * pace, 3).tolist()
    # Losses come out of a tensor of 32 bits, the learning rate out of Python.
    columns = [_of_tensor(loss), rate.tolist(), _of_tensor(norm), speed.tolist()]
    flat = [entry for value in columns for entry in (step.tolist(), times, value)]
    edges = [steps * part // evaluations for part in range(evaluations + 1)]
    for begin, end in pairwise(edges):
        rows = zip(*(column[begin:end] for column in flat), strict=True)
        yield _STEP * (end - begin) % tuple(chain.from_iterable(rows))
        if end:
            validation = float(clean[end - 1]) * 1.05
            at = (end, times[end - 1])
            yield _EVALUATION % (*at, validation, *at, 40.0 * max(0.0, 1.0 - validation / 8.0))


def _of_tensor(values: Any) -> list[float]:
    found: list[float] = values.astype(np.float32).astype(np.float64).tolist()
    return found


def _samples(draw: random.Random, ended: float, steps: int) -> list[dict[str, Any]]:
    words = ("ein", "Hund", "läuft", "über", "die", "Wiese", "zwei", "Männer", "spielen", "Fußball", "im", "Park")

    def sentence() -> str:
        return " ".join(draw.choices(words, k=draw.randint(4, 20)))

    return [
        {
            "step": steps,
            "time": ended,
            "source": sentence(),
            "output": sentence(),
            "reference": sentence(),
            "decoding": {"beam": 4, "length_penalty": 0.6},
        }
        for _ in range(6)
    ]


def _description(plan: Plan, values: Mapping[str, Any]) -> dict[str, Any]:
    """run.json, as long as a real one."""
    words = ["python", "-m", "reproductions", plan.recipe, "--tier", plan.tier, "--seed", str(plan.position)]
    packages = ("torch", "numpy", "safetensors", "tokenizers", "sacrebleu", "tqdm")
    return {
        "format": FORMAT,
        "id": plan.run_id,
        "recipe": plan.recipe,
        "tier": plan.tier,
        "seed": plan.position,
        "overrides": {},
        "recipe_values": values,
        "fingerprint": f"{plan.position % 7:064x}",
        "again": False,
        "created_at": f"{plan.begun_at:%Y-%m-%dT%H:%M:%SZ}",
        "reproduction": registry.get(plan.recipe).name,
        "command": words,
        "predicted": None,
        "provenance": {
            "commit": "0" * 40,
            "dirty": False,
            "diff_sha256": None,
            "packages": dict.fromkeys(packages, "1.2.3"),
            "python": "3.11.7",
            "platform": "Linux-x86_64",
            "hardware": {"cpu": "a made-up processor", "cores": 16, "memory_bytes": 2**37, "gpu": None},
            "device": "cpu",
            "threads": 2,
            "precision": "fp32",
            "world_size": 1,
            "data": {name: {"sha256": "0" * 64, "bytes": 10**6, "pinned": True} for name in ("train", "val", "test")},
        },
    }


def _result(draw: random.Random, ended: float, steps: int, seconds: float) -> dict[str, Any]:
    """result.json.  What was measured belongs to no claim: made-up numbers prove nothing."""
    common = {"claim": None, "task": "translation", "dataset": "made up", "split": "test", "n": 1000, "signature": None}
    measured = (("bleu", draw.uniform(20, 40), "BLEU"), ("loss", draw.uniform(1.5, 4.0), "nats per token"))
    return {
        "format": FORMAT,
        "finished_at": f"{datetime.fromtimestamp(ended, UTC):%Y-%m-%dT%H:%M:%SZ}",
        "step": steps,
        "seconds": round(seconds, 3),
        "measurements": [
            {**common, "metric": metric, "value": value, "unit": unit, "protocol": {"beam": 4}}
            for metric, value, unit in measured
        ],
    }


def _document(path: Path, content: Mapping[str, Any]) -> None:
    path.write_text(json.dumps(content, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def _lines(path: Path, lines: Sequence[Mapping[str, Any]]) -> None:
    path.write_text("".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines), encoding="utf-8")


def main() -> None:
    parser = argparse.ArgumentParser(description="Make run directories, as the recorder writes them.")
    parser.add_argument("folder", type=Path, help="the runs folder of a PAPERLAB_HOME")
    parser.add_argument("--runs", type=int, default=10_000)
    parser.add_argument("--points", type=int, default=5000, help="so many a run, on average")
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    made = sum(1 for _ in make(arguments.folder, arguments.runs, arguments.points, arguments.seed))
    print(f"{made} runs in {arguments.folder}")


if __name__ == "__main__":
    main()
