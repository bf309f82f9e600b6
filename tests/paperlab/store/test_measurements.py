"""What runs measured, as the tables have it: of any number of runs and claims, with few questions to the database."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import sqlalchemy as sa

from paperlab import settings
from paperlab.entities import Verdict, VerdictKind
from paperlab.runs import compare
from paperlab.store import measurements, runs, verdicts
from paperlab.store.database import Engine, open_database, read_only, session
from tests.paperlab.runs import recorded

MANY = 1203  # three statements of 500 values


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    opened = open_database(settings.load({"PAPERLAB_HOME": str(tmp_path)}, tmp_path), create=True)
    yield opened
    opened.dispose()


def put(engine: Engine, seeds: int) -> list[str]:
    """Finished runs of so many seeds, each with a BLEU and a loss of its own."""
    made = [recorded.run(seed) for seed in range(1, seeds + 1)]
    with session(engine) as writing:
        for run in made:
            runs.put(writing, run, {})
            bleu = recorded.measurement(run, 27.0, claim_id=f"claim-{run.seed}")
            runs.set_measurements(writing, run.id, [bleu, replace(bleu, claim_id=None, metric="loss", value=2.0)])
    return [run.id for run in made]


def statements(engine: Engine, ask: Callable[[], object]) -> int:
    """How often the database is asked."""
    asked: list[str] = []

    def note(*event: object) -> None:
        asked.append(str(event[2]))

    sa.event.listen(engine, "before_cursor_execute", note)
    try:
        ask()
    finally:
        sa.event.remove(engine, "before_cursor_execute", note)
    return len(asked)


def test_more_runs_and_claims_than_one_statement_takes_come_in_the_order_of_the_runs(engine):
    ids = put(engine, MANY)
    with read_only(engine) as reading:
        every = measurements.measurements(reading)
        assert len(every) == 2 * MANY
        assert [item.run_id for item in every] == sorted(run_id for run_id in ids for _ in range(2))
        assert measurements.measurements(reading, run_ids=reversed(ids)) == every
        claimed = measurements.measurements(reading, claim_ids=(f"claim-{seed}" for seed in range(MANY + 5)))
        assert claimed == [item for item in every if item.claim_id is not None]
        assert measurements.measurements(reading, claim_ids=[]) == []
        assert len(runs.get_many(reading, [*ids, "another"])) == MANY


def test_protocols_that_are_written_alike_are_one_object(engine):
    put(engine, 5)
    with read_only(engine) as reading:
        assert len({id(item.protocol) for item in measurements.measurements(reading)}) == 1


def test_quantities_are_counted_and_found_as_they_are_spelled(engine):
    put(engine, 3)
    with read_only(engine) as reading:
        counted = {(each.task, each.dataset, each.metric): each.values for each in measurements.counts(reading)}
        assert counted == {("translation", "number-words", name): 3 for name in ("bleu", "loss")}
        found = measurements.of_quantities(reading, [("translation", "number-words", "loss"), ("x", "y", "z")])
    assert [item.value for item in found] == [2.0] * 3


def test_a_comparison_asks_as_often_about_many_seeds_as_about_few(engine):
    def compared(ids: list[str]) -> Callable[[], object]:
        def ask() -> object:
            with read_only(engine) as reading:
                return compare.compare(compare.load(reading, ids[:2]))

        return ask

    few = statements(engine, compared(put(engine, 3)))
    assert statements(engine, compared(put(engine, 60))) == few


def test_the_newest_verdicts_come_without_the_rest_of_the_log(engine):
    with session(engine) as writing:
        for number in range(5):
            verdict = Verdict(f"claim-{number}", VerdictKind.DIFFERS, "it does", measured=1.0)
            verdicts.append_if_changed(writing, verdict, {}, recorded.BEGAN)
    with read_only(engine) as reading:
        assert [each.claim_id for each in verdicts.newest(reading, 2)] == ["claim-4", "claim-3"]
        assert verdicts.newest(reading, 9) == verdicts.history(reading)[::-1]
