"""What a difference in protocol is known to do, and what is not known."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from paperlab.runs import known_deltas, protocol


def test_every_entry_names_a_source_what_was_seen_and_a_metric_by_its_one_name() -> None:
    for entry in known_deltas.load():
        assert entry.source
        assert entry.seen
        assert entry.low <= entry.high
        assert protocol.canonical(entry.metric) == entry.metric
        assert entry.field in {*protocol.deciding(entry.metric), "metric", "stride", "normalisation"}


def test_the_way_back_is_the_opposite() -> None:
    there = known_deltas.find("bleu", "compound_split", False, True)
    back = known_deltas.find("bleu", "compound_split", True, False)
    assert there is not None
    assert back is not None
    assert (there.low, there.high) == (-back.high, -back.low) == (0.7, 1.0)


@given(st.sampled_from(known_deltas.load()))
def test_turning_an_entry_round_twice_gives_it_back(entry: known_deltas.KnownDelta) -> None:
    assert entry.reversed().reversed() == entry


def test_the_entry_that_names_more_of_the_difference_is_the_one_that_is_told() -> None:
    exact = known_deltas.find("bleu", "tokenisation", "Tokenised", "13a")
    general = known_deltas.find("bleu", "tokenisation", "tokenised", "zh")
    assert exact is not None
    assert general is not None
    assert exact.in_words.startswith("-0.8 to -0.7 BLEU; seen: ")
    assert general.in_words.startswith("up to 1.8 BLEU either way; seen: ")


@pytest.mark.parametrize(
    ("metric", "field", "claimed", "measured"),
    [
        ("bleu", "beam", 4, 5),
        ("bleu", "casing", "cased", "lowercase"),
        ("chrf", "beam", 1, 5),
        ("bleu", "checkpoint_average", 5, 4),
        ("bleu", "compound_split", 0, 1),
    ],
)
def test_of_other_differences_nothing_is_claimed(metric: str, field: str, claimed: object, measured: object) -> None:
    assert known_deltas.find(metric, field, claimed, measured) is None


def test_every_way_of_sampling_blocks_counts_as_sampled() -> None:
    found = known_deltas.find("loss", "coverage", "20 random batches", "whole split")
    assert found is not None
    assert found.in_words.startswith("about +0.03 nats; seen: nanoGPT's laptop recipe")
