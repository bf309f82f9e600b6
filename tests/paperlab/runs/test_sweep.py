"""A grid over a recipe's fields: how it is read, checked, trained and ranked."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from pathlib import Path
from zlib import crc32

import pytest

from paperlab.errors import InvalidInput
from paperlab.runs import indexer, launch, predict, sweep
from paperlab.runs.sweep import Axis, Cell
from paperlab.store.database import Engine, read_only
from tests.paperlab.runs import directories


@pytest.mark.parametrize(
    ("word", "values"),
    [
        ("optim.lr=1e-3, 3e-4", ("1e-3", "3e-4")),
        ("optim.lr=1", ("1",)),
        ("optim.betas=[0.9,0.98],[0.9,0.999]", ("[0.9,0.98]", "[0.9,0.999]")),
        ("data.name='a,b',c", ("a,b", "c")),
    ],
)
def test_a_comma_parts_values_but_not_within_brackets_or_quotes(word: str, values: tuple[str, ...]) -> None:
    axis = Axis.parse(word)
    assert (axis.field, axis.values) == (word.partition("=")[0], values)


@pytest.mark.parametrize("word", ["optim.lr", "=1", "optim.lr=", "optim.lr=1,,2", "optim.lr=1,"])
def test_what_is_no_axis_is_refused(word: str) -> None:
    with pytest.raises(InvalidInput):
        Axis.parse(word)


def grid(*words: str) -> tuple[Cell, ...]:
    return sweep.grid("transformer-base", "smoke", [Axis.parse(word) for word in words])


def test_the_grid_has_every_combination_and_a_cell_changes_only_what_the_recipe_has_not() -> None:
    cells = grid("optim.lr=1,0.5", "model.dropout=0.3,0.4")
    assert [cell.label for cell in cells] == [
        "optim.lr=1 model.dropout=0.3",
        "optim.lr=1 model.dropout=0.4",
        "optim.lr=0.5 model.dropout=0.3",
        "optim.lr=0.5 model.dropout=0.4",
    ]
    assert cells[0].changes == {"model.dropout": "0.3"}  # 1 is the recipe's own rate


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("optim.lrr=1,2",), 'no field "optim.lrr"'),
        (("optim.lr=1,fast",), '"optim.lr" is float'),
        (("train.max_steps=10,0",), "train.max_steps is 0"),
        (("optim.lr=0.5,5e-1",), "are the same recipe"),
        (("optim.lr=1", "optim.lr=2"), "is set twice"),
        (
            tuple(
                f"{name}=1,2,3,4"
                for name in ("optim.lr", "optim.eps", "model.dropout", "schedule.factor", "optim.weight_decay")
            ),
            "more than 1000",
        ),
    ],
)
def test_a_grid_that_can_not_be_trained_is_refused_as_a_whole(words: tuple[str, ...], said: str) -> None:
    with pytest.raises(InvalidInput, match=said):
        grid(*words)


def test_what_is_not_finished_is_trained_seed_by_seed_and_no_further_than_asked_for() -> None:
    asked = []

    def run(request: launch.Request) -> launch.Ended:
        asked.append((request.seed, tuple(request.overrides)))
        return launch.Ended(0, "run")

    request = launch.Request("transformer-base", "smoke")
    nothing = predict.Resources(predict.NONE, "no basis")
    planned = [sweep.Planned(cell, {4: "done"} if cell.changes else {}, nothing) for cell in grid("optim.lr=1,2")]
    taken = sweep.train(planned, (4, 5, 6), request, run)
    assert len(list(itertools.islice(taken, 3))) == 3
    assert asked == [(4, ()), (5, ()), (5, ("optim.lr=2",))]


def recorded(runs_dir: Path, cell: Cell, losses: Sequence[float], metric: str = "val/loss") -> Mapping[int, str]:
    ids = {}
    for seed, loss in enumerate(losses, start=1):
        token = f"{crc32(cell.label.encode()):08x}"
        with directories.begin(runs_dir, seed=seed, overrides=cell.changes, token=token) as recorder:
            for step in (1, 2):
                recorder.metrics({metric: loss + (2 - step)}, step)
            recorder.event("finished")
            recorder.result([], seconds=3600.0)
            ids[seed] = recorder.path.name
    return ids


def outcome(
    engine: Engine, runs_dir: Path, losses: Mapping[str, Sequence[float]], metric: str = "val/loss"
) -> sweep.Outcome:
    cells = [Cell({"optim.lr": value}, {"optim.lr": value}) for value in losses]
    runs = [(cell, recorded(runs_dir, cell, losses[cell.values["optim.lr"]], metric)) for cell in cells]
    indexer.index(engine, runs_dir)
    with read_only(engine) as reading:
        return sweep.outcome(reading, runs, metric)


def test_the_best_mean_comes_first_with_the_ranks_that_the_seeds_allow(engine: Engine, runs_dir: Path) -> None:
    found = outcome(
        engine, runs_dir, {"1": (3.0, 3.1, 2.9), "2": (2.0, 2.05, 1.95), "3": (2.02, 2.06, 1.98), "4": (9.0, 9.1, 8.9)}
    )
    assert [each.cell.values["optim.lr"] for each in found.results] == ["2", "3", "1", "4"]
    assert [each.ranks for each in found.results] == [(1, 2), (1, 2), (3, 3), (4, 4)]
    assert found.results[0].mean == pytest.approx(2.0)
    assert found.says == '"optim.lr=2" is ahead, and these seeds do not tell it from "optim.lr=3"'
    assert (found.results[0].device_hours, found.results[0].unit) == (1.0, "CPU-hours")


def test_more_cells_make_every_interval_wider(engine: Engine, runs_dir: Path, tmp_path: Path) -> None:
    two = {"1": (3.0, 3.1, 2.9), "2": (2.0, 2.05, 1.95)}
    found = outcome(engine, runs_dir, two)
    more = outcome(engine, tmp_path / "more", {**two, "3": (5.0, 5.1, 4.9), "4": (6.0, 6.1, 5.9)})
    (low, high), (lower, higher) = found.results[0].interval or (0, 0), more.results[0].interval or (0, 0)
    assert lower < low < 2.0 < high < higher
    assert found.says == '"optim.lr=2" is best'


def test_one_seed_orders_but_ranks_nothing(engine: Engine, runs_dir: Path) -> None:
    found = outcome(engine, runs_dir, {"1": (3.0,), "2": (2.0,)})
    assert [each.ranks for each in found.results] == [None, None]
    assert found.says.startswith('"optim.lr=2" is ahead, but 1 seed shows no spread')


def test_a_cell_that_ran_away_comes_last_and_says_so(engine: Engine, runs_dir: Path) -> None:
    found = outcome(engine, runs_dir, {"1": (float("inf"), 0.1), "2": (2.0, 2.1), "3": ()})
    assert [each.cell.values["optim.lr"] for each in found.results] == ["2", "1", "3"]
    assert [each.remark for each in found.results[1:]] == ["1 of 2 did not stay finite", "not trained"]
    assert [each.mean for each in found.results] == [pytest.approx(2.05), None, None]
    assert found.says == '"optim.lr=2" is the only cell with a result'


def test_a_metric_of_unknown_direction_keeps_the_order_of_the_grid(engine: Engine, runs_dir: Path) -> None:
    found = outcome(engine, runs_dir, {"1": (3.0, 3.1), "2": (2.0, 2.1)}, "val/oddness")
    assert [each.cell.values["optim.lr"] for each in found.results] == ["1", "2"]
    assert found.says == "which way val/oddness gets better is not known, so the cells have no order"


def test_a_test_metric_and_one_that_nobody_recorded_are_refused(engine: Engine, runs_dir: Path) -> None:
    with pytest.raises(InvalidInput, match="no ground for choosing"):
        outcome(engine, runs_dir / "a", {"1": (3.0,)}, "test/bleu")
    cell = Cell({}, {})
    runs = [(cell, recorded(runs_dir / "b", cell, (3.0,)))]
    indexer.index(engine, runs_dir / "b")
    with read_only(engine) as reading, pytest.raises(InvalidInput, match='no run recorded "val/bleu"') as refused:
        sweep.outcome(reading, runs, "val/bleu")
    assert "val/loss" in refused.value.hint


def test_seeds_that_took_no_part_are_named_as_the_command_takes_them() -> None:
    assert sweep.unused((1, 2), 3) == "3-5"
