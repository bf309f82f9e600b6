"""Which measurement may judge which claim."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from paperlab.entities import Claim, ClaimKind, Measurement, Tolerance
from paperlab.runs import protocol

PROTOCOL = {
    "tokenisation": "tokenised",
    "casing": "cased",
    "compound_split": True,
    "beam": 4,
    "length_penalty": 0.6,
    "checkpoint_average": 5,
}
CLAIM = Claim(
    id="1706.03762:table-2:base:wmt14-en-de:bleu",
    source="1706.03762",
    kind=ClaimKind.VALUE,
    place={"table": "2"},
    statement="the base model reaches 27.3 BLEU",
    task="translation",
    dataset="wmt14-en-de",
    split="newstest2014",
    metric="bleu",
    value=27.3,
    unit="BLEU",
    protocol=PROTOCOL,
    tolerance=Tolerance(0.5, "spread over seeds"),
    reproduction="transformer",
    recipe="transformer-base",
    tier="full",
    confidence="verified-in-text",
)
MEASURED = Measurement(
    claim_id=CLAIM.id,
    run_id="20260101-000000-transformer-base-full-0000",
    recipe="transformer-base",
    tier="full",
    seed=1,
    fingerprint="f",
    task="translation",
    dataset="wmt14-en-de",
    split="newstest2014",
    metric="bleu",
    value=27.2,
    unit="BLEU",
    n=3003,
    protocol={**PROTOCOL, "steps": 100_000},
)


def test_equal_protocols_are_comparable_and_further_fields_of_the_run_do_not_matter() -> None:
    assert protocol.compare(CLAIM, MEASURED).comparable


@pytest.mark.parametrize(
    ("field", "value"),
    [("tokenisation", "13a"), ("casing", "lowercase"), ("compound_split", False), ("beam", 1), ("length_penalty", 1.0)],
)
def test_a_field_that_differs_is_named_with_both_values(field: str, value: object) -> None:
    comparison = protocol.compare(CLAIM, replace(MEASURED, protocol={**PROTOCOL, field: value}))
    assert comparison.differing == (field,)
    (detail,) = comparison.details
    assert detail.startswith(f"{field}: claim {PROTOCOL[field]}, run {value} (")


@given(st.sampled_from(sorted(PROTOCOL)))
def test_a_field_that_the_claim_states_and_the_run_did_not_record_differs(field: str) -> None:
    less = {key: value for key, value in PROTOCOL.items() if key != field}
    comparison = protocol.compare(CLAIM, replace(MEASURED, protocol=less))
    assert comparison.differing == (field,)
    assert "not recorded" in comparison.details[0]


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("split", "newstest2013"),
        ("dataset", "wmt16-en-de"),
        ("metric", "chrf"),
        ("unit", "%"),
        ("tier", "mini"),
        ("recipe", "x"),
    ],
)
def test_another_quantity_recipe_or_tier_is_not_comparable(field: str, value: str) -> None:
    assert protocol.compare(CLAIM, replace(MEASURED, **{field: value})).differing == (field,)


def test_an_override_that_computes_forbids_a_verdict_and_one_that_only_records_does_not() -> None:
    assert protocol.compare(CLAIM, replace(MEASURED, overrides={"train.log_every": 1})).comparable
    comparison = protocol.compare(CLAIM, replace(MEASURED, overrides={"optim.lr": 2.0, "train.log_every": 1}))
    assert comparison.differing == ("optim.lr",)


def test_a_structural_claim_may_be_checked_by_any_tier() -> None:
    claim = replace(CLAIM, kind=ClaimKind.STRUCTURAL)
    assert protocol.compare(claim, replace(MEASURED, recipe=None, tier=None)).comparable


def test_deciding_fields_on_which_the_claim_is_silent_are_reported() -> None:
    silent = replace(CLAIM, protocol={"beam": 4})
    unstated = protocol.compare(silent, MEASURED).unstated
    assert unstated == ("tokenisation", "casing", "compound_split", "length_penalty", "checkpoint_average")


@pytest.mark.parametrize(
    ("name", "canonical"), [("BLEU", "bleu"), ("val/ppl", "perplexity"), ("exact_match", "exact-match")]
)
def test_a_metric_is_known_by_its_usual_names(name: str, canonical: str) -> None:
    assert protocol.canonical(name) == canonical


@pytest.mark.parametrize(
    ("stated", "found", "equal"),
    [
        (5, 5.0, True),
        ("Cased", "cased ", True),
        ([1, 2], (1, 2), True),
        (True, 1, False),
        (None, 0, False),
        (4, "4", False),
    ],
)
def test_values_are_the_same_as_a_reader_would_say(stated: object, found: object, equal: bool) -> None:
    assert protocol.same(stated, found) is equal
    assert protocol.same(found, stated) is equal


def test_a_share_of_examples_moves_in_steps_of_one_example() -> None:
    assert protocol.resolution("exact_match", "share", 500) == 0.002
    assert protocol.resolution("accuracy", "%", 200) == 0.5
    assert protocol.resolution("bleu", "BLEU", 500) == 0.0
    assert protocol.resolution("accuracy", "%", None) == 0.0
