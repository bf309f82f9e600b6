"""What filling the queue finds in the registry and the database."""

from __future__ import annotations

from pathlib import Path

import pytest

from paperlab.library import claims as library
from paperlab.runs import proposal
from paperlab.runs.fill import Budget
from paperlab.store.database import Engine, read_only


@pytest.mark.parametrize(
    ("budget", "tier", "hours"),
    [
        (Budget(4.5, "GPU-hours"), "full", 1.3),  # 1.3 h on one H100
        (Budget(2.0, "CPU-hours"), "smoke", 0.04),  # 0.02 h on 2 CPU cores
    ],
)
def test_where_nothing_ran_a_run_costs_what_its_recipe_says(
    engine: Engine, tmp_path: Path, budget: Budget, tier: str, hours: float
) -> None:
    claims = [claim for claim in library.load(["transformer"]) if claim.recipe == "transformer-base"]
    with read_only(engine) as reading:
        found = proposal.propose(reading, claims, budget, home=tmp_path, tiers=[tier])
    (group,) = found.groups
    assert [(run.recipe, run.tier, run.seed) for run in group.runs] == [
        ("transformer-base", tier, seed) for seed in (1, 2, 3)
    ]
    assert group.hours == pytest.approx(3 * hours)
