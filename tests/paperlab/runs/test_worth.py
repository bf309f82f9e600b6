"""Which runs would move a claim's verdict, how open it is, and how likely they decide."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import pytest

from paperlab.entities import Claim, Measurement, VerdictKind
from paperlab.runs import verdict, worth
from paperlab.runs.decisions import Standing
from paperlab.runs.evidence import Today
from paperlab.runs.worth import LeftOut, Need, Seed
from tests.paperlab.runs.test_verdict import AT_LEAST, BETTER, CLAIM, EXACT, ORDERING, WORSE

BY_ID = {claim.id: claim for claim in (CLAIM, BETTER, WORSE, ORDERING)}


def measured(claim: Claim, values: Mapping[int, float], **changes: object) -> list[Measurement]:
    made = Measurement(
        claim_id=claim.id,
        run_id=None,
        recipe=claim.recipe,
        tier=claim.tier,
        seed=None,
        fingerprint="now",
        task=claim.task,
        dataset=claim.dataset,
        split=claim.split,
        metric=claim.metric,
        value=0.0,
        unit=claim.unit,
        n=None,
        protocol=claim.protocol,
    )
    return [
        replace(made, run_id=f"run-{claim.id}-{seed}", seed=seed, value=value, **changes)  # type: ignore[arg-type]
        for seed, value in values.items()
    ]


def needs(
    claims: Sequence[Claim],
    measurements: Sequence[Measurement] = (),
    *,
    finished: Mapping[tuple[str, str], frozenset[int]] | None = None,
    standings: Mapping[str, Standing] | None = None,
) -> tuple[list[Need], list[LeftOut]]:
    judged = {
        claim.id: verdict.judge(claim, measurements, claims=BY_ID, today=Today({"recipe/full": "now"}))
        for claim in claims
    }
    held = finished
    if held is None:
        held = {("recipe", "full"): frozenset(item.seed for item in measurements if item.seed is not None)}
    return worth.needs(claims, judged, standings or {}, held)


def seeds(found: Need, recipe: str = "recipe") -> list[int]:
    return sorted(run.seed for run in found.runs if run.recipe == recipe)


def test_a_claim_that_nothing_measured_is_fully_open_and_never_gets_fewer_than_three_seeds() -> None:
    ((found,), left) = needs([CLAIM])
    assert (found.doubt, found.chance, left) == (1.0, 0.5, [])
    assert found.runs == frozenset(Seed("recipe", "full", seed) for seed in (1, 2, 3))


def test_one_seed_is_joined_by_two_and_by_numbers_that_are_free() -> None:
    ((found,), _) = needs([CLAIM], measured(CLAIM, {2: 27.3}))
    assert (found.verdict, seeds(found), found.seeds) == (VerdictKind.INCONCLUSIVE, [1, 3], 3)


def test_a_seed_that_ran_and_measured_nothing_of_it_is_not_asked_for_again() -> None:
    ((found,), _) = needs([CLAIM], measured(CLAIM, {1: 27.3}), finished={("recipe", "full"): frozenset({1, 2})})
    assert seeds(found) == [3, 4]


def test_an_undecided_claim_gets_the_seeds_that_should_decide_and_the_chance_of_it() -> None:
    ((found,), _) = needs([CLAIM], measured(CLAIM, {1: 27.2, 2: 27.9, 3: 27.1}))
    assert found.verdict is VerdictKind.INCONCLUSIVE
    assert seeds(found)[0] == 4
    assert 0.75 < found.chance <= 1.0
    assert found.seeds == 3 + len(found.runs)


def test_doubt_is_greatest_where_the_mean_lies_on_the_edge_and_small_where_it_is_all_but_sure() -> None:
    bound = replace(AT_LEAST, metric="quality", unit="points", value=27.0)
    spread = (-0.3, 0.0, 0.3)

    def doubt(mean: float) -> float:
        ((found,), _) = needs([bound], measured(bound, {at: mean + each for at, each in enumerate(spread, start=1)}))
        return found.doubt

    assert doubt(27.09) > 0.9
    assert 0.3 < doubt(27.45) < 0.6
    assert doubt(27.09) > doubt(27.2) > doubt(27.45)


def test_decided_claims_need_nothing() -> None:
    assert needs([CLAIM], measured(CLAIM, {1: 27.3, 2: 27.31, 3: 27.29})) == ([], [])


def test_an_ordering_needs_both_recipes_on_the_same_seeds() -> None:
    better = replace(BETTER, recipe="other")
    by_id = {**BY_ID, BETTER.id: better}
    judged = {ORDERING.id: verdict.judge(ORDERING, [], claims=by_id)}
    held = {("recipe", "full"): frozenset({4, 7})}
    found, _ = worth.needs(
        [ORDERING, better, WORSE], {**judged, **{c.id: verdict.judge(c, []) for c in (better, WORSE)}}, {}, held
    )
    (need,) = [each for each in found if each.claim_id == ORDERING.id]
    assert (seeds(need, "other"), seeds(need, "recipe")) == ([1, 4, 7], [1])


def test_a_stale_verdict_is_half_open_and_is_measured_anew_with_as_many_seeds() -> None:
    old = measured(CLAIM, {1: 27.3, 2: 27.4, 3: 27.2, 4: 27.3}, fingerprint="before")
    ((found,), _) = needs([CLAIM], old, finished={})
    assert (found.verdict, found.doubt, seeds(found)) == (VerdictKind.STALE, 0.5, [1, 2, 3, 4])
    assert found.chance > 0.9


def test_runs_of_other_settings_leave_a_claim_as_open_as_if_there_were_none() -> None:
    swept = measured(CLAIM, {1: 20.0}, overrides={"optim.lr": "9"})
    ((found,), _) = needs([CLAIM], swept, finished={})
    assert (found.verdict, found.doubt, seeds(found)) == (VerdictKind.NOT_COMPARABLE, 1.0, [1, 2, 3])


@pytest.mark.parametrize(
    ("claim", "measurements", "standing", "why"),
    [
        (EXACT, [], None, "it needs no run: paperlab claims check"),
        (replace(CLAIM, recipe=None, tier=None), [], None, "no recipe measures it yet"),
        (replace(CLAIM, tolerance=None), [], None, "no tolerance is stated for it"),
        (CLAIM, [], Standing("not confirmed in a text"), "not confirmed in a text"),
        (CLAIM, [], Standing(doubt="a newer version is held"), "a newer version is held"),
        (CLAIM, measured(CLAIM, {1: 27.3}, protocol={"beam": 1}), None, "its runs measure something else: beam differ"),
        (
            CLAIM,
            measured(CLAIM, {1: 27.3, 2: 27.3}),
            None,
            "27.3 from each of 2 seeds: the seed changes nothing, so more of them decide nothing",
        ),
        (
            CLAIM,
            measured(CLAIM, {1: 26.8, 2: 26.79, 3: 26.81}),
            None,
            "more than 100 seeds would be needed to decide it",
        ),
    ],
)
def test_a_claim_that_no_run_can_move_is_left_out_and_says_why(
    claim: Claim, measurements: list[Measurement], standing: Standing | None, why: str
) -> None:
    found, (left,) = needs([claim], measurements, standings={claim.id: standing} if standing else None)
    assert found == []
    assert (left.claim_id, left.why) == (claim.id, why)


def test_an_ordering_through_a_retracted_claim_is_left_out() -> None:
    gone = Standing("retracted", retracted=True)
    found, left = needs([ORDERING, BETTER, WORSE], standings={BETTER.id: gone})
    assert [each.claim_id for each in found] == [WORSE.id]
    assert [(each.claim_id, each.why) for each in left] == [
        (ORDERING.id, f"it runs through {BETTER.id}, which is retracted"),
        (BETTER.id, "retracted"),
    ]
