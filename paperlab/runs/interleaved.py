"""Two recipes against each other on one machine: A seed 1, B seed 1, A seed 2, B seed 2, ...

In turns, so that what changes on the machine meanwhile (other people's work, heat) meets both alike, and seed by seed,
so that the differences are pairs.  Every training goes through `launch`: what is finished is not done again, what was
interrupted goes on, and the same command line continues the whole comparison.

Only what was recorded during training is compared, and validation by default.  The test split is no ground for
choosing between two recipes, so a measurement of it can't be named.
"""

from __future__ import annotations

import math
import shlex
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

from paperlab.entities import Run
from paperlab.errors import InvalidInput
from paperlab.runs import compare, launch, protocol, seed_groups
from paperlab.runs.compare import Difference, PairedTest
from paperlab.store import runs as store
from paperlab.store.database import Session

PACE = "train/loss"
"""The metric whose times tell the seconds per step: every task logs it."""


@dataclass(frozen=True)
class Arm:
    """One of the two: a recipe and what is changed in it."""

    recipe: str
    overrides: tuple[str, ...] = ()

    @classmethod
    def parse(cls, words: str) -> Arm:
        """ "transformer-base optim.lr=3e-4": a recipe, then KEY=VALUE.  Raises InvalidInput."""
        try:
            recipe, *overrides = shlex.split(words)
        except ValueError as error:
            reason = "it is empty" if not words.strip() else str(error)
            raise InvalidInput(f'"{words}" names no recipe: {reason}', "paperlab reproduce --list") from error
        wrong = next((each for each in overrides if "=" not in each.strip("=")), None)
        if wrong is not None:
            raise InvalidInput(
                f'"{wrong}" in "{words}" is not KEY=VALUE', 'for example "transformer-base optim.lr=3e-4"'
            )
        return cls(recipe, tuple(overrides))

    @property
    def label(self) -> str:
        return " ".join([self.recipe, *self.overrides])


@dataclass(frozen=True)
class Pair:
    """The runs of one seed, A's and B's."""

    seed: int
    runs: tuple[Run, Run]


@dataclass(frozen=True)
class Outcome:
    """B against A.  Differences are B - A; of two times of a step the ratio B / A is tested, on its logarithm."""

    arms: tuple[str, str]
    metric: str
    lower_is_better: bool | None
    """None: for this metric it is not known."""
    pairs: tuple[Pair, ...]
    values: tuple[tuple[float, float], ...]
    """The last value of the metric, A's and B's, seed by seed."""
    test: PairedTest
    protocol_differs: tuple[str, ...]
    """Where these differ, the metric does not mean the same on both sides."""
    seconds_per_step: tuple[tuple[float, float], ...]
    speed: PairedTest | None
    differing: tuple[Difference, ...]

    @property
    def speed_ratio(self) -> tuple[float, tuple[float, float] | None] | None:
        """Seconds of B over seconds of A (geometric mean), and its interval."""
        if self.speed is None:
            return None
        interval = self.speed.interval
        return math.exp(self.speed.mean), None if interval is None else (math.exp(interval[0]), math.exp(interval[1]))

    @property
    def says(self) -> str:
        """The result in a sentence."""
        first, other = self.arms
        if self.protocol_differs:
            return f"{self.metric} of the two does not mean the same: {', '.join(self.protocol_differs)} differ"
        if self.test.differs is None:
            if len(self.pairs) == 1:
                return "one seed gives no spread: at least 1 more is needed"
            return "every seed differs by the same: the seeds show no spread, and more of them decide nothing"
        if not self.test.differs:
            return "no difference is shown by these seeds"
        if self.lower_is_better is None:
            return f'"{other}" differs from "{first}"'
        better = other if (self.test.mean < 0.0) == self.lower_is_better else first
        return f'"{better}" is better'


def check_metric(metric: str) -> None:
    """Raises InvalidInput for a metric of a test split."""
    if metric.strip().lower().startswith("test"):
        raise InvalidInput(f'"{metric}" is of the test split, which is no ground for choosing', "--metric val/loss")


def direction(metric: str) -> bool | None:
    """Whether lower is better; None where that is not known of a metric."""
    return protocol.lower_is_better(metric) if protocol.canonical(metric) in _DIRECTED else None


def train(
    arms: tuple[Arm, Arm],
    seeds: Sequence[int],
    request: launch.Request,
    run: Callable[[launch.Request], launch.Ended],
) -> Iterator[launch.Ended]:
    """Trains both, in turns; yields how each training ended and goes on as long as it is asked to.

    `request` has tier, device, threads and quiet; `run` is launch.run for one home.
    """
    for seed in seeds:
        for arm in arms:
            yield run(replace(request, recipe=arm.recipe, overrides=arm.overrides, seed=seed))


def outcome(session: Session, arms: tuple[Arm, Arm], runs: Sequence[tuple[str, str]], metric: str) -> Outcome:
    """What the finished runs say, given as ids of A and B, pair by pair.

    Raises InvalidInput where `metric` was not recorded in training by all of them.
    """
    pairs: list[Pair] = []
    values: list[tuple[float, float]] = []
    paces: list[tuple[float, float]] = []
    for ids in runs:
        a, b = (_run(session, run_id) for run_id in ids)
        pairs.append(Pair(a.seed, (a, b)))
        values.append((_last(session, a.id, metric), _last(session, b.id, metric)))
        times = [seed_groups.seconds_per_step(store.points(session, run_id, (PACE,))) for run_id in ids]
        if times[0] is not None and times[1] is not None:
            paces.append((times[0], times[1]))
    seeds = [pair.seed for pair in pairs]
    test = compare.paired(_by_seed(seeds, values, 0), _by_seed(seeds, values, 1))
    assert test is not None  # both sides have every seed
    logs = [(math.log(a), math.log(b)) for a, b in paces]
    speed = compare.paired(_by_seed(seeds, logs, 0), _by_seed(seeds, logs, 1)) if len(logs) == len(seeds) else None
    first = pairs[0].runs
    return Outcome(
        arms=(arms[0].label, arms[1].label),
        metric=metric,
        lower_is_better=direction(metric),
        pairs=tuple(pairs),
        values=tuple(values),
        test=test,
        protocol_differs=compare.validation_differs(metric, *first),
        seconds_per_step=tuple(paces),
        speed=speed,
        differing=compare.differences(first)[0],
    )


_DIRECTED = protocol.LOWER_IS_BETTER | {"bleu", "accuracy", "exact-match", "nll", "f1"}


def _run(session: Session, run_id: str) -> Run:
    run = store.get(session, run_id)
    if run is None:
        raise InvalidInput(f"the run {run_id} is not indexed", "paperlab runs index")
    return run


def _last(session: Session, run_id: str, metric: str) -> float:
    points = store.points(session, run_id, (metric,))
    if points:
        return points[-1].value
    names = store.metric_names(session, run_id)
    raise InvalidInput(f'the run {run_id} recorded no "{metric}"', f"it has: {', '.join(names) or 'nothing'}")


def _by_seed(seeds: Sequence[int], values: Sequence[tuple[float, float]], side: int) -> dict[int, float]:
    return {seed: pair[side] for seed, pair in zip(seeds, values, strict=False)}
