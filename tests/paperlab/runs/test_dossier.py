"""What is gathered for a source: its runs and no others, in a fixed order, without the clock."""

from __future__ import annotations

import pytest

from paperlab.entities import Verdict, VerdictKind
from paperlab.library import claims as library
from paperlab.runs import dossier, indexer
from paperlab.store.database import read_only
from tests.paperlab.runs import directories

SOURCE = "1706.03762"


@pytest.fixture
def claims():
    return library.select(library.load(), source=SOURCE)


def gather(engine, source, claims):
    verdicts = {claim.id: Verdict(claim.id, VerdictKind.NOT_ATTEMPTED, "") for claim in claims}
    with read_only(engine) as reading:
        return dossier.gather(reading, source, claims, verdicts)


def test_runs_are_gathered_as_repetitions_the_newest_first(engine, runs_dir, claims):
    for seed in (1, 2):
        directories.finished(runs_dir, seed=seed, measurements=[directories.measured(None)])
    directories.finished(runs_dir, seed=3, overrides={"optim.lr": "2 or 3"})
    directories.begin(runs_dir, seed=4, token="aaaa").close()
    directories.finished(runs_dir, recipe="another", seed=5)
    indexer.index(engine, runs_dir)
    found = gather(engine, SOURCE, claims)
    assert [[run.seed for run in each.runs] for each in found.repetitions] == [[3], [1, 2]]
    assert [run.seed for run in found.unfinished] == [4]
    assert [len(each) for each in found.repetitions[1].curves["train/loss"]] == [10, 10]
    assert [sample.step for sample in found.repetitions[0].samples] == [9]
    assert found.commands[0] == "paperlab reproduce transformer-base --tier smoke --seed 3 --set 'optim.lr=2 or 3'"
    assert found.commands[-1] == "paperlab claims check --source 1706.03762"
    assert found.paper.title == "Attention Is All You Need"
    assert found == gather(engine, SOURCE, claims)


def test_another_source_has_the_runs_that_its_claims_name(engine, runs_dir):
    elsewhere = library.select(library.load(), source="2105.14462")
    directories.finished(runs_dir, seed=1)
    directories.finished(runs_dir, seed=2, tier="mini")
    directories.finished(runs_dir, seed=3, tier="smoke", measurements=[directories.measured(elsewhere[0].id)])
    indexer.index(engine, runs_dir)
    found = gather(engine, "2105.14462", elsewhere)
    assert sorted(run.seed for each in found.repetitions for run in each.runs) == [2, 3]


def test_a_source_without_runs_says_what_to_run(engine, claims):
    found = gather(engine, SOURCE, claims)
    assert found.repetitions == ()
    assert "paperlab reproduce transformer-base --tier full --seed 1" in found.commands
    assert found.state_at is None


def test_older_repetitions_are_counted_where_they_are_left_out(engine, runs_dir, claims, monkeypatch):
    monkeypatch.setattr(dossier, "MOST_REPETITIONS", 1)
    for seed, rate in ((1, "1"), (2, "2")):
        directories.finished(runs_dir, seed=seed, overrides={"optim.lr": rate})
    indexer.index(engine, runs_dir)
    found = gather(engine, SOURCE, claims)
    assert [run.seed for each in found.repetitions for run in each.runs] == [2]
    assert found.left_out == 1
