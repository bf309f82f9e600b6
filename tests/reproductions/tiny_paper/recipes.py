"""The numbers of the tiny paper."""

from dataclasses import dataclass

from reproductions.engine.recipe import Needs, Optim, Recipe, Schedule, Train


@dataclass(frozen=True)
class Model:
    vocabulary: int = 13
    d_model: int = 8
    dropout: float = 0.1


@dataclass(frozen=True)
class Data:
    examples: int = 50
    batch: int = 8
    pause: float = 0.0  # seconds before each batch, so that a signal finds the loop at work
    version: str = "1"
    fail: str = ""  # an error for `evaluate` to end with, "pause" for a long one, "forget" where the data stood


@dataclass(frozen=True)
class Evaluation:
    examples: int = 5


def _recipe(tier: str, max_steps: int, needs: Needs | None = None) -> Recipe[Model, Data, Evaluation]:
    return Recipe(
        name="tiny-next",
        tier=tier,
        reproduction="tiny",
        model=Model(),
        data=Data(),
        optim=Optim(lr=1e-2, name="adam", clip_norm=1.0),
        schedule=Schedule("linear", warmup_steps=2),
        train=Train(
            max_steps=max_steps,
            accumulate=2,
            log_every=2,
            eval_every=3,
            sample_every=6,
            checkpoint_every=2,
            keep_checkpoints=2,
            average_last=2,
        ),
        evaluation=Evaluation(),
        needs=needs or Needs(memory_gb=0.1, disk_gb=0.001),
        places={"optim.lr": "ours: it learns"},
        predicted={"accuracy": 0.5},
    )


RECIPES = {
    ("tiny-next", "full"): _recipe("full", 1000, Needs(device="cuda", gpu_memory_gb=80, hours=3, hardware="an H100")),
    ("tiny-next", "smoke"): _recipe("smoke", 6),
}
