"""What an inconclusive verdict's further seeds would cost."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from paperlab.entities import Claim, Verdict, VerdictKind
from paperlab.runs import effort, indexer, verdict
from paperlab.store import runs as store
from paperlab.store.database import Engine, read_only
from tests.paperlab.runs import directories
from tests.paperlab.runs.test_verdict import BETTER, CLAIM, CLAIMS, ORDERING, WORSE

PLAIN = {"task": CLAIM.task, "dataset": "d", "metric": "quality", "unit": "points"}


def judged(engine: Engine, runs_dir: Path, claim: Claim, values: dict[str, list[float]], **options: Any) -> Verdict:
    """The priced verdict, after a run of 12.5 s for every seed of each claim."""
    for number, (claim_id, found) in enumerate(values.items()):
        for seed, value in enumerate(found, start=1):
            directories.finished(
                runs_dir,
                recipe="recipe",
                tier="full",
                seed=seed,
                token=f"000{number}",
                measurements=[directories.measured(claim_id, value, **PLAIN)],
                **options,
            )
    indexer.index(engine, runs_dir)
    with read_only(engine) as reading:
        judgement = verdict.judge(claim, store.measurements(reading), claims=CLAIMS)
        return effort.priced(reading, judgement.verdict, judgement.used)


def test_the_cost_of_further_seeds_is_told_in_the_hours_of_the_runs_so_far(engine: Engine, runs_dir: Path) -> None:
    found = judged(engine, runs_dir, CLAIM, {CLAIM.id: [27.0, 27.9]}, provenance={"threads": 4})
    assert found.kind is VerdictKind.INCONCLUSIVE
    assert found.hours_needed == pytest.approx(found.seeds_needed * 4 * 12.5 / 3600)
    assert found.hours_unit == "CPU-hours"
    assert f"about {found.seeds_needed} more should decide, at about {found.hours_needed:.2g} CPU-hours" in found.reason


def test_one_seed_asks_for_one_more_at_its_price(engine: Engine, runs_dir: Path) -> None:
    found = judged(engine, runs_dir, CLAIM, {CLAIM.id: [27.3]}, provenance={"device": "cuda:0", "world_size": 2})
    assert found.reason.endswith("at least 1 more is needed, at about 0.0069 GPU-hours")


def test_a_further_seed_of_an_ordering_is_a_run_of_either_side(engine: Engine, runs_dir: Path) -> None:
    values = {BETTER.id: [28.0, 26.0], WORSE.id: [27.0, 26.5]}
    found = judged(engine, runs_dir, ORDERING, values)
    assert found.kind is VerdictKind.INCONCLUSIVE
    assert found.hours_needed == pytest.approx(found.seeds_needed * 2 * 12.5 / 3600)


def test_a_decided_verdict_and_one_without_runs_have_no_price(engine: Engine, runs_dir: Path) -> None:
    decided = judged(engine, runs_dir, CLAIM, {CLAIM.id: [27.29, 27.3, 27.31]})
    assert (decided.kind, decided.hours_needed) == (VerdictKind.REPRODUCED, None)
    with read_only(engine) as reading:
        open_one = Verdict(CLAIM.id, VerdictKind.INCONCLUSIVE, "more are needed", seeds_needed=3)
        assert effort.priced(reading, open_one, ()) == open_one
        of_no_run = replace(store.measurements(reading)[0], run_id="gone")
        assert effort.priced(reading, open_one, [of_no_run]) == open_one
