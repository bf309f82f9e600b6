"""What the runs say of a claim: the gates, each kind's test, and the words."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from paperlab.entities import Claim, ClaimKind, Measurement, Tolerance, Verdict, VerdictKind
from paperlab.runs import verdict
from paperlab.runs.decisions import content_hash
from paperlab.runs.evidence import Today

CLAIM = Claim(
    id="2401.00001:table-1:bleu",
    source="2401.00001",
    kind=ClaimKind.VALUE,
    place={"table": "1"},
    statement="the model reaches 27.3",
    task="translation",
    dataset="d",
    split="test",
    metric="quality",
    value=27.3,
    unit="points",
    protocol={"beam": 4},
    tolerance=Tolerance(0.5, "spread over seeds"),
    reproduction="paper",
    recipe="recipe",
    tier="full",
    confidence="verified-in-text",
)
BETTER = replace(CLAIM, id="2401.00001:table-1:better", value=28.0)
WORSE = replace(CLAIM, id="2401.00001:table-1:worse", value=27.0)
ORDERING = replace(
    CLAIM,
    id="2401.00001:ordering",
    kind=ClaimKind.ORDERING,
    value=None,
    recipe=None,
    tier=None,
    better=BETTER.id,
    worse=WORSE.id,
)
SIZES = {f"2401.00001:size-{size}": float(size) for size in (1, 2, 4)}
TREND = replace(
    CLAIM, id="2401.00001:trend", kind=ClaimKind.TREND, value=None, tolerance=None, series=SIZES, relation="rises"
)
CLAIMS = {claim.id: claim for claim in (CLAIM, BETTER, WORSE, *(replace(CLAIM, id=name) for name in SIZES))}
EXACT = replace(
    CLAIM, kind=ClaimKind.STRUCTURAL, metric="parameters", value=65.0, tolerance=Tolerance(0.5, "printed as 65")
)
AT_LEAST = replace(
    CLAIM, kind=ClaimKind.BOUND, metric="exact_match", unit="share", value=0.99, relation="at-least", tolerance=None
)


def measured(value: float, seed: int | None = 0, claim: Claim = CLAIM, **changes: Any) -> Measurement:
    run = f"20260101-{seed or 0:06d}-recipe-full-{changes.pop('token', '0000')}"
    fields: dict[str, Any] = {
        "claim_id": claim.id,
        "run_id": run,
        "recipe": claim.recipe,
        "tier": claim.tier,
        "seed": seed,
        "fingerprint": "now",
        "task": claim.task,
        "dataset": claim.dataset,
        "split": claim.split,
        "metric": claim.metric,
        "value": value,
        "unit": claim.unit,
        "n": 500,
        "protocol": claim.protocol,
    }
    return Measurement(**{**fields, **changes})


def seeds(values: Sequence[float], claim: Claim = CLAIM, first: int = 0, **changes: Any) -> list[Measurement]:
    return [measured(value, seed, claim, **changes) for seed, value in enumerate(values, start=first)]


def judged(claim: Claim, measurements: Sequence[Measurement], **options: Any) -> Verdict:
    return verdict.judge(claim, measurements, today=Today({"paper": "now"}), claims=CLAIMS, **options).verdict


# --- value ----------------------------------------------------------------------------------------------------


def test_three_close_seeds_within_the_tolerance_reproduce_a_value() -> None:
    found = judged(CLAIM, seeds([27.2, 27.3, 27.4]))
    assert found.kind is VerdictKind.REPRODUCED
    assert found.measured == pytest.approx(27.3)
    assert found.interval is not None
    assert 26.8 <= found.interval[0] < found.interval[1] <= 27.8
    assert found.seeds == 3
    assert len(found.run_ids) == 3


def test_close_seeds_far_off_differ() -> None:
    assert judged(CLAIM, seeds([24.1, 24.3, 24.2])).kind is VerdictKind.DIFFERS


def test_scattered_seeds_are_inconclusive_and_say_how_many_more_should_decide() -> None:
    found = judged(CLAIM, seeds([26.8, 27.6, 27.4]))
    assert found.kind is VerdictKind.INCONCLUSIVE
    assert found.seeds_needed > 0
    assert f"about {found.seeds_needed} more should decide" in found.reason


@given(value=st.floats(-1e6, 1e6), tolerance=st.floats(0.0, 1e6))
def test_one_seed_never_reproduces_and_never_differs(value: float, tolerance: float) -> None:
    for claim in (CLAIM, AT_LEAST):
        asked = replace(claim, tolerance=Tolerance(tolerance, "any"))
        found = judged(asked, [measured(value, claim=asked)])
        assert found.kind is VerdictKind.INCONCLUSIVE
        assert found.seeds_needed == 1


@given(st.lists(st.floats(20.0, 30.0), min_size=1, max_size=6))
def test_running_a_seed_again_never_changes_a_verdict(repeats: list[float]) -> None:
    first = [measured(27.3, 0, token="0000"), measured(27.25, 1, token="0000")]
    again = [measured(value, 0, token=f"{position:04x}") for position, value in enumerate(repeats, start=1)]
    assert judged(CLAIM, [*again, *first]) == judged(CLAIM, first)


def test_seeds_that_all_give_the_same_continuous_value_decide_nothing() -> None:
    found = judged(CLAIM, seeds([27.3, 27.3, 27.3]))
    assert found.kind is VerdictKind.INCONCLUSIVE
    assert found.seeds_needed == 0
    assert "the seed changes nothing" in found.reason


# --- the other kinds ------------------------------------------------------------------------------------------


def test_one_check_reproduces_a_structural_claim_to_the_last_printed_digit() -> None:
    assert judged(EXACT, [measured(65.4, None, EXACT, run_id=None)]).kind is VerdictKind.REPRODUCED
    found = judged(EXACT, [measured(63.1, None, EXACT, run_id=None)])
    assert found.kind is VerdictKind.DIFFERS
    assert found.reason.startswith("63.1 is not 65 ± 0.5")


def test_three_perfect_seeds_reach_a_bound_that_500_examples_can_tell() -> None:
    assert judged(AT_LEAST, seeds([1.0, 1.0, 1.0], AT_LEAST)).kind is VerdictKind.REPRODUCED
    assert judged(AT_LEAST, seeds([0.9, 0.91, 0.9], AT_LEAST)).kind is VerdictKind.DIFFERS
    assert judged(AT_LEAST, seeds([0.985, 0.996], AT_LEAST)).kind is VerdictKind.INCONCLUSIVE


def test_at_most_is_at_least_upside_down() -> None:
    at_most = replace(AT_LEAST, relation="at-most", metric="seconds", value=90.0)
    assert judged(at_most, seeds([61.0, 60.0, 62.0], at_most)).kind is VerdictKind.REPRODUCED
    assert judged(at_most, seeds([91.0, 92.0, 93.0], at_most)).kind is VerdictKind.DIFFERS


def test_an_ordering_is_paired_where_both_sides_ran_the_same_seeds() -> None:
    # The seeds move both sides alike: 28, 26 and 24 against a constant 0.5 (almost) less.
    better, worse = seeds([28.0, 26.0, 24.01], BETTER), seeds([27.5, 25.5, 23.5], WORSE)
    assert judged(ORDERING, [*better, *worse]).kind is VerdictKind.REPRODUCED
    others = seeds([27.5, 25.5, 23.5], WORSE, first=10)
    assert judged(ORDERING, [*better, *others]).kind is VerdictKind.INCONCLUSIVE


def test_an_ordering_the_wrong_way_round_differs_and_lower_can_be_better() -> None:
    high, low = seeds([5.0, 5.1, 5.2], BETTER), seeds([4.0, 4.1, 4.3], WORSE)
    assert judged(ORDERING, [*high, *low]).kind is VerdictKind.REPRODUCED
    swapped = replace(ORDERING, better=WORSE.id, worse=BETTER.id)
    assert judged(swapped, [*high, *low]).kind is VerdictKind.DIFFERS
    in_ppl = {name: replace(claim, metric="perplexity") for name, claim in CLAIMS.items()}
    measurements = [replace(item, metric="perplexity") for item in [*high, *low]]
    assert verdict.judge(swapped, measurements, claims=in_ppl).verdict.kind is VerdictKind.REPRODUCED


def test_an_ordering_with_one_side_missing_names_the_side() -> None:
    found = judged(ORDERING, seeds([28.0, 28.1], BETTER))
    assert found.kind is VerdictKind.NOT_ATTEMPTED
    assert WORSE.id in found.reason


def test_a_trend_takes_one_slope_from_each_seed_that_ran_the_whole_series() -> None:
    rising = [
        measured(10.0 + size + 0.1 * seed * size, seed, CLAIMS[name])
        for name, size in SIZES.items()
        for seed in range(3)
    ]
    found = judged(TREND, rising)
    assert found.kind is VerdictKind.REPRODUCED
    assert found.seeds == 3
    assert found.measured == pytest.approx(1.1)
    assert judged(replace(TREND, relation="falls"), rising).kind is VerdictKind.DIFFERS
    one_seed = [item for item in rising if item.seed == 0]
    assert judged(TREND, one_seed).kind is VerdictKind.INCONCLUSIVE
    scattered = [replace(item, seed=position) for position, item in enumerate(rising)]
    assert "no seed ran the whole series" in judged(TREND, scattered).reason


def test_a_trend_without_a_series_is_a_slope_that_each_run_measured_itself() -> None:
    rising = replace(TREND, series={})
    found = judged(rising, seeds([0.4, 0.5, 0.6], rising))
    assert (found.kind, found.seeds) == (VerdictKind.REPRODUCED, 3)
    assert found.measured == pytest.approx(0.5)
    quadratic = replace(rising, relation=None, value=2.0, tolerance=Tolerance(0.2, "ours"))
    assert judged(quadratic, seeds([1.98, 2.0, 2.05], quadratic)).kind is VerdictKind.REPRODUCED
    assert judged(quadratic, seeds([1.0, 1.02, 1.01], quadratic)).kind is VerdictKind.DIFFERS


def test_a_trend_with_a_slope_is_a_value_of_that_slope() -> None:
    claim = replace(TREND, relation=None, value=1.0, tolerance=Tolerance(0.3, "read off a plot"))
    points = [
        measured(size + 0.01 * seed * size, seed, CLAIMS[name]) for name, size in SIZES.items() for seed in range(3)
    ]
    assert judged(claim, points).kind is VerdictKind.REPRODUCED
    assert judged(replace(claim, value=2.0), points).kind is VerdictKind.DIFFERS


# --- the gates ------------------------------------------------------------------------------------------------


def test_a_claim_known_from_memory_is_not_judged_whatever_was_measured() -> None:
    found = judged(replace(CLAIM, confidence="memory"), seeds([27.2, 27.3, 27.4]))
    assert found.kind is VerdictKind.NOT_ATTEMPTED
    assert "not confirmed in a text" in found.reason


def test_another_protocol_is_not_comparable_and_the_fields_are_named() -> None:
    found = judged(CLAIM, seeds([27.2, 27.3, 27.4], protocol={"beam": 1}))
    assert found.kind is VerdictKind.NOT_COMPARABLE
    assert found.differing_fields == ("beam",)
    assert "claim 4, run 1" in found.reason


def test_a_smaller_tier_never_judges_a_full_claim() -> None:
    found = judged(CLAIM, seeds([27.2, 27.3, 27.4], tier="smoke"))
    assert found.kind is VerdictKind.NOT_COMPARABLE
    assert found.differing_fields == ("tier",)


def test_incomparable_runs_beside_comparable_ones_are_left_out_and_mentioned() -> None:
    found = judged(CLAIM, [*seeds([27.2, 27.3, 27.4]), measured(3.0, 9, protocol={"beam": 1})])
    assert found.kind is VerdictKind.REPRODUCED
    assert found.seeds == 3
    assert "1 not comparable (beam)" in found.reason


def test_measurements_of_changed_code_are_stale_and_say_what_they_used_to() -> None:
    found = judged(CLAIM, seeds([27.2, 27.3, 27.4], fingerprint="before"))
    assert found.kind is VerdictKind.STALE
    assert found.reason.startswith("was reproduced with code that has changed since")
    assert found.measured == pytest.approx(27.3)


def test_fresh_measurements_are_not_mixed_with_stale_ones() -> None:
    found = judged(CLAIM, [*seeds([20.0, 21.0], fingerprint="before"), measured(27.3, 5)])
    assert found.kind is VerdictKind.INCONCLUSIVE
    assert found.seeds == 1


def test_without_runs_the_reason_is_the_command_that_would_measure() -> None:
    assert judged(CLAIM, []).reason == "no finished run measures it: paperlab reproduce recipe"
    assert judged(replace(CLAIM, tier="mini"), []).reason.endswith("paperlab reproduce recipe --tier mini")
    assert judged(replace(CLAIM, recipe=None, tier=None), []).reason == "no recipe measures it yet"
    assert "paperlab claims check" in judged(EXACT, []).reason
    assert judged(EXACT, [], unmeasured="torch is missing").reason == "torch is missing"


def test_the_verdict_says_on_which_deciding_fields_the_claim_is_silent() -> None:
    claim = replace(CLAIM, metric="bleu", unit="BLEU", protocol={"beam": 4})
    found = judged(claim, seeds([27.2, 27.3, 27.4], claim))
    assert found.kind is VerdictKind.REPRODUCED
    assert "the claim does not state tokenisation, casing" in found.reason


# --- the record -----------------------------------------------------------------------------------------------


def test_the_content_hash_changes_with_the_protocol_and_the_tolerance() -> None:
    hashes = {
        content_hash(claim)
        for claim in (CLAIM, replace(CLAIM, protocol={"beam": 5}), replace(CLAIM, tolerance=Tolerance(0.6, "wider")))
    }
    assert len(hashes) == 3
    assert content_hash(CLAIM) == content_hash(replace(CLAIM))


def test_what_a_verdict_was_computed_from_is_every_measurement_that_counted() -> None:
    judgement = verdict.judge(CLAIM, [*seeds([27.2, 27.3]), measured(1.0, 9, tier="mini")])
    used = verdict.computed_from(CLAIM, judgement)["measurements"]
    assert [(item["seed"], item["value"]) for item in used] == [(0, 27.2), (1, 27.3)]


@given(st.permutations(range(5)))
def test_the_order_of_the_measurements_does_not_matter(order: list[int]) -> None:
    measurements = seeds([27.2, 27.9, 27.0, 27.4, 27.6])
    assert judged(CLAIM, [measurements[i] for i in order]) == judged(CLAIM, measurements)
