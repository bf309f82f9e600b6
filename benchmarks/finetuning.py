"""Does fine-tuning a pre-trained model of ours beat the same model from scratch, on six sets, with three seeds?

    python benchmarks/finetuning.py PARENT [--style bert] [--max-wall 280] [--out benchmarks/results]
    python benchmarks/finetuning.py PARENT --whole --device cuda

PARENT is a run, as `model.parent` takes it.  Both arms are the mini recipes of reproductions/finetuning over it: the
same sizes, tokenizer, texts, steps and rates to choose from; only the weights they begin with differ.  The rate of an
arm is chosen on SST-2 by the score of a further seed on the split "val", without touching the split that is measured.
Every training is a run directory under PAPERLAB_HOME, so a stopped benchmark (exit 75) goes on with the same command.

The interval is Student's, over the differences of the seeds.  It knows nothing of the examples that the sets happen to
have: 200 reviews tell 3 points apart, hardly less.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from benchmarks import record  # noqa: E402 - the checkout need not be installed

SETS = {
    "sst-2": (200, 64),
    "cola": (150, 64),
    "mrpc": (40, 64),
    "rte": (40, 64),
    "sts-b": (60, 64),
    "movies": (30, 128),
}
"""Steps of 32 examples, an epoch or less, and the tokens of a row: a quarter of an hour of one core in all."""
ARMS = {"pre-trained": "parent", "scratch": "scratch"}
RATES = ("1e-3", "3e-3")
CHOSEN_ON = "sst-2"
SEED_OF_CHOICE = 0
SEEDS = (1, 2, 3)
_T_95 = {2: 12.706, 3: 4.303, 4: 3.182, 5: 2.776}
"""Student's t at 97.5 %, by the number of seeds."""


@dataclass(frozen=True)
class Place:
    """Where runs lie, what they begin with, and when to stop."""

    parent: str
    style: str
    home: Path
    deadline: float | None
    changes: Mapping[str, str]
    device: str = "cpu"
    whole: bool = False  # the recipes' own steps and rows


