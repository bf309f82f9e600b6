"""Which groups of runs a budget is spent on."""

from __future__ import annotations

import itertools
import random
import time

import pytest

from paperlab.entities import VerdictKind
from paperlab.errors import InvalidInput
from paperlab.runs import fill
from paperlab.runs.fill import Budget, Cost
from paperlab.runs.worth import Need, Seed

SIX = Budget(6.0, "GPU-hours")


def runs(recipe: str, *seeds: int) -> frozenset[Seed]:
    return frozenset(Seed(recipe, "full", seed) for seed in seeds)


def need(claim: str, of: frozenset[Seed], value: float = 0.5) -> Need:
    return Need(claim, VerdictKind.NOT_ATTEMPTED, 1.0, value, of, 3, "")


def costs(**hours: float | None) -> dict[tuple[str, str], Cost]:
    return {(recipe, "full"): Cost(value, "GPU-hours", "measured") for recipe, value in hours.items()}


def chosen(found: fill.Filling) -> list[str]:
    return ["+".join(each.claim_id for each in group.settled) for group in found.groups]


@pytest.mark.parametrize(
    ("text", "hours", "unit"),
    [("6gpuh", 6.0, "GPU-hours"), ("0.5 CPUh", 0.5, "CPU-hours"), ("2 gpu-hours", 2.0, "GPU-hours")],
)
def test_a_budget_is_hours_of_a_device(text: str, hours: float, unit: str) -> None:
    assert Budget.parse(text) == Budget(hours, unit)


@pytest.mark.parametrize("text", ["", "6", "6h", "0gpuh", "-1gpuh", "gpuh", "6 tpuh", "nangpuh", "1e3gpuh"])
def test_what_is_no_budget_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        Budget.parse(text)
    assert "--budget 6gpuh" in refused.value.hint


def test_the_most_value_for_the_cost_comes_first_and_groups_are_never_parted() -> None:
    needs = [need("dear", runs("dear", 1, 2, 3), 0.9), need("cheap", runs("cheap", 1, 2, 3), 0.5)]
    found = fill.choose(needs, costs(dear=1.6, cheap=0.1), SIX)
    assert chosen(found) == ["cheap", "dear"]
    assert found.hours == pytest.approx(5.1)
    tight = fill.choose(needs, costs(dear=2.0, cheap=0.1), Budget(5.0, "GPU-hours"))
    assert chosen(tight) == ["cheap"]  # 4.7 hours are left, and two of three dear seeds would decide nothing
    (left,) = tight.left_out
    assert (left.claim_id, left.why, left.hours) == ("dear", "more than the 4.7 GPU-hours that are left", 6.0)


def test_runs_that_settle_several_claims_count_for_all_of_them() -> None:
    needs = [
        need("one", runs("single", 1, 2, 3), 0.9),
        *(need(f"of-many-{at}", runs("many", 1, 2, 3), 0.4) for at in range(3)),
    ]
    found = fill.choose(needs, costs(single=1.0, many=1.0), Budget(3.0, "GPU-hours"))
    assert chosen(found) == ["of-many-0+of-many-1+of-many-2"]
    assert found.groups[0].value == pytest.approx(1.2)


def test_a_group_costs_only_what_it_adds_to_what_is_chosen_or_waits_already() -> None:
    base, other = runs("base", 1, 2), runs("other", 1, 2)
    needs = [need("base", base, 0.9), need("order", base | other)]
    found = fill.choose(needs, costs(base=1.0, other=1.0), SIX)
    assert [group.hours for group in found.groups] == [2.0, 2.0]
    waiting = fill.choose(needs, costs(base=1.0, other=1.0), SIX, queued=base)
    assert chosen(waiting) == ["order"]
    assert waiting.hours == 2.0
    assert waiting.left_out[0].why == "its runs wait in the queue already"


def test_a_large_group_is_not_crowded_out_by_a_small_one_of_a_better_rate() -> None:
    needs = [need("crumb", runs("crumb", 1), 0.2), need("loaf", runs("loaf", 1), 1.0)]
    found = fill.choose(needs, costs(crumb=0.5, loaf=6.0), SIX)
    assert chosen(found) == ["loaf"]


def test_what_can_not_be_counted_in_the_budget_is_left_out_and_says_why() -> None:
    known = {
        ("unknown", "full"): Cost(None, "GPU-hours", "no basis"),
        ("cpu", "full"): Cost(1.0, "CPU-hours", "measured"),
    }
    found = fill.choose([need("a", runs("unknown", 1)), need("b", runs("cpu", 1))], known, SIX)
    assert found.groups == ()
    assert [each.why for each in found.left_out] == [
        "what it costs is not known: no basis",
        "cpu --tier full costs CPU-hours here, not GPU-hours",
    ]


def test_no_choice_is_over_the_budget_and_few_are_worse_than_the_best_one() -> None:
    """Against every subset of small problems.  seed 1; the bound is what 200 of them showed, not a theorem."""
    draw = random.Random(1)
    shares = []
    for _ in range(200):
        recipes = [f"r{at}" for at in range(6)]
        price = {recipe: draw.uniform(0.2, 2.0) for recipe in recipes}
        needs = [
            need(
                f"c{at}",
                frozenset().union(*(runs(recipe, 1, 2) for recipe in draw.sample(recipes, draw.choice((1, 1, 2))))),
                draw.uniform(0.1, 1.0),
            )
            for at in range(7)
        ]
        found = fill.choose(needs, costs(**price), SIX)
        assert found.hours <= SIX.hours * (1 + 1e-9)
        assert found.hours == pytest.approx(sum(price[run.recipe] for group in found.groups for run in group.runs))
        best = 0.0
        for many in range(len(recipes) + 1):
            for subset in itertools.combinations(recipes, many):
                if sum(2 * price[recipe] for recipe in subset) <= SIX.hours:
                    held = frozenset().union(*(runs(recipe, 1, 2) for recipe in subset))
                    best = max(best, sum(each.value for each in needs if each.runs <= held))
        shares.append(sum(group.value for group in found.groups) / best if best else 1.0)
    assert sum(shares) / len(shares) > 0.98
    assert min(shares) > 0.7


def test_a_hundred_claims_take_no_time_to_speak_of() -> None:
    needs = [need(f"c{at}", runs(f"r{at % 40}", 1, 2, 3) | runs(f"r{at % 39}", 1, 2, 3)) for at in range(120)]
    began = time.process_time()
    fill.choose(needs, costs(**{f"r{at}": 0.1 + at / 100 for at in range(40)}), SIX)
    assert time.process_time() - began < 3.0
