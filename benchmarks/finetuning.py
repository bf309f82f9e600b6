"""Does fine-tuning a pre-trained model of ours beat the same model from scratch, on six sets, with three seeds?

    python benchmarks/finetuning.py PARENT --style gpt-1 [--max-wall 280] [--out benchmarks/results]

PARENT is a run, as `model.parent` takes it.  Both arms are the mini recipes of reproductions/finetuning over it: the
same sizes, tokenizer, texts, steps and rates to choose from; only the weights they begin with differ.  The rate is
chosen for each set and arm by the first seed's score on the split "val"; the split that is measured is touched for the
chosen rate only, once a seed.  Every training is a run directory under PAPERLAB_HOME, so a stopped benchmark (exit 75)
goes on with the same command.

The interval is Student's, over the differences of the seeds.
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

SETS = {"sst-2": 390, "cola": 480, "mrpc": 230, "rte": 140, "sts-b": 360, "movies": 100}
"""Steps of 32 examples: two epochs."""
ARMS = {"pre-trained": "parent", "scratch": "scratch"}
RATES = ("3e-4", "1e-3")
SEEDS = (1, 2, 3)
_T_95 = {2: 12.706, 3: 4.303, 4: 3.182, 5: 2.776}
"""Student's t at 97.5 %, by the number of seeds."""


@dataclass(frozen=True)
class Place:
    """Where runs lie, what they begin with, and when to stop."""

    parent: str
    style: str
    home: Path
    deadline: float
    changes: Mapping[str, str]


