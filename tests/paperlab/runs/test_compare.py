"""Runs side by side: differing keys, numbers that may be subtracted, and the paired test."""

from __future__ import annotations

import random

import pytest
from scipy import stats

from paperlab.entities import Measurement, MetricPoint, Run
from paperlab.errors import UnknownName
from paperlab.runs import compare, indexer, seed_groups
from paperlab.store.database import read_only
from tests.paperlab.runs import directories, recorded

FASTER = {"optim.lr": "2"}


def side(runs: list[Run], measurements: list[Measurement], losses: dict[str, list[float]] | None = None):
    """The first run with its repetitions."""
    (group,) = seed_groups.group(runs)
    by_run = {run.id: [item for item in measurements if item.run_id == run.id] for run in runs}
    points = {
        run_id: [MetricPoint(step, 0.0, "val/loss", value) for step, value in enumerate(values, start=1)]
        for run_id, values in (losses or {}).items()
    }
    final = {run_id: each[-1] for run_id, each in points.items()}
    lowest = {run_id: min(each, key=lambda point: point.value) for run_id, each in points.items()}
    return compare.Side(runs[0], group, by_run, final, lowest)


def pair(first: list[float], other: list[float], **changes):
    """Two sides, one value a seed."""
    sides = []
    for values, overrides in ((first, {}), (other, FASTER)):
        runs = [recorded.run(seed, overrides=overrides) for seed in range(1, len(values) + 1)]
        more = changes if overrides else {}
        items = [recorded.measurement(run, value, **more) for run, value in zip(runs, values, strict=True)]
        sides.append(side(runs, items))
    return sides


def test_only_differing_keys_are_named():
    one = recorded.run(1, values={"optim": {"lr": 1.0, "eps": 1e-9}})
    other = recorded.run(1, values={"optim": {"lr": 2.0, "eps": 1e-9}, "extra": {"depth": 3}}, overrides=FASTER)
    differing, agreeing = compare.differences([one, other])
    assert {each.key: each.values for each in differing} == {
        "recipe_values.optim.lr": (1.0, 2.0),
        "recipe_values.extra.depth": (None, 3),
        "overrides.optim.lr": (None, "2"),
    }
    assert agreeing == 7  # recipe, seed, eps, and four of provenance


def test_the_paired_test_is_that_of_the_textbooks():
    rng = random.Random(7)
    for n in (2, 3, 8):
        first = {seed: rng.gauss(0, 1) for seed in range(n)}
        other = {seed: value + rng.gauss(0.5, 0.3) for seed, value in first.items()}
        ours = compare.paired(first, other)
        theirs = stats.ttest_rel([other[s] for s in range(n)], [first[s] for s in range(n)])
        assert ours is not None
        assert ours.p == pytest.approx(theirs.pvalue, rel=1e-9)
        assert ours.interval == pytest.approx(tuple(theirs.confidence_interval(0.95)), rel=1e-9)


def test_two_equal_recipes_are_told_apart_in_one_of_twenty_comparisons():
    rng = random.Random(11)
    trials = 4000
    wrong = sum(
        bool(test and test.differs)
        for _ in range(trials)
        for test in [compare.paired(*({seed: rng.gauss(0, 1) for seed in range(4)} for _ in "ab"))]
    )
    assert 0.04 < wrong / trials < 0.06


def test_seeds_in_common_are_the_pairs():
    first, other = pair([30.0, 31.0, 32.0], [31.0, 32.1])
    (row,) = compare.compare([first, other]).rows
    assert row.values == (30.0, 31.0)
    assert row.differences == (1.0,)
    (test,) = row.tests
    assert test is not None
    assert test.seeds == (1, 2)
    assert test.mean == pytest.approx(1.05)


def test_one_pair_and_pairs_without_spread_decide_nothing():
    for values in ([30.0], [30.0, 30.0, 30.0]):
        (row,) = compare.compare(pair(values, [value + 1 for value in values])).rows
        (test,) = row.tests
        assert test is not None
        assert (test.mean, test.interval, test.differs) == (1.0, None, None)


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"protocol": {"beam": 1}}, ("beam",)),
        ({"protocol": {"beam": 4, "length_penalty": 0.6}}, ("length_penalty",)),
        ({"n": 499}, ("examples",)),
        ({"signature": "case:lc"}, ("signature",)),
    ],
)
def test_numbers_of_different_protocols_are_shown_and_never_subtracted(changes, named):
    (row,) = compare.compare(pair([30.0, 31.0], [33.0, 33.0], **changes)).rows
    assert row.values == (30.0, 33.0)
    assert row.protocol_differs == named
    assert row.differences == (None,)
    assert row.tests == (None,)


def test_greedy_and_beam_of_one_run_are_two_rows():
    one, other = recorded.run(1), recorded.run(1, overrides=FASTER)
    greedy = {"protocol": {"beam": 1}}
    sides = [
        side([one], [recorded.measurement(one, 30.0), recorded.measurement(one, 29.0, **greedy)]),
        side([other], [recorded.measurement(other, 28.0, **greedy), recorded.measurement(other, 31.0)]),
    ]
    rows = compare.compare(sides).rows
    assert [(row.values, row.protocol_differs) for row in rows] == [((30.0, 31.0), ()), ((29.0, 28.0), ())]


def test_two_seeds_of_one_recipe_are_no_test_of_anything():
    runs = [recorded.run(seed) for seed in (1, 2)]
    items = [recorded.measurement(run, 30.0 + run.seed) for run in runs]
    group = side(runs, items)
    found = compare.compare([group, compare.Side(runs[1], group.group, group.measurements, {}, {})])
    assert found.rows[0].differences == (1.0,)
    assert found.rows[0].tests == (None,)


def test_final_and_lowest_validation_loss_stand_with_their_steps():
    one, other = recorded.run(1), recorded.run(1, overrides=FASTER)
    sides = [side([one], [], {one.id: [3.0, 1.0, 2.0]}), side([other], [], {other.id: [3.0, 2.5, 2.4]})]
    final, lowest = compare.compare(sides).rows
    assert (final.values, final.steps) == ((2.0, 2.4), (3, 3))
    assert (lowest.values, lowest.steps) == ((1.0, 2.4), (2, 3))


def test_losses_over_other_data_or_smoothed_otherwise_do_not_compare():
    one = recorded.run(1, values={"data": {"dataset": "a", "tokens_per_batch": 5}, "model": {"label_smoothing": 0.1}})
    other = recorded.run(1, values={"data": {"dataset": "b", "tokens_per_batch": 9}, "model": {"label_smoothing": 0.0}})
    assert compare.validation_differs("val/loss", one, other) == ("data.dataset", "label_smoothing")
    assert compare.validation_differs("val/bleu", one, other) == ("data.dataset",)


def test_runs_are_loaded_with_their_repetitions(engine, runs_dir):
    for seed in (1, 2):
        directories.finished(runs_dir, seed=seed, measurements=[directories.measured(None, seed / 2)])
        directories.finished(
            runs_dir, seed=seed, overrides=FASTER, token="aaaa", measurements=[directories.measured(None)]
        )
    indexer.index(engine, runs_dir)
    with read_only(engine) as reading:
        ids = [path.name for path in sorted(runs_dir.iterdir()) if "0930" in path.name][:2]
        found = compare.compare(compare.load(reading, ids))
        with pytest.raises(UnknownName):
            compare.load(reading, ["nothing"])
    assert found.seeds == ((1, 2), (1, 2))
    assert [row.name for row in found.rows] == ["exact_match on translation/number-words/test"]
