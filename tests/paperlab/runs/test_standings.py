"""Our own numbers in tables: one protocol each, ranks as ranges, what fits a machine."""

from __future__ import annotations

import json
import random
from datetime import timedelta

import pytest

from paperlab.library.metrics import is_lower_better
from paperlab.runs import standings
from tests.paperlab.runs import recorded


def entries(values, **changes):
    """Runs and measurements: by name of a recipe one value a seed."""
    runs, items = {}, []
    for recipe, each in values.items():
        for seed, value in enumerate(each, start=1):
            run = recorded.run(seed, recipe, **changes.get("run", {}))
            runs[run.id] = run
            items.append(recorded.measurement(run, value, **changes.get("measurement", {})))
    return items, runs


def table(values, **changes):
    (found,) = standings.tables(*entries(values, **changes), is_lower_better)
    return found


def test_ranks_are_the_range_that_the_intervals_allow():
    found = table(
        {"good": [40.0, 40.1, 39.9], "a": [30.0, 31.0, 29.0], "b": [30.5, 29.5, 31.5], "bad": [1.0, 1.1, 0.9]}
    )
    ranks = {each.recipe: each.ranks for each in found.standings}
    assert ranks["good"] == (1, 1)
    assert ranks["a"] == ranks["b"] == (2, 3)
    assert ranks["bad"] == (4, 4)
    assert [each.recipe for each in found.standings] == ["good", "b", "a", "bad"]


def test_where_lower_is_better_the_lowest_is_first():
    found = table({"x": [3.0, 3.1], "y": [1.0, 1.001]}, measurement={"metric": "loss"})
    assert [each.recipe for each in found.standings] == ["y", "x"]


def test_one_seed_has_no_rank_and_takes_none_away():
    found = table({"one": [50.0], "good": [40.0, 40.1], "bad": [1.0, 1.1]})
    assert [(each.recipe, each.ranks) for each in found.standings] == [("one", None), ("good", (1, 1)), ("bad", (2, 2))]
    assert found.standings[0].unranked == "1 seed shows no spread"


def test_a_metric_of_unknown_direction_is_not_ranked():
    found = table({"x": [1.0, 2.0], "y": [9.0, 9.1]}, measurement={"metric": "size"})
    assert {each.ranks for each in found.standings} == {None}
    assert "not known" in found.standings[0].unranked


@pytest.mark.parametrize("other", [{"protocol": {"beam": 1}}, {"n": 100}, {"split": "val"}, {"signature": "lc"}])
def test_another_protocol_is_another_table(other):
    items, runs = entries({"x": [1.0, 2.0]})
    more, others = entries({"y": [3.0, 4.0]}, measurement=other)
    assert len(standings.tables(items + more, runs | others, is_lower_better)) == 2


def test_spellings_of_one_protocol_are_one_table():
    items, runs = entries({"x": [1.0, 2.0]}, measurement={"protocol": {"beam": 4, "casing": "Cased"}})
    more, others = entries({"y": [3.0]}, measurement={"protocol": {"casing": "cased ", "beam": 4.0}, "metric": "BLEU"})
    assert len(standings.tables(items + more, runs | others, is_lower_better)) == 1


def test_only_the_newest_code_of_a_recipe_stands():
    items, runs = entries({"x": [1.0, 2.0]})
    newer = {"id": "newer", "fingerprint": "a" * 64, "created_at": recorded.BEGAN + timedelta(days=1)}
    more, others = entries({"x": [5.0]}, run=newer)
    (found,) = standings.tables(items + more, runs | others, is_lower_better)
    assert [(each.mean, each.run_ids) for each in found.standings] == [(5.0, ("newer",))]
    assert found.older == 1


def test_equals_are_told_apart_in_at_most_5_of_100_tables_and_others_mostly():
    rng = random.Random(5)

    def drawn(means):
        return table({name: [rng.gauss(mean, 0.2) for _ in range(4)] for name, mean in means.items()}).standings

    equal = [drawn(dict.fromkeys("abcdef", 0.0)) for _ in range(200)]
    wrong = sum(any(each.ranks != (1, 6) for each in found) for found in equal)
    assert wrong / len(equal) <= 0.05
    apart = [drawn({"a": 0.0, "b": 2.0, "c": 4.0}) for _ in range(100)]
    assert sum([each.ranks for each in found] == [(1, 1), (2, 2), (3, 3)] for found in apart) > 80


def test_quality_for_cost_is_compared_on_one_kind_of_machine():
    cheap, costly = {"seconds": 60.0}, {"seconds": 600.0}
    parts = [entries({"good": [40.0, 41.0]}, run=costly), entries({"fair": [30.0, 31.0]}, run=cheap)]
    parts.append(entries({"poor": [20.0, 21.0]}, run=costly))
    parts.append(entries({"elsewhere": [10.0, 11.0]}, run=costly | {"device": "cuda"}))
    items = [item for part, _ in parts for item in part]
    runs = {name: run for _, part in parts for name, run in part.items()}
    (found,) = standings.tables(items, runs, is_lower_better)
    assert {each.recipe: each.best_for_cost for each in found.standings} == {
        "good": True,
        "fair": True,
        "poor": False,
        "elsewhere": True,
    }


def test_what_fits_a_machine_is_told_by_what_the_runs_took(tmp_path):
    (tmp_path / "result.json").write_text(json.dumps({"peak_memory_bytes": 10 * 10**9}))
    (known,) = table({"x": [1.0, 2.0]}, run={"path": tmp_path, "seconds": 5400.0}).standings
    (unknown,) = table({"x": [1.0, 2.0]}, run={"seconds": 5400.0}).standings
    assert standings.Limits().fits(unknown) is True
    assert standings.Limits(memory=24 * 10**9, hours=2.0).fits(known) is True
    assert standings.Limits(memory=8 * 10**9).fits(known) is False
    assert standings.Limits(hours=1.0).fits(known) is False
    assert standings.Limits(memory=24 * 10**9, hours=2.0).fits(unknown) is None
    assert standings.Limits(memory=24 * 10**9, hours=1.0).fits(unknown) is False