def train(place: Place, name: str, arm: str, rate: str, seed: int) -> tuple[Any, Any]:
    """(the finished run, its task).  Nothing is measured on the split "test" here."""
    from reproductions import registry
    from reproductions.engine import session
    from reproductions.engine.recipe import override

    recipe_name = f"{place.style}-{name}"
    steps = SETS[name]
    changes = {
        "model.parent": place.parent,
        "model.weights": ARMS[arm],
        "optim.lr": rate,
        "schedule.warmup_steps": str(steps // 10),
        "train.max_steps": str(steps),
        "train.eval_every": str(steps),
        "train.sample_every": "0",
        "train.checkpoint_every": str(steps),
        **place.changes,
    }
    recipe = override(registry.recipe(recipe_name, "mini"), changes)
    make = registry.task(recipe_name)
    made = []

    class Unmeasured(make):  # type: ignore[misc, valid-type]
        """The task without its last word."""

        def __init__(self, **given: Any) -> None:
            super().__init__(**given)
            made.append(self)

        def evaluate(self, model: Any) -> list[dict[str, Any]]:  # noqa: ARG002 - measured once the rate is chosen
            return []

    source = registry.fingerprint(recipe_name)
    run = session.train(
        recipe,
        seed,
        place.home / "runs",
        make_task=Unmeasured,
        fingerprint=registry.fingerprint(recipe_name, "mini", code=source),
        code=source,
        data_home=place.home / "data",
        now=datetime.now(UTC),
        overrides=changes,
        device="cpu",
        max_seconds=place.deadline - time.monotonic(),
        command=["python", *sys.argv],
    )
    task = made[0] if made else Unmeasured(recipe=recipe, data_home=place.home / "data", device=_cpu(), seed=seed)
    return run, task


def chosen_on(run: Any) -> float:
    """The first metric's value on "val" after the last step."""
    values = {p["name"]: p["value"] for p in run.metrics() if p["name"].startswith("val/") and p["name"] != "val/loss"}
    from reproductions.finetuning.metrics import OF_SET

    first: str = OF_SET[run.run["recipe_values"]["data"]["dataset"]][0]
    return float(values[f"val/{first}"])


def measure(run: Any, task: Any) -> tuple[str, float]:
    """(name of the first metric, its value on the split "test") of a run's last weights."""
    import torch

    from reproductions.engine import trained

    if not hasattr(task, "splits"):
        task.prepare(lambda _: None)
    model = task.build_model()
    trained.read(run).fill(model)
    with torch.no_grad():
        first = type(task).__mro__[1].evaluate(task, model)[0]
    return str(first["metric"]), float(first["value"])


def compare(place: Place, say: Callable[[str], None]) -> dict[str, Any]:
    """Everything, set by set.  Raises PreEmpted where the time is over."""
    measured = {}
    for name, steps in SETS.items():
        chosen: dict[str, str] = {}
        on_val: dict[str, dict[str, float]] = {}
        scores: dict[str, list[float]] = {}
        metric = ""
        for arm in ARMS:
            on_val[arm] = {rate: chosen_on(train(place, name, arm, rate, SEEDS[0])[0]) for rate in RATES}
            chosen[arm] = max(RATES, key=lambda rate, arm=arm: on_val[arm][rate])  # type: ignore[misc]
            scores[arm] = []
            for seed in SEEDS:
                metric, value = measure(*train(place, name, arm, chosen[arm], seed))
                scores[arm].append(round(value, 3))
        differences = [one - other for one, other in zip(scores["pre-trained"], scores["scratch"], strict=True)]
        mean = statistics.mean(differences)
        half = _T_95[len(SEEDS)] * statistics.stdev(differences) / len(SEEDS) ** 0.5
        measured[name] = {
            "metric": metric,
            "steps": steps,
            "rate": chosen,
            "on_val": {arm: {rate: round(value, 3) for rate, value in on_val[arm].items()} for arm in ARMS},
            "scores": scores,
            "difference": round(mean, 3),
            "interval_95": [round(mean - half, 3), round(mean + half, 3)],
            "better": mean > 0,
            "better_beyond_the_interval": mean - half > 0,
        }
        say(f"{name:<8} {metric:<22} {scores}  difference {mean:+.2f} +- {half:.2f}")
    return measured


def _cpu() -> Any:
    import torch

    return torch.device("cpu")


def main() -> int:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("parent", help="a run, as model.parent takes it")
    arguments.add_argument("--style", choices=("gpt-1", "bert"), default="gpt-1")
    arguments.add_argument("--max-wall", type=float, default=float("inf"), metavar="SECONDS")
    arguments.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="of both arms' recipes")
    arguments.add_argument("--out", type=Path, help="write a record there")
    asked = arguments.parse_args()

    import torch

    from reproductions.engine.interrupts import PreEmpted
    from reproductions.finetuning import parents
    from reproductions.run_files import home

    torch.set_num_threads(1)
    changes = dict(word.split("=", 1) for word in asked.set)
    place = Place(asked.parent, asked.style, home(), time.monotonic() + asked.max_wall, changes)
    began = time.process_time()
    try:
        measured = compare(place, lambda text: print(text, flush=True))
    except PreEmpted as error:
        print(f"stopped: {error}; the same command goes on", file=sys.stderr)
        return 75
    parent = parents.find(asked.parent, home(), mirror=None, log=lambda _: None)
    details = {
        "parent": dict(parent.record),
        "parameters": sum(weight.numel() for weight in parent.model.parameters()),
        "style": asked.style,
        "recipes": f"{asked.style}-SET --tier mini",
        "overrides": changes,
        "rates": list(RATES),
        "seeds": list(SEEDS),
        "better": sum(found["better"] for found in measured.values()),
        "better_beyond_the_interval": sum(found["better_beyond_the_interval"] for found in measured.values()),
        "of": len(measured),
        "bar": 4,
        "torch": torch.__version__,
        "cpu_seconds_of_this_call": round(time.process_time() - began, 1),
    }
    details["reached"] = details["better"] >= details["bar"]
    if asked.out is not None:
        question = (
            "does fine-tuning a pre-trained model of ours beat the same model from scratch, on at least 4 of 6 sets?"
        )
        print(record.write(asked.out, "finetuning", question, {"measured": measured, **details}))
    return 0


if __name__ == "__main__":
    sys.exit(main())
