"""Two recipes in turns, and what their pairs say."""

from __future__ import annotations

import itertools

import pytest

from paperlab.errors import InvalidInput
from paperlab.runs import indexer, interleaved, launch
from paperlab.runs.interleaved import Arm
from paperlab.store.database import read_only
from tests.paperlab.runs import directories

ARMS = (Arm("transformer-base"), Arm("transformer-base", ("optim.lr=2",)))


def test_a_recipe_is_named_with_what_is_changed_in_it():
    assert Arm.parse("transformer-base optim.lr=2 'data.name=a b'") == Arm(
        "transformer-base", ("optim.lr=2", "data.name=a b")
    )
    for wrong, said in (("", "it is empty"), ("a lr", "KEY=VALUE"), ('a "b', "No closing quotation")):
        with pytest.raises(InvalidInput, match=said):
            Arm.parse(wrong)


def test_the_two_are_trained_in_turns():
    asked = []

    def run(request: launch.Request) -> launch.Ended:
        asked.append((request.seed, tuple(request.overrides), request.tier))
        return launch.Ended(0, "run")

    request = launch.Request("", "smoke")
    taken = interleaved.train(ARMS, (1, 2), request, run)
    assert len(list(itertools.islice(taken, 3))) == 3
    assert asked == [
        (1, (), "smoke"),
        (1, ("optim.lr=2",), "smoke"),
        (2, (), "smoke"),
    ]  # and no more than was asked for


def recorded(runs_dir, losses, overrides=None, token="7f3a"):
    ids = []
    for seed, loss in enumerate(losses, start=1):
        with directories.begin(runs_dir, seed=seed, overrides=overrides, token=token) as recorder:
            for step in (1, 2, 3):
                recorder.metrics({"train/loss": loss, "val/loss": loss + (3 - step)}, step)
            recorder.event("finished")
            recorder.result([], seconds=1.0)
            ids.append(recorder.path.name)
    return ids


@pytest.mark.parametrize(
    ("first", "other", "says"),
    [
        ((3.0, 3.1, 2.9), (2.0, 2.05, 1.9), '"transformer-base optim.lr=2" is better'),
        ((2.0, 2.05, 1.9), (3.0, 3.1, 2.9), '"transformer-base" is better'),
        ((3.0, 3.1, 2.9), (3.1, 3.0, 2.85), "no difference is shown by these seeds"),
        ((3.0,), (2.0,), "one seed gives no spread: at least 1 more is needed"),
    ],
)
def test_the_pairs_decide_by_the_last_validation_loss(engine, runs_dir, first, other, says):
    pairs = list(
        zip(recorded(runs_dir, first), recorded(runs_dir, other, {"optim.lr": "2"}, token="aaaa"), strict=True)
    )
    indexer.index(engine, runs_dir)
    with read_only(engine) as reading:
        found = interleaved.outcome(reading, ARMS, pairs, "val/loss")
    assert found.values == tuple(zip(first, other, strict=True))
    assert found.says == says
    assert [each.key for each in found.differing] == ["overrides.optim.lr"]


def test_a_metric_that_was_not_recorded_names_those_that_were(engine, runs_dir):
    pairs = list(zip(recorded(runs_dir, [3.0]), recorded(runs_dir, [2.0], token="aaaa"), strict=True))
    indexer.index(engine, runs_dir)
    with read_only(engine) as reading, pytest.raises(InvalidInput, match='recorded no "val/bleu"') as refused:
        interleaved.outcome(reading, ARMS, pairs, "val/bleu")
    assert "train/loss, val/loss" in refused.value.hint


def test_the_test_split_is_no_ground_for_choosing():
    interleaved.check_metric("val/loss")
    with pytest.raises(InvalidInput, match="test split"):
        interleaved.check_metric("test/bleu")