def train(place: Place, name: str, arm: str, rate: str, seed: int) -> Any:
    """The finished run.  A run that chooses measures nothing on the split "test"."""
    from reproductions import registry
    from reproductions.engine import session
    from reproductions.engine.recipe import override

    recipe_name = f"{place.style}-{name}"
    recipe = registry.recipe(recipe_name, "mini")
    steps, context = (recipe.train.max_steps, recipe.data.context) if place.whole else SETS[name]
    changes = {
        "model.parent": place.parent,
        "model.weights": ARMS[arm],
        "data.context": str(context),
        "optim.lr": rate,
        "schedule.warmup_steps": str(steps // 10),
        "train.max_steps": str(steps),
        "train.eval_every": str(steps if seed == SEED_OF_CHOICE else 0),
        "train.sample_every": "0",
        "train.checkpoint_every": str(steps),
        **place.changes,
    }
    made = registry.task(recipe_name)

    class Choosing(made):  # type: ignore[misc, valid-type]
        """The task without its last word."""

        def evaluate(self, model: Any) -> list[dict[str, Any]]:  # noqa: ARG002 - nothing is measured here
            return []

    source = registry.fingerprint(recipe_name)
    return session.train(
        override(recipe, changes),
        seed,
        place.home / "runs",
        make_task=Choosing if seed == SEED_OF_CHOICE else made,
        fingerprint=registry.fingerprint(recipe_name, "mini", code=source),
        code=source,
        data_home=place.home / "data",
        now=datetime.now(UTC),
        overrides=changes,
        device=place.device,
        max_seconds=None if place.deadline is None else place.deadline - time.monotonic(),
        command=["python", *sys.argv],
    )


def choose(place: Place, arm: str) -> tuple[str, dict[str, float]]:
    """(the rate, the accuracy on "val" by rate)."""
    found = {}
    for rate in RATES:
        run = train(place, CHOSEN_ON, arm, rate, SEED_OF_CHOICE)
        found[rate] = [point["value"] for point in run.metrics() if point["name"] == "val/accuracy"][-1]
    return max(RATES, key=lambda rate: found[rate]), found


def compare(place: Place, say: Callable[[str], None]) -> dict[str, Any]:
    """Everything, set by set.  Raises PreEmpted where the time is over."""
    chosen = {arm: choose(place, arm) for arm in ARMS}
    say(f"chosen   {chosen}")
    measured = {}
    for name in SETS:
        scores: dict[str, list[float]] = {arm: [] for arm in ARMS}
        for seed in SEEDS:
            for arm in ARMS:
                run = train(place, name, arm, chosen[arm][0], seed)
                result = run.result["measurements"][0]
                scores[arm].append(round(float(result["value"]), 3))
        differences = [one - other for one, other in zip(scores["pre-trained"], scores["scratch"], strict=True)]
        mean = statistics.mean(differences)
        half = _T_95[len(SEEDS)] * statistics.stdev(differences) / len(SEEDS) ** 0.5
        measured[name] = {
            "metric": result["metric"],
            "split": result["split"],
            "n": result["n"],
            "steps": run.run["recipe_values"]["train"]["max_steps"],
            "context": run.run["recipe_values"]["data"]["context"],
            "scores": scores,
            "difference": round(mean, 3),
            "interval_95": [round(mean - half, 3), round(mean + half, 3)],
            "better": mean > 0,
            "better_beyond_the_interval": mean - half > 0,
        }
        say(f"{name:<8} {result['metric']:<22} {scores}  difference {mean:+.2f} +- {half:.2f}")
    return {
        "chosen": {arm: {"rate": rate, "on_val": values} for arm, (rate, values) in chosen.items()},
        "sets": measured,
    }


def overrides_of(parent: Mapping[str, Any], runs: Path) -> dict[str, str]:
    """What was changed in the recipe that the parent was pre-trained by."""
    from reproductions.run_directory import RunDirectory

    path = runs / str(parent.get("run"))
    return dict(RunDirectory(path).run["overrides"]) if path.is_dir() else {}


def main() -> int:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("parent", help="a run, as model.parent takes it")
    arguments.add_argument("--style", choices=("gpt-1", "bert"), default="gpt-1")
    arguments.add_argument("--max-wall", type=float, metavar="SECONDS", help="stop before so long, with exit code 75")
    arguments.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="of both arms' recipes")
    arguments.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    arguments.add_argument("--whole", action="store_true", help="the recipes' own three epochs, instead of one or less")
    arguments.add_argument("--out", type=Path, help="write a record there")
    asked = arguments.parse_args()

    import torch

    from reproductions.engine.interrupts import PreEmpted
    from reproductions.finetuning import parents
    from reproductions.run_files import home

    torch.set_num_threads(1)
    changes = dict(word.split("=", 1) for word in asked.set)
    deadline = None if asked.max_wall is None else time.monotonic() + asked.max_wall
    place = Place(asked.parent, asked.style, home(), deadline, changes, asked.device, asked.whole)
    began = time.process_time()
    try:
        measured = compare(place, lambda text: print(text, flush=True))
    except PreEmpted as error:
        print(f"stopped: {error}; the same command goes on", file=sys.stderr)
        return 75
    parent = parents.find(asked.parent, home(), mirror=None, log=lambda _: None)
    details = {
        "parent": {**parent.record, "overrides": overrides_of(parent.record, home() / "runs")},
        "parameters": sum(weight.numel() for weight in parent.model.parameters()),
        "style": asked.style,
        "recipes": f"{asked.style}-SET --tier mini",
        "overrides": changes,
        "rates": list(RATES),
        "seeds": list(SEEDS),
        "better_in_the_mean": sum(found["better"] for found in measured["sets"].values()),
        "better_beyond_the_interval": sum(found["better_beyond_the_interval"] for found in measured["sets"].values()),
        "of": len(SETS),
        "bar": 4,
        "torch": torch.__version__,
        "cpu_seconds_of_this_call": round(time.process_time() - began, 1),
    }
    for how in ("in_the_mean", "beyond_the_interval"):
        details[f"reached_{how}"] = details[f"better_{how}"] >= details["bar"]
    if asked.out is not None:
        question = (
            "does fine-tuning a pre-trained model of ours beat the same model from scratch, on at least 4 of 6 sets?"
        )
        name = "finetuning-three-epochs" if asked.whole else "finetuning"
        print(record.write(asked.out, name, question, {"measured": measured, **details}))
    return 0


if __name__ == "__main__":
    sys.exit(main())
